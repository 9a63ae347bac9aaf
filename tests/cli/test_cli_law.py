"""`grokscope law` as a process: what they print, what they refuse."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_made import write_made_run
from cli_process import Nursery, Outcome

from grokscope.warning.tables import write_table
from grokscope.warning.trajectory import Trajectory

WIDTH = 100
"""As `COLUMNS` of these processes"""


def made_runs() -> list[Trajectory]:
    """Eight runs that grok, at half the step at two learning rates, and four that never do; one was stopped."""
    steps = np.arange(0, 2001, 50, dtype=np.float64)
    runs = []
    for index in range(13):
        groks, lr = index < 8, 1e-3 * (1 + index % 2)
        grok = (1000 + 100 * index) // 50 * 50 // (1 + index % 2) // 50 * 50
        alarm = grok // 4 + 50 * (index % 3)
        columns = {
            "step": steps,
            "test_accuracy": np.where((steps >= grok) & groks, 1.0, 0.1),
            "train_accuracy": np.where(steps >= alarm, 1.0, 0.3),
            "defect": np.where(steps >= alarm + 100, 60.0, 0.2),
            "weight_norm": 100 - steps / (40 if groks else 80) + index,
        }
        last = 2000 if index < 12 else 1000
        kept = steps <= last
        facts = {
            "optimizer.lr": lr,
            "optimizer.wd": 1.0,
            "train.seed": index,
            "task.operation": "add" if groks else "x3",
        }
        runs.append(
            Trajectory(
                f"run-{index}", "modular", facts, {name: column[kept] for name, column in columns.items()},
                grok if groks else None, last, 2000, grok + 100 if groks else None,
            )
        )  # fmt: skip
    return runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    write_table(tmp_path / "bank.jsonl.gz", made_runs())
    return tmp_path


def assert_narrow(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    assert max(map(len, outcome.out.splitlines())) <= WIDTH


def assert_refused(outcome: Outcome, *words: str, code: int = 2) -> None:
    assert outcome.code == code
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    for word in words:
        assert word in outcome.err


def test_the_published_fits_and_what_the_nulls_say(nursery: Nursery, tmp_path: Path) -> None:
    shown = nursery.run("law", "--published", folder=tmp_path)
    assert_narrow(shown)
    for fact in (
        "lead = 0.149 · grok^1.180: SE 0.040, R² 0.990, n 11", "lead = 0.239 · grok^1.132: SE 0.100, R² 0.908, n 15",
        "n = 14", "Without lr 3e-3, seed 2024 the exponent is 0.967.", "null: onsets permuted", "P(≥ 1.180) 0.67",
        "P(≥ 1.132) 0.31", "null: onset at 2 × cadence",
    ):  # fmt: skip
        assert fact in shown.out


def test_the_published_fits_for_scripts(nursery: Nursery, tmp_path: Path) -> None:
    found = nursery.run("law", "--published", "--json", folder=tmp_path).json["published"]
    assert [table["task"] for table in found] == ["scan", "dyck"]
    assert [len(table["law"]["cases"]) for table in found] == [13, 16]
    assert round(found[0]["law"]["published"]["fit"]["exponent"], 3) == found[0]["stated"]["exponent"] == 1.18
    assert found[1]["law"]["counts"]["runs"] == 16
    assert {"permuted", "constant", "cadence_floor", "at_floor"} == set(found[1]["law"]["published"]["nulls"])


def test_the_law_and_the_scoreboard_of_runs(nursery: Nursery, folder: Path) -> None:
    shown = nursery.run("law", "bank.jsonl.gz", folder=folder)
    assert_narrow(shown)
    for fact in (
        "13 runs: 8 led", "4 false alarms, 0 quiet, 1 unfinished", "unfinished: run-12",
        "Published claims about warning, on these runs", "onset precedes grokking in (nearly) every run",
        "scoreboard: 8 runs grokked", "4 never did", "weight norm halved",
        "No run recorded:", "AUROC for “will grok”", "norm separation",
    ):  # fmt: skip
        assert fact in shown.out


def test_the_law_of_runs_for_scripts(nursery: Nursery, folder: Path) -> None:
    found = nursery.run(
        "law", "bank.jsonl.gz", "--onset", "memorized", "--at", "100", "--at", "200", "--json", folder=folder
    ).json
    (law,) = found["laws"]
    assert (found["rule"], law["rule"]) == ("memorized", "memorized")
    assert law["counts"]["led"] == 8
    assert (law["counts"]["runs"], law["counts"]["false_alarms"], law["counts"]["unfinished"]) == (13, 4, 1)
    verdicts = {each["sentence"]: each["finding"] for each in found["claims"]}
    assert len(verdicts) == 5
    assert verdicts["onset hardly ever fires where nothing groks"] == "refuted", "memorization fires in all"
    board = found["scoreboard"]
    assert (board["grokking"], board["controls"], board["unfinished"]) == (8, 4, 1)
    assert {row["horizon"]["step"] for row in board["aurocs"]} == {100, 200, None}
    assert "pc1" in board["not_recorded"]
    assert {row["name"] for row in board["predictors"]} >= {"memorized", "lr·wd", "norm separation", "same lr"}


def test_runs_that_were_intervened_in_are_left_out_and_said_to_be(nursery: Nursery, folder: Path) -> None:
    first, second, *rest = made_runs()
    facts: list[dict[str, float | int | str]] = [{"interventions.first": 200}, {"interventions.schedule": "kick@200"}]
    treated = [replace(run, facts={**run.facts, **more}) for run, more in zip((first, second), facts, strict=True)]
    write_table(folder / "mixed.jsonl", [*treated, *rest])
    said = "2 runs were intervened in, and left out of the law and the scoreboard"
    shown = nursery.run("law", "mixed.jsonl", folder=folder)
    assert_narrow(shown)
    assert said in shown.out
    assert "11 runs: 6 led" in shown.out
    assert "scoreboard: 6 runs grokked" in shown.out
    found = nursery.run("law", "mixed.jsonl", "--json", folder=folder).json
    assert found["left_out"]["runs"] == ["run-0", "run-1"]
    assert found["left_out"]["why"].startswith(said)
    assert {case["name"] for case in found["laws"][0]["cases"]} == {run.name for run in rest}
    none = nursery.run("law", "bank.jsonl.gz", "--json", folder=folder).json
    assert none["left_out"] == {"runs": [], "why": None}


def test_nothing_is_left_where_all_runs_were_intervened_in(nursery: Nursery, folder: Path) -> None:
    treated = [replace(run, facts={**run.facts, "interventions.first": 200}) for run in made_runs()[:2]]
    write_table(folder / "treated.jsonl", treated)
    for by in ((), ("--by", "optimizer.lr")):
        shown = nursery.run("law", "treated.jsonl", *by, folder=folder)
        assert_narrow(shown)
        assert "2 runs were intervened in" in shown.out


def test_a_signal_that_was_never_recorded_is_no_silence(nursery: Nursery, folder: Path) -> None:
    one, *rest = made_runs()
    blind = replace(one, columns={name: column for name, column in one.columns.items() if name != "defect"})
    write_table(folder / "half.jsonl", [blind, *rest])
    shown = nursery.run("law", "half.jsonl", folder=folder)
    assert_narrow(shown)
    assert "12 runs: 7 led, 0 late, 0 missed" in shown.out
    assert "1 more did not record its signal" in " ".join(shown.out.split())
    (law,) = nursery.run("law", "half.jsonl", "--json", folder=folder).json["laws"]
    assert (law["counts"]["missed"], law["counts"]["not_recorded"]) == (0, 1)
    assert law["cases"][0]["outcome"] == "not recorded"


ODD = [
    {"event": "started", "task": "modular", "config": {}},
    {"event": "evaluated", "step": 0, "train": {"accuracy": 1, "loss": 0}, "test": {"accuracy": 1, "loss": 0}},
]


def test_a_log_that_is_none_of_ours_is_left_out_and_named(nursery: Nursery, folder: Path) -> None:
    write_made_run(folder / "runs" / "made")
    for name, events in (("odd", ODD), ("odder", [{"event": "started"}]), ("oddest", [{**ODD[0], "config": []}])):
        (folder / "runs" / name).mkdir()
        text = "".join(json.dumps(event) + "\n" for event in [*events, ODD[1]])
        (folder / "runs" / name / "events.jsonl").write_text(text)
    shown = nursery.run("law", "runs", "--json", folder=folder)
    assert shown.code == 0
    assert [case["name"] for case in shown.json["laws"][0]["cases"]] == ["made"]
    for name, line in zip(("odd", "odder", "oddest"), shown.err.splitlines(), strict=True):
        assert f"{name}/events.jsonl is no log of a run" in line
    assert_refused(nursery.run("law", "odd", folder=folder), "events.jsonl is no log of a run", code=3)


def test_onset_rules_by_their_names_in_the_configuration(nursery: Nursery, folder: Path) -> None:
    rules = {
        name: nursery.run("law", "bank.jsonl.gz", "--onset", name, "--json", folder=folder).json["rule"]
        for name in ("paper", "persistent")
    }
    assert rules == {"paper": "onset-paper", "persistent": "onset"}


def test_a_fit_for_each_value_of_a_setting(nursery: Nursery, folder: Path) -> None:
    shown = nursery.run("law", "bank.jsonl.gz", "--by", "optimizer.lr", folder=folder)
    assert_narrow(shown)
    assert "optimizer.lr 0.001, rule onset" in shown.out
    assert "optimizer.lr 0.002, rule onset" in shown.out
    assert shown.out.count("scoreboard:") == 1
    groups = nursery.run("law", "bank.jsonl.gz", "--by", "task.operation", "--json", folder=folder).json["laws"]
    assert [group["group"] for group in groups] == ["add", "x3"]
    assert groups[1]["published"] is None


def test_runs_and_tables_side_by_side_each_once(nursery: Nursery, folder: Path) -> None:
    write_made_run(folder / "runs" / "made")
    found = nursery.run("law", "bank.jsonl.gz", "made", "runs/made", "--json", folder=folder).json
    cases = found["laws"][0]["cases"]
    assert len(cases) == 14
    assert cases[-1]["name"] == "made"
    assert (cases[-1]["onset_step"], cases[-1]["grok_step"]) == (400, 800)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("name runs, or ask for --published",)),
        (("bank.jsonl.gz", "--published"), ("not both",)),
        (("bank.jsonl.gz", "--onset", "oracle"), ("oracle", "memorized")),
        (("bank.jsonl.gz", "--by", "colour"), ("'colour'", "task.operation")),
    ],
)
def test_what_law_refuses(nursery: Nursery, folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(nursery.run("law", *arguments, folder=folder), *words)


def test_a_table_that_is_none(nursery: Nursery, folder: Path) -> None:
    (folder / "broken.jsonl").write_text("{}\n")
    assert_refused(nursery.run("law", "broken.jsonl", folder=folder), "line 1", code=3)


def test_json_is_json_whatever_the_runs_lack(nursery: Nursery, folder: Path) -> None:
    one = made_runs()[0]
    write_table(folder / "one.jsonl", [one.until(300)])
    found = json.loads(nursery.run("law", "one.jsonl", "--json", folder=folder).out)
    assert found["laws"][0]["published"] is None
    assert found["scoreboard"]["unfinished"] == 1
    assert_narrow(nursery.run("law", "one.jsonl", folder=folder))

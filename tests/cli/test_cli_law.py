"""`grokscope law` and `grokscope import` as processes: what they print, what they refuse."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_made import write_made_run
from cli_process import Nursery, Outcome

from grokscope.warning.lookup import read_trajectories
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
    write_table(tmp_path / "runs" / "bank.jsonl.gz", made_runs())
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
    shown = nursery.run("law", "bank", folder=folder)
    assert_narrow(shown)
    for fact in (
        "13 runs: 8 led", "4 false alarms, 0 quiet, 1 unfinished", "unfinished: run-12",
        "scoreboard: 8 runs grokked", "4 never did", "weight norm halved",
        "No run recorded:", "AUROC for “will grok”", "norm separation",
    ):  # fmt: skip
        assert fact in shown.out


def test_the_law_of_runs_for_scripts(nursery: Nursery, folder: Path) -> None:
    found = nursery.run(
        "law", "bank", "--onset", "memorized", "--at", "100", "--at", "200", "--json", folder=folder
    ).json
    (law,) = found["laws"]
    assert (found["rule"], law["rule"]) == ("memorized", "memorized")
    assert law["counts"]["led"] == 8
    assert (law["counts"]["runs"], law["counts"]["false_alarms"], law["counts"]["unfinished"]) == (13, 4, 1)
    board = found["scoreboard"]
    assert (board["grokking"], board["controls"], board["unfinished"]) == (8, 4, 1)
    assert {row["horizon"]["step"] for row in board["aurocs"]} == {100, 200, None}
    assert "pc1" in board["not_recorded"]
    assert {row["name"] for row in board["predictors"]} >= {"memorized", "lr·wd", "norm separation", "same lr"}


def test_runs_that_were_intervened_in_are_left_out_and_said_to_be(nursery: Nursery, folder: Path) -> None:
    first, second, *rest = made_runs()
    facts: list[dict[str, float | int | str]] = [{"interventions.first": 200}, {"interventions.schedule": "kick@200"}]
    treated = [replace(run, facts={**run.facts, **more}) for run, more in zip((first, second), facts, strict=True)]
    write_table(folder / "runs" / "mixed.jsonl", [*treated, *rest])
    said = "2 runs were intervened in, and left out of the law and the scoreboard"
    shown = nursery.run("law", "mixed", folder=folder)
    assert_narrow(shown)
    assert said in shown.out
    assert "11 runs: 6 led" in shown.out
    assert "scoreboard: 6 runs grokked" in shown.out
    found = nursery.run("law", "mixed", "--json", folder=folder).json
    assert found["left_out"]["runs"] == ["run-0", "run-1"]
    assert found["left_out"]["why"].startswith(said)
    assert {case["name"] for case in found["laws"][0]["cases"]} == {run.name for run in rest}
    none = nursery.run("law", "bank", "--json", folder=folder).json
    assert none["left_out"] == {"runs": [], "why": None}


def test_nothing_is_left_where_all_runs_were_intervened_in(nursery: Nursery, folder: Path) -> None:
    treated = [replace(run, facts={**run.facts, "interventions.first": 200}) for run in made_runs()[:2]]
    write_table(folder / "runs" / "treated.jsonl", treated)
    for by in ((), ("--by", "optimizer.lr")):
        shown = nursery.run("law", "treated", *by, folder=folder)
        assert_narrow(shown)
        assert "2 runs were intervened in" in shown.out


def test_a_signal_that_was_never_recorded_is_no_silence(nursery: Nursery, folder: Path) -> None:
    one, *rest = made_runs()
    blind = replace(one, columns={name: column for name, column in one.columns.items() if name != "defect"})
    write_table(folder / "runs" / "half.jsonl", [blind, *rest])
    shown = nursery.run("law", "half", folder=folder)
    assert_narrow(shown)
    assert "12 runs: 7 led, 0 late, 0 missed" in shown.out
    assert "1 more did not record its signal" in " ".join(shown.out.split())
    (law,) = nursery.run("law", "half", "--json", folder=folder).json["laws"]
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
        name: nursery.run("law", "bank", "--onset", name, "--json", folder=folder).json["rule"]
        for name in ("paper", "persistent")
    }
    assert rules == {"paper": "onset-paper", "persistent": "onset"}


def test_a_fit_for_each_value_of_a_setting(nursery: Nursery, folder: Path) -> None:
    shown = nursery.run("law", "bank", "--by", "optimizer.lr", folder=folder)
    assert_narrow(shown)
    assert "optimizer.lr 0.001, rule onset" in shown.out
    assert "optimizer.lr 0.002, rule onset" in shown.out
    assert shown.out.count("scoreboard:") == 1
    groups = nursery.run("law", "bank", "--by", "task.operation", "--json", folder=folder).json["laws"]
    assert [group["group"] for group in groups] == ["add", "x3"]
    assert groups[1]["published"] is None


def test_runs_and_tables_side_by_side_each_once(nursery: Nursery, folder: Path) -> None:
    write_made_run(folder / "runs" / "made")
    found = nursery.run("law", "bank", "made", "runs/made", "--json", folder=folder).json
    cases = found["laws"][0]["cases"]
    assert len(cases) == 14
    assert cases[-1]["name"] == "made"
    assert (cases[-1]["onset_step"], cases[-1]["grok_step"]) == (400, 800)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("name runs, or ask for --published",)),
        (("bank", "--published"), ("not both",)),
        (("bank", "--onset", "oracle"), ("oracle", "memorized")),
        (("bank", "--by", "colour"), ("'colour'", "task.operation")),
    ],
)
def test_what_law_refuses(nursery: Nursery, folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(nursery.run("law", *arguments, folder=folder), *words)


def test_a_table_that_is_none(nursery: Nursery, folder: Path) -> None:
    (folder / "runs" / "broken.jsonl").write_text("{}\n")
    assert_refused(nursery.run("law", "broken", folder=folder), "line 1", code=3)


TABLE = "id,epoch,val_acc,train_acc,lr\n" + "".join(
    f"{run},{step},{(99 if step >= grok else 10)},{(100 if step >= grok // 2 else 40)},{lr}\n"
    for run, grok, lr in [("a", 300, 1e-3), ("b", 500, 2e-3), ("c", 10_000, 1e-3)]
    for step in range(0, 1001, 100)
)

MAPPING = (
    "--column", "step=epoch", "--column", "test_accuracy=val_acc", "--column", "train_accuracy=train_acc",
    "--run-column", "id", "--fact-column", "optimizer.lr=lr", "--fact", "optimizer.wd=1", "--percent",
)  # fmt: skip


def test_somebody_elses_runs_are_scored_like_ours(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(TABLE)
    shown = nursery.run("import", "theirs.csv", *MAPPING, folder=tmp_path)
    assert shown.code == 0, shown.err
    assert "runs/theirs.jsonl" in shown.out
    runs = read_trajectories(tmp_path / "runs" / "theirs.jsonl")
    assert [(run.name, run.grok_step, run.facts["optimizer.lr"]) for run in runs] == [
        ("theirs/a", 300, 1e-3), ("theirs/b", 500, 2e-3), ("theirs/c", None, 1e-3),
    ]  # fmt: skip
    board = nursery.run("law", "theirs", "--json", folder=tmp_path).json["scoreboard"]
    assert (board["grokking"], board["controls"]) == (2, 1)


def test_what_was_imported_for_scripts(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(TABLE)
    arguments = (
        "import",
        "theirs.csv",
        *MAPPING,
        "--name",
        "other",
        "--threshold",
        "0.9",
        "--consecutive",
        "1",
        "--json",
    )
    found: dict[str, Any] = nursery.run(*arguments, folder=tmp_path).json
    assert found["path"] == "runs/other.jsonl"
    assert [run["grok_step"] for run in found["runs"]] == [300, 500, None]
    assert found["runs"][0]["facts"]["detect.threshold"] == 0.9


def test_settings_by_the_short_names_of_flags(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy,decay\n0,0.1,0.5\n100,0.2,0.5\n")
    arguments = ("import", "good.csv", "--fact", "lr=1e-3", "--fact-column", "wd=decay", "--fact", "batch-size=32")
    shown = nursery.run(*arguments, folder=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    (run,) = read_trajectories(tmp_path / "runs" / "good.jsonl")
    facts = dict(run.facts)
    assert (facts["optimizer.lr"], facts["optimizer.wd"], facts["train.batch_size"]) == (1e-3, 0.5, 32)
    assert not {"lr", "wd", "batch-size"} & set(facts)
    twice = ("import", "good.csv", "--fact", "lr=1", "--fact", "optimizer.lr=2", "--name", "twice")
    assert_refused(nursery.run(*twice, folder=tmp_path), "optimizer.lr is set twice")


def test_a_setting_that_nobody_knows_is_kept_and_warned_of(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy\n0,0.1\n100,0.2\n")
    shown = nursery.run("import", "good.csv", "--fact", "optimiser.lr=1", "--fact", "task.operation=add", "--json",
                        folder=tmp_path)  # fmt: skip
    assert shown.code == 0
    assert shown.json["runs"][0]["facts"]["optimiser.lr"] == 1
    assert len(shown.err.splitlines()) == 1
    assert "no setting is called 'optimiser.lr' (did you mean optimizer.lr?)" in shown.err


def test_a_folder_that_cannot_be_written_to(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("step,test_accuracy\n0,0.1\n")
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/below"):
        refused = nursery.run("import", "good.csv", "--runs", folder, folder=tmp_path)
        assert_refused(refused, f"cannot write to {folder}", "choose another folder with --runs")


def test_an_imported_table_is_no_run_and_said_to_be_one(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert nursery.run("import", "theirs.csv", *MAPPING, folder=tmp_path).code == 0
    for name in ("theirs", "theirs/a", "runs/theirs.jsonl"):
        assert_refused(nursery.run("show", name, folder=tmp_path), "imported table", "grokscope law", code=3)
    listed = nursery.run("ls", folder=tmp_path)
    assert (listed.code, listed.out) == (0, "")
    assert "imported tables" in listed.err
    assert "theirs" in listed.err
    write_made_run(tmp_path / "runs" / "theirs-too")
    assert nursery.run("show", "theirs", folder=tmp_path).code == 0
    assert_refused(nursery.run("show", "nobody", folder=tmp_path), "no run in runs is called 'nobody'", code=3)


def test_a_run_of_ours_survives_export_and_import(nursery: Nursery, tmp_path: Path) -> None:
    write_made_run(tmp_path / "runs" / "made")
    (tmp_path / "table.csv").write_text(nursery.run("export", "made", folder=tmp_path).out)
    assert nursery.run("import", "table.csv", folder=tmp_path).code == 0
    ours, theirs = (
        nursery.run("law", name, "--json", folder=tmp_path).json["scoreboard"]["rules"] for name in ("made", "table")
    )
    assert ours == theirs


def test_nothing_is_overwritten_unasked(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert nursery.run("import", "theirs.csv", *MAPPING, folder=tmp_path).code == 0
    before = (tmp_path / "runs" / "theirs.jsonl").read_bytes()
    assert_refused(nursery.run("import", "theirs.csv", *MAPPING, folder=tmp_path), "taken", "--force")
    assert (tmp_path / "runs" / "theirs.jsonl").read_bytes() == before
    again = nursery.run("import", "theirs.csv", *MAPPING, "--force", "--consecutive", "1", folder=tmp_path)
    assert again.code == 0
    (tmp_path / "runs" / "mine").mkdir()
    assert_refused(nursery.run("import", "theirs.csv", *MAPPING, "--name", "mine", folder=tmp_path), "taken")


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (TABLE, (), ("which column is step",)),
        (TABLE, MAPPING[:-1], ("line 2", "--percent")),
        (TABLE, (*MAPPING[:6], "--percent"), ("line 15", "--run-column")),
        (TABLE, ("--column", "test_accuracy"), ("--column", "=")),
        (TABLE, (*MAPPING, "--name", "../out"), ("../out",)),
        ("step,test_accuracy\n0,x\n", (), ("line 2", "'x'")),
    ],
    ids=["column", "percent", "runs", "pair", "name", "number"],
)
def test_what_import_refuses(
    nursery: Nursery, tmp_path: Path, text: str, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "theirs.csv").write_text(text)
    assert_refused(nursery.run("import", "theirs.csv", *arguments, folder=tmp_path), *words)
    assert not list(tmp_path.glob("runs/*"))
    assert_refused(nursery.run("import", "nothing.csv", folder=tmp_path), "nothing.csv")


def test_json_is_json_whatever_the_runs_lack(nursery: Nursery, folder: Path) -> None:
    one = made_runs()[0]
    write_table(folder / "runs" / "one.jsonl", [one.until(300)])
    found = json.loads(nursery.run("law", "one", "--json", folder=folder).out)
    assert found["laws"][0]["published"] is None
    assert found["scoreboard"]["unfinished"] == 1
    assert_narrow(nursery.run("law", "one", folder=folder))

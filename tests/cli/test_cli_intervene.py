"""`grokscope intervene` from the outside: the plan, a real experiment, its results, and several side by side."""

import csv
import shutil
from pathlib import Path

import pytest
from cli_process import Nursery
from experiment_logs import write_experiment

TINY = (
    "--backend=torch", "--set=task.modulus=7", "--set=model.width=8", "--set=model.heads=2", "--set=model.layers=1",
    "--set=model.feed_forward=8", "--batch-size=8", "--steps=24", "--eval-every=4", "--measure-every=12",
    "--samples=1", "--set=measure.baseline_samples=2",
)  # fmt: skip

LONG = 240.0
"""Seconds to wait for several runs, each of which imports PyTorch."""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of `runs/made`, an experiment nobody ran."""
    write_experiment(tmp_path / "runs")
    return tmp_path


def test_the_plan_is_told_and_nothing_done(nursery: Nursery, tmp_path: Path) -> None:
    asked = ("intervene", "modular", "--preset=small", "--conditions=project,lr", "--doses=project=0.5,1", "--dry-run")
    done = nursery.run(*asked, folder=tmp_path)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "intervene-modular-small: 18 runs of at most 6,000 steps, 18 to do"
    assert "baseline-seed2024-replicate2" in done.out
    assert "project@500:strength=0.5,basis=baseline-seed42" in done.out
    assert "lr0.5-seed42" in done.out
    assert "lr1-seed42" not in done.out  # a rate of zero is none
    assert not (tmp_path / "runs").exists()
    told = nursery.run(*asked, "--json", folder=tmp_path).json
    assert [run["state"] for run in told["runs"]] == ["missing"] * 18


@pytest.mark.slow
def test_an_experiment_from_the_command_line(nursery: Nursery, tmp_path: Path) -> None:
    """Two seeds, two conditions; given again it trains nothing, and a condition more is all that is added."""
    asked = ("intervene", "modular", *TINY, "--seeds=1,2", "--replicates=0", "--start=9", "--name=e", "--json")
    done = nursery.start(*asked, "--conditions=project,sham", "--jobs=2", folder=tmp_path).wait(LONG)
    assert done.code == 0, done.err
    result = done.json
    assert [run["run"] for run in result["runs"]] == [
        "baseline-seed1", "baseline-seed2", "project0.5-seed1", "project0.5-seed2", "sham-seed1", "sham-seed2",
    ]  # fmt: skip
    assert all(run["fate"] in {"grokked", "not grokked"} for run in result["runs"])
    assert "the baseline of seed 1 has not grokked; the seed is treated from step 9 on" in done.err
    logs = {log: log.read_bytes() for log in (tmp_path / "runs" / "e").glob("*/events.jsonl")}
    again = nursery.start(*asked, "--conditions=project,sham,lr", folder=tmp_path).wait(LONG)
    assert again.code == 0, again.err
    assert len(again.json["runs"]) == 8
    assert all(log.read_bytes() == content for log, content in logs.items())


def test_results_read_within_the_window(nursery: Nursery, made: Path) -> None:
    done = nursery.run("intervene", "results", "made", folder=made)
    assert (done.code, done.err) == (0, "")
    arms = done.out.split("\n\n")[1].splitlines()
    assert max(map(len, done.out.splitlines())) <= 100
    assert arms[0] == "Effects against the baseline"
    assert arms[2].split()[:3] == ["baseline", "9/9", "2,400"]
    assert "1.50 [" in arms[4]
    assert "later" in arms[4]
    assert "0/3  > 6,000   ≥ 2." in arms[5]
    assert "never within 6,000" in arms[5]
    assert "no runs yet" in arms[3]
    assert "later than project-random" in done.out
    assert "18 of 21 runs ended" in done.out


def test_a_plan_that_treats_nothing_says_so(nursery: Nursery, tmp_path: Path) -> None:
    asked = ("intervene", "modular", "--preset=small", "--steps=400", "--seeds=42", "--conditions=kick", "--dry-run")
    done = nursery.run(*asked, folder=tmp_path)
    assert done.code == 0
    assert "seed 42 is never treated: treatments start at step 500, but its runs end at step 400" in done.err


def test_what_never_acted_is_never_treated(nursery: Nursery, made: Path) -> None:
    for log in (made / "runs/made").glob("project-random0.5-*/events.jsonl"):
        log.write_text("".join(line for line in log.read_text().splitlines(True) if "intervened" not in line))
    done = nursery.run("intervene", "results", "made", folder=made)
    row = next(line for line in done.out.splitlines() if line.startswith("project-random 0.5"))
    assert "never treated" in row
    assert "project-random0.5-seed42, " in done.out
    assert "18 of 21 runs ended" in done.out


@pytest.mark.slow
def test_results_as_json_and_files(nursery: Nursery, made: Path) -> None:
    pytest.importorskip("matplotlib")
    done = nursery.run("intervene", "results", "--json", "-o", "out", folder=made)  # the latest
    result = done.json
    assert {arm["condition"]: arm["verdict"] for arm in result["arms"][3:]} == {
        "project": "never within 6,000", "project-random": "no effect found",
    }  # fmt: skip
    found = {claim["claim"]: claim["finding"] for claim in result["claims"]}
    assert found["a random basis does nothing up to 0.75"] == "supported"
    assert sorted(path.name for path in (made / "out").iterdir()) == [
        "claims.csv", "contrasts.csv", "dose-response.csv", "dose-response.png", "dose-response.svg", "effects.csv",
        "effects.png", "effects.svg", "results.md", "runs.csv", "survival.png", "survival.svg",
    ]  # fmt: skip
    with (made / "out" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    before = {path: path.read_bytes() for path in (made / "out").iterdir()}
    nursery.run("intervene", "results", "--json", "-o", "out", folder=made)
    assert {path: path.read_bytes() for path in (made / "out").iterdir()} == before


def test_experiments_side_by_side(nursery: Nursery, made: Path) -> None:
    (made / "runs" / "made").rename(made / "runs" / "one")
    shutil.copytree(made / "runs" / "one", made / "runs" / "two")
    done = nursery.run("intervene", "spectrum", "one", "two", folder=made)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[1].split() == ["condition", "one", "two"]
    assert lines[2].split() == ["baseline", *["2,400", "(9/9)"] * 2]
    assert lines[5].split() == ["project", "1", *["never", "(0/3)"] * 2]
    told = nursery.run("intervene", "spectrum", "one", "two", "--json", folder=made).json
    assert [told[name]["noise"]["degrees"] for name in ("one", "two")] == [6, 6]


def test_what_ships_side_by_side_needs_no_runs(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run("intervene", "spectrum", "--shipped", "-o", "out", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1].split() == ["condition", "modular", "dyck", "s5", "scan"]
    assert {"spectrum.md", "spectrum.csv", "levers.md", "levers.csv"} <= {
        file.name for file in (tmp_path / "out").iterdir()
    }
    assert not (tmp_path / "runs").exists()


def test_own_experiments_stand_beside_what_ships(nursery: Nursery, made: Path) -> None:
    told = nursery.run("intervene", "spectrum", "latest", "--shipped", "--json", folder=made)
    assert told.code == 0, told.err
    assert list(told.json) == ["made", "modular", "dyck", "s5", "scan"]


def test_experiments_of_one_name_in_two_folders_are_two(nursery: Nursery, made: Path) -> None:
    shutil.copytree(made / "runs" / "made", made / "others" / "made")
    done = nursery.run("intervene", "spectrum", "made", "runs/made", "others/made", folder=made)
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].split() == ["condition", "runs/made", "others/made"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["modular", "--conditions=boost"], 2, "no condition 'boost'"),
        (["modular", "--doses=kick=1,x"], 2, "doses of kick must be numbers"),
        (["modular", "--doses=lr=0.5"], 2, "lr is not among the chosen conditions"),
        (["modular", "--start=soon"], 2, "give a step (1, 2, …), a fraction below 1, or auto"),
        (["modular", "--start=1.5"], 2, "give a step (1, 2, …)"),
        (["modular", "--start=inf"], 2, "give a step (1, 2, …)"),
        (["modular", "--preset=small", "--start=6000"], 2, "no run would be treated, because runs end at step 6,000"),
        (["modular", "--seeds=a"], 2, "whole numbers"),
        (["modular", "--set=optimizer.rate=1"], 2, "no setting 'optimizer.rate'"),
        (["chess"], 2, "chess"),
        (["modular", "--conditions=sgd+muon", "--dry-run"], 2, "sgd+muon: both set optimizer."),
        (["modular", "--conditions=clamp,grokfast+clamp", "--doses=clamp=0.5"], 2, "takes clamp at its usual dose, 1"),
        (["spectrum"], 2, "name experiments, or give --shipped"),
        (["results", "nothing"], 3, "no experiments in runs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_in_a_sentence(
    nursery: Nursery, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = nursery.run("intervene", *arguments, folder=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_plan_of_what_has_begun(nursery: Nursery, made: Path) -> None:
    """What was asked before is part of it; nothing is written."""
    manifest = (made / "runs/made/experiment.toml").read_bytes()
    asked = ("intervene", "modular", "--preset=small", "--name=made", "--conditions=lr", "--dry-run")
    done = nursery.run(*asked, folder=made)
    assert done.out.splitlines()[0] == "made: 24 runs of at most 6,000 steps, 6 to do"  # kick and lr
    assert (made / "runs/made/experiment.toml").read_bytes() == manifest


def test_another_experiment_needs_another_name(nursery: Nursery, made: Path) -> None:
    done = nursery.run("intervene", "modular", "--preset=small", "--name=made", "--lr=0.1", folder=made)
    assert done.code == 2
    assert "choose another --name" in done.err

"""`grokscope sweep` from outside: begun, begun again, killed, stopped, planned for a shell, and looked at meanwhile."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_process import TINY, Nursery, assert_whole, environment, grokscope, tiny, until_logged

EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep_modular.toml"
MODULAR = ("--set=task.modulus=11", "--batch-size=8", "--eval-every=10", "--measure-every=10")


LONG = 240.0
"""Seconds to wait for several cells, each of which imports PyTorch."""


def tiny_sweep(*more: str) -> list[str]:
    """Arguments of a sweep of runs like those of `tiny`."""
    return ["sweep", "modular", *TINY, *MODULAR, "--name=s", *more]


def digest(run: Path) -> str:
    return str(assert_whole(run)[-1]["parameters_digest"])


def logs(folder: Path) -> dict[str, bytes]:
    return {file.parent.name: file.read_bytes() for file in folder.glob("*/events.jsonl")}


@pytest.mark.slow
def test_the_example_again_and_larger(nursery: Nursery, tmp_path: Path) -> None:
    """As it stands; then nothing is left to do; then only what is new."""
    arguments = ["sweep", "--config", str(EXAMPLE), "--jobs=2"]
    done = nursery.start(*arguments, "--json", folder=tmp_path).wait(LONG)
    assert done.code == 0, done.err
    *changes, summary = done.lines
    cells = {change["cell"] for change in changes}
    assert cells == {f"lr{lr}-wd{wd}" for lr in ("0.0015", "0.003") for wd in (0, 1)}
    for cell in cells:
        assert [change["state"] for change in changes if change["cell"] == cell] == ["running", "finished"]
    assert summary["event"] == "sweep"
    assert summary["states"] == {"finished": 4}
    assert len(re.findall(r"^lr.* \(\d/4\)$", done.err, flags=re.MULTILINE)) == 4
    folder = tmp_path / "runs/sweep_modular"
    before = logs(folder)

    again = nursery.run(*arguments, folder=tmp_path)
    assert (again.code, again.out, again.err) == (0, "runs/sweep_modular\n", "")
    assert logs(folder) == before

    shown = nursery.run("sweep", "status", "latest", folder=tmp_path)
    assert shown.out.startswith("sweep_modular: 4 finished of 4 cells\n")
    assert re.search(r"^lr0\.003-wd0 +(did not grok|grokked) +\d+ +200 ", shown.out, flags=re.MULTILINE)

    cell = nursery.run("show", "sweep_modular/lr0.003-wd0", folder=tmp_path)
    assert cell.out.startswith("lr0.003-wd0: did not grok")

    changed = nursery.run(*arguments, "--steps=300", folder=tmp_path)
    assert (changed.code, changed.out) == (2, "")
    assert "has started with train.steps 200, not 300; choose another --name" in changed.err
    grown = nursery.run(*arguments, "--axis=wd=1.0,0.0,0.5", "--dry-run", "--json", folder=tmp_path).json
    assert {cell["cell"] for cell in grown["list"] if cell["state"] == "missing"} == {"lr0.0015-wd0.5", "lr0.003-wd0.5"}


@pytest.mark.slow
def test_a_cell_that_is_killed_and_stopped_ends_with_the_same_bits(nursery: Nursery, tmp_path: Path) -> None:
    settings = ["--steps=800", "--set=checkpoint.every=20", "--eval-every=200", "--measure-every=200"]
    arguments = tiny_sweep("--axis=seed=1,2", "--jobs=2", *settings)
    folder = tmp_path / "runs/s"
    sweep = nursery.start(*arguments, folder=tmp_path)
    until_logged(folder / "seed1", "checkpoint")
    os.kill(until_logged(folder / "seed1", "started")["process"], signal.SIGKILL)
    done = sweep.wait(LONG)
    assert done.code == 1
    assert "grokscope: seed1 failed: killed by SIGKILL\n" in done.err
    states = nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json
    assert states["states"] == {"crashed": 1, "finished": 1}

    sweep = nursery.start(*arguments, folder=tmp_path)
    until_logged(folder / "seed1", "started", after=3)
    time.sleep(0.3)
    sweep.signal(signal.SIGINT)
    done = sweep.wait(LONG)
    assert (done.code, done.out) == (130, "runs/s\n")
    assert done.err.endswith("grokscope: interrupted; `grokscope sweep resume s` continues the sweep\n")
    (cell, _) = nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json["list"]
    assert cell["state"] == "interrupted"

    done = nursery.start("sweep", "resume", "s", "--quiet", folder=tmp_path).wait(LONG)
    assert (done.code, done.out, done.err) == (0, "runs/s\n", "")
    assert nursery.run(*tiny("modular", "--seed=1", *settings, "--name=alone"), folder=tmp_path).code == 0
    assert digest(folder / "seed1") == digest(tmp_path / "runs/alone")


@pytest.mark.slow
def test_a_plan_run_by_a_shell(nursery: Nursery, tmp_path: Path) -> None:
    """Twice, in another folder: the second time there is nothing to do."""
    planned = nursery.run(*tiny_sweep("--axis=task.operation=add,sub", "--steps=20", "--engine=plan"), folder=tmp_path)
    assert (planned.code, planned.err) == (0, "")
    assert len(planned.out.splitlines()) == 2
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for _ in range(2):
        shell = ["sh", "-e", "-c", planned.out]
        done = subprocess.run(shell, cwd=elsewhere, env=environment(), capture_output=True, text=True, check=True)
        assert done.stderr == ""
        logged = logs(tmp_path / "runs/s")
        assert {log.count(b'"event":"started"') for log in logged.values()} == {1}
    assert nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json["states"] == {"finished": 2}
    assert nursery.run("sweep", "resume", "s", "--engine=plan", folder=tmp_path).out == ""


def test_a_plan_in_json(tmp_path: Path) -> None:
    arguments = tiny_sweep("--axis=seed=1,2", "--engine=plan", "--json")
    planned = grokscope(*arguments, folder=tmp_path, variables={"GROKSCOPE_STEPS": "30", "GROKSCOPE_SEED": "9"})
    first, second = planned.lines
    assert (first["cell"], second["cell"]) == ("seed1", "seed2")
    assert {"train.steps=30", "train.seed=1"} <= set(first["command"])
    assert (tmp_path / "runs/s/sweep.toml").is_file()


def test_failing_cells(tmp_path: Path) -> None:
    """All with the same code: it is that of the sweep. Variables that are settings say nothing to a cell."""
    arguments = tiny_sweep("--axis=backend.name=abacus,quipu", "--json")
    arguments.remove("--backend=torch")
    done = grokscope(*arguments, folder=tmp_path)
    assert done.code == 2
    assert [failure["code"] for failure in done.lines[-1]["failures"]] == [2, 2]
    assert "abacus" in done.lines[-1]["failures"][0]["reason"]
    assert re.search(r"^grokscope: quipu failed: .*quipu", done.err, flags=re.MULTILINE)


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    planned = tiny_sweep("--axis=lr=1e-3,2e-3", "--axis=seed=1,2", "--dry-run")
    done = grokscope(*planned, folder=tmp_path)
    assert done.code == 0
    title, columns, *cells, hours = done.out.splitlines()
    assert title == "s: 4 missing of 4 cells"
    assert columns.split() == ["cell", "state", "lr", "wd", "steps", "hours"]
    assert [line.split()[:5] for line in cells] == [
        [f"lr{lr}-seed{seed}", "missing", str(lr), "1", "200,000"] for lr in (0.001, 0.002) for seed in (1, 2)
    ]
    assert all(float(line.split()[5]) >= 0 for line in cells)
    assert re.match(
        r"at most \d+\.\d hours if the cells run one after the other, by .* timing of 1 kind of cells", hours
    )
    quick = grokscope(*planned, "--no-timing", "--json", folder=tmp_path).json
    assert [(cell["lr"], cell["steps"], cell["hours"]) for cell in quick["list"]] == [
        (lr, 200_000, None) for lr in (0.001, 0.001, 0.002, 0.002)
    ]
    assert quick["hours"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_cells_that_cannot_run_here(tmp_path: Path) -> None:
    arguments = tiny_sweep("--axis=backend.name=abacus,torch", "--dry-run", "--json")
    arguments.remove("--backend=torch")
    done = grokscope(*arguments, folder=tmp_path)
    assert done.code == 0
    first, second = done.json["list"]
    assert first["hours"] is None
    assert second["hours"] > 0
    assert re.search(r"^grokscope: abacus and similar cells could not be timed: .*abacus", done.err, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["sweep"], 2, "give one of: "),
        (["sweep", "modular"], 2, "has no cells"),
        (["sweep", "modula", "--axis", "lr=1"], 2, "modula"),
        (["sweep", "run", "status", "--axis", "lr=1"], 2, "status"),  # the task, not the command
        (["sweep", "modular", "--axis", "lr"], 2, "--axis needs"),
        (["sweep", "modular", "--axis", "lr=-1"], 2, "cell lr-1: optimizer.lr"),
        (["sweep", "--config", "none.toml"], 2, "there is no none.toml"),
        (["sweep", "modular", "--axis", "lr=1", "--slurm", "time=1"], 2, "--engine slurm"),
        (["sweep", "modular", "--axis", "lr=1", "--jobs", "0"], 2, "--jobs"),
        (["sweep", "status", "x"], 3, "there are no sweeps in runs"),
        (["sweep", "resume", "latest"], 3, "there are no sweeps in runs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_word_is_one_sentence(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = grokscope(*arguments, folder=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert re.fullmatch(r"grokscope: [^\n]+\n", done.err)
    assert said in done.err


def test_no_sweeps_and_all_sweeps(nursery: Nursery, tmp_path: Path) -> None:
    nothing = nursery.run("sweep", "status", folder=tmp_path)
    assert (nothing.code, nothing.out) == (0, "")
    assert "there are no sweeps" in nothing.err
    for name in ("first", "second"):
        nursery.run("sweep", "modular", "--axis=lr=1e-3,2e-3", f"--name={name}", "--engine=plan", folder=tmp_path)
    listed = nursery.run("sweep", "status", "--json", folder=tmp_path).json
    assert {each["sweep"]: each["states"] for each in listed} == {"first": {"missing": 2}, "second": {"missing": 2}}


def test_somebody_else_runs_a_cell(nursery: Nursery, tmp_path: Path) -> None:
    """Left alone, and said so; no second process comes near it."""
    alone = tiny("modular", "--name=seed1", "--seed=1", "--runs=runs/s", "--steps=1000000", "--quiet")
    other = nursery.start(*alone, folder=tmp_path)
    until_logged(tmp_path / "runs/s/seed1", "evaluated")
    sweep = tiny_sweep("--axis=seed=1", "--steps=1000000", "--json")
    done = nursery.run(*sweep, folder=tmp_path)
    assert done.code == 0
    assert [line["event"] for line in done.lines] == ["sweep"]
    assert done.lines[0]["states"] == {"running": 1}
    assert "1 of 1 cells are being run by another process" in done.err
    assert other.alive
    other.kill()
    assert nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json["states"] == {"crashed": 1}


@pytest.mark.slow
def test_somebody_else_begins_a_cell_meanwhile(nursery: Nursery, tmp_path: Path) -> None:
    """While another cell runs: the sweep then leaves it alone, and has not failed."""
    folder = tmp_path / "runs/s"
    sweep = nursery.start(*tiny_sweep("--axis=seed=1,2", "--steps=1000000"), folder=tmp_path)
    until_logged(folder / "seed1", "started")
    alone = tiny("modular", "--name=seed2", "--seed=2", "--runs=runs/s", "--steps=1000000", "--quiet")
    other = nursery.start(*alone, folder=tmp_path)
    until_logged(folder / "seed2", "evaluated")
    assert nursery.run("control", "s/seed1", "stop", "--wait=30", folder=tmp_path).code == 0
    done = sweep.wait(LONG)
    assert (done.code, done.out) == (0, "runs/s\n")
    assert "failed" not in done.err
    assert "grokscope: 1 of 2 cells are being run by another process" in done.err
    assert other.alive
    other.kill()


class TestContinue:
    """`grokscope run --continue`: one command for the beginning, for every time it was cut off, and for the end."""

    def test_starts_goes_on_and_leaves_alone(self, nursery: Nursery, tmp_path: Path) -> None:
        run, arguments = tmp_path / "runs/a", tiny("modular", "--name=a", "--continue")
        process = nursery.start(*arguments, "--steps=1000000", folder=tmp_path)
        until_logged(run, "evaluated", after=5)
        process.signal(signal.SIGTERM)
        assert process.wait().code == 143
        steps = assert_whole(run)[-1]["steps"] + 25
        done = nursery.run(*arguments, f"--steps={steps}", folder=tmp_path)
        assert (done.code, done.out) == (0, "runs/a\n")
        before = (run / "events.jsonl").read_bytes()
        over = nursery.run(*arguments, f"--steps={steps}", folder=tmp_path)
        assert (over.code, over.out) == (0, "runs/a\n")
        assert over.err == f"grokscope: a has finished: did not grok at step {steps:,}\n"
        assert nursery.run(*arguments, f"--steps={steps}", "--quiet", folder=tmp_path).err == ""
        assert nursery.run(*arguments, f"--steps={steps}", "--fail-on=not-grokked", folder=tmp_path).code == 5
        assert (run / "events.jsonl").read_bytes() == before
        assert nursery.run(*arguments, f"--steps={steps + 10}", folder=tmp_path).code == 0
        assert assert_whole(run)[-1]["steps"] == steps + 10
        assert nursery.run(*tiny("modular", f"--steps={steps + 10}", "--name=b"), folder=tmp_path).code == 0
        assert digest(run) == digest(tmp_path / "runs/b")

    def test_another_run_of_that_name_is_refused(self, nursery: Nursery, tmp_path: Path) -> None:
        arguments = tiny("modular", "--name=a", "--continue", "--steps=10")
        assert nursery.run(*arguments, folder=tmp_path).code == 0
        done = nursery.run(*arguments, "--lr=0.5", folder=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert done.err == "grokscope: a has begun with optimizer.lr 0.001, not 0.5; choose another --name\n"

    def test_it_wants_a_name(self, tmp_path: Path) -> None:
        done = grokscope(*tiny("modular", "--continue"), folder=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert "needs the run's --name" in done.err

"""Runs that are interrupted, killed, fought over, or out of disk: nothing is lost, and they go on to the same bits."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_process import Nursery, assert_whole, read_log, tiny, until_logged

from grokscope.runs.directory import RunDirectory
from grokscope.tui.reader import read_whole
from grokscope.tui.run_look import RunLook

ENDLESS = ("--steps=1000000", "--set=checkpoint.every=20", "--name=a", "--quiet")


def digest(run: Path) -> str:
    return str(assert_whole(run)[-1]["parameters_digest"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_a_signal_writes_a_checkpoint_first(nursery: Nursery, tmp_path: Path, number: int, code: int) -> None:
    run = tmp_path / "runs/a"
    process = nursery.start(*tiny("modular", *ENDLESS), folder=tmp_path)
    until_logged(run, "evaluated", after=5)
    process.signal(number)
    done = process.wait()
    assert (done.code, done.out, done.err) == (code, "runs/a\n", "")
    events = assert_whole(run)
    assert [event["event"] for event in events[-2:]] == ["checkpoint", "finished"]
    assert events[-1]["status"] == "interrupted"
    steps = events[-1]["steps"] + 25
    assert nursery.run("run", "--resume=a", f"--steps={steps}", folder=tmp_path).code == 0
    assert nursery.run(*tiny("modular", f"--steps={steps}", "--name=b"), folder=tmp_path).code == 0
    assert digest(run) == digest(tmp_path / "runs/b")


def test_an_interrupt_before_the_first_step(nursery: Nursery, tmp_path: Path) -> None:
    """Wherever it lands: no traceback, and the code of an interrupt."""
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1):
        process = nursery.start(*tiny("modular", *ENDLESS[:-2], f"--name=a{delay}"), folder=tmp_path)
        time.sleep(delay + 0.01)  # Python itself needs a moment to put its handler up
        process.signal(signal.SIGINT)
        done = process.wait()
        assert done.code in {130, -signal.SIGINT}
        assert "Traceback" not in done.err


def test_a_killed_trainer_is_gone_for_every_command(nursery: Nursery, tmp_path: Path) -> None:
    """At once, also where its parent has not asked how it ended: here the sweep stands still."""
    arguments = ["sweep", *tiny()[1:], "--axis=seed=1", "--name=s", "--steps=100000"]
    sweep = nursery.start(*arguments, folder=tmp_path)
    cell = tmp_path / "runs/s/seed1"
    trainer = until_logged(cell, "started")["process"]
    until_logged(cell, "trained")
    sweep.signal(signal.SIGSTOP)
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["states"] == {"running": 1}
    os.kill(trainer, signal.SIGKILL)
    assert nursery.run("show", "s/seed1", folder=tmp_path).out.startswith("seed1: crashed, ")
    assert nursery.run("show", "latest", "--json", folder=tmp_path).json["state"] == "crashed"
    assert nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json["states"] == {"crashed": 1}
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["states"] == {"crashed": 1}
    assert read_whole(RunDirectory(cell)).state is RunLook.CRASHED
    sweep.kill()


def test_numbers_survive_a_kill(nursery: Nursery, tmp_path: Path) -> None:
    """Not the parameters alone: every loss, accuracy and defect is the one of the uninterrupted run."""
    arguments = tiny("modular", "--set=checkpoint.every=20", "--quiet", "--steps=200")
    process = nursery.start(*arguments, "--name=a", folder=tmp_path)
    until_logged(tmp_path / "runs/a", "checkpoint")
    process.kill()
    assert nursery.run("run", "--resume=a", folder=tmp_path).code == 0
    assert nursery.run(*arguments, "--name=b", folder=tmp_path).code == 0

    def numbers(name: str) -> list[object]:
        events = read_log(tmp_path / "runs" / name)
        recorded = [event for event in events if event["event"] in {"evaluated", "measured", "observed"}]
        return [{key: event.get(key) for key in ("step", "train", "test", "defect", "signals")} for event in recorded]

    assert numbers("a") == numbers("b")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.run(*tiny("modular", *ENDLESS[1:], "--steps=60"), folder=tmp_path).code == 0
    newest = tmp_path / "runs/a/checkpoint/step-00000060.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    assert nursery.run("run", "--resume=a", folder=tmp_path).code == 0
    assert nursery.run(*tiny("modular", "--steps=60", "--name=b"), folder=tmp_path).code == 0
    assert digest(tmp_path / "runs/a") == digest(tmp_path / "runs/b")
    assert [event["resumed_from"] for event in read_log(tmp_path / "runs/a") if event["event"] == "started"][1] == 40


def test_a_second_trainer_is_refused(nursery: Nursery, tmp_path: Path) -> None:
    run = tmp_path / "runs/a"
    first = nursery.start(*tiny("modular", *ENDLESS), folder=tmp_path)
    until_logged(run, "checkpoint")
    resumed = nursery.run("run", "--resume=a", folder=tmp_path)
    assert (resumed.code, resumed.out) == (2, "")
    assert "another trainer is writing a" in resumed.err
    again = nursery.run(*tiny("modular", "--name=a"), folder=tmp_path)
    assert again.code == 2
    first.signal(signal.SIGTERM)
    assert first.wait().code == 143
    assert_whole(run)


def test_a_run_that_is_moved_or_removed_while_it_trains(nursery: Nursery, tmp_path: Path) -> None:
    """It ends, where it is goes on from its last checkpoint, and where it was nothing is made."""
    run, elsewhere = tmp_path / "runs/a", tmp_path / "runs/b"
    trainer = nursery.start(*tiny("modular", *ENDLESS), folder=tmp_path)
    until_logged(run, "checkpoint")
    run.rename(elsewhere)
    done = trainer.wait()
    assert (done.code, done.err) == (
        1, "grokscope: runs/a/events.jsonl was moved, replaced or removed while the run was trained\n"
    )  # fmt: skip
    assert not run.exists()
    trainer = nursery.start("run", "--resume=b", "--quiet", folder=tmp_path)
    until_logged(elsewhere, "trained", after=until_logged(elsewhere, "started", after=0)["seq"])
    shutil.rmtree(elsewhere)
    assert trainer.wait().code == 1
    assert not elsewhere.exists()


@pytest.mark.parametrize("kilobytes", [12, 16, 45])
def test_a_full_disk(nursery: Nursery, tmp_path: Path, kilobytes: int) -> None:
    """No file may grow past some size: first the log hits it, in the middle of a line, or first a checkpoint."""
    run = tmp_path / "runs/a"
    settings = tiny("modular", "--set=checkpoint.every=20", "--steps=300", "--quiet")
    done = nursery.run(*settings, "--name=a", folder=tmp_path, file_bytes=kilobytes * 1000)
    assert (done.code, done.out) == (1, ""), done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("grokscope: cannot write ")
    assert "File too large" in done.err
    seqs = [event["seq"] for event in read_log(run)]
    assert seqs == list(range(len(seqs)))
    assert not list(run.rglob("*.draft"))
    assert nursery.run("run", "--resume=a", folder=tmp_path).code == 0
    assert nursery.run(*settings, "--name=b", folder=tmp_path).code == 0
    assert digest(run) == digest(tmp_path / "runs/b")


@pytest.mark.parametrize("command", [["sweep", *tiny()[1:], "--axis=seed=1,2"], ["intervene", "run", "modular"]])
def test_a_disk_that_is_full_from_the_beginning(nursery: Nursery, tmp_path: Path, command: list[str]) -> None:
    """The code of a full disk, not that of a wrong flag."""
    done = nursery.run(*command, "--name=s", folder=tmp_path, file_bytes=150)
    assert done.code == 1, done.err
    assert done.err.startswith("grokscope: cannot write runs/s")
    assert done.err.endswith(": File too large; choose another folder with --runs\n")


def test_a_reader_of_json_who_leaves_stops_the_run(nursery: Nursery, tmp_path: Path) -> None:
    """`grokscope run … --json | head -3`: a checkpoint, and the code of an interrupt."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = nursery.start(*tiny("modular", *ENDLESS, "--json"), folder=tmp_path, out=pipe)
    with pipe.open() as reader:
        seqs = [json.loads(reader.readline())["seq"] for _ in range(3)]
    done = process.wait()
    assert seqs == [0, 1, 2]
    assert (done.code, done.err) == (130, "")
    assert assert_whole(tmp_path / "runs/a")[-1]["status"] == "interrupted"

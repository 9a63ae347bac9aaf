"""Kills: a run that is killed again and again ends with the bits and the events of one that was left alone."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaign import Ended, Tally
from cli_process import Nursery, Outcome, assert_whole, read_log, tiny

ALL = 10**9
MOMENTS = ("trained", "evaluated", "measured", "observed", "memorized", "onset", "grokked", "forecast")
"""Events that a run has whether or not it was killed"""
KILLED = -signal.SIGKILL


def settings(task: str) -> list[str]:
    """A tiny run with snapshots and interventions, that any process goes on with."""
    treated = ("--intervene=noise@8..24:every=3", "--intervene=kick@14:basis=random", "--set=snapshot.every=10")
    return tiny(task, *treated, "--set=checkpoint.every=5", "--steps=40", "--quiet", "--continue")


def story(run: Path) -> list[dict[str, Any]]:
    """What was recorded when, without what the clock says and what a resumption adds."""
    timing = {"time", "seq", "seconds", "run", "steps_per_second", "tokens_per_second", "seconds_left", "lead_seconds"}
    events = [event for event in read_log(run) if event["event"] in MOMENTS]
    return [{key: value for key, value in event.items() if key not in timing} for event in events]


def assert_unharmed(run: Path, alone: Path) -> None:
    events, expected = assert_whole(run), assert_whole(alone)
    assert events[-1]["parameters_digest"] == expected[-1]["parameters_digest"]
    assert story(run) == story(alone)
    assert not list(run.rglob("*.draft"))


@pytest.fixture
def alone(nursery: Nursery, tmp_path: Path) -> Callable[[str], Path]:
    """The run of a task that nobody disturbs."""

    def undisturbed(task: str) -> Path:
        done = nursery.run(*settings(task), "--name=alone", folder=tmp_path)
        assert done.code == 0, done.err
        return tmp_path / "runs" / "alone"

    return undisturbed


def noted(tally: Tally, done: Outcome) -> Outcome:
    tally.note(Ended((), done.code, done.out, done.err))
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    return done


few_or_many = pytest.mark.parametrize(
    ("task", "kills"),
    [("modular", 6), *(pytest.param(task, 100, marks=pytest.mark.campaign) for task in ("modular", "dyck", "scan"))],
)


@few_or_many
@pytest.mark.timeout(0)
def test_at_random_moments(
    nursery: Nursery, tmp_path: Path, alone: Callable[[str], Path], tally: Tally, task: str, kills: int
) -> None:
    """Also with half a line at the end of the log, which a kill leaves more rarely than a power cut."""
    expected, run = alone(task), tmp_path / "runs" / "a"
    moments = random.Random(task)
    survived, longest = 0, 0.4
    while survived < kills:
        process = nursery.start(*settings(task), "--name=a", folder=tmp_path)
        time.sleep(moments.uniform(0.0, longest))
        if process.alive:
            noted(tally, process.kill())
            survived += 1
        else:  # it reached its end: kill sooner, and begin anew
            assert noted(tally, process.wait()).code == 0
            assert_unharmed(run, expected)
            longest *= 0.8
            shutil.rmtree(run)
        log = run / "events.jsonl"
        if log.exists() and log.stat().st_size and moments.random() < 0.3:
            with log.open("ab") as out:
                out.write(b'{"v":1,"run":"a","seq":99,"time":"20')
    assert noted(tally, nursery.run(*settings(task), "--name=a", folder=tmp_path)).code == 0
    assert_unharmed(run, expected)


@few_or_many
@pytest.mark.timeout(0)
def test_at_every_use_of_a_file(
    nursery: Nursery, tmp_path: Path, alone: Callable[[str], Path], tally: Tally, task: str, kills: int
) -> None:
    """Between any two of them: opened, written, flushed, renamed, removed."""
    expected, run, told = alone(task), tmp_path / "runs" / "a", tmp_path / "told"
    counting = {"function": "files", "time": ALL, "signals": [], "told": str(told)}
    assert noted(tally, nursery.run(*settings(task), "--name=a", folder=tmp_path, moment=counting)).code == 0
    operations = int(told.read_text())
    assert operations > 100
    for at in random.Random(task).sample(range(1, operations + 1), kills):
        shutil.rmtree(run)
        moment = {"function": "files", "time": at, "signals": [signal.SIGKILL]}
        killed = noted(tally, nursery.run(*settings(task), "--name=a", folder=tmp_path, moment=moment))
        assert killed.code == KILLED, f"file operation {at} of {operations}: {killed}"
        went_on = noted(tally, nursery.run(*settings(task), "--name=a", folder=tmp_path))
        assert went_on.code == 0, f"killed at file operation {at} of {operations}: {went_on}"
        assert_unharmed(run, expected)

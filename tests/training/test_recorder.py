"""A recorder without a task, a configuration or a model of ours: it records somebody else's loop as it records ours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grokscope.contract.parameters import Layout, Parameter
from grokscope.events import Criterion, Evaluated, Rule, Scores, Started, typed
from grokscope.geometry.trajectory import Question, concentrations
from grokscope.runs.directory import RunDirectory
from grokscope.runs.history import history
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import EventLog, read
from grokscope.runs.resumption import events_until
from grokscope.runs.state import read_state, summary
from grokscope.training import control
from grokscope.training.recorder import Recorder

LAYOUT = Layout((Parameter("net.weight", (4, 3), 0), Parameter("net.bias", (4,), 12)))

STARTED = Started(
    step=0, config={}, task="mine", origin="own loop", metric="accuracy", backend="torch", device="cpu",
    precision="float32", parameters=LAYOUT.size, versions={}, host="here", process=1, facts={},
    criteria={"high": Criterion(metric="accuracy", threshold=0.9, consecutive=2)},
    rules={"grokked": Rule(name="high")},
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)
    (tmp_path / "mine").mkdir()
    return RunDirectory(tmp_path / "mine")


def opened(directory: RunDirectory, started: Started = STARTED, **options: Any) -> tuple[EventLog, Recorder]:
    log = EventLog(directory.events, directory.lock, directory.name)
    if "behind" in options:
        log.keep(events_until(directory.events, options.pop("behind")))
    return log, Recorder(directory, log, started, **options)


def evaluated(step: int, test: float) -> Evaluated:
    """Of a loop that does not score what it trains on, nor whole sequences."""
    return Evaluated(step=step, test=Scores(loss=1 - test, accuracy=test), seconds=0.1)


def test_a_loop_of_somebody_s_own(directory: RunDirectory) -> None:
    heard: list[dict[str, Any]] = []
    log, recorder = opened(directory, listeners=[lambda event: heard.append(dict(event))])
    for step in range(5):
        recorder.emit(evaluated(step, 0.5 if step < 2 else 0.95))
        vector = np.random.default_rng(step).standard_normal(LAYOUT.size).astype(np.float32)
        recorder.emit(recorder.snapshot(step, LAYOUT, vector))
    recorder.finish(4, "completed", vector)
    log.close()
    events = list(read(directory.events))
    assert heard == events
    assert [typed(event).event for event in events if event["event"] not in {"evaluated", "snapshot"}] == [
        "started", "grokked", "finished",
    ]  # fmt: skip
    grokked = next(event for event in events if event["event"] == "grokked")
    assert (grokked["step"], grokked["confirmed_at"], grokked["cadence"]) == (2, 3, None)
    assert "train" not in events[1]
    listed = summary(read_state(directory))
    assert (listed["task"], listed["test"], listed["grokked_step"], listed["train"]) == ("mine", 0.95, 2, None)
    found = list(concentrations(history(directory), LAYOUT, Question(2, 0), np.random.default_rng(0), "all"))
    assert [block.name for block in found] == ["net", "joint"]


def test_it_goes_on_where_the_loop_s_own_checkpoint_stands(directory: RunDirectory) -> None:
    log, recorder = opened(directory)
    for step in range(4):
        recorder.emit(evaluated(step, 0.95 if step else 0.0))
    log.close()
    log, recorder = opened(directory, STARTED.model_copy(update={"step": 1, "resumed_from": 1}), behind=1)
    assert recorder.watch.grokked is None
    assert [event["event"] for event in recorder.earlier()] == ["started", "evaluated", "evaluated"]
    recorder.emit(evaluated(2, 0.95))
    assert recorder.watch.grokked is not None
    log.close()
    steps = [event["step"] for event in read(directory.events) if event["event"] == "evaluated"]
    assert steps == [0, 1, 2]


def test_its_inbox_is_read(directory: RunDirectory) -> None:
    log, recorder = opened(directory)
    send(directory.control, Command(action="snapshot"))
    send(directory.control, Command(action="stop"))
    assert [letter.command and letter.command.action for letter in recorder.control.commands(3)] == ["snapshot"]
    assert recorder.control.stopped
    recorder.finish(3, "stopped", np.zeros(LAYOUT.size, dtype=np.float32))
    assert list(directory.control.iterdir()) == []
    log.close()
    assert json.loads(directory.events.read_text().splitlines()[-1])["status"] == "stopped"

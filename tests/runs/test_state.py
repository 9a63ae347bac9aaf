"""What a run is doing, told from outside."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from events_made import write_log

from grokscope.runs.directory import RunDirectory
from grokscope.runs.state import Phase, RunCondition, Signs, bytes_in, condition, process_lives, read_state, summary

NOBODY = 2**22 + 1
"""No process has such a number."""


@pytest.mark.parametrize(
    ("phase", "silence", "lives", "expected"),
    [
        ("finished", None, False, "finished"),
        ("finished", 1e6, None, "finished"),
        ("running", 1.0, True, "running"),
        ("running", 1.0, None, "running"),
        ("running", 1.0, False, "crashed"),
        ("paused", 1.0, True, "paused"),
        ("paused", 1.0, False, "crashed"),
        ("running", 30.0, None, "stale"),
        ("running", 1e6, True, "stale"),
        ("running", 1e6, None, "crashed"),
        ("running", None, None, "crashed"),
        ("waiting", None, None, "waiting"),
        ("waiting", 1.0, False, "crashed"),
    ],
)
def test_condition(phase: Phase, silence: float | None, lives: bool | None, expected: RunCondition) -> None:
    assert condition(phase, Signs(silence, lives)) == expected


def test_whose_process() -> None:
    here = socket.gethostname()
    assert process_lives({"host": here, "process": os.getpid()}) is True
    assert process_lives({"host": here, "process": NOBODY}) is False
    assert process_lives({"host": "elsewhere", "process": NOBODY}) is None
    assert process_lives({"host": here, "process": -1}) is None
    assert process_lives({}) is None


def write(folder: Path, *events: dict[str, Any], torn: bytes = b"") -> RunDirectory:
    directory = RunDirectory(folder / "a")
    write_log(directory.events, *events)
    with directory.events.open("ab") as log:
        log.write(torn)
    return directory


STARTED = {"event": "started", "config": {"train": {"steps": 9}}}
PAUSED, RESUMED = ({"event": event, "step": 3} for event in ("paused", "resumed"))
FINISHED = {"event": "finished", "step": 5, "status": "stopped"}


@pytest.mark.parametrize(
    ("events", "phase", "step"),
    [
        ([], "waiting", None),
        ([STARTED], "running", 0),
        ([STARTED, PAUSED], "paused", 3),
        ([STARTED, PAUSED, RESUMED], "running", 3),
        ([STARTED, PAUSED, STARTED], "running", 3),
        ([STARTED, FINISHED], "finished", 5),
        ([STARTED, FINISHED, STARTED], "running", 5),
    ],
)
def test_phase(tmp_path: Path, events: list[dict[str, Any]], phase: Phase, step: int | None) -> None:
    state = read_state(write(tmp_path, *events, torn=b'{"event":"finished","seq":99'))
    assert (state.phase, state.step, state.events) == (phase, step, len(events))


def test_the_heartbeat_knows_the_trainer_before_the_log_does(tmp_path: Path) -> None:
    """A resumed run's log names the process of before."""
    directory = write(tmp_path, {**STARTED, "host": socket.gethostname(), "process": NOBODY})
    assert read_state(directory).condition == "crashed"
    directory.heartbeat.write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid()}))
    assert read_state(directory).condition == "running"
    directory.heartbeat.write_text("{")
    assert read_state(directory).condition == "crashed"


def test_summary_of_nothing(tmp_path: Path) -> None:
    known = {name: value for name, value in summary(read_state(write(tmp_path))).items() if value is not None}
    assert known == {"name": "a", "path": str(tmp_path / "a"), "state": "waiting", "metric": "accuracy"}


def test_bytes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a").write_bytes(b"12345")
    (tmp_path / "gone").symlink_to("nowhere")
    assert bytes_in(tmp_path / "folder") == 5
    assert bytes_in(tmp_path) > 5
    assert bytes_in(tmp_path / "nothing") == 0

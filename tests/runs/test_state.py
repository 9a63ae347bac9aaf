"""What a run is doing, told from outside."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from events_made import write_log
from hypothesis import given
from hypothesis import strategies as st

from grokscope.runs import state as state_module
from grokscope.runs.directory import RunDirectory
from grokscope.runs.state import (
    Phase,
    RunCondition,
    Signs,
    _backwards,
    _take,
    bytes_in,
    condition,
    process_lives,
    read_state,
    summary,
)

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
        ("running", -3600.0, True, "running"),
        ("running", -3600.0, None, "stale"),
        ("running", -3600.0, False, "crashed"),
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


def test_a_process_that_is_younger_than_the_last_heartbeat_is_another_one() -> None:
    """Numbers of processes are given away again."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as young:
        trainer = {"host": socket.gethostname(), "process": young.pid}
        assert process_lives(trainer, 3600.0) is (not Path("/proc").exists())
        assert process_lives(trainer, 5.0) is True
        young.communicate(b"\n")


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


def test_odd_lines_give_way_to_the_ones_before_them(tmp_path: Path) -> None:
    trained = {"event": "trained", "step": 7, "loss": 0.5}
    directory = write(tmp_path, STARTED, trained, {"event": "trained", "step": 8, "loss": "x"}, {"event": "step"})
    state = read_state(directory)
    assert (state.step, state.last["trained"]["loss"], state.phase) == (7, 0.5, "running")
    assert "loss" in state.problem


ODD: dict[str, Callable[[Path], object]] = {
    "no event": lambda file: file.write_text('{"event":"step","loss":1}\n'),
    "folder": lambda file: file.mkdir(),
    "pipe": os.mkfifo,
    "link": lambda file: file.symlink_to("nowhere"),
    "symbolic": lambda file: file.symlink_to(file.name),
    "no JSON": lambda file: file.write_bytes(b"\0" * 1000 + b"\n"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_log_that_cannot_be_read_is_a_state_with_a_reason(tmp_path: Path, odd: str) -> None:
    directory = RunDirectory(tmp_path / "a")
    directory.path.mkdir()
    ODD[odd](directory.events)
    for listed in (False, True):
        state = read_state(directory, listed=listed)
        assert state.condition == "unreadable"
        assert odd in state.problem
        assert str(directory.events) in state.problem


def test_a_list_reads_the_head_and_the_tail_of_a_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says the same as all of the log does, wherever its detections stand."""
    middle = [{"event": "trained", "step": step} for step in range(1, 4000)]
    middle[2000:2000] = [{"event": "grokked", "step": 1500, "confirmed_at": 2000}]
    tail = [{"event": kind, "step": 4000} for kind in ("measured", "evaluated")]
    finished = {"event": "finished", "step": 4000, "status": "grokked", "result": {"grokked_step": 1500}}
    short = write(tmp_path / "1", STARTED, *middle, *tail, {**finished, "session": 0})
    again = write(tmp_path / "2", STARTED, *middle, {**STARTED, "step": 3999}, *tail, {**finished, "session": 4001})
    looked: list[bytes] = []
    monkeypatch.setattr(
        state_module, "_take", lambda line, last, **options: looked.append(line) or _take(line, last, **options)
    )
    assert summary(read_state(short, listed=True)) == summary(read_state(short))
    looked.clear()
    read_state(short, listed=True)
    assert len(looked) == 4
    looked.clear()
    assert read_state(again, listed=True).last["started"]["seq"] == 4001
    assert len(looked) == 4


@given(st.binary(max_size=400), st.integers(1, 50))
def test_lines_backwards_are_lines_forwards(data: bytes, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "_BLOCK_BYTES", block)
        found = list(_backwards(io.BytesIO(data)))
    assert found[::-1] == data.split(b"\n")[:-1]


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

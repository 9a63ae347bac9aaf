"""What a run is doing, told from outside."""

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from events_made import write_log
from hypothesis import given
from hypothesis import strategies as st

from grokscope.runs import state as state_module
from grokscope.runs.directory import RunDirectory
from grokscope.runs.lines import event_of
from grokscope.runs.state import (
    Phase,
    RunCondition,
    Signs,
    _backwards,
    bytes_in,
    condition,
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


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([STARTED, FINISHED], "stopped at 5"),
        ([STARTED, {**FINISHED, "status": "completed"}], "did not grok by 5"),
        ([STARTED, {**FINISHED, "status": "grokked", "result": {"grokked_step": 3}}], "grokked at 3"),
    ],
)
def test_how_it_stands_in_words(tmp_path: Path, events: list[dict[str, Any]], words: str) -> None:
    assert read_state(write(tmp_path, *events)).standing == words


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
    assert summary(read_state(short, listed=True)) == summary(read_state(short))
    passed, decoded = counted_lines(monkeypatch)
    read_state(short, listed=True)
    assert len(decoded) == 4
    assert len(passed) <= 4
    decoded.clear()
    assert read_state(again, listed=True).last["started"]["seq"] == 4001
    assert len(decoded) == 4


def test_a_list_decodes_one_line_a_kind_of_a_run_that_did_not_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [{"event": kind, "step": step} for step in range(500) for kind in ("trained", "evaluated", "observed")]
    run = write(tmp_path, STARTED, *events)
    _, decoded = counted_lines(monkeypatch)
    read_state(run, listed=True)
    assert len(decoded) == 4


def test_a_run_that_goes_on_behind_its_end_has_what_it_found_before(tmp_path: Path) -> None:
    """Its first end says what was found by then, and what was found later stands behind it."""
    found = {"event": "grokked", "step": 10, "confirmed_at": 20}
    scores = [{"event": kind, "step": 30} for kind in ("measured", "evaluated")]
    end = {"event": "finished", "step": 30, "status": "grokked", "result": {}, "session": 0}
    for more in ([], [{"event": "trained", "step": 40}]):
        run = write(tmp_path / str(len(more)), STARTED, found, *scores, end, {**STARTED, "step": 30}, *scores, *more)
        assert read_state(run, listed=True).detected_step("grokked") == 10


@pytest.mark.parametrize("as_events", [True, False])
def test_a_run_that_lost_it_again_has_regressed(tmp_path: Path, as_events: bool) -> None:
    found = [{"event": kind, "step": step, "confirmed_at": step} for kind, step in FOUND.items()]
    tail = [{"event": kind, "step": 300} for kind in ("measured", "evaluated")]
    result = {} if as_events else {f"{kind}_step": step for kind, step in FOUND.items()}
    end = {"event": "finished", "step": 300, "status": "completed", "result": result}
    run = write(tmp_path, STARTED, *(found if as_events else []), *tail, end)
    for listed in (False, True):
        state = read_state(run, listed=listed)
        assert state.word == "regressed"
        assert summary(state)["regressed_step"] == 200
    assert read_state(write(tmp_path / "still", STARTED, *found, *tail)).word == "crashed"


FOUND = {"grokked": 100, "regressed": 200}


def counted_lines(monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], list[bytes]]:
    """The lines that are looked at from the end of a log, and those that are decoded, from now on."""
    passed: list[bytes] = []
    decoded: list[bytes] = []

    def backwards(log: Any) -> Iterator[bytes]:
        for line in _backwards(log):
            passed.append(line)
            yield line

    monkeypatch.setattr(state_module, "_backwards", backwards)
    monkeypatch.setattr(state_module, "event_of", lambda line: decoded.append(line) or event_of(line))
    return passed, decoded


@given(st.binary(max_size=400), st.integers(1, 50))
def test_lines_backwards_are_lines_forwards(data: bytes, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "_FIRST_BLOCK", block)
        patch.setattr(state_module, "_LARGEST_BLOCK", 3 * block)
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

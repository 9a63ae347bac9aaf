"""The event log: one writer, torn lines, truncation, and readers that follow."""

import errno
import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from events_made import line
from hypothesis import given
from hypothesis import strategies as st

from grokscope.events import SCHEMA_VERSION, Event, Forecast, Intervened, Observed, Warned, typed
from grokscope.gate import Missing
from grokscope.runs.lines import LONGEST_LINE
from grokscope.runs.log import EventLog, OddLines, RunBusy, RunUnwritable, Tail, decode, read

Limit = Callable[[int], AbstractContextManager[None]]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**30) | st.just(-(10**400)) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    opened = EventLog(tmp_path / "events.jsonl", tmp_path / "lock", "mine")
    yield opened
    opened.close()


@pytest.fixture
def unwritable_past() -> Limit:
    """A block in which no file of this process can grow past so many bytes."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


def test_a_directory_that_takes_no_lock_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(RunUnwritable, match=r"cannot write .*lock: Is a directory"):
        EventLog(tmp_path / "events.jsonl", tmp_path / "lock", "mine")


@pytest.mark.parametrize("call", ["fsync", "fstat", "write"])
def test_a_disk_that_fails_names_the_log(log: EventLog, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def failing(*arguments: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(RunUnwritable, match=r"cannot write .*events.jsonl: Input/output error"):
            log.flush() if call == "fsync" else fill(log, 1)
    fill(log, 1)


@pytest.mark.parametrize("way", ["moved", "removed", "replaced"])
def test_a_log_that_is_not_at_its_place_takes_no_more(log: EventLog, way: str) -> None:
    """Else checkpoints would be written where no log is, and their events where no checkpoint is."""
    fill(log, 2)
    if way == "replaced":
        log.file.with_name("copy").write_bytes(log.file.read_bytes())
        log.file.with_name("copy").replace(log.file)
    elif way == "moved":
        log.file.parent.rename(log.file.parent.with_name("elsewhere"))
    else:
        log.file.unlink()
    for action in (log.flush, lambda: fill(log, 1)):
        with pytest.raises(RunUnwritable, match="was moved, replaced or removed"):
            action()


def test_a_log_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = EventLog(Path("events.jsonl"), Path("lock"), "run")
    monkeypatch.chdir("/")
    fill(log, 1)
    log.close()


def fill(log: EventLog, count: int) -> None:
    for number in range(count):
        log.write(Warned(step=number, reason=f"number {number}"))


def steps(file: Path) -> list[int]:
    return [event["step"] for event in read(file)]


class TestWriting:
    def test_envelope(self, log: EventLog) -> None:
        fill(log, 2)
        recorded = log.write(Warned(step=7, reason="θ"))
        assert list(recorded) == ["v", "run", "seq", "time", "event", "step", "reason", "signal"]
        assert [recorded[name] for name in ("v", "run", "seq", "step")] == [SCHEMA_VERSION, "mine", 2, 7]
        assert recorded["time"].endswith("Z")
        assert typed(recorded) == Warned(step=7, reason="θ", run="mine", seq=2, time=recorded["time"])

    @given(value=ANYTHING)
    def test_what_is_told_is_what_the_line_holds(self, tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
        """Whatever a plugin or a person puts into an event: whoever follows live sees what is read afterwards."""
        folder = tmp_path_factory.mktemp("log")
        log = EventLog(folder / "events.jsonl", folder / "lock", "mine")
        events: list[Event] = [
            Intervened(step=1, kind="k", state="on", parameters={"value": value}, facts={"value": [value]}),
            Observed(step=1, signals={"a": value if isinstance(value, float) else None}),
            Forecast(step=1, probability=value if isinstance(value, float) else None),
            Warned(step=1, reason=str(value)),
        ]
        for event in events:
            recorded = log.write(event)
            line = log.file.read_bytes().splitlines()[-1]
            assert line.isascii()
            assert repr(decode(line)) == repr(recorded)
        log.close()

    def test_a_surrogate_is_no_character(self, log: EventLog) -> None:
        recorded = log.write(Intervened(step=1, kind="\ud800", state="refused", parameters={"\udfff": ["a\ud834b"]}))
        assert (recorded["kind"], recorded["parameters"]) == ("?", {"?": ["a?b"]})

    def test_what_is_not_finite_becomes_null_and_is_named(self, log: EventLog) -> None:
        signals = {"a": math.nan, "b": 1.5, "c": math.inf, "d": -math.inf}
        log.write(Observed(step=0, signals=signals))
        event = json.loads(log.file.read_bytes(), parse_constant=pytest.fail)
        assert event["signals"] == {"a": None, "b": 1.5, "c": None, "d": None}
        assert event["flags"] == {"signals.a": "nan", "signals.c": "inf", "signals.d": "-inf"}

    def test_one_writer(self, log: EventLog, tmp_path: Path) -> None:
        with pytest.raises(RunBusy, match="another trainer is writing mine"):
            EventLog(log.file, tmp_path / "lock", "mine")

    def test_another_process_is_refused_too_until_the_writer_is_gone(self, tmp_path: Path) -> None:
        script = (
            "import sys; from pathlib import Path; from grokscope.runs.log import OddLines, EventLog, RunBusy\n"
            "folder = Path(sys.argv[1])\n"
            "try: EventLog(folder / 'events.jsonl', folder / 'lock', 'mine').close()\n"
            "except RunBusy: sys.exit(7)\n"
        )
        process = [sys.executable, "-c", script, str(tmp_path)]
        log = EventLog(tmp_path / "events.jsonl", tmp_path / "lock", "mine")
        fill(log, 1)
        assert subprocess.run(process, check=False).returncode == 7
        log.close()
        assert subprocess.run(process, check=False).returncode == 0
        assert steps(log.file) == [0]

    def test_what_does_not_fit_leaves_no_trace(self, log: EventLog, unwritable_past: Limit) -> None:
        """The disk takes half of a line: the log is what it was before, and goes on from there when there is room."""
        fill(log, 2)
        before = log.file.read_bytes()
        with unwritable_past(len(before) + 20), pytest.raises(RunUnwritable, match="cannot write"):
            log.write(Warned(step=2, reason="lost"))
        assert log.file.read_bytes() == before
        assert log.write(Warned(step=3, reason="here"))["seq"] == 2
        assert steps(log.file) == [0, 1, 3]


class TestTruncation:
    @pytest.mark.parametrize("kept", [0, 3, 5])
    def test_goes_on_from_there(self, log: EventLog, kept: int) -> None:
        fill(log, 5)
        log.keep(kept)
        assert log.write(Warned(step=99, reason="again"))["seq"] == kept
        assert steps(log.file) == [*range(kept), 99]
        assert [event["seq"] for event in read(log.file)] == list(range(kept + 1))

    def test_a_torn_line_goes(self, log: EventLog) -> None:
        fill(log, 3)
        log.file.write_bytes(log.file.read_bytes()[:-5])
        log.keep(2)
        fill(log, 1)
        assert steps(log.file) == [0, 1, 0]

    def test_too_few(self, log: EventLog) -> None:
        fill(log, 3)
        log.file.write_bytes(log.file.read_bytes()[:-1])
        with pytest.raises(ValueError, match="holds 2 events, not 3"):
            log.keep(3)


class TestReading:
    @given(cut=st.integers(0, 300))
    def test_torn_anywhere(self, tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
        folder = tmp_path_factory.mktemp("log")
        log = EventLog(folder / "events.jsonl", folder / "lock", "mine")
        fill(log, 3)
        log.close()
        whole = log.file.read_bytes()
        lines = whole.splitlines(keepends=True)
        cut = min(cut, len(whole))
        log.file.write_bytes(whole[:cut])
        expected = [index for index in range(3) if sum(map(len, lines[: index + 1])) <= cut]
        assert steps(log.file) == expected

    def test_what_is_no_event_is_skipped(self, log: EventLog) -> None:
        fill(log, 1)
        with log.file.open("ab") as out:
            out.write(b'[1]\n{"half": \n{"event": 5}\n\xff\xfe\n' + line("new", 1, step=4).encode() + b"\n")
        assert steps(log.file) == [0, 4]

    @pytest.mark.parametrize("line", [b"", b"null", b'"text"', b"{}", b'{"event": null}', b"\xff"])
    def test_decode_nothing(self, line: bytes) -> None:
        assert decode(line) is None


def damaged(log: EventLog, lines: list[bytes]) -> tuple[list[int], str]:
    """The steps that are read of a log of such lines, and what is said of it."""
    log.file.write_bytes(b"".join(lines))
    odd = OddLines()
    return [event["step"] for event in read(log.file, odd)], odd.sentence(Path("log"))


class TestDamage:
    """Nothing that is wrong with a log's structure goes by in silence, and the rest of it is read."""

    def test_a_line_that_is_no_event(self, log: EventLog) -> None:
        fill(log, 5)
        first, second, _, *rest = log.file.read_bytes().splitlines(keepends=True)
        said = "log is damaged (line 3: it is no JSON object); the rest of it is read"
        assert damaged(log, [first, second, b"junk\n", *rest]) == ([0, 1, 3, 4], said)

    def test_one_that_came_between(self, log: EventLog) -> None:
        fill(log, 4)
        first, *rest = log.file.read_bytes().splitlines(keepends=True)
        steps, said = damaged(log, [first, b"{}\n", *rest])
        assert (steps, "line 2" in said, "missing before" in said) == ([0, 1, 2, 3], True, False)

    def test_lines_that_are_lost(self, log: EventLog) -> None:
        fill(log, 6)
        first, _, _, *rest = log.file.read_bytes().splitlines(keepends=True)
        said = "log is damaged (line 2: 2 events missing before it); the rest of it is read"
        assert damaged(log, [first, *rest]) == ([0, 3, 4, 5], said)
        assert damaged(log, rest)[1] == "log is damaged (line 1: 3 events missing before it); the rest of it is read"

    def test_a_line_that_comes_twice(self, log: EventLog) -> None:
        fill(log, 3)
        first, *rest = log.file.read_bytes().splitlines(keepends=True)
        said = "log is damaged (line 2: event 0 was there before); the rest of it is read"
        assert damaged(log, [first, first, *rest]) == ([0, 1, 2], said)

    def test_lines_that_changed_places(self, log: EventLog) -> None:
        fill(log, 4)
        first, second, third, fourth = log.file.read_bytes().splitlines(keepends=True)
        said = "log is damaged (line 2: 1 event missing before it, and 1 more); the rest of it is read"
        assert damaged(log, [first, third, second, fourth]) == ([0, 2, 3], said)

    def test_a_line_that_is_no_event_stands_for_one_alone(self, log: EventLog) -> None:
        fill(log, 5)
        first, _, third, _, fifth = log.file.read_bytes().splitlines(keepends=True)
        said = "log is damaged (line 2: it is no JSON object, and 1 more); the rest of it is read"
        assert damaged(log, [first, b"junk\n", third, fifth]) == ([0, 2, 4], said)

    def test_one_that_is_cut_off_while_it_is_read(self, log: EventLog) -> None:
        """By a trainer that goes on from an earlier step: what it writes there is not damage."""
        fill(log, 3)
        odd = OddLines()
        events = read(log.file, odd)
        next(events)
        log.keep(1)
        assert [event["seq"] for event in events] == [1, 2]
        assert not odd.count

    def test_a_sound_one(self, log: EventLog) -> None:
        fill(log, 4)
        assert damaged(log, [*log.file.read_bytes().splitlines(keepends=True), b'{"torn'])[1] == ""


class TestTail:
    def test_only_what_is_new_and_whole(self, log: EventLog) -> None:
        tail = Tail(log.file)
        assert tail.lines() == ([], False)
        fill(log, 2)
        assert len(tail.lines()[0]) == 2
        assert tail.lines() == ([], False)
        with log.file.open("ab") as out:
            out.write(b'{"event": "warn')
        assert tail.lines() == ([], False)
        with log.file.open("ab") as out:
            out.write(b'ed"}\n')
        assert tail.lines() == ([b'{"event": "warned"}'], False)

    def test_a_piece_at_a_time(self, log: EventLog) -> None:
        fill(log, 10)
        tail = Tail(log.file)
        size = len(log.file.read_bytes().splitlines()[0]) + 1
        pieces = [tail.lines(limit=3 * size)[0] for _ in range(5)]
        assert [len(piece) for piece in pieces] == [3, 3, 3, 1, 0]
        assert [decode(line)["step"] for piece in pieces for line in piece] == list(range(10))  # type: ignore[index]

    def test_a_line_longer_than_a_piece_is_whole(self, log: EventLog) -> None:
        log.file.write_bytes(b"one\n" + b"x" * 100 + b"\nnext\n")
        tail = Tail(log.file)
        assert [tail.lines(limit=32)[0] for _ in range(3)] == [[b"one"], [b"x" * 100, b"next"], []]

    def test_the_end_of_a_line_that_is_too_long_is_no_line(self, log: EventLog) -> None:
        log.file.write_bytes(b"x" * (2 * LONGEST_LINE) + b'{"event": "warned"}\nnext\n')
        assert Tail(log.file).lines(limit=32)[0] == [b"", b"next"]

    def test_across_truncation(self, log: EventLog) -> None:
        tail = Tail(log.file)
        fill(log, 5)
        tail.lines()
        log.keep(2)
        lines, truncated = tail.lines()
        assert truncated
        assert len(lines) == 2
        fill(log, 1)
        lines, truncated = tail.lines()
        assert (len(lines), truncated) == (1, False)

    def test_a_log_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(Missing):
            Tail(tmp_path / "none").lines()

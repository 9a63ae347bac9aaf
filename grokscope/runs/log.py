"""The event log: append-only, one writer, and readers that tail it.

A line is written with one `write` call and is whole or torn; only the last line can be torn, and readers leave it.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from grokscope.events import Event, Finished, Started, to_line
from grokscope.gate import open_regular
from grokscope.runs.lines import LONGEST_LINE, LogEvent, OddLine, as_dictionaries, batches_on, event_of
from grokscope.words.numbers import counted

LOOK_SECONDS = 0.5
"""How long a lock is asked for before it counts as another trainer's."""
BLOCK_BYTES = 1 << 17
"""Of a log that are read at once: they stay in the processor's cache."""
_SEQ = attrgetter("seq")
_LARGEST_BLOCK = 2 * LONGEST_LINE
"""Where a line is longer than that."""


class RunBusy(RuntimeError):
    """Another trainer is writing this run."""


class RunUnwritable(OSError):
    """The run directory cannot take more: the disk is full, or it vanished. What was written stays whole."""


class EventLog:
    """The one writer of a run's `events.jsonl`.

    Opening takes a lock that the operating system gives back when the process ends, however it ends. Raises `RunBusy`
    where another process holds it, `RunUnwritable`.
    """

    def __init__(self, file: Path, lock: Path, run: str) -> None:
        self.run = run
        self.file = file
        self._place = file.absolute()
        try:
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            taken = _taken(self._lock)
        except OSError as problem:
            raise RunUnwritable(problem.errno, f"cannot write {lock}: {problem.strerror}") from problem
        if not taken:
            os.close(self._lock)
            raise RunBusy(f"another trainer is writing {run}; stop it first, or give this run another --name")
        self._out = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if not stat.S_ISREG(os.fstat(self._out).st_mode):
            self.close()
            raise RunUnwritable(errno.EINVAL, f"cannot write {file}: it is not a file")
        self.seq = 0
        self._session: int | None = None
        """`seq` of the newest `started` written here"""

    def keep(self, count: int) -> None:
        """Keep the first `count` events and go on behind them. Raises `ValueError` where there are fewer lines."""
        kept, length = 0, 0
        with open_regular(self.file) as lines:
            for line in lines:
                if kept == count or not line.endswith(b"\n"):
                    break
                kept += 1
                length += len(line)
        if kept != count:
            raise ValueError(f"{self.file} holds {kept} events, not {count}")
        with self._writing():
            os.ftruncate(self._out, length)
            os.fsync(self._out)
        self.seq = count

    def write(self, event: Event) -> dict[str, Any]:
        """Number, stamp and append an event; returns it exactly as its line holds it. Raises `RunUnwritable`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stamps: dict[str, Any] = {"run": self.run, "seq": self.seq, "time": now}
        if isinstance(event, Started):
            self._session = self.seq
        if isinstance(event, Finished):
            stamps["session"] = self._session
        line = to_line(event.model_copy(update=stamps))
        data = line.encode() + b"\n"
        end = self._check_place().st_size
        try:
            with self._writing():
                written = os.write(self._out, data)
                if written != len(data):
                    written += os.write(self._out, data[written:])  # the second call says why the first fell short
        except RunUnwritable:
            with suppress(OSError):
                os.ftruncate(self._out, end)
            raise
        self.seq += 1
        found: dict[str, Any] = json.loads(line)
        return found

    def flush(self) -> None:
        """Make everything written so far survive a power cut. Raises `RunUnwritable`."""
        self._check_place()
        with self._writing():
            os.fsync(self._out)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise RunUnwritable(problem.errno, f"cannot write {self.file}: {problem.strerror}") from problem

    def _check_place(self) -> os.stat_result:
        """What the system knows of the log, which stands where it was opened: else checkpoints would go where the log
        is not. Raises `RunUnwritable`."""
        with self._writing():
            here = os.fstat(self._out)
        with suppress(OSError):
            if os.path.samestat(here, os.stat(self._place)):
                return here
        raise RunUnwritable(errno.ENOENT, f"{self.file} was moved, replaced or removed while the run was trained")

    def close(self) -> None:
        os.close(self._out)
        os.close(self._lock)


def _taken(lock: int) -> bool:
    """Whether this process has the lock now. It asks for a while: who only looks at a lock holds it for an instant."""
    until = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        else:
            return True


def is_locked(lock: Path) -> bool:
    """Whether some process is the writer of this run: known from its first moment on, before it has written anything.

    Looking takes the lock for an instant, shared. A trainer that opens its log in that very instant asks again.
    """
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when it is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@dataclass
class OddLines:
    """Where a log is damaged: lines that hold no event of ours, that come again, or before which others are missing."""

    count: int = 0
    first: str = ""
    """The first place, and what is wrong there"""

    def add(self, number: int, why: str) -> None:
        """Line `number`, from 1, is odd."""
        self.first = self.first or f"line {number:,}: {why}"
        self.count += 1

    def sentence(self, file: Path) -> str:
        """For a person; empty where nothing is odd."""
        more = f", and {self.count - 1:,} more" if self.count > 1 else ""
        return f"{file} is damaged ({self.first}{more}); the rest of it is read" if self.count else ""


def read(file: Path, odd: OddLines | None = None) -> Iterator[dict[str, Any]]:
    """All whole events of a log, as plain dictionaries, as `grokscope.runs.lines` lets them pass, in ascending order.

    A torn last line is left out. Odd lines are left out too, and so are events that were there before; `odd` counts
    them, and the places where events are missing. Raises `Unreadable`.
    """
    for batch in read_batches(file, odd):
        yield from as_dictionaries(batch)


def read_batches(file: Path, odd: OddLines | None = None) -> Iterator[list[LogEvent]]:
    """The events of `read`, some hundred at a time, and those that recur not yet dictionaries: for who has use for many
    at once."""
    tail, order = Tail(file), _Order(OddLines() if odd is None else odd)
    while True:
        lines, truncated = tail.lines()
        if truncated or not lines:  # where it is truncated, a trainer goes on with the run from an earlier step
            return
        for batch in batches_on(lines):
            yield order.kept(batch)


@dataclass
class _Order:
    """Finds what is odd about a log while its events come."""

    odd: OddLines
    number: int = 0
    """Lines that have come"""
    expected: int = 0
    """`seq` of the event that is due"""
    unknown: int = 0
    """Odd lines since the last event: each may have been an event"""

    def kept(self, batch: list[LogEvent | OddLine]) -> list[LogEvent]:
        """The events of a batch that were not there before."""
        try:
            seqs = list(map(_SEQ, batch))
        except AttributeError:
            seqs = [each["seq"] if isinstance(each, dict) else getattr(each, "seq", None) for each in batch]
        if seqs == list(range(self.expected, self.expected + len(batch))):
            self.number += len(batch)
            self.expected += len(batch)
            self.unknown = 0
            return batch
        return [each for each, seq in zip(batch, seqs, strict=True) if self._is_new(each, seq)]

    def _is_new(self, found: LogEvent | OddLine, seq: int | None) -> bool:
        self.number += 1
        if seq is None:
            self.odd.add(self.number, str(found))
            self.unknown += 1
            return False
        missing = seq - self.expected
        if missing < 0:
            self.odd.add(self.number, f"event {seq:,} was there before")
            return False
        if missing > self.unknown:
            self.odd.add(self.number, f"{counted(missing - self.unknown, 'event')} missing before it")
        self.expected, self.unknown = seq + 1, 0
        return True


def decode(line: bytes) -> dict[str, Any] | None:
    """One line to an event, brought up to the schema of today; None where it is odd."""
    try:
        return event_of(line)
    except OddLine:
        return None


class Tail:
    """Follows a log by polling: whole lines since the last call. Works on any filesystem, survives truncation.

    A line of twice `LONGEST_LINE` is not kept: an empty line, which is no event, stands in its place.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.offset = 0
        self._too_long = False
        """Whether `offset` stands within a line that is not kept"""

    def lines(self, limit: int = BLOCK_BYTES) -> tuple[list[bytes], bool]:
        """The whole lines that have come, at most about `limit` bytes of them or one line, and whether the log was
        truncated since (then these are the lines from its start). Empty only where no whole line is left. Raises
        `Unreadable`, and `Missing` where the file is gone."""
        with open_regular(self.file) as log:
            truncated = os.fstat(log.fileno()).st_size < self.offset
            if truncated:
                self.offset, self._too_long = 0, False
            log.seek(self.offset)
            while data := log.read(limit):
                end = data.rfind(b"\n")
                if end >= 0:
                    return self._split(data[:end]), truncated
                if len(data) < limit:
                    break
                if limit < _LARGEST_BLOCK:
                    limit = _LARGEST_BLOCK
                    log.seek(self.offset)
                else:
                    self.offset += len(data)
                    self._too_long = True
        return [], truncated

    def _split(self, data: bytes) -> list[bytes]:
        self.offset += len(data) + 1
        found = data.split(b"\n")
        if self._too_long:
            found[0] = b""
            self._too_long = False
        return found

"""The event log: append-only, one writer, and readers that tail it.

A line is written with one `write` call and is whole or torn; only the last line can be torn, and readers leave it.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grokscope.events import SCHEMA_VERSION, Event, to_line
from grokscope.runs.upgrade import upgraded


class RunBusy(RuntimeError):
    """Another trainer is writing this run."""


class RunUnwritable(OSError):
    """The run directory cannot take more: the disk is full, or it vanished. What was written stays whole."""


class EventLog:
    """The one writer of a run's `events.jsonl`.

    Opening takes a lock that the operating system gives back when the process ends, however it ends. Raises `RunBusy`
    where another process holds it.
    """

    def __init__(self, file: Path, lock: Path, run: str) -> None:
        self.run = run
        self.file = file
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(self._lock)
            if problem.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            raise RunBusy(f"another trainer is writing {run}; stop it first, or give this run another --name") from None
        self._out = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.seq = 0

    def truncate(self, seq: int) -> list[dict[str, Any]]:
        """Keep the events before `seq`, go on from there, return them. Raises `ValueError` where some are missing."""
        kept: list[dict[str, Any]] = []
        length = 0
        with self.file.open("rb") as lines:
            for line in lines:
                if len(kept) == seq or not line.endswith(b"\n"):
                    break
                kept.append(json.loads(line))
                length += len(line)
        if len(kept) != seq:
            raise ValueError(f"{self.file} holds {len(kept)} events, its checkpoint was written after {seq}")
        os.ftruncate(self._out, length)
        os.fsync(self._out)
        self.seq = seq
        return kept

    def write(self, event: Event) -> dict[str, Any]:
        """Number, stamp and append an event; returns it exactly as its line holds it. Raises `RunUnwritable`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = to_line(event.model_copy(update={"run": self.run, "seq": self.seq, "time": now}))
        data = line.encode() + b"\n"
        end = os.fstat(self._out).st_size
        try:
            written = os.write(self._out, data)
            if written != len(data):
                written += os.write(self._out, data[written:])  # the second call says why the first fell short
        except OSError as problem:
            with suppress(OSError):
                os.ftruncate(self._out, end)
            raise RunUnwritable(problem.errno, f"cannot write {self.file}: {problem.strerror}") from problem
        self.seq += 1
        found: dict[str, Any] = json.loads(line)
        return found

    def flush(self) -> None:
        """Make everything written so far survive a power cut."""
        os.fsync(self._out)

    def close(self) -> None:
        os.close(self._out)
        os.close(self._lock)


def is_locked(lock: Path) -> bool:
    """Whether some process is the writer of this run: known from its first moment on, before it has written anything.

    Looking takes the lock for an instant, shared: a trainer that opens its log in that very instant finds it taken.
    """
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when it is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read(file: Path) -> Iterator[dict[str, Any]]:
    """All whole events of a log, as plain dictionaries; a torn last line is left out, an unreadable one skipped."""
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                event = decode(line)
                if event is not None:
                    yield event


def decode(line: bytes) -> dict[str, Any] | None:
    """One line to a dictionary, brought up to the schema of today; None where it is not an event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    return event if event.get("v") == SCHEMA_VERSION else upgraded(event)


class Tail:
    """Follows a log by polling: whole lines since the last call. Works on any filesystem, survives truncation."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.offset = 0

    def lines(self, limit: int = 1 << 24) -> tuple[list[bytes], bool]:
        """The whole lines that have come, at most about `limit` bytes of them, and whether the log was truncated since
        (then these are the lines from its start). Raises `OSError` where the file is gone."""
        with self.file.open("rb") as log:
            truncated = os.fstat(log.fileno()).st_size < self.offset
            if truncated:
                self.offset = 0
            log.seek(self.offset)
            data = log.read(limit)
        end = data.rfind(b"\n") + 1
        self.offset += end
        return data[:end].splitlines(), truncated

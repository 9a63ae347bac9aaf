"""The heartbeat: how a reader tells a live run from a crashed one.

The trainer touches one file every `BEAT_SECONDS` from a thread of its own, also during a long step or while paused. A
file that has not been touched for `STALE_SECONDS` belongs to a trainer that is gone (or whose machine is).
"""

import json
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from grokscope.gate import Unreadable, read_json
from grokscope.runs.directory import write_whole
from grokscope.runs.process import this_process

BEAT_SECONDS = 1.0
STALE_SECONDS = 10.0
_LARGEST = 1 << 12


class Heartbeat:
    """Touches a file until the block is left; the file says which process on which host."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        write_whole(self.file, json.dumps(this_process()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                os.utime(self.file, follow_symlinks=False)
            except OSError:  # the directory vanished or the disk is full: the run itself will say so
                continue


def process_of(file: Path) -> dict[str, Any] | None:
    """Whose heartbeat it is, as `this_process` names it; None where the file does not say. Of a resumed run it knows
    before the log does."""
    try:
        found = read_json(file, _LARGEST)
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def last_beat(file: Path) -> float | None:
    """When the file was last touched, seconds since 1970 by the clock of its file system; None where it never was."""
    try:
        return os.stat(file).st_mtime
    except OSError:
        return None


def age_seconds(file: Path) -> float | None:
    """Seconds since the last beat by this machine's clock, negative where the beat is dated later than now; None where
    there never was one."""
    beat = last_beat(file)
    return None if beat is None else time.time() - beat

"""The reader: a thread that follows the directory of one run and publishes frozen snapshots of the run.

The reader polls at most four times a second, because file watching fails on network filesystems. It publishes only
changed snapshots. Of a long log it first publishes a preview, and then reads the whole log in the background.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from grokscope.gate import Missing, Unreadable
from grokscope.runs.directory import RunDirectory
from grokscope.runs.heartbeat import last_beat, process_of
from grokscope.runs.log import Tail
from grokscope.runs.process import process_lives
from grokscope.runs.state import Signs
from grokscope.tui.bulk_fold import Discontinued, Folder, preview
from grokscope.tui.run_look import RunLook, state
from grokscope.tui.view import View

_POLL_SECONDS = 0.25
CALM_SECONDS = 1.0
"""Pause after a snapshot with only longer curves. Following a fast run (8 events a second, 160x45 cells) then takes 4 %
of a core, and 7 % with half this pause."""
READ_BYTES = 1 << 22
GLANCE_BYTES = 1 << 22
"""A longer log is shown as a preview before it is read. The first curve of 54,000 records (12 MB) then takes four
fifths of the processor time that it takes without a preview"""


class TrainerProcess(Protocol):
    """The process that trains this run, such as a `subprocess.Popen`."""

    def poll(self) -> int | None: ...


@dataclass(frozen=True)
class ReadSoFar:
    """A run as far as the reader has read it."""

    view: View = field(default_factory=View)
    state: RunLook = RunLook.WAITING
    loading: float | None = None
    """Fraction of a long log that is read; None after the whole log is read"""
    reloads: int = 0
    """Times that the log was rewritten and therefore read again"""


class Reader:
    """Follows a run until it is closed. `publish` is called in the reader's thread."""

    def __init__(
        self, run: RunDirectory, publish: Callable[[ReadSoFar], object], trainer: TrainerProcess | None = None
    ) -> None:
        self.run = run
        self._publish = publish
        self._trainer = trainer
        self._tail = Tail(run.events)
        self._folder = Folder()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"reader of {run.name}", daemon=True)
        self._snapshot = ReadSoFar()
        self._published: ReadSoFar | None = None
        self._beat: tuple[float, float] | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and wait for its end."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._over.is_set():
            before = self._published
            self.poll()
            self._over.wait(CALM_SECONDS if _only_longer(before, self._published) else _POLL_SECONDS)

    def poll(self) -> ReadSoFar:
        """Read the new lines, publish the snapshot if it has changed, and return it."""
        broken = self._read()
        silence = self._silence()
        signs = Signs(silence, self._alive(self._snapshot.view))
        self._set(replace(self._snapshot, state=broken or state(self._snapshot.view, signs)))
        return self._snapshot

    def _set(self, snapshot: ReadSoFar) -> None:
        self._snapshot = snapshot
        if snapshot != self._published:
            self._published = snapshot
            self._publish(snapshot)

    def _read(self) -> RunLook | None:
        """Fold all new lines of the log. Returns the state of a run whose log is gone or unreadable, else None."""
        try:
            size = self.run.events.stat().st_size
            if self._tail.offset == 0 and size > GLANCE_BYTES:
                self._set(replace(self._snapshot, view=preview(self.run.events), loading=0.0))
                self._load(size)
            else:
                self._catch_up()
        except (FileNotFoundError, Missing):
            return None if self._snapshot.view.phase == "waiting" else RunLook.GONE  # a waiting run has no log yet
        except (OSError, Unreadable):
            return RunLook.UNREADABLE
        return None

    def _catch_up(self) -> None:
        view = self._snapshot.view
        fresh = view.events == 0
        while True:
            lines, truncated = self._tail.lines(READ_BYTES)
            if truncated:
                return self._again(lines)
            if not lines:
                break
            try:
                view = self._folder.fold(view, lines, forgiving=fresh)
            except Discontinued:
                return self._again([])
        if view is not self._snapshot.view:
            self._snapshot = replace(self._snapshot, view=view)
        return None

    def _again(self, lines: list[bytes]) -> None:
        """Read a rewritten log from its start. A resume rewrites the log: it removes the events after a checkpoint."""
        if not lines:
            self._tail = Tail(self.run.events)
        view = self._folder.fold(View(), lines)
        self._snapshot = replace(self._snapshot, view=view, reloads=self._snapshot.reloads + 1)
        while True:
            lines, truncated = self._tail.lines(READ_BYTES)
            if truncated or not lines:
                break
            self._snapshot = replace(self._snapshot, view=self._folder.fold(self._snapshot.view, lines))

    def _load(self, size: int) -> None:
        """Read a long log from its start. The preview stays on the screen until the whole log is read."""
        view, shown = View(), time.monotonic()
        while not self._over.is_set():
            lines, _ = self._tail.lines(READ_BYTES)
            if not lines:
                break
            view = self._folder.fold(view, lines)
            if time.monotonic() - shown > _POLL_SECONDS:
                shown = time.monotonic()
                self._set(replace(self._snapshot, loading=min(1.0, self._tail.offset / size)))
            self._over.wait(0.001)  # lets the thread of the screens run
        self._snapshot = replace(self._snapshot, view=view, loading=None)

    def _silence(self) -> float | None:
        """Seconds since the last heartbeat: by its time stamp, or since it last changed, whichever is shorter.

        The time stamp may come from a file server with a wrong clock.
        """
        beat = last_beat(self.run.heartbeat)
        if beat is None:
            self._beat = None
            return None
        age, now = time.time() - beat, time.monotonic()
        if self._beat is None:
            self._beat = (beat, now - age)
        elif beat != self._beat[0]:
            self._beat = (beat, now)
        seen = now - self._beat[1]
        return seen if age < 0 else min(age, seen)

    def _alive(self, view: View) -> bool | None:
        if self._trainer is not None and self._trainer.poll() is not None:
            return False
        return process_lives(process_of(self.run.heartbeat) or view.started)


def _only_longer(before: ReadSoFar | None, now: ReadSoFar | None) -> bool:
    """Whether two snapshots differ only by regular events."""
    if before is None or now is None or before is now:
        return False
    return now.state is before.state and now.view.notable is before.view.notable


def read_whole(run: RunDirectory) -> ReadSoFar:
    """The present snapshot of a run, read once. Raises `FileNotFoundError` for a missing run."""
    run.events.stat()
    reader = Reader(run, lambda snapshot: None)
    return reader.poll()

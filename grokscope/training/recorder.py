"""The recorder of one run: it owns the run directory from `started` to `finished`, and knows nothing of training.

Whoever drives it, our loop or somebody's own, tells it what happened; it writes that down, watches for what the run is
to be judged by, forecasts, keeps snapshots and checkpoints, and reads the inbox. What it must know of the run it takes
from the `started` event, as every reader does.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout
from grokscope.events import (
    CheckpointWritten,
    Event,
    Finished,
    SnapshotWritten,
    Started,
    Warned,
)
from grokscope.runs.checkpoints import Checkpoint, write_checkpoint
from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Inbox
from grokscope.runs.log import EventLog, read
from grokscope.runs.snapshots import WrittenSnapshot, parameters_digest, step_files, write_snapshot
from grokscope.training.control import Control
from grokscope.training.interruption import Interruption
from grokscope.warning.forecast.live import LiveForecast
from grokscope.warning.watch import Watch

Status = Literal["completed", "grokked", "stopped", "interrupted", "diverged"]
Listener = Callable[[Mapping[str, Any]], None]
"""Called with every event as its line of JSON holds it"""


class ListenerFailed(RuntimeError):
    """What a listener raises that could not do its work: a warning of the run, and no end of it."""


class Recorder:
    """Records one run in one process."""

    def __init__(
        self,
        directory: RunDirectory,
        log: EventLog,
        started: Started,
        listeners: Iterable[Listener] = (),
        *,
        interruption: Interruption | None = None,
        seconds_before: float = 0.0,
        warnings: Iterable[str] = (),
    ) -> None:
        """Writes `started`; the events that `log` holds already are seen again.

        `seconds_before`: wall time of the processes before this one. `warnings`: what is to be said of how the run goes
        on. Raises `RunUnwritable`.
        """
        self.directory = directory
        self.listeners = list(listeners)
        self.interruption = interruption or Interruption()
        self.control = Control(Inbox(directory.control), self.emit, log.flush, self.interruption)
        self._log = log
        self._seconds_before = seconds_before
        self._began = time.monotonic()
        self._earlier = log.seq
        self._failures: list[str] = []
        self.started = self._write(started)
        self.watch, self.forecast = Watch(self.started), LiveForecast(self.started)
        answered: set[str] = set()
        for event in self.earlier():
            self.watch.see(event)
            self.forecast.see(event)
            answered.update(filter(None, [event.get("command")]))
        self.watch.see(self.started)
        self.warn(started.step or 0, warnings)
        self.control.refuse_stale(started.step or 0, answered)

    @property
    def seq(self) -> int:
        """Events written."""
        return self._log.seq

    @property
    def seconds(self) -> float:
        """Wall time spent on the run, by all its processes."""
        return self._seconds_before + time.monotonic() - self._began

    def earlier(self) -> Iterator[dict[str, Any]]:
        """The events that the log held before this process came, read again at every call."""
        return islice(read(self.directory.events), self._earlier)

    # --- events -----------------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Record what happened, and what it settles."""
        recorded = self._write(event)
        self.forecast.see(recorded)
        for detection in self.watch.see(recorded):
            self.emit(detection)
        while self._failures and not isinstance(event, Finished):
            self.emit(Warned(step=event.step, reason=self._failures.pop()))

    def emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.emit(event)

    def warn(self, step: int, reasons: Iterable[str]) -> None:
        self.emit_all(Warned(step=step, reason=reason) for reason in reasons)

    def finish(self, step: int, status: Status, parameters: FloatArray | None) -> None:
        """The last event, `parameters` [size] being the final ones, where they are known."""
        self.emit(
            Finished(
                step=step,
                status=status,
                steps=step,
                seconds=self.seconds,
                result=self.watch.result(),
                parameters_digest="" if parameters is None else parameters_digest(parameters),
            )
        )
        self._log.flush()
        self.control.settle()

    def _write(self, event: Event) -> dict[str, Any]:
        recorded = self._log.write(event)
        for listener in [*self.listeners]:
            try:
                listener(recorded)
            except ListenerFailed as problem:
                self._failures.append(str(problem))
        return recorded

    # --- files ------------------------------------------------------------------------------------------------------

    def snapshot(
        self,
        step: int,
        layout: Layout,
        parameters: FloatArray,
        source: Literal["schedule", "control", "intervention"] = "schedule",
    ) -> SnapshotWritten:
        """Keep the parameters [size]; returns the event that says so, to be recorded. Raises `RunUnwritable`."""
        written = write_snapshot(self.directory.snapshots, step, layout, parameters)
        return SnapshotWritten(step=step, source=source, **self._about(written))

    def checkpoint(self, checkpoint: Checkpoint, announcing: Event | None = None) -> None:
        """Keep what training continues from. `announcing`: an event that must not be read before it is safe there.

        Raises `RunUnwritable`.
        """
        self._log.flush()
        written = write_checkpoint(self.directory.checkpoints, checkpoint)
        if announcing is not None:
            self.emit(announcing)
        step, digest = checkpoint.state.step, checkpoint.digest
        self.emit(CheckpointWritten(step=step, state_digest=digest, **self._about(written)))

    def _about(self, written: WrittenSnapshot) -> dict[str, Any]:
        return {
            "path": str(written.file.relative_to(self.directory.path)),
            "bytes": written.bytes,
            "digest": written.digest,
        }

    def keep_untreated(self, checkpoint: Checkpoint) -> None:
        """Keep the state before the first intervention that somebody asked for. Raises `RunUnwritable`."""
        if not step_files(self.directory.untreated):
            self._log.flush()
            write_checkpoint(self.directory.untreated, checkpoint)

"""What a run is doing, told from outside: by its log, its heartbeat and its process, read together.

The log says what the trainer did last, but a trainer that was killed cannot write that it is gone. Everybody who shows
runs (`ls`, `show`, `control`, the TUI) asks here, so that they never disagree.
"""

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grokscope.runs.directory import RunDirectory
from grokscope.runs.heartbeat import STALE_SECONDS, age_seconds
from grokscope.runs.log import decode

Phase = Literal["waiting", "running", "paused", "finished"]
"""What the log alone says: nothing yet, or what its last word was."""
Condition = Literal["waiting", "running", "paused", "stale", "crashed", "finished"]
"""What log and signs of life say together; `stale`: silent, and nobody can tell whether for good."""

LOST_SECONDS = 60.0
"""A trainer on another machine that was silent for so long is counted as gone."""

_KIND = re.compile(rb'"event":\s*"([a-z]+)"')
_HEAD_BYTES = 400


@dataclass(frozen=True)
class Signs:
    """What the outside of a run says of its trainer."""

    silence: float | None = None
    """Seconds since the last heartbeat; None where there never was one."""
    process_lives: bool | None = None
    """None where this machine cannot tell."""


def condition(phase: Phase, signs: Signs) -> Condition:
    """What to say of a run. A log that ends in `finished` needs no heartbeat."""
    if phase == "finished":
        return phase
    if signs.process_lives is False:
        return "crashed"
    if phase == "waiting":
        return phase
    if signs.silence is None or signs.silence > STALE_SECONDS:
        lost = signs.silence is None or signs.silence > LOST_SECONDS
        return "crashed" if lost and not signs.process_lives else "stale"
    return phase


def process_lives(trainer: Mapping[str, Any]) -> bool | None:
    """Whether the process that `trainer` names (`process`, `host`) is there; None where it runs on another machine.

    Both the heartbeat and a `started` event name it.
    """
    process = trainer.get("process")
    if trainer.get("host") != socket.gethostname() or not isinstance(process, int) or process <= 0:
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return None
    return True


@dataclass(frozen=True)
class RunState:
    """A run at one moment: the last event of each kind, and signs of life."""

    directory: RunDirectory
    events: int
    """Whole lines in the log"""
    last: Mapping[str, Mapping[str, Any]]
    """The last event of each kind"""
    signs: Signs

    @property
    def phase(self) -> Phase:
        """What the log alone says."""
        if not self.last:
            return "waiting"
        if self._seq("finished") > self._seq("started"):
            return "finished"
        paused = self._seq("paused")
        return "paused" if paused > self._seq("resumed") and paused > self._seq("started") else "running"

    @property
    def condition(self) -> Condition:
        return condition(self.phase, self.signs)

    @property
    def word(self) -> str:
        """The condition for a person, and how a finished run ended."""
        if self.condition == "finished":
            return f"finished ({self.last['finished']['status']})"
        return self.condition

    @property
    def listens(self) -> bool:
        """Whether somebody reads the control inbox."""
        return self.condition in {"running", "paused", "stale"}

    @property
    def step(self) -> int | None:
        """The largest step that anything was recorded at."""
        return max((event["step"] for event in self.last.values() if isinstance(event.get("step"), int)), default=None)

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration, by section; empty before the first event."""
        found: Mapping[str, Any] = self.last.get("started", {}).get("config", {})
        return found

    def _seq(self, kind: str) -> int:
        return int(self.last[kind]["seq"]) if kind in self.last else -1


def read_state(directory: RunDirectory) -> RunState:
    """The state of a run now. Reads the log once and decodes no more of it than it needs. Raises `OSError`."""
    lines: dict[bytes, bytes] = {}
    count = 0
    with directory.events.open("rb") as log:
        for line in log:
            if not line.endswith(b"\n"):
                break
            count += 1
            kind = _KIND.search(line, 0, _HEAD_BYTES)
            if kind is not None:
                lines[kind[1]] = line
    decoded = {kind.decode(): decode(line) for kind, line in lines.items()}
    last = {kind: event for kind, event in decoded.items() if event is not None}
    trainer = _heart(directory.heartbeat) or last.get("started", {})
    signs = Signs(age_seconds(directory.heartbeat), process_lives(trainer))
    return RunState(directory, count, last, signs)


def _heart(file: Path) -> dict[str, Any] | None:
    """Whose heartbeat it is: of a resumed run it knows before the log does."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def bytes_in(folder: Path) -> int:
    """Size of everything in `folder`; what vanishes while it is counted counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total


def summary(state: RunState) -> dict[str, Any]:
    """One run in a list of runs. What is not known is None."""
    metric = state.last.get("started", {}).get("metric", "accuracy")
    started, evaluated = state.last.get("started", {}), state.last.get("evaluated", {})
    measured, grokked = state.last.get("measured", {}), state.last.get("grokked", {})
    newest = max(state.last.values(), key=lambda event: int(event["seq"]), default=None)
    return {
        "name": state.directory.name,
        "path": str(state.directory.path),
        "task": started.get("task"),
        "state": state.condition,
        "status": state.last["finished"]["status"] if state.condition == "finished" else None,
        "step": state.step,
        "steps": state.config.get("train", {}).get("steps"),
        "metric": metric,
        "train": evaluated.get("train", {}).get(metric),
        "test": evaluated.get("test", {}).get(metric),
        "defect": measured.get("defect", {}).get("median"),
        "grokked_step": grokked.get("step"),
        "started": started.get("time"),
        "written": None if newest is None else newest["time"],
    }

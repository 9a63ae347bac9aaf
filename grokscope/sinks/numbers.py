"""What a tracker is told of a run: its settings once, then numbers by step.

The names are the columns of `grokscope export` with the event or split as a group: `train/accuracy`, `defect/median`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from grokscope.events import RECURRING
from grokscope.gate import real_path
from grokscope.runs.table import event_cells
from grokscope.settings.values import dotted
from grokscope.words.fields import section

_DETECTIONS = frozenset({"memorized", "onset", "turned", "grokked", "regressed"})
_TOLD = frozenset({*RECURRING, "forecast"})
_HEAD = ("task", "backend", "device", "precision", "parameters", "metric")

ToldFact = int | float | str | bool


@dataclass(frozen=True)
class ToldRun:
    """What a tracker is told first."""

    name: str
    path: Path
    """The run directory"""
    config: Mapping[str, ToldFact]
    """Settings by dotted key, and what the model runs on; never the host"""
    first_step: int
    """The step that the numbers begin at: of a resumed run the step that it goes on from"""


class Told(NamedTuple):
    """Numbers of one moment."""

    step: int
    seconds: float
    """Since the epoch"""
    numbers: Mapping[str, float]
    """Finite"""


def told_run(started: Mapping[str, Any], path: Path) -> ToldRun:
    """The facts in a `started` event."""
    settings = dotted(section(started, "config")) | {key: started.get(key) for key in _HEAD}
    facts = {key: value if isinstance(value, ToldFact) else str(value) for key, value in settings.items()
             if value is not None and value != []}  # fmt: skip
    return ToldRun(real_path(path).name, path, facts, int(started.get("step") or 0))


def numbers_of(event: Mapping[str, Any]) -> Told | None:
    """The numbers in an event; None for an event without numbers, or of a kind that trackers are not told.

    A detection is its step as a number (`grokked/step`), at the step at which the rule could say so.
    """
    kind, step = event["event"], event.get("step")
    if step is None:
        return None
    seconds = datetime.fromisoformat(event["time"]).timestamp()
    if kind in _DETECTIONS:
        return Told(event.get("confirmed_at") or step, seconds, {f"{kind}/step": float(step)})
    if kind not in _TOLD:
        return None
    cells = event_cells(event)
    numbers = {
        name.replace(".", "/", 1): float(value)
        for name, value in cells.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    }
    return Told(step, seconds, numbers) if numbers else None

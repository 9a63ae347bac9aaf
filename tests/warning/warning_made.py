"""Runs that nobody trained: every number in them is known."""

from pathlib import Path
from typing import Any

import numpy as np
from events_made import write_log as write_events

from grokscope.warning.trajectory import Trajectory


def made(
    name: str = "made", *, grok_step: int | None = None, budget: int = 1000, every: int = 100, **more: Any
) -> Trajectory:
    """A run with a record each `every` steps up to `steps` (default: the budget); further columns by keyword.

    A column is a list, or a function of the step.
    """
    steps = np.arange(0, more.pop("steps", budget) + 1, every, dtype=np.float64)
    facts = more.pop("facts", {})
    known = more.pop("grok_known_at", None)
    lost = {key: more.pop(key, None) for key in ("regress_step", "regress_known_at")}
    columns = {
        signal: np.array([values(step) for step in steps] if callable(values) else values, dtype=np.float64)
        for signal, values in more.items()
    }
    return Trajectory(
        name=name, task="made", facts=facts, columns={"step": steps, **columns}, grok_step=grok_step,
        steps=int(steps[-1]), budget=budget, grok_known_at=known, **lost,
    )  # fmt: skip


def jump(at: int, low: float = 0.0, high: float = 1.0) -> Any:
    """A column that is `low` before step `at` and `high` from there."""
    return lambda step: high if step >= at else low


CONFIG = {
    "task": {"name": "scan", "split": "simple"},
    "preset": "quick",
    "model": {"width": 16, "layers": None},
    "optimizer": {"lr": 1e-3, "wd": 1.0},
    "train": {"seed": 42, "steps": 500, "batch_size": 8},
    "measure": {"every": 100, "blocks": False},
}


def log() -> list[dict[str, Any]]:
    """Steps 0 to 300 of a run on SCAN; the gradient was not finite once; grokked at 100, which took until 300."""
    events: list[dict[str, Any]] = [
        {"event": "started", "step": 0, "task": "scan", "metric": "sequence_accuracy", "config": CONFIG}
    ]
    for step in range(0, 301, 100):
        events += [
            {
                "event": "measured", "step": step, "defect": {"median": 0.5, "samples": [0.5]}, "floor": 1e-3,
                "commutator_norm": 2.0, "relative_commutator": 0.25, "gradient_norm": 9.0, "estimator": "exact",
            },
            {
                "event": "evaluated", "step": step,
                "train": {"accuracy": 1.0, "sequence_accuracy": 0.75, "loss": 0.1},
                "test": {"accuracy": 0.9, "sequence_accuracy": 0.5, "loss": 0.2},
            },
            {"event": "observed", "step": step,
             "signals": {"weight_norm": 10.0 - step / 100, "gradient_norm": None if step == 100 else 3.0, "new": 1.0}},
        ]  # fmt: skip
    events.append({"event": "grokked", "step": 100, "confirmed_at": 300})
    return events


def write_log(folder: Path, events: list[dict[str, Any]]) -> Path:
    """A run directory with these events, each made whole."""
    write_events(folder / "events.jsonl", *events)
    return folder

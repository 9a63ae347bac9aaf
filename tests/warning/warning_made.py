"""Runs that nobody trained: every number in them is known."""

from typing import Any

import numpy as np

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
    columns = {
        signal: np.array([values(step) for step in steps] if callable(values) else values, dtype=np.float64)
        for signal, values in more.items()
    }
    return Trajectory(
        name=name, task="made", facts=facts, columns={"step": steps, **columns}, grok_step=grok_step,
        steps=int(steps[-1]), budget=budget, grok_known_at=known,
    )  # fmt: skip


def jump(at: int, low: float = 0.0, high: float = 1.0) -> Any:
    """A column that is `low` before step `at` and `high` from there."""
    return lambda step: high if step >= at else low

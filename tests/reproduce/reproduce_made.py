"""Runs that nobody trained, whose statistics are known."""

from typing import Any

import numpy as np

from grokscope.warning.trajectory import Trajectory

STEPS = np.arange(0, 1001, 100, dtype=float)
MEMORIZED = 200


def made_run(
    name: str, grok_step: int | None = None, *, seed: int = 42, lr: float = 1e-3, wd: float = 1.0, **columns: Any
) -> Trajectory:
    """A run of 1,000 steps, recorded every 100, that memorizes at 200. Columns are constants or arrays [11]."""
    filled = {key: np.full(len(STEPS), value) if np.isscalar(value) else np.asarray(value, dtype=float)
              for key, value in columns.items()}  # fmt: skip
    accuracy = np.where(STEPS >= MEMORIZED, 1.0, 0.5)
    facts = {
        "optimizer.lr": lr, "optimizer.wd": wd, "train.seed": seed, "evaluate.every": 100, "detect.memorization": 0.99,
    }  # fmt: skip
    return Trajectory(
        name=name, task="modular", facts=facts, columns={"step": STEPS, "train_accuracy": accuracy, **filled},
        grok_step=grok_step, steps=1000, budget=1000,
    )  # fmt: skip

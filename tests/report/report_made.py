"""Runs that nobody trained, as many as one likes: their curves follow laws that are written here."""

from collections.abc import Sequence

import numpy as np

from grokscope.warning.trajectory import Trajectory

EVERY = 50
BUDGET = 6000
OPERATIONS = ("add", "sub", "x2_y2", "x3_xy")
NEVER = "x3_xy"
"""The operation that is memorized and never groks"""


def made(operation: str = "add", lr: float = 1e-3, wd: float = 1.0, seed: int = 0, **changes: object) -> Trajectory:
    """Memorized at about 0.3 / lr, onset at 0.9 / lr, grokked at 2 / lr; never for x3_xy or without decay."""
    random = np.random.default_rng([seed, int(lr * 1e6), OPERATIONS.index(operation), int(wd)])
    noise = float(np.exp(random.normal(0, 0.15)))
    grok = int(2 / lr * noise) // EVERY * EVERY
    groks = operation != NEVER and wd > 0 and grok < BUDGET - 4 * EVERY
    steps = np.arange(0, (min(BUDGET, grok + 400) if groks else BUDGET) + 1, EVERY, dtype=np.float64)
    time = steps * lr / noise
    test = 0.02 + (0.97 / (1 + np.exp(-8 * (time - 1.7))) if groks else 0.05 * time / (1 + time))
    if groks:
        test[steps >= grok] = np.maximum(test[steps >= grok], 0.985)
    defect = 0.3 * np.exp(np.minimum(5.5 * time, 9)) * np.exp(random.normal(0, 0.1, len(steps)))
    found = {
        "step": steps,
        "train_accuracy": np.clip(time / 0.3, 0, 1),
        "test_accuracy": test,
        "train_loss": 4 * np.exp(-6 * time),
        "test_loss": 4 + 4 * np.tanh(2 * time) - (7.5 / (1 + np.exp(-6 * (time - 1.3))) if groks else 0 * time),
        "defect": defect,
        "defect_floor": np.full(len(steps), 1e-5),
        "finite_difference_defect": 2 * defect + 50 * time,
        "finite_difference_floor": 50 * time + 1,
        "commutator_norm": defect / 10,
        "relative_commutator": 0.6 / (1 + time),
        "gradient_norm": 0.5 / (1 + 3 * time),
        "weight_norm": 60 * np.exp(-0.3 * time * wd) + 20,
    }
    about: dict[str, object] = {
        "name": f"{operation}-lr{lr:g}-wd{wd:g}-seed{seed}",
        "task": "modular",
        "facts": {
            "task.operation": operation, "optimizer.lr": lr, "optimizer.wd": wd, "train.seed": seed,
            "measure.every": EVERY,
        },
        "columns": found,
        "grok_step": grok if groks else None,
        "steps": int(steps[-1]),
        "budget": BUDGET,
        "grok_known_at": grok + 2 * EVERY if groks else None,
    }  # fmt: skip
    return Trajectory(**(about | changes))  # type: ignore[arg-type]


def sweep(
    operations: Sequence[str] = OPERATIONS,
    rates: Sequence[float] = (5e-4, 1e-3, 2e-3, 4e-3),
    decays: Sequence[float] = (1.0, 0.0),
    seeds: int = 3,
) -> list[Trajectory]:
    """The grid of all of these."""
    return [
        made(operation, lr, wd, seed)
        for operation in operations
        for lr in rates
        for wd in decays
        for seed in range(seeds)
    ]

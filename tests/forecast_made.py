"""Runs nobody trained, that grok when a law says so: a bank whose every answer is known."""

import math
from typing import Any

import numpy as np

from grokscope.warning.trajectory import Trajectory

EVERY = 50
BUDGET = 6000


def made(
    name: str,
    seed: int,
    *,
    lr: float = 2e-3,
    wd: float = 1.0,
    operation: str = "add",
    groks: bool = True,
    noise: float = 0.1,
    kappa: float = 3.0,
    budget: int = BUDGET,
    task: str = "modular",
) -> Trajectory:
    """Memorized near 0.4 / lr, grokked at kappa / (lr · wd) but for lognormal `noise`, shared by all its signals.

    Test loss climbs until three fifths of the way, and falls from there; ‖θ‖² halves on the way; the defect crosses at
    a third of it. What does not grok climbs and stays there. Measured at every second evaluation.
    """
    random = np.random.default_rng([seed, round(1e6 * lr), round(100 * wd), *operation.encode()])
    grok = kappa / (lr * wd) * math.exp(noise * random.standard_normal()) if groks and wd else math.inf
    memorized = 0.4 / lr * math.exp(0.05 * random.standard_normal())
    grokked = None if grok > budget else int(math.ceil(grok / EVERY) * EVERY)
    end = budget if grokked is None else min(budget, grokked + 200)
    steps = np.arange(0, end + 1, EVERY, dtype=float)
    way = steps / grok
    rise = 1 / (1 + np.exp(-40 * (way - 0.9)))
    test = 0.02 + 0.97 * rise + 0.004 * random.standard_normal(len(steps))
    climbing = 4 + 3 * np.minimum(steps / memorized, 3)
    loss = np.where(way < 0.6, climbing, climbing * np.exp(-6 * (way - 0.6)))
    loss = loss * np.exp(0.01 * random.standard_normal(len(steps)))
    norm = 30 * np.sqrt(np.exp(-math.log(2) * np.minimum(way, 1.2))) + (0 if wd else 3 * steps / budget)
    defect = np.where(steps % (2 * EVERY) == 0, 1.0 + 60 * ((way > 0.33) if math.isfinite(grok) else 0.0), np.nan)
    columns = {
        "step": steps,
        "train_accuracy": np.minimum(1.0, 0.02 + steps / memorized),
        "test_accuracy": np.clip(test, 0, 1),
        "train_loss": 4 * np.exp(-3 * steps / memorized),
        "test_loss": loss,
        "weight_norm": norm,
        "defect": defect,
        "defect_floor": np.where(np.isfinite(defect), 0.01, np.nan),
    }
    facts: dict[str, Any] = {
        "optimizer.lr": lr, "optimizer.wd": wd, "train.seed": seed, "train.batch_size": 256,
        "task.operation": operation, "task.modulus": 59,
    }  # fmt: skip
    known = None if grokked is None else min(end, grokked + 2 * EVERY)
    return Trajectory(name, task, facts, columns, grokked, end, budget, known)


LRS = (1e-3, 1.5e-3, 2e-3, 3e-3)
OPERATIONS = ("add", "sub", "mul", "x2_y2")
HOPELESS = ("x2_xy_y2", "x3_xy")


def bank(seeds: int = 3, lrs: tuple[float, ...] = LRS, **options: Any) -> list[Trajectory]:
    """Operations that grok and operations that do not, with weight decay; controls without."""
    runs = []
    for seed in range(seeds):
        for lr in lrs:
            runs += [made(f"{word}-{lr}-{seed}", seed, lr=lr, operation=word, **options) for word in OPERATIONS]
            runs += [made(f"{word}-{lr}-{seed}", seed, lr=lr, operation=word, groks=False) for word in HOPELESS]
            runs.append(made(f"wd0-{lr}-{seed}", seed, lr=lr, wd=0.0))
    return runs


def noise(seed: int, kind: str, wd: float = 1.0) -> Trajectory:
    """A run that learns nothing and means nothing: `white`, `walk`, or `flat`."""
    random = np.random.default_rng(seed)
    steps = np.arange(0, 3001, EVERY, dtype=float)
    count = len(steps)

    def signal() -> Any:
        if kind == "white":
            return random.uniform(size=count)
        if kind == "walk":
            return 1 / (1 + np.exp(-np.cumsum(random.standard_normal(count))))
        return 0.02 + 0.001 * random.uniform(size=count)

    columns = {
        "step": steps,
        **{name: signal() for name in ("train_accuracy", "test_accuracy")},
        **{name: 4 * np.exp(2 * signal()) for name in ("train_loss", "test_loss", "weight_norm")},
    }
    facts = {
        "optimizer.lr": 2e-3,
        "optimizer.wd": wd,
        "train.seed": seed,
        "train.batch_size": 256,
        "task.operation": "add",
    }
    return Trajectory(f"{kind}-{seed}", "modular", facts, columns, None, 3000, BUDGET)

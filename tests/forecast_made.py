"""Runs nobody trained, whose two numbers decide everything: a bank whose every answer is known in closed form.

ln ‖θ‖² falls by one and ln L by e in every unit of decay time τ, so that the elasticity is e at all times; the training
loss is constant. A run groks where e is at least 0.15, at κ = exp(0.7 − 0.23 ln e − 0.41 ln L_train).
"""

import math
from functools import cache
from typing import Any

import numpy as np

from grokscope.warning.forecast.reading import as_read
from grokscope.warning.trajectory import CHANCE, Trajectory

THRESHOLD = 0.15
EVERY_TAU = 0.1
BUDGET_TAU = 12.0
LRS = (1e-3, 3e-3)
OPERATIONS = ("add", "mul")
TRAIN_LOSS = {"add": 0.15, "mul": 0.25}
ELASTICITIES = (0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)


def kappa_of(elasticity: float, train_loss: float) -> float:
    """κ of a run that groks; infinite for one that does not."""
    if elasticity < THRESHOLD:
        return math.inf
    return math.exp(0.7 - 0.23 * math.log(elasticity) - 0.41 * math.log(train_loss))


def made(
    name: str,
    seed: int,
    *,
    elasticity: float = 0.4,
    train_loss: float = 0.2,
    lr: float = 2e-3,
    wd: float = 1.0,
    operation: str = "add",
    fraction: float = 0.5,
    noise: float = 0.0,
    budget_tau: float = BUDGET_TAU,
    task: str = "modular",
    structure: bool = False,
    **facts: Any,
) -> Trajectory:
    """One run; `noise` is the standard deviation of ln κ around the law, `structure` records a Fourier growth."""
    random = np.random.default_rng([seed, round(1e6 * lr), round(1e4 * elasticity), *operation.encode()])
    kappa = kappa_of(elasticity, train_loss) * math.exp(noise * random.standard_normal()) if wd else math.inf
    rate = lr * (wd or 1.0)
    every, budget = round(EVERY_TAU / rate), round(budget_tau / rate)
    grokked = math.ceil(kappa / rate / every) * every if kappa < budget_tau else None
    grokked = None if grokked is None or grokked > budget else grokked
    end = budget if grokked is None else min(budget, grokked + 4 * every)
    steps = np.arange(0, end + 1, every, dtype=float)
    tau = steps * lr * wd
    columns = {
        "step": steps,
        "train_accuracy": np.where(steps * rate < 0.3, 0.5, 1.0),
        "test_accuracy": np.where(steps >= (math.inf if grokked is None else grokked), 1.0, 0.02),
        "train_loss": np.full(len(steps), train_loss),
        "test_loss": 4 * np.exp(-elasticity * tau),
        "weight_norm": 30 * np.exp(-tau / 2),
    }
    if structure:
        columns["fourier_growth"] = np.exp(elasticity * tau / 2)
    settings = {
        "optimizer.lr": lr, "optimizer.wd": wd, "train.seed": seed, "train.batch_size": 256, CHANCE: 1 / 59,
        "task.operation": operation, "task.modulus": 59, "task.train_fraction": fraction, "model.width": 64,
    }  # fmt: skip
    known = None if grokked is None else min(end, grokked + 2 * every)
    return Trajectory(name, task, {**settings, **facts}, columns, grokked, end, budget, known)


@cache
def bank(
    seeds: int = 1, lrs: tuple[float, ...] = LRS, noise: float = 0.0, structure: bool = False
) -> tuple[Trajectory, ...]:
    """Half of the runs grok; nothing in their settings but the training fraction says which."""
    return tuple(
        as_read(
            made(
                f"{operation}-lr{lr}-fraction{0.2 + 0.06 * place:.2f}-seed{seed}", seed, elasticity=elasticity, lr=lr,
                train_loss=TRAIN_LOSS[operation], operation=operation, fraction=round(0.2 + 0.06 * place, 2),
                noise=noise, structure=structure,
            )
        )
        for seed in range(seeds)
        for lr in lrs
        for operation in OPERATIONS
        for place, elasticity in enumerate(ELASTICITIES)
    )  # fmt: skip

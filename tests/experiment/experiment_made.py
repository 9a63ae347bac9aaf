"""Experiments that nobody ran: grok steps drawn from what is known beforehand."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from grokscope.experiment.conditions import BASELINE, Arm
from grokscope.experiment.outcomes import Outcome

BUDGET = 6000
SEEDS = (42, 137, 2024)
TYPICAL: Mapping[int, float] = {42: 2300.0, 137: 2600.0, 2024: 2000.0}


def outcome(arm: Arm, seed: int, step: float | None, replicate: int = 0, budget: int = BUDGET) -> Outcome:
    """A run that grokked at `step`, or did not."""
    grokked = step is not None and step <= budget
    return Outcome(
        arm,
        seed,
        replicate,
        "grokked" if grokked else "not grokked",
        round(step) if grokked and step is not None else None,
        budget,
        50,
        0.99 if grokked else 0.3,
        name=f"{arm.slug}-seed{seed}",
    )


def simulated(
    ratios: Mapping[Arm, float],
    random: np.random.Generator,
    sigma: float = 0.05,
    seeds: Sequence[int] = SEEDS,
    replicates: int = 2,
) -> list[Outcome]:
    """Every run with noise of its own; a ratio of infinity never groks."""
    drawn = []
    for seed in seeds:
        typical = TYPICAL.get(seed, 2300.0)
        for replicate in range(replicates + 1):
            step = typical * math.exp(random.normal(0, sigma))
            drawn.append(outcome(Arm(BASELINE), seed, step, replicate))
    for arm, ratio in ratios.items():
        for seed in seeds:
            step = TYPICAL.get(seed, 2300.0) * ratio * math.exp(random.normal(0, sigma))
            drawn.append(outcome(arm, seed, step if math.isfinite(step) else None))
    return drawn

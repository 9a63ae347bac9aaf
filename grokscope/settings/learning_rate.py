"""The learning rate of every step of a run: a line from 0 while it warms up, then constant, or a cosine down to 0."""

import numpy as np
from numpy.typing import ArrayLike

from grokscope.contract.arrays import Floats


def learning_rates(steps: ArrayLike, *, peak: float, warmup: int = 0, cosine: bool = False, budget: int = 0) -> Floats:
    """The learning rates of the steps after `steps` steps, of the same shape.

    lr_t = peak · min(1, (t + 1) / warmup) · ½ (1 + cos(π (t − warmup) / (budget − warmup))), the last factor with
    `cosine` alone and from t = warmup on (Loshchilov & Hutter 2017, equation 5, one cycle).
    """
    taken = np.asarray(steps, dtype=np.float64)
    rates: Floats = peak * np.minimum(1.0, (taken + 1) / max(warmup, 1))
    if cosine:
        part = np.clip((taken - warmup) / max(budget - warmup, 1), 0.0, 1.0)
        rates = rates * (1 + np.cos(np.pi * part)) / 2
    return rates

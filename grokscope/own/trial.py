"""A measurement tried before training begins: what would be wrong, or disturb, is said then or never."""

import math
from typing import Any

import numpy as np

from grokscope.contract.own_batches import batch_in_words
from grokscope.contract.own_models import CannotProbe, OwnModel

SAME = 1e-4
"""Part by which two values of one loss may differ that ought to be equal: a GPU adds up in any order"""
NOISY = 1e-3
"""Part by which the loss of one batch may change with its random numbers before a person is told"""
_DRAWS = 4
"""Draws of them"""


def tried(model: OwnModel, batch_a: Any, batch_b: Any, *, differing: bool = False) -> list[str]:
    """What a person should know of measurements on such batches, a sentence each. Inside of `OwnModel.looking`.

    `differing`: the batches were drawn, and should not be the same. Raises `CannotProbe` where measurements would be
    wrong or disturb, or are not possible.
    """
    a, b = model.prepare(batch_a, 0), model.prepare(batch_b, 1)
    try:
        model.check(a)
        first, again = (float(model.gradient(model.theta, a)[0]) for _ in range(2))
    except CannotProbe:
        raise
    except Exception as problem:  # the user's own code: whatever it raises, training has not begun
        what = f"{type(problem).__name__}: {first_line(problem)}"
        raise CannotProbe(
            f"loss(model, batch) failed on a batch of the probe's own, {batch_in_words(batch_a)}: {what}"
        ) from problem
    if not math.isfinite(first):
        raise CannotProbe(f"loss(model, batch) is {first} before training begins: nothing can be measured of it")
    if abs(first - again) > SAME * max(abs(first), abs(again)):
        raise CannotProbe(
            f"loss(model, batch) is {first:.6g} the first time and {again:.6g} the second, for one batch and equal "
            "random numbers: it counts its calls or draws from a generator of its own, which a probe would disturb"
        )
    try:
        bracket = model.bracket(model.theta, a, b)
    except Exception as problem:  # the same
        raise CannotProbe(f"the loss cannot be differentiated twice: {first_line(problem)}") from problem
    apart = np.any(model.tonumpy(bracket.gradient_a) != model.tonumpy(bracket.gradient_b))
    if differing and not apart and np.any(model.tonumpy(bracket.gradient_a)):
        raise CannotProbe(
            "two batches of batches= are the same, and a batch commutes with itself: draw each with the NumPy "
            "generator that a function is given, or give more than one example"
        )
    return _on_noise(model, batch_a)


def first_line(problem: Exception) -> str:
    """What an exception says, without the pages that some frameworks add."""
    said = str(problem).strip().splitlines()
    return said[0] if said else type(problem).__name__


def _on_noise(model: OwnModel, batch: Any) -> list[str]:
    """How much the loss of one batch depends on what is drawn at random, where it does."""
    drawn = [float(model.gradient(model.theta, model.prepare(batch, noise))[0]) for noise in range(_DRAWS)]
    mean = sum(drawn) / len(drawn)
    spread = math.sqrt(sum((each - mean) ** 2 for each in drawn) / (len(drawn) - 1))
    if not spread > NOISY * abs(mean):
        return []
    return [
        f"the loss of one batch is random (dropout?): it varies by {spread / abs(mean):.2g} of its mean, so that the "
        "defect varies too; within a sample gradient and Hessian see the same random numbers"
    ]

"""The two fits of a forecast, on a bank and without each of its configurations, all at once.

A logistic regression says whether, a least-squares regression says when; both with a small penalty on standardized
slopes, which pulls towards the base rate and towards the clock where the bank has little to say.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats

PENALTY = 1.0
"""Of a standardized slope, in runs"""
NEWTON_STEPS = 12
SETTLED = 1e-9
"""A Newton step that changes no coefficient by more is the last"""
LARGEST_CHANGE = 2.0
"""Of a coefficient in one Newton step, so that separable data cannot throw it off"""


@dataclass(frozen=True, eq=False)
class Fits:
    """One fit on all rows, and one without each group [k]."""

    center: Floats
    scale: Floats
    whole: Floats
    """Intercept and standardized slopes [1 + m]"""
    folds: Floats
    """[k, 1 + m]"""
    fold: NDArray[np.int64]
    """Which fold left a row out [n]"""

    def design(self, x: Floats) -> Floats:
        """Rows [n, m] with an intercept, standardized. [n, 1 + m]"""
        return np.column_stack([np.ones(len(x)), (x - self.center) / self.scale])

    def left_out(self, x: Floats) -> Floats:
        """Each of the fitted rows [n, m] by the fold that left it out. [n]"""
        return np.asarray((self.design(x) * self.folds[self.fold]).sum(axis=1))

    def at(self, x: Floats) -> float:
        """One row [m] by the whole fit."""
        return float(self.design(x[None])[0] @ self.whole)

    def by_fold(self, x: Floats) -> Floats:
        """One row [m] by the fold that left out each of the fitted rows. [n]"""
        return np.asarray(self.folds[self.fold] @ self.design(x[None])[0])


def logistic_fits(x: Floats, outcome: Floats, groups: NDArray[np.int64]) -> Fits:
    """Log-odds of `outcome` [n] in {0, 1} on `x` [n, m], leaving out each of `groups` [n]."""
    start, weights = _prepared(x, groups)
    design, penalty = start.design(x), _penalty(x)
    coefficients = np.zeros((len(weights), design.shape[1]))
    for _ in range(NEWTON_STEPS):
        expected = 1 / (1 + np.exp(-coefficients @ design.T))
        gradient = (weights * (outcome - expected)) @ design - coefficients @ penalty
        curvature = _squares(weights * expected * (1 - expected), design) + penalty
        change = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        coefficients = coefficients + np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
        if np.abs(change).max() < SETTLED:
            break
    return Fits(start.center, start.scale, coefficients[0], coefficients[1:], start.fold)


def linear_fits(x: Floats, y: Floats, groups: NDArray[np.int64]) -> Fits:
    """`y` [n] on `x` [n, m] by penalized least squares, leaving out each of `groups` [n]."""
    start, weights = _prepared(x, groups)
    design, penalty = start.design(x), _penalty(x)
    normal = _squares(weights, design) + penalty
    solved = np.linalg.solve(normal, ((weights * y) @ design)[:, :, None])
    coefficients = np.asarray(solved[:, :, 0], dtype=np.float64)
    return Fits(start.center, start.scale, coefficients[0], coefficients[1:], start.fold)


def _prepared(x: Floats, groups: NDArray[np.int64]) -> tuple[Fits, Floats]:
    """Standardization, and the weights of the whole fit and of each fold, [1 + k, n]."""
    names, fold = np.unique(groups, return_inverse=True)
    scale = np.asarray(x.std(axis=0), dtype=np.float64)
    weights = np.concatenate([np.ones((1, len(x))), (fold[None, :] != np.arange(len(names))[:, None]).astype(float)])
    empty = np.zeros((0, x.shape[1] + 1))
    center = np.asarray(x.mean(axis=0), dtype=np.float64)
    return Fits(center, np.where(scale > 0, scale, 1.0), empty, empty, fold), weights


def _squares(weights: Floats, design: Floats) -> Floats:
    """Σ_n weights[k, n] · design[n] design[n]ᵀ, [k, 1 + m, 1 + m]."""
    width = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), width * width)
    return (weights @ products).reshape(len(weights), width, width)


def _penalty(x: Floats) -> Floats:
    return np.diag([1e-6, *[PENALTY] * x.shape[1]])

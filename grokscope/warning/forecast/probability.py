"""Whether a run will grok: a small logistic regression on what can be seen, and honest about how few runs it knows.

Runs that never grokked are half of what it learns from. It knows no operation and no seed, only how far and how fast
things have moved. A run that waits longer is a row more often, so at any step it weighs those that are left.
"""

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.landmarks import FeatureColumns, Landmarks
from grokscope.warning.forecast.laws import standardization, standardized

PENALTY = 2.0
"""Of a standardized slope, in runs"""
FEWEST_OUTCOMES = 3
"""Runs that grokked, and runs that did not, each, for any probability at all"""

Logistic = tuple[float, Floats, Floats, Floats, float]
"""Intercept, means, scales, slopes; and the least that is left to either outcome"""


def fit_logistic(landmarks: Landmarks) -> Logistic | None:
    """None where too few runs grokked, or too few did not."""
    rows = landmarks.where(landmarks.grid)
    grokked = np.isfinite(rows.grok_step)
    runs = [len(np.unique(rows.run[outcome])) for outcome in (grokked, ~grokked)]
    if min(runs) < FEWEST_OUTCOMES:
        return None
    x = _regressors(rows.columns)
    center, scale = standardization(x)
    design = np.column_stack([np.ones(len(x)), standardized(x, center, scale)])
    weight = np.full(len(x), sum(runs) / len(x))
    coefficients = _newton(design, grokked.astype(float), weight)
    configurations = len(np.unique(landmarks.configuration))
    return float(coefficients[0]), center, scale, coefficients[1:], 1 / (configurations + 2)


def probability(fitted: Logistic, columns: FeatureColumns) -> Floats:
    """[n], of grokking within the budget that the bank's runs had. By the rule of succession never 0 or 1."""
    intercept, center, scale, slopes, least = fitted
    z = intercept + standardized(_regressors(columns), center, scale) @ slopes
    return np.clip(1 / (1 + np.exp(-z)), least, 1 - least)


def _regressors(columns: FeatureColumns) -> Floats:
    step, decay = columns["step"], columns["lr"] * columns["wd"]
    with np.errstate(invalid="ignore", divide="ignore"):
        since = np.log(np.maximum(step, 1.0) / np.maximum(columns["memorized"], 1.0))
        return np.column_stack(
            [
                np.log(step * decay + 0.03),
                np.minimum(step * columns["lr"], 30.0),  # who has waited long waits in vain
                decay > 0,
                columns["train_accuracy"],
                np.where(np.isfinite(since), since, 0.0),
                np.isfinite(columns["turn"]),
                columns["gain"],
                np.clip(columns["fall"], -4, 0),
                np.clip(columns["climb"], 0, 4),
                np.clip(columns["log_norm_change"], -3, 3),
                np.clip(columns["loss_rate"] * step, -5, 5),
                np.clip(columns["logit_rate"] * step, -5, 5),
            ]
        )


def _newton(design: Floats, outcome: Floats, weight: Floats) -> Floats:
    """Penalized maximum likelihood; the intercept is free."""
    penalty = np.diag([1e-6, *[PENALTY] * (design.shape[1] - 1)])
    coefficients = np.zeros(design.shape[1])
    for _ in range(50):
        expected = 1 / (1 + np.exp(-(design @ coefficients)))
        gradient = design.T @ (weight * (outcome - expected)) - penalty @ coefficients
        curvature = (design * (weight * expected * (1 - expected))[:, None]).T @ design + penalty
        change = np.linalg.solve(curvature, gradient)
        coefficients = coefficients + change
        if np.abs(change).max() < 1e-6:
            break
    return coefficients

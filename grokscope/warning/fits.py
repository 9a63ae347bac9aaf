"""Power laws on logarithmic axes: least squares, what single runs do to it, and maximum likelihood under censoring.

Everything that refits (leaving out, resampling, permuting) goes through one weighted least-squares formula, `slopes`,
so that a null differs from the fit it is held against in its data alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.contract.streams import generator

CONFIDENCE = 0.95
LEAST_POINTS = 3
"""With two points every power law fits."""
DRAWS = 10_000


@dataclass(frozen=True)
class PowerLaw:
    """y = constant · x^exponent, by ordinary least squares of ln y on ln x."""

    n: int
    constant: float
    """0 or e^700 where that is out of a double's range"""
    intercept: float
    """Its logarithm"""
    exponent: float
    standard_error: float
    """Of the exponent"""
    low: float
    """Of the exponent's 95 % interval (Student's t)"""
    high: float
    r_squared: float
    p: float
    """Two-sided, against an exponent of 0"""

    def at(self, x: Floats) -> Floats:
        """y at `x` [n]; between e^-700 and e^700, however far a steep law is carried."""
        return np.asarray(np.exp(np.clip(self.intercept + self.exponent * np.log(x), -700, 700)), dtype=np.float64)


@dataclass(frozen=True)
class CensoredPowerLaw:
    """y = constant · x^exponent · e^(sigma · normal) by maximum likelihood; censored y are only known to be larger."""

    n: int
    censored: int
    constant: float
    exponent: float
    standard_error: float
    """Of the exponent, from the observed information"""
    sigma: float
    """Standard deviation of ln y around the law"""


@dataclass(frozen=True)
class Resampled:
    """An exponent under resampling: its central 95 %."""

    mean: float
    low: float
    high: float
    draws: int
    degenerate: int
    """Draws without enough different points to be fitted, left out"""


@dataclass(frozen=True)
class LeaveOneOut:
    """The exponent without each point in turn."""

    low: float
    high: float
    without_low: int
    """Index of the point without which the exponent is `low`"""
    without_high: int


def power_law(x: Floats, y: Floats) -> PowerLaw | None:
    """Fit of positive `x` [n] and `y` [n]; None below three points or where x is constant."""
    from scipy.special import stdtr, stdtrit

    n = len(x)
    if n < LEAST_POINTS or np.ptp(x) == 0:
        return None
    u, v = np.log(x), np.log(y)
    du, dv = u - u.mean(), v - v.mean()
    spread = float(du @ du)
    exponent = float(du @ dv) / spread
    residual = float(np.sum((dv - exponent * du) ** 2))
    total = float(dv @ dv)
    error = math.sqrt(residual / (n - 2) / spread)
    intercept = float(v.mean()) - exponent * float(u.mean())
    half = float(stdtrit(n - 2, (1 + CONFIDENCE) / 2)) * error
    return PowerLaw(
        n=n,
        constant=_exp(intercept),
        intercept=intercept,
        exponent=exponent,
        standard_error=error,
        low=exponent - half,
        high=exponent + half,
        r_squared=1 - residual / total if total > 0 else 1.0,
        p=float(2 * stdtr(n - 2, -abs(exponent) / error)) if error > 0 else 0.0,
    )


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, 700.0))


def slopes(u: Floats, v: Floats, weights: Floats) -> Floats:
    """Least-squares slopes of `v` on `u`, a row each [draws]; all [draws, n] or broadcastable to it.

    NaN where fewer than three points have weight, or where they share one u.
    """
    u, v, weights = np.broadcast_arrays(u, v, weights)
    total = weights.sum(axis=1, keepdims=True)
    enough = (weights > 0).sum(axis=1) >= LEAST_POINTS
    with np.errstate(invalid="ignore", divide="ignore"):
        du = u - (weights * u).sum(axis=1, keepdims=True) / total
        dv = v - (weights * v).sum(axis=1, keepdims=True) / total
        spread = (weights * du * du).sum(axis=1)
        found = (weights * du * dv).sum(axis=1) / spread
    scale = np.abs(u).max(initial=1.0) ** 2
    return np.asarray(np.where(enough & (spread > 1e-12 * scale), found, np.nan), dtype=np.float64)


def leave_one_out(x: Floats, y: Floats) -> LeaveOneOut | None:
    """The range of exponents; None where one point fewer cannot be fitted."""
    each = slopes(np.log(x)[None], np.log(y)[None], 1 - np.eye(len(x)))
    if len(x) <= LEAST_POINTS or np.isnan(each).any():
        return None
    low, high = int(each.argmin()), int(each.argmax())
    return LeaveOneOut(float(each[low]), float(each[high]), low, high)


def theil_sen(x: Floats, y: Floats) -> float | None:
    """The median slope of all pairs of points with different x, on logarithms: outliers do not move it."""
    u, v = np.log(x), np.log(y)
    first, second = np.triu_indices(len(x), 1)
    du, dv = u[second] - u[first], v[second] - v[first]
    different = du != 0
    return float(np.median(dv[different] / du[different])) if different.any() else None


def bootstrap(x: Floats, y: Floats, clusters: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Resampled | None:
    """The exponent when clusters (runs, or configurations with all their runs) are drawn with replacement.

    None where there are fewer than three clusters.
    """
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < LEAST_POINTS:
        return None
    drawn = generator(seed, "analysis").multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return resampled(slopes(np.log(x)[None], np.log(y)[None], drawn[:, member].astype(np.float64)))


def resampled(exponents: Floats) -> Resampled | None:
    """Mean and central 95 % of the draws that could be fitted; None where none could."""
    fitted = exponents[np.isfinite(exponents)]
    if len(fitted) == 0:
        return None
    low, high = np.quantile(fitted, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Resampled(float(fitted.mean()), float(low), float(high), len(exponents), int(len(exponents) - len(fitted)))


def censored_power_law(x: Floats, y: Floats, seen: NDArray[np.bool_]) -> CensoredPowerLaw | None:
    """Log-normal regression of `y` [n] on `x` [n] where y is only a lower bound unless `seen` [n].

    In Olsen's parameters (1/σ and the coefficients over σ) the likelihood is concave, so there is one maximum. None
    below three seen points, or where theirs x is constant.
    """
    from scipy.optimize import minimize

    if seen.sum() < LEAST_POINTS or np.ptp(x[seen]) == 0:
        return None
    start = power_law(x[seen], y[seen])
    assert start is not None
    design, v = np.stack([np.ones(len(x)), np.log(x)], axis=1), np.log(y)
    residual = v[seen] - start.intercept - start.exponent * np.log(x[seen])
    if (scale := float(np.sqrt(np.mean(residual**2)))) < 1e-9:  # an exact law: the likelihood has no maximum
        return None
    guess = np.array([start.intercept / scale, start.exponent / scale, 1 / scale])
    best = minimize(
        lambda q: _olsen(q, design, v, seen)[0], guess, jac=lambda q: _olsen(q, design, v, seen)[1],
        hess=lambda q: _olsen(q, design, v, seen)[2], method="trust-exact", options={"gtol": 1e-8},
    )  # fmt: skip
    intercept, slope, precision = (float(value) for value in best.x)
    if not precision > 0:
        return None
    covariance = np.linalg.inv(_olsen(best.x, design, v, seen)[2])
    direction = np.array([0.0, 1 / precision, -slope / precision**2])
    return CensoredPowerLaw(
        n=len(x),
        censored=int(len(x) - seen.sum()),
        constant=_exp(intercept / precision),
        exponent=slope / precision,
        standard_error=math.sqrt(float(direction @ covariance @ direction)),
        sigma=1 / precision,
    )


def _olsen(parameters: Floats, design: Floats, v: Floats, seen: NDArray[np.bool_]) -> tuple[float, Floats, Floats]:
    """Negative log-likelihood, its gradient [3] and Hessian [3, 3], up to a constant."""
    from scipy.special import log_ndtr

    precision = parameters[2]
    if precision <= 0:
        return math.inf, np.zeros(3), np.eye(3)
    directions = np.concatenate([-design, v[:, None]], axis=1)
    z = directions @ parameters  # standardized residuals
    exact, bound = z[seen], z[~seen]
    tail = log_ndtr(-bound)
    hazard = np.exp(-0.5 * bound**2 - 0.5 * math.log(2 * math.pi) - tail)
    value = 0.5 * float(exact @ exact) - len(exact) * math.log(precision) - float(tail.sum())
    gradient = directions[seen].T @ exact + directions[~seen].T @ hazard
    gradient[2] -= len(exact) / precision
    curvature = directions[~seen].T @ ((hazard * (hazard - bound))[:, None] * directions[~seen])
    hessian = directions[seen].T @ directions[seen] + curvature
    hessian[2, 2] += len(exact) / precision**2
    return value, gradient, hessian

"""Candidates for *when*: each says the grok step from what is known at a step, or is silent.

A law is fitted to the runs of a bank and then asked about rows of other runs; all at once, as columns. Natural
logarithms of steps go in and out, for errors are ratios. None of them knows whether a run will grok at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.landmarks import FeatureColumns, Landmarks
from grokscope.warning.forecast.progress import STAGES

FEWEST_RUNS = 3
"""Grokking runs that a law is fitted to at least"""
FARTHEST = 10.0
"""A slope that leads beyond this many times the present step says nothing"""
RIDGE = 3.0
"""Penalty of the combination, in runs: prior weight of zero for a standardized slope"""

Fitted = Any
"""What a law keeps of a bank: a tuple of numbers and arrays; None where the bank has too little for it"""


@dataclass(frozen=True)
class ForecastLaw:
    """`fit(landmarks)` gives what `predict(fitted, columns)` [n] needs; NaN where the law is silent."""

    name: str
    words: str
    """What it goes by, for a person"""
    fit: Callable[[Landmarks], Fitted]
    predict: Callable[[Fitted, FeatureColumns], Floats]

    def log_steps(self, fitted: Fitted, columns: FeatureColumns) -> Floats:
        """Logarithms of grok steps [n]. What should have happened already happens now."""
        now = np.log(np.maximum(columns["step"], 1.0))
        if fitted is None:
            return np.full(len(now), np.nan)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            said = np.maximum(self.predict(fitted, columns), now)  # NaN stays NaN
        return np.where(np.isfinite(said), said, np.nan)


def _decay(columns: FeatureColumns) -> Floats:
    """log(lr · wd); -inf where nothing decays."""
    with np.errstate(divide="ignore"):
        return np.log(columns["lr"] * columns["wd"])


# --- from settings alone ----------------------------------------------------------------------------------------------


def _fit_decay_time(landmarks: Landmarks) -> Fitted:
    last = landmarks.last
    times = last.log_grok + _decay(last.columns)
    times = times[np.isfinite(times)]
    return (float(np.median(times)),) if len(times) >= FEWEST_RUNS else None


def _predict_decay_time(fitted: Fitted, columns: FeatureColumns) -> Floats:
    result: Floats = fitted[0] - _decay(columns)
    return result


def _fit_same_lr(landmarks: Landmarks) -> Fitted:
    last = landmarks.last
    settings = np.column_stack([last.columns["lr"], last.columns["wd"]])
    distinct = np.unique(settings[np.isfinite(settings).all(axis=1)], axis=0)  # somebody's runs may not state theirs
    medians = [float(np.median(last.log_grok[(settings == setting).all(axis=1)])) for setting in distinct]
    return (distinct, np.array(medians)) if len(distinct) else None


def _predict_same_lr(fitted: Fitted, columns: FeatureColumns) -> Floats:
    known, medians = fitted
    asked = np.column_stack([columns["lr"], columns["wd"]])
    same = (asked[:, None, :] == known[None, :, :]).all(axis=2)
    return np.where(same.any(axis=1), medians[same.argmax(axis=1)], np.nan)


# --- from an event ----------------------------------------------------------------------------------------------------


def _power_law(event: str) -> tuple[Callable[[Landmarks], Fitted], Callable[[Fitted, FeatureColumns], Floats]]:
    """log t_grok = a + b log t_event, least squares over runs."""

    def fit(landmarks: Landmarks) -> Fitted:
        last = landmarks.last
        x, y = np.log(np.maximum(last.columns[event], 1.0)), last.log_grok
        known = np.isfinite(x)
        if known.sum() < FEWEST_RUNS:
            return None
        x, y = x[known], y[known]
        deviation = x - x.mean()
        spread = float(deviation @ deviation)
        b = float(deviation @ y) / spread if spread > 1e-12 else 0.0
        return float(y.mean() - b * x.mean()), b

    def predict(fitted: Fitted, columns: FeatureColumns) -> Floats:
        a, b = fitted
        result: Floats = a + b * np.log(np.maximum(columns[event], 1.0))
        return result

    return fit, predict


# --- first passage of the weight norm (arXiv 2605.18845): T_grok − T_mem = log(V_mem / V*) / (2 κ η λ), V = ‖θ‖² ---


def _fit_first_passage(landmarks: Landmarks) -> Fitted:
    """κ and log V*: medians over runs of V where they grokked, and of the κ that each asks for."""
    last = landmarks.last
    passage = _fit_crossing("log_norm")(landmarks)
    if passage is None:
        return None
    columns = last.columns
    with np.errstate(divide="ignore", invalid="ignore"):
        delay = last.grok_step - columns["memorized"]
        kappa = (columns["log_norm_memorized"] - passage[0]) / (2 * columns["lr"] * columns["wd"] * delay)
    kappa = kappa[np.isfinite(kappa) & (kappa > 0)]
    return (passage[0], float(np.median(kappa))) if len(kappa) >= FEWEST_RUNS else None


def _predict_first_passage(fitted: Fitted, columns: FeatureColumns) -> Floats:
    log_v, kappa = fitted
    drop = columns["log_norm_memorized"] - log_v
    delay = np.where(drop > 0, drop, np.nan) / (2 * kappa * columns["lr"] * columns["wd"])
    said: Floats = np.log(columns["memorized"] + delay)
    return said


# --- from a slope: where does the signal, going on like this, reach the value at which runs grok? ---------------------


def _fit_crossing(signal: str) -> Callable[[Landmarks], Fitted]:
    def fit(landmarks: Landmarks) -> Fitted:
        last = landmarks.last
        values = last.columns[signal]
        values = values[np.isfinite(values)]
        return (float(np.median(values)),) if len(values) >= FEWEST_RUNS else None

    return fit


def _predict_crossing(signal: str, rate: str, direction: float) -> Callable[[Fitted, FeatureColumns], Floats]:
    """`direction`: 1 for a signal that has to rise, -1 for one that has to fall. Silent where it goes the other way."""

    def predict(fitted: Fitted, columns: FeatureColumns) -> Floats:
        step, missing = columns["step"], direction * (fitted[0] - columns[signal])
        left = np.where(missing > 0, missing / (direction * columns[rate]), 0 * missing)
        usable = np.isfinite(columns["memorized"]) & (left >= 0) & (left < FARTHEST * step)
        return np.log(step + np.where(usable, left, np.nan))

    return predict


def _crossing(name: str, words: str, signal: str, rate: str, direction: float) -> ForecastLaw:
    return ForecastLaw(name, words, _fit_crossing(signal), _predict_crossing(signal, rate, direction))


SIMPLE = (
    ForecastLaw("decay time", "t = κ / (lr · wd)", _fit_decay_time, _predict_decay_time),
    ForecastLaw("same lr", "median of runs with this lr and wd", _fit_same_lr, _predict_same_lr),
    ForecastLaw("memorization", "power law in the memorization step", *_power_law("memorized")),
    ForecastLaw("onset", "power law in the defect's onset step", *_power_law("onset")),
    ForecastLaw("test-loss turn", "power law in the step of the turn", *_power_law("turn")),
    ForecastLaw(
        "first passage", "weight norm since memorization, 2605.18845", _fit_first_passage, _predict_first_passage
    ),
    _crossing("norm slope", "weight norm, going on like this", "log_norm", "norm_rate", -1),
    _crossing("loss slope", "test loss, going on like this", "log_test_loss", "loss_rate", -1),
    _crossing("accuracy slope", "test accuracy, going on like this", "logit", "logit_rate", 1),
)
"""Laws that look at one thing."""


# --- combinations -----------------------------------------------------------------------------------------------------


def _said_by_all(fits: list[Fitted], columns: FeatureColumns) -> Floats:
    """[laws, n]"""
    return np.array([law.log_steps(fit, columns) for law, fit in zip(SIMPLE, fits, strict=True)])


def _fit_average(landmarks: Landmarks) -> Fitted:
    """Weights ∝ 1 / mean squared error of each law in each stage. [stages, laws]"""
    timed = landmarks.timed
    fits = [law.fit(landmarks) for law in SIMPLE]
    errors = (
        np.array([law.log_steps(fit, timed.columns) for law, fit in zip(SIMPLE, fits, strict=True)]) - timed.log_grok
    )
    stages = timed.columns["stage"]
    weights = np.zeros((len(STAGES), len(SIMPLE)))
    for stage in range(len(STAGES)):
        here = errors[:, stages == stage]
        known = np.isfinite(here)
        counts = known.sum(axis=1)
        squares = np.where(known, here, 0.0) ** 2
        heard = counts >= 0.5 * max(1, here.shape[1])
        weights[stage, heard] = 1 / (squares.sum(axis=1)[heard] / counts[heard] + 1e-4)
    return fits, weights


def _predict_average(fitted: Fitted, columns: FeatureColumns) -> Floats:
    fits, weights = fitted
    weight = weights[columns["stage"].astype(int)].T
    said = _said_by_all([fit if heard else None for fit, heard in zip(fits, weight.any(axis=1), strict=True)], columns)
    weight = weight * np.isfinite(said)
    total: Floats = (weight * np.where(np.isfinite(said), said, 0.0)).sum(axis=0) / weight.sum(axis=0)
    return total


def _regressors(columns: FeatureColumns) -> Floats:
    """[n, k], without dimension: times in units of 1 / (lr · wd), so that a slope of zero is the law κ / (lr · wd)."""
    decay, step = _decay(columns), np.log(np.maximum(columns["step"], 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack(
            [
                np.log(columns["lr"]),
                step + decay,
                np.log(np.maximum(columns["memorized"], 1.0)) + decay,
                np.log(np.maximum(columns["turn"], 1.0)) + decay,
                columns["logit"],
                columns["fall"],
                columns["climb"],
                columns["log_norm_change"],
                np.clip(columns["norm_rate"] * columns["step"], -5, 5),
                np.clip(columns["loss_rate"] * columns["step"], -10, 10),
                np.clip(columns["logit_rate"] * columns["step"], -20, 20),
            ]
        )


def _fit_ridge(landmarks: Landmarks) -> Fitted:
    """One ridge regression of log(t_grok · lr · wd) a stage. What is missing counts as the mean."""
    timed = landmarks.timed
    x, y = _regressors(timed.columns), timed.log_grok + _decay(timed.columns)
    usable = np.isfinite(y)
    fits: list[tuple[float, Floats, Floats, Floats] | None] = []
    for stage in range(len(STAGES)):
        here = usable & (timed.columns["stage"] == stage)
        runs, rows = len(np.unique(timed.run[here])), int(here.sum())
        fits.append(_ridge(x[here], y[here], RIDGE * rows / runs) if runs >= FEWEST_RUNS else None)
    return fits


def _ridge(x: Floats, y: Floats, penalty: float) -> tuple[float, Floats, Floats, Floats]:
    """Intercept, means, scales and slopes of standardized columns."""
    center, scale = standardization(x)
    z = standardized(x, center, scale)
    slopes = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return float(y.mean()), center, scale, slopes


def standardization(x: Floats) -> tuple[Floats, Floats]:
    """Means and scales [k] of columns, of what is finite; 0 and 1 where nothing is."""
    known = np.isfinite(x)
    counts = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, x, 0.0).sum(axis=0) / counts
    variance = (np.where(known, x - center, 0.0) ** 2).sum(axis=0) / counts
    return center, np.sqrt(np.where(variance > 1e-12, variance, 1.0))


def standardized(x: Floats, center: Floats, scale: Floats) -> Floats:
    """Within four scales of the mean; 0 where a value is missing."""
    return np.where(np.isfinite(x), np.clip((x - center) / scale, -4.0, 4.0), 0.0)


def _predict_ridge(fitted: Fitted, columns: FeatureColumns) -> Floats:
    x, said = _regressors(columns), np.full(len(columns["step"]), np.nan)
    for stage, fit in enumerate(fitted):
        here = columns["stage"] == stage
        if fit is not None and here.any():
            intercept, center, scale, slopes = fit
            said[here] = intercept + standardized(x[here], center, scale) @ slopes
    result: Floats = said - _decay(columns)
    return result


LAWS = (
    *SIMPLE,
    ForecastLaw("average", "all of them, weighted by their errors", _fit_average, _predict_average),
    ForecastLaw("regression", "ridge on settings, events and slopes", _fit_ridge, _predict_ridge),
)

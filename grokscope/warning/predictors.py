"""How well one number, known early, tells the grok step of a configuration that was not looked at.

Every predictor is calibrated on the other configurations (runs that differ in seeds alone go together), and stands
beside the naive one that knows nothing but the other configurations' grok steps, on the same runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.configuration import configuration_of
from grokscope.warning.detection import GROKKED, MEMORIZED
from grokscope.warning.fits import power_law
from grokscope.warning.rules import Detected
from grokscope.warning.trajectory import Trajectory

Findings = Mapping[str, Detected | None]
Predict = Callable[[NDArray[np.bool_]], Floats]
"""From the runs that may be looked at [n] to the predicted grok step of all [n]; NaN where there is none."""

LR = "optimizer.lr"
WD = "optimizer.wd"


@dataclass(frozen=True)
class PredictorRow:
    """Errors are |predicted / grok step − 1| over the runs that could be predicted; None where there were none."""

    name: str
    runs: int
    """Predicted, of those that grokked"""
    median_error: float | None
    mean_error: float | None
    naive_error: float | None
    """Median error, on the same runs, of the geometric mean of the other configurations' grok steps"""
    fraction_of_grok_step: float | None
    """Median fraction of the way to grokking at which the prediction can be made"""


def predictors(trajectories: Sequence[Trajectory], findings: Sequence[Findings]) -> tuple[PredictorRow, ...]:
    """A row for each rule (grok ∝ firing step^b, where it fired before grokking), and for the laws without a rule:

    - `lr·wd`: t = κ / (lr·wd) (facts of the configuration alone, known at step 0);
    - `norm separation`: T_grok − T_mem = c / (lr·wd) · ln(V_mem / V*), V = ‖θ‖², V* its geometric mean at grokking
      (arXiv 2603.13331, 2605.18845), known at memorization;
    - `same lr`: the geometric mean of the other configurations at the same learning rate.
    """
    chosen = [
        (trajectory, finding)
        for trajectory, finding in zip(trajectories, findings, strict=True)
        if trajectory.grok_step is not None and trajectory.grok_step > 0
    ]
    if not chosen:
        return ()
    runs, found = [run for run, _ in chosen], [finding for _, finding in chosen]
    grok = np.array([run.grok_step for run in runs], dtype=np.float64)
    lr, wd = (np.array([_number(run, fact) for run in runs]) for fact in (LR, WD))
    rules = dict.fromkeys(rule for finding in findings for rule in finding if rule != GROKKED)
    known: dict[str, Floats] = {rule: _known(rule, found, grok) for rule in rules}
    ways: list[tuple[str, Predict, Floats]] = [
        (rule, _power(_dated(rule, found, known[rule]), grok), known[rule]) for rule in rules
    ]
    start = np.zeros(len(runs))
    ways += [
        ("lr·wd", _clock(lr * wd, grok), start),
        ("norm separation", _separation(runs, known[MEMORIZED], lr * wd, grok), known[MEMORIZED]),
        ("same lr", _same(lr, grok), start),
    ]
    member = np.asarray([configuration_of(run) for run in runs])
    naive = _held_out(_mean(grok), member)
    return tuple(_row(name, _held_out(predict, member), naive, at, grok) for name, predict, at in ways)


def _row(name: str, predicted: Floats, naive: Floats, known: Floats, grok: Floats) -> PredictorRow:
    made = np.isfinite(predicted)
    if not made.any():
        return PredictorRow(name, 0, None, None, None, None)
    errors = np.abs(predicted[made] / grok[made] - 1)
    plain = np.abs(naive[made] / grok[made] - 1)
    return PredictorRow(
        name,
        int(made.sum()),
        float(np.median(errors)),
        float(errors.mean()),
        float(np.nanmedian(plain)) if np.isfinite(plain).any() else None,
        float(np.median(known[made] / grok[made])),
    )


def _held_out(predict: Predict, member: NDArray[np.str_]) -> Floats:
    """Every configuration as predicted from the others. [n]"""
    predicted = np.full(len(member), np.nan)
    for cluster in np.unique(member):
        held = member == cluster
        predicted[held] = predict(~held)[held]
    return predicted


def _known(rule: str, found: Sequence[Findings], grok: Floats) -> Floats:
    """When the rule could say so, [n]; NaN where it did not before grokking."""
    detected = [finding.get(rule) for finding in found]
    steps = np.array([np.nan if each is None else each.confirmed_at for each in detected])
    return np.where(steps < grok, steps, np.nan)


def _dated(rule: str, found: Sequence[Findings], known: Floats) -> Floats:
    """The firing step where it was known in time and is no trivial 0. [n]"""
    detected = [finding.get(rule) for finding in found]
    steps = np.array([np.nan if each is None else each.step for each in detected])
    return np.where(np.isfinite(known) & (steps > 0), steps, np.nan)


def _power(x: Floats, grok: Floats) -> Predict:
    def predict(may: NDArray[np.bool_]) -> Floats:
        use = may & np.isfinite(x)
        fit = power_law(x[use], grok[use])
        return np.full(len(x), np.nan) if fit is None else fit.at(x)

    return predict


def _clock(rate: Floats, grok: Floats) -> Predict:
    """grok = κ / rate; a rate of 0 predicts nothing."""

    def predict(may: NDArray[np.bool_]) -> Floats:
        use = may & (rate > 0)
        kappa = _geometric_mean(rate[use] * grok[use])
        return kappa / np.where(rate > 0, rate, np.nan)

    return predict


def _separation(runs: Sequence[Trajectory], memorized: Floats, rate: Floats, grok: Floats) -> Predict:
    at_memorization = _squared_norm(runs, memorized)
    at_grokking = _squared_norm(runs, grok)

    def predict(may: NDArray[np.bool_]) -> Floats:
        target = _geometric_mean(at_grokking[may & np.isfinite(at_grokking)])
        with np.errstate(invalid="ignore", divide="ignore"):
            distance = np.log(at_memorization / target) / rate
        distance = np.where((distance > 0) & np.isfinite(distance), distance, np.nan)
        use = may & np.isfinite(distance)
        return memorized + _geometric_mean((grok[use] - memorized[use]) / distance[use]) * distance

    return predict


def _same(lr: Floats, grok: Floats) -> Predict:
    def predict(may: NDArray[np.bool_]) -> Floats:
        return np.array([_geometric_mean(grok[may & (lr == rate)]) for rate in lr])

    return predict


def _mean(grok: Floats) -> Predict:
    return lambda may: np.full(len(grok), _geometric_mean(grok[may]))


def _geometric_mean(values: Floats) -> float:
    return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


def _squared_norm(runs: Sequence[Trajectory], steps: Floats) -> Floats:
    """‖θ‖² as last recorded by each run's step, [n]; NaN where it was not."""
    norms = [value_at(run, "weight_norm", step) for run, step in zip(runs, steps, strict=True)]
    return np.array(norms) ** 2


def value_at(run: Trajectory, signal: str, step: float) -> float:
    """A signal as last recorded by `step`; NaN where it was not."""
    steps, values = run.signal(signal)
    before = int(np.searchsorted(steps, step, "right")) if np.isfinite(step) else 0
    return float(values[before - 1]) if before else float("nan")


def _number(run: Trajectory, fact: str) -> float:
    value = run.facts.get(fact)
    return float(value) if isinstance(value, int | float) else float("nan")

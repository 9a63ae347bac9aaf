"""Every candidate asked about runs it was not calibrated on, at many steps of each, and held against what came.

Runs are left out by configuration (everything but the seed), so that no law is asked about a run whose twin it has
seen; or by operation, because in a small bank the operation all but decides whether a run groks.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import compress, pairwise
from typing import Any, Literal

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.configuration import configuration_of
from grokscope.warning.detection import rows_of
from grokscope.warning.forecast.budgets import giveaway
from grokscope.warning.forecast.forecaster import Forecaster, Projection, calibrate_on
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.landmarks import Mask, family_of, landmarks_of, settled
from grokscope.warning.forecast.laws import LAWS
from grokscope.warning.forecast.progress import Progress
from grokscope.warning.trajectory import Trajectory

TENTHS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
FEWEST_RANKED = 5
"""Runs that grokked, and runs that did not, each, for an AUROC: with two of a kind it is a coin or two"""
RELIABILITY_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
FORECAST = "forecast"
"""The law that was chosen, where a grok step was projected"""

Left = Literal["configuration", "operation"]
Of = Literal["way", "step", "budget"]


@dataclass(frozen=True)
class HeldOutAnswer:
    """What was said of a run that had been left out: at a fraction of its way to grokking, of its budget, or of the
    bank's median budget (a step then, the same for all)."""

    run: str
    wd: float
    grok_step: int | None
    step: int
    fraction: float
    of: Of
    said: Projection


@dataclass(frozen=True)
class Errors:
    """Of one candidate at one fraction (or step). Percent: mean of |predicted / true − 1|; None where it was silent."""

    candidate: str
    at: float
    runs: int
    mean_log10: float | None
    mean_percent: float | None
    median_percent: float | None


@dataclass(frozen=True)
class Coverage:
    """Of the intervals at one fraction of the way; `width`: median of high / low."""

    at: float
    runs: int
    projected: int
    intervals: int
    covered: float | None
    width: float | None


@dataclass(frozen=True)
class Odds:
    """How well probability told runs apart that would grok from those that would not, at one fraction of the budget.

    Runs of different folds are ranked together. Where nothing can be known yet, each fold leans towards the runs that
    it kept, away from the one it left out: AUROC then falls below one half.
    """

    runs: str
    """all, or those with weight decay"""
    at: float
    waiting: int
    """Runs that had not grokked by then, and were given a probability"""
    grokked: int
    auroc: float | None
    brier: float | None
    base_brier: float | None
    """Of always saying the share that groks"""


@dataclass(frozen=True)
class Reliability:
    """Of the answers whose probability lay in [`low`, `high`): what was said, and what came.

    A run is asked at nine fractions of its budget, so answers are many and runs are few: `distinct` counts these.
    """

    runs: str
    """all, or those with weight decay"""
    low: float
    high: float
    answers: int
    distinct: int
    said: float
    """Mean probability"""
    grokked: float
    """Share of the answers whose run grokked"""


@dataclass(frozen=True)
class Backtest:
    """All figures, for one way of leaving runs out."""

    left_out: Left
    level: float
    runs: int
    grokked: int
    configurations: int
    errors: Sequence[Errors]
    errors_by_step: Sequence[Errors]
    coverage: Sequence[Coverage]
    covered: float | None
    """Over all fractions of the way together"""
    odds: Sequence[Odds]
    reliability: Sequence[Reliability]
    false_projections: float
    """Share of the answers about runs that never grokked that projected a grok step nevertheless"""
    false_projections_without_decay: float
    reasons: dict[str, int]
    """Why nothing was projected, and how often"""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def backtest(trajectories: Sequence[Trajectory], left_out: Left = "configuration") -> Backtest:
    """Raises `ValueError` where there are no two groups to leave out, none of the runs has grokked, or their budgets
    give the outcome away."""
    runs = [trajectory for trajectory in trajectories if settled(trajectory)]
    if all(trajectory.grok_step is None for trajectory in runs):
        raise ValueError(f"none of these {len(runs)} finished runs has grokked")
    if (leak := giveaway(runs)) is not None:
        raise ValueError(leak)
    answers = list(_answers(runs, family_of if left_out == "operation" else configuration_of))
    way = [answer for answer in answers if answer.of == "way"]
    budget = [answer for answer in answers if answer.of == "budget"]
    never = [answer for answer in budget if answer.grok_step is None]
    steps = [answer for answer in answers if answer.of == "step"]
    rated = [answer for answer in budget if answer.said.probability is not None]
    groups = {"all": rated, "with weight decay": [answer for answer in rated if answer.wd > 0]}
    intervals = [covered for answer in way if (covered := _covered(answer)) is not None]
    return Backtest(
        left_out=left_out,
        level=FORECAST_LEVEL,
        runs=len(runs),
        grokked=sum(trajectory.grok_step is not None for trajectory in runs),
        configurations=len({configuration_of(trajectory) for trajectory in runs}),
        errors=list(_errors(way, lambda answer: answer.fraction)),
        errors_by_step=list(_errors(steps, lambda answer: answer.step)),
        coverage=[_coverage(group, at) for at, group in _by(way, lambda answer: answer.fraction)],
        covered=_mean(intervals),
        odds=[each for name, group in groups.items() for each in _odds(name, group)],
        reliability=[each for name, group in groups.items() for each in _reliability(name, group)],
        false_projections=_projected(never),
        false_projections_without_decay=_projected([answer for answer in never if answer.wd == 0]),
        reasons=dict(Counter(answer.said.abstained for answer in answers if answer.said.abstained).most_common()),
    )


def _answers(runs: Sequence[Trajectory], group_of: Callable[[Trajectory], Hashable]) -> Iterator[HeldOutAnswer]:
    groups = [group_of(trajectory) for trajectory in runs]
    if len(set(groups)) < 2:
        raise ValueError("a backtest leaves out one group of runs after the other, and here is only one")
    landmarks = landmarks_of(runs)
    horizon = float(np.median([trajectory.budget for trajectory in runs]))
    for group in sorted(set(groups), key=str):
        kept = np.array([each != group for each in groups])
        known = [trajectory for trajectory, keep in zip(runs, kept, strict=True) if keep]
        forecaster = calibrate_on(landmarks.where(kept[landmarks.run]), known)
        for trajectory, keep in zip(runs, kept, strict=True):
            if not keep:
                yield from _asked(forecaster, trajectory, horizon)


def _asked(forecaster: Forecaster, trajectory: Trajectory, horizon: float) -> Iterator[HeldOutAnswer]:
    """For as long as the run has not grokked: what it had come to by each step asked about, and not a row more."""
    grok = trajectory.grok_step
    wholes: list[tuple[Of, float]] = [("budget", trajectory.budget)]
    if grok is not None:
        wholes += [("way", grok), ("step", horizon)]
    asked = sorted((int(fraction * whole), of, fraction) for of, whole in wholes for fraction in TENTHS)
    wd = float(trajectory.facts.get("optimizer.wd", math.nan))
    progress, rows = Progress.of(trajectory.facts), list(rows_of(trajectory))[::-1]
    for step, of, fraction in asked:
        if grok is not None and step >= grok:
            return
        while rows and rows[-1][0] <= step:
            progress.see(*rows.pop())
        said = forecaster.project(progress, trajectory.facts, trajectory.budget, grokked=False)
        yield HeldOutAnswer(trajectory.name, wd, grok, step, fraction, of, said)


def _by(
    answers: Iterable[HeldOutAnswer], key: Callable[[HeldOutAnswer], float]
) -> list[tuple[float, list[HeldOutAnswer]]]:
    groups: dict[float, list[HeldOutAnswer]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return sorted(groups.items())


def _errors(answers: Sequence[HeldOutAnswer], key: Callable[[HeldOutAnswer], float]) -> Iterator[Errors]:
    for candidate in (*(law.name for law in LAWS), FORECAST):
        for at, group in _by(answers, key):
            ratios = np.array([ratio for answer in group if (ratio := _ratio(answer, candidate)) is not None])
            percent = 100 * np.abs(ratios - 1)
            some = len(ratios) > 0
            yield Errors(
                candidate,
                at,
                len(ratios),
                float(np.abs(np.log10(ratios)).mean()) if some else None,
                float(percent.mean()) if some else None,
                float(np.median(percent)) if some else None,
            )


def _ratio(answer: HeldOutAnswer, candidate: str) -> float | None:
    """Predicted over true."""
    said = answer.said.grok_step if candidate == FORECAST else answer.said.candidates.get(candidate)
    return None if said is None or answer.grok_step is None else said / answer.grok_step


def _covered(answer: HeldOutAnswer) -> float | None:
    low, high = answer.said.low, answer.said.high
    if low is None or high is None or answer.grok_step is None:
        return None
    return float(low <= answer.grok_step <= high)


def _coverage(answers: Sequence[HeldOutAnswer], at: float) -> Coverage:
    covered = [hit for answer in answers if (hit := _covered(answer)) is not None]
    widths = [answer.said.high / answer.said.low for answer in answers if answer.said.low and answer.said.high]
    projected = sum(answer.said.grok_step is not None for answer in answers)
    return Coverage(
        at, len(answers), projected, len(covered), _mean(covered), float(np.median(widths)) if widths else None
    )


def _odds(name: str, answers: Sequence[HeldOutAnswer]) -> Iterator[Odds]:
    for at, group in _by(answers, lambda answer: answer.fraction):
        said, true = _said_and_true(group)
        share = float(true.mean())
        yield Odds(
            name, at, len(true), int(true.sum()), _auroc(said, true), float(((said - true) ** 2).mean()),
            share * (1 - share),
        )  # fmt: skip


def _reliability(name: str, answers: Sequence[HeldOutAnswer]) -> Iterator[Reliability]:
    said, grokked = _said_and_true(answers)
    bins = np.digitize(said, RELIABILITY_BINS[1:-1])
    for index, (low, high) in enumerate(pairwise(RELIABILITY_BINS)):
        here = bins == index
        if here.any():
            distinct = len({answer.run for answer in compress(answers, here)})
            yield Reliability(
                name, low, high, int(here.sum()), distinct, float(said[here].mean()), float(grokked[here].mean())
            )


def _said_and_true(answers: Sequence[HeldOutAnswer]) -> tuple[Floats, Mask]:
    """Probabilities, and whether the runs grokked [n] each."""
    said = np.array([answer.said.probability for answer in answers], dtype=np.float64)
    return said, np.array([answer.grok_step is not None for answer in answers], dtype=bool)


def _auroc(said: Floats, true: Mask) -> float | None:
    """Share of pairs of a run that grokked and one that did not in which the first was thought likelier."""
    positive, negative = said[true], said[~true]
    if min(len(positive), len(negative)) < FEWEST_RANKED:
        return None
    difference = positive[:, None] - negative[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _projected(answers: Sequence[HeldOutAnswer]) -> float:
    return float(_mean([float(answer.said.grok_step is not None) for answer in answers]) or 0.0)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None

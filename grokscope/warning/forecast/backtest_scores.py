"""The figures of a backtest: of the answers about runs that had been left out, and of what came.

Beside each figure stands what is free: the base rate of the runs that were kept, and lr · wd alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.streams import generator
from grokscope.warning.fits import CONFIDENCE
from grokscope.warning.forecast.answers import Chance, Law, Projection, When
from grokscope.warning.forecast.peers import Mask
from grokscope.warning.ranking import Auroc, auroc

PARTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Of the usual κ: the decay times at which runs are asked"""
FEWEST_RANKED = 5
"""Runs that came to it, and runs that did not, each, for an AUROC: with two of a kind it is a coin or two"""
RELIABILITY_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ALARM = 0.5
BOOTSTRAP_DRAWS = 2_000
LEAST_PROBABILITY = 1e-3
"""Before its logarithm"""


@dataclass(frozen=True)
class HeldOutAnswer:
    """What was said of a run that had been left out, at one part of the usual κ; and what came."""

    run: str
    configuration: int
    part: float
    kappa: float
    """τ of its grok step; infinite where it never grokked"""
    passed: float
    """τ at which it was half way up; infinite where it never was, NaN where nobody knows"""
    tau: float
    rate: float
    """lr · wd"""
    said: Projection

    def step_error(self, when: When) -> float | None:
        """|said / true − 1| of the grok step."""
        if when.grok_step is None or math.isinf(self.kappa):
            return None
        return abs(when.grok_step * self.rate / self.kappa - 1)

    def held(self, when: When) -> bool | None:
        """Whether the interval held the grok step."""
        if when.low is None or when.high is None or math.isinf(self.kappa):
            return None
        return when.low <= self.kappa / self.rate + 1e-6 and self.kappa / self.rate <= when.high + 1e-6


@dataclass(frozen=True)
class ChanceScore:
    """How well probabilities of one question told runs apart at one part of the usual κ. 0 is perfect for all but
    AUROC."""

    question: str
    part: float
    asked: int
    """Runs that had not come to it yet"""
    answered: int
    came: int
    """Of those answered"""
    auroc: Auroc | None
    brier: float | None
    base_brier: float | None
    """Of always giving the share of the runs that were kept"""
    log_score: float | None
    """Mean −ln of the probability that was given to what came"""
    base_log_score: float | None
    false_alarms: int
    """Answers of at least one half about runs that did not come to it"""
    misses: int
    """Answers below one half about runs that did"""


@dataclass(frozen=True)
class DateScore:
    """Errors of the grok step at one part of the usual κ, beside those of lr · wd alone on the same runs."""

    part: float
    asked: int
    """Runs that grok and had not yet"""
    answered: int
    error: float | None
    """Mean |said / true − 1|"""
    clock_error: float | None
    better_low: float | None
    """Of the 95 % interval of clock_error − error, paired, configurations drawn with replacement"""
    better_high: float | None
    intervals: int
    covered: float | None
    width: float | None
    """Median of high / low"""
    clock_width: float | None


@dataclass(frozen=True)
class Reliability:
    """Of the answers of one question whose probability lay in [`low`, `high`): what was said, and what came.

    A run is asked at several decay times, so answers are many and runs are few: `distinct` counts these.
    """

    question: str
    low: float
    high: float
    answers: int
    distinct: int
    said: float
    """Mean probability"""
    came: float
    """Share of the answers whose run came to it"""


@dataclass(frozen=True)
class Lead:
    """How long before the test accuracy was half way up the forecaster said that it would be, and never unsaid it."""

    came: int
    """Runs that came half way up, and were asked before"""
    foreseen: int
    """Of these, runs of which the last answer before it was right; where no answer was given, none counts as unsaid"""
    steps: float | None
    """Median of the steps from the first of those answers to half way up"""
    share: float | None
    """Median of the same as a share of the way to half way up"""


@dataclass(frozen=True)
class AskedQuestion:
    """One question about a run, and the τ at which it came to it."""

    answer: HeldOutAnswer
    chance: Chance
    at: float

    @property
    def open(self) -> bool:
        """Whether it had not come to it yet, and it is known if it did."""
        return self.at > self.answer.tau

    @property
    def guessed(self) -> bool:
        probability = self.chance.probability
        return self.open and probability is not None and 0 < probability < 1


def chance_scores(question: str, asked: Sequence[AskedQuestion]) -> Iterator[ChanceScore]:
    for part in PARTS:
        here = [each for each in asked if each.answer.part == part and each.open]
        known = [each for each in here if each.guessed]
        said, came, base = _columns(known)
        some = len(known) > 0
        clusters = np.array([str(each.answer.configuration) for each in known])
        enough = min(came.sum(), (~came).sum()) >= FEWEST_RANKED
        yield ChanceScore(
            question=question,
            part=part,
            asked=len(here),
            answered=len(known),
            came=int(came.sum()),
            auroc=auroc(said[came], said[~came], BOOTSTRAP_DRAWS, 0, (list(clusters[came]), list(clusters[~came])))
            if enough
            else None,
            brier=float(((said - came) ** 2).mean()) if some else None,
            base_brier=float(((base - came) ** 2).mean()) if some else None,
            log_score=_log_score(said, came) if some else None,
            base_log_score=_log_score(base, came) if some else None,
            false_alarms=int((said[~came] >= ALARM).sum()),
            misses=int((said[came] < ALARM).sum()),
        )


def _columns(known: Sequence[AskedQuestion]) -> tuple[Floats, Mask, Floats]:
    """Probabilities, what came, and base rates, [n] each."""
    said = np.array([each.chance.probability for each in known], dtype=np.float64)
    base = np.array([each.chance.base_rate for each in known], dtype=np.float64)
    return said, np.array([math.isfinite(each.at) for each in known], dtype=bool), base


def _log_score(said: Floats, came: Mask) -> float:
    given = np.clip(np.where(came, said, 1 - said), LEAST_PROBABILITY, 1)
    return float(-np.log(given).mean())


def date_score(part: float, answers: Sequence[HeldOutAnswer]) -> DateScore:
    groks = [each for each in answers if math.isfinite(each.kappa)]
    both = [
        (each, error, clock_error)
        for each in groks
        if (error := each.step_error(each.said.when)) is not None
        and (clock_error := each.step_error(each.said.rivals.get(Law.CLOCK.value, When()))) is not None
    ]
    errors, clock_errors = (np.array([pair[index] for pair in both], dtype=np.float64) for index in (1, 2))
    held = [hit for each in groks if (hit := each.held(each.said.when)) is not None]
    low, high = _paired(clock_errors - errors, [each.configuration for each, _, _ in both])
    return DateScore(
        part=part,
        asked=len(groks),
        answered=len(both),
        error=float(errors.mean()) if both else None,
        clock_error=float(clock_errors.mean()) if both else None,
        better_low=low,
        better_high=high,
        intervals=len(held),
        covered=float(np.mean(held)) if held else None,
        width=_width([each.said.when for each, _, _ in both]),
        clock_width=_width([each.said.rivals[Law.CLOCK.value] for each, _, _ in both]),
    )


def _paired(differences: Floats, clusters: Sequence[int]) -> tuple[float | None, float | None]:
    """Central 95 % of the mean when clusters are drawn with replacement; None where there are fewer than three."""
    names, member = np.unique(np.asarray(clusters, dtype=np.int64), return_inverse=True)
    if len(names) < 3:
        return None, None
    times = generator(0, "analysis", 3).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAP_DRAWS
    )
    weights = times[:, member]
    means = (weights @ differences) / weights.sum(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _width(said: Sequence[When]) -> float | None:
    widths = [each.high / each.low for each in said if each.low and each.high]
    return float(np.median(widths)) if widths else None


def reliability_of(question: str, asked: Sequence[AskedQuestion]) -> Iterator[Reliability]:
    known = [each for each in asked if each.guessed]
    said, came, _ = _columns(known)
    names = np.array([each.answer.run for each in known])
    bins = np.digitize(said, RELIABILITY_BINS[1:-1])
    for index, (low, high) in enumerate(pairwise(RELIABILITY_BINS)):
        here = bins == index
        if here.any():
            yield Reliability(
                question, low, high, int(here.sum()), len(np.unique(names[here])), float(said[here].mean()),
                float(came[here].mean()),
            )  # fmt: skip


def lead_of(asked: Sequence[AskedQuestion]) -> Lead:
    """Of answers to whether runs generalize."""
    by_run: dict[str, list[AskedQuestion]] = {}
    for each in asked:
        if each.open and math.isfinite(each.at) and each.chance.probability != 1:
            by_run.setdefault(each.answer.run, []).append(each)
    first = {name: _first_right(answers) for name, answers in by_run.items()}
    found = [(by_run[name][0], right) for name, right in first.items() if right is not None]
    return Lead(
        came=len(by_run),
        foreseen=len(found),
        steps=float(np.median([(last.at - right) / last.answer.rate for last, right in found])) if found else None,
        share=float(np.median([1 - right / last.at for last, right in found])) if found else None,
    )


def _first_right(answers: Sequence[AskedQuestion]) -> float | None:
    """τ of the first answer from which all are right, of one run that came to it; None where the last is not.

    A refusal is no answer: it unsays nothing.
    """
    right = None
    for each in reversed([each for each in answers if each.chance.probability is not None]):
        if (each.chance.probability or 0) < ALARM:
            break
        right = each.answer.tau
    return right

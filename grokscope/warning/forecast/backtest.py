"""The forecaster asked about runs it was not calibrated on, at equal decay times, and held against what came.

A split says which runs are left out together: all of a configuration, of an operation, of a training fraction. Splits
may be joined: then no run is kept that shares any of them with the run that is asked about. Every run is asked at the
same parts of the κ that is usual for its size, for as long as it has not grokked. Beside each answer stands what is
free: the base rate of the runs that were kept, and lr · wd alone.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.streams import generator
from grokscope.warning.configuration import settings_of
from grokscope.warning.fits import CONFIDENCE
from grokscope.warning.forecast.answers import Chance, Law, Projection, When
from grokscope.warning.forecast.budgets import giveaway
from grokscope.warning.forecast.comparable import comparable_runs
from grokscope.warning.forecast.forecaster import Forecaster
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.peers import SIZE_FACTS, Mask, Peers, peers_of, seed_errors, settled
from grokscope.warning.forecast.refusals import NoAnswer
from grokscope.warning.ranking import Auroc, auroc
from grokscope.warning.trajectory import Fact, Trajectory
from grokscope.words.tracking import Track, untracked

PARTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Of the usual κ: the decay times at which runs are asked"""
FEWEST_RANKED = 5
"""Runs that came to it, and runs that did not, each, for an AUROC: with two of a kind it is a coin or two"""
RELIABILITY_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ALARM = 0.5
BOOTSTRAP_DRAWS = 2_000
LEAST_PROBABILITY = 1e-3
"""Before its logarithm"""


class Split(StrEnum):
    """What the runs that are left out together share."""

    CONFIGURATION = "configuration"
    LR = "lr"
    WD = "wd"
    OPERATION = "operation"
    FRACTION = "fraction"
    SIZE = "size"
    SEED = "seed"

    def of(self, run: Trajectory, configuration: int) -> Hashable:
        """The group of a run."""
        facts = settings_of(run.facts)
        match self:
            case Split.CONFIGURATION:
                return configuration
            case Split.SEED:
                return run.facts.get("train.seed")
            case Split.LR | Split.WD:
                return facts.get(f"optimizer.{self.value}")
            case Split.OPERATION:
                return _some(facts, lambda key, value: key.startswith("task.") and isinstance(value, str))
            case Split.FRACTION:
                return _some(facts, lambda key, _: key in {"task.train_fraction", "task.train_size"})
            case Split.SIZE:
                return _some(facts, lambda key, _: key.startswith(SIZE_FACTS))


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
class Backtest:
    """All figures of one split."""

    splits: Sequence[Split]
    """Left out together; none: runs that are not in the bank at all"""
    level: float
    runs: int
    grokked: int
    configurations: int
    groups: int
    chances: Sequence[ChanceScore]
    dates: Sequence[DateScore]
    reliability: Sequence[Reliability]
    lead: Lead
    seed_error: float | None
    """Mean error of a run's grok step by those of the other seeds of its configuration (their geometric mean): how far
    apart runs are that differ in chance alone. None where no configuration grokked twice"""
    seed_runs: int
    """Runs whose configuration grokked with another seed"""
    refusals: Mapping[str, Mapping[str, int]]
    """By question: how often each reason was given"""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def backtest(trajectories: Sequence[Trajectory], *splits: Split, track: Track = untracked) -> Backtest:
    """Left out together is what shares one of `splits`; without any, the configuration.

    Raises `ValueError` where there are no two groups to leave out, none of the runs has grokked, or their budgets give
    the outcome away.
    """
    peers, splits = _tested(trajectories), splits or (Split.CONFIGURATION,)
    runs = list(zip(peers.runs, map(int, peers.configuration), strict=True))
    groups = [tuple(split.of(run, own) for split in splits) for run, own in runs]
    for index, split in enumerate(splits):
        if len({group[index] for group in groups}) < 2:
            raise ValueError(f"a backtest leaves out one {split} after the other, and here is only one")
    return _scored(splits, peers, len(set(groups)), list(_left_out(peers, groups, track)))


def backtest_new(
    trajectories: Sequence[Trajectory], bank: Sequence[Trajectory], *, track: Track = untracked
) -> Backtest:
    """The same of runs that had no part in `bank`, whose forecaster they are asked of; where their configuration has,
    it is left out. Raises `ValueError` as `backtest` does, and where the bank is of no use."""
    peers, known = _tested(trajectories), peers_of(bank)
    if not np.isfinite(known.kappa).any():
        raise ValueError("no run of the bank has grokked with a known lr and weight decay")
    answers = [
        answer
        for index, name in track(list(enumerate(peers.names)), "runs asked")
        for answer in _asked(Forecaster(known.where(known.names != name)), peers, index)
    ]
    return _scored((), peers, 1, answers)


def _tested(trajectories: Sequence[Trajectory]) -> Peers:
    if (leak := giveaway([run for run in trajectories if settled(run)])) is not None:
        raise ValueError(leak)
    peers = peers_of(trajectories)
    if not np.isfinite(peers.kappa).any():
        raise ValueError(f"of these {len(trajectories)} runs none has grokked with a known lr and weight decay")
    return peers


def _scored(splits: Sequence[Split], peers: Peers, groups: int, answers: Sequence[HeldOutAnswer]) -> Backtest:
    questions = {
        "generalizes": [_Asked(each, each.said.generalizes, each.passed) for each in answers],
        "reaches": [_Asked(each, each.said.reaches, each.kappa) for each in answers],
    }
    refused = {name: [each.chance.refused for each in asked] for name, asked in questions.items()}
    refused["when"] = [answer.said.when.refused for answer in answers]
    apart = list(seed_errors(peers))
    return Backtest(
        splits=splits,
        level=FORECAST_LEVEL,
        runs=len(peers),
        grokked=int(np.isfinite(peers.kappa).sum()),
        configurations=len(np.unique(peers.configuration)),
        groups=groups,
        chances=[score for name, asked in questions.items() for score in _chance_scores(name, asked)],
        dates=[_date_score(part, [each for each in answers if each.part == part]) for part in PARTS],
        reliability=[row for name, asked in questions.items() for row in _reliability(name, asked)],
        lead=_lead(questions["generalizes"]),
        seed_error=float(np.mean(apart)) if apart else None,
        seed_runs=len(apart),
        refusals={name: _counted(reasons) for name, reasons in refused.items()},
    )


def _left_out(peers: Peers, groups: Sequence[tuple[Hashable, ...]], track: Track) -> Iterator[HeldOutAnswer]:
    for group in track(list(dict.fromkeys(groups)), f"groups of {peers.runs[0].task} left out"):
        kept = [all(one != own for one, own in zip(each, group, strict=True)) for each in groups]
        forecaster = Forecaster(peers.where(np.array(kept)))
        for index in (index for index, each in enumerate(groups) if each == group):
            yield from _asked(forecaster, peers, index)


def _asked(forecaster: Forecaster, peers: Peers, index: int) -> Iterator[HeldOutAnswer]:
    """One run at every part of the κ that is usual in the bank, for as long as it has not grokked."""
    run, clock, kappa = peers.runs[index], peers.clocks[index], float(peers.kappa[index])
    near = comparable_runs(forecaster.peers, run.facts)
    usual = (forecaster.peers if isinstance(near, NoAnswer) else near).usual_kappa
    for part in [] if math.isnan(usual) else PARTS:
        tau = part * usual
        step = clock.step(tau)
        if tau < kappa and run.columns["step"][0] <= step < min(run.steps, run.budget):
            said = forecaster.forecast(run.until(step))
            own, passed = int(peers.configuration[index]), float(peers.passed[index])
            yield HeldOutAnswer(run.name, own, part, kappa, passed, tau, clock.rate, said)


@dataclass(frozen=True)
class _Asked:
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


def _chance_scores(question: str, asked: Sequence[_Asked]) -> Iterator[ChanceScore]:
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


def _columns(known: Sequence[_Asked]) -> tuple[Floats, Mask, Floats]:
    """Probabilities, what came, and base rates, [n] each."""
    said = np.array([each.chance.probability for each in known], dtype=np.float64)
    base = np.array([each.chance.base_rate for each in known], dtype=np.float64)
    return said, np.array([math.isfinite(each.at) for each in known], dtype=bool), base


def _log_score(said: Floats, came: Mask) -> float:
    given = np.clip(np.where(came, said, 1 - said), LEAST_PROBABILITY, 1)
    return float(-np.log(given).mean())


def _date_score(part: float, answers: Sequence[HeldOutAnswer]) -> DateScore:
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


def _reliability(question: str, asked: Sequence[_Asked]) -> Iterator[Reliability]:
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


def _lead(asked: Sequence[_Asked]) -> Lead:
    """Of answers to whether runs generalize."""
    by_run: dict[str, list[_Asked]] = {}
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


def _first_right(answers: Sequence[_Asked]) -> float | None:
    """τ of the first answer from which all are right, of one run that came to it; None where the last is not.

    A refusal is no answer: it unsays nothing.
    """
    right = None
    for each in reversed([each for each in answers if each.chance.probability is not None]):
        if (each.chance.probability or 0) < ALARM:
            break
        right = each.answer.tau
    return right


def _counted(reasons: Sequence[NoAnswer | None]) -> dict[str, int]:
    return dict(Counter(reason.refusal.code for reason in reasons if reason is not None).most_common())


def _some(facts: Mapping[str, Fact], wanted: Callable[[str, Fact], bool]) -> Hashable:
    return tuple((key, facts[key]) for key in sorted(facts) if wanted(key, facts[key]))

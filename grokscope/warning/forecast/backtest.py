"""The forecaster asked about runs it was not calibrated on, at equal decay times, and held against what came.

A split says which runs are left out together: all of a configuration, of an operation, of a training fraction. Splits
may be joined: then no run is kept that shares any of them with the run that is asked about. Every run is asked at the
same parts of the κ that is usual for its size, for as long as it has not grokked.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from grokscope.warning.configuration import settings_of
from grokscope.warning.forecast.backtest_scores import (
    PARTS,
    AskedQuestion,
    ChanceScore,
    DateScore,
    HeldOutAnswer,
    Lead,
    Reliability,
    chance_scores,
    date_score,
    lead_of,
    reliability_of,
)
from grokscope.warning.forecast.budgets import giveaway
from grokscope.warning.forecast.comparable import comparable_runs
from grokscope.warning.forecast.forecaster import Forecaster
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.peers import SIZE_FACTS, Peers, peers_of, seed_errors, settled
from grokscope.warning.forecast.refusals import NoAnswer
from grokscope.warning.trajectory import Fact, Trajectory
from grokscope.words.tracking import Track, untracked


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
        "generalizes": [AskedQuestion(each, each.said.generalizes, each.passed) for each in answers],
        "reaches": [AskedQuestion(each, each.said.reaches, each.kappa) for each in answers],
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
        chances=[score for name, asked in questions.items() for score in chance_scores(name, asked)],
        dates=[date_score(part, [each for each in answers if each.part == part]) for part in PARTS],
        reliability=[row for name, asked in questions.items() for row in reliability_of(name, asked)],
        lead=lead_of(questions["generalizes"]),
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


def _counted(reasons: Sequence[NoAnswer | None]) -> dict[str, int]:
    return dict(Counter(reason.refusal.code for reason in reasons if reason is not None).most_common())


def _some(facts: Mapping[str, Fact], wanted: Callable[[str, Fact], bool]) -> Hashable:
    return tuple((key, facts[key]) for key in sorted(facts) if wanted(key, facts[key]))

"""The runs of a bank as a forecast uses them: what each had come to by one decay time, and what became of it.

Runs are compared at equal decay time τ = lr · wd · step, never at equal steps: at one τ the clock of weight decay is
the same for all of them, and what they still differ in is what a forecast can know.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.configuration import configuration_of
from grokscope.warning.forecast.familiar import Known, known_settings
from grokscope.warning.forecast.intervals import votes
from grokscope.warning.forecast.reading import READ, DecayClock, as_read, clock_of
from grokscope.warning.forecast.refusals import NoAnswer
from grokscope.warning.forecast.regression import linear_fits
from grokscope.warning.trajectory import CHANCE, Fact, Trajectory

Mask = NDArray[np.bool_]

STALE = 0.25
"""A record older than this, in τ, says nothing of a run any more"""
SIZE_FACTS = ("model.", "task.modulus", "task.train_size")
"""Beginnings of the settings that make the size of a model, or of its training set where examples are counted: on
Dyck-1 30 sequences are never enough, and κ falls from 2.1 with 50 to 0.3 with 100 and 0.2 with 200"""
SIZE_FACTOR = 1.3
"""Sizes are comparable up to this factor: κ changes from 4.9 to 3.0 as the modulus goes from 59 to 97 and the width
from 64 to 128"""
MEMORIZED_ACCURACY = 0.99
FEWEST_GROUPS = 3
"""Configurations of a fit: each is left out once"""


def settled(trajectory: Trajectory) -> bool:
    """Whether it is known if the run groks within its budget: it has, or the budget was used up."""
    return trajectory.grok_step is not None or trajectory.steps >= trajectory.budget


def half_way(trajectory: Trajectory) -> float | None:
    """The test accuracy half way from chance to 1, beyond which a run is said to generalize; None where chance is not
    on record."""
    chance = trajectory.facts.get(CHANCE)
    return None if not isinstance(chance, int | float) else float(chance + (1 - chance) / 2)


def passed_at(trajectory: Trajectory) -> float:
    """The first step at which the run is half way up; infinite where it never is, NaN where chance is unknown."""
    threshold = half_way(trajectory)
    steps, accuracies = trajectory.signal("test_accuracy")
    if threshold is None:
        return math.nan
    above = np.flatnonzero(accuracies >= threshold)
    return float(steps[above[0]]) if len(above) else math.inf


def memorization_is_enough(trajectory: Trajectory) -> bool:
    """Whether the run was half way up when its training set was memorized first."""
    steps, accuracies = trajectory.signal("train_accuracy")
    known = np.flatnonzero(accuracies >= MEMORIZED_ACCURACY)
    return bool(len(known)) and passed_at(trajectory) <= float(steps[known[0]])


def trough_of(trajectory: Trajectory) -> float:
    """The lowest training accuracy after the training set was memorized first; NaN where it was not."""
    accuracies = trajectory.signal("train_accuracy")[1]
    known = np.flatnonzero(accuracies >= MEMORIZED_ACCURACY)
    return float(accuracies[known[0] :].min()) if len(known) else math.nan


@dataclass(frozen=True, eq=False)
class Readings:
    """What one run was read at, wherever its training loss is on record."""

    taus: Floats
    """[m]"""
    numbers: Floats
    """Of `READ` [m, 4]; NaN where they are not on record"""

    @classmethod
    def of(cls, run: Trajectory, clock: DecayClock) -> "Readings":
        rows = np.flatnonzero(np.isfinite(run.columns.get("train_loss", np.empty(0))))
        nowhere = np.full(run.columns["step"].shape, np.nan)
        numbers = np.column_stack([run.columns.get(name, nowhere)[rows] for name in READ])
        return cls(run.columns["step"][rows] * clock.rate, numbers)

    def at(self, tau: float) -> Floats:
        """As last recorded by τ [4]; NaN where nothing is, or what is is stale."""
        row = int(np.searchsorted(self.taus, tau * (1 + 1e-9), "right")) - 1
        fresh = row >= 0 and tau - self.taus[row] <= STALE
        return self.numbers[row] if fresh else np.full(len(READ), np.nan)


@dataclass(frozen=True, eq=False)
class Peers:
    """Settled, undisturbed runs that have a clock, [n] each."""

    runs: Sequence[Trajectory]
    clocks: Sequence[DecayClock]
    readings: Sequence[Readings]
    kappa: Floats
    """τ of the grok step; infinite where the run never grokked within its budget"""
    passed: Floats
    """τ at which the run was half way up; infinite where it never was, NaN where chance is unknown"""
    horizon: Floats
    """τ of the budget"""
    names: NDArray[np.object_]
    """Configurations: runs that differ in their seeds alone share one"""
    configuration: NDArray[np.int64]
    """The same as numbers"""
    easy: Mask
    """Whether memorizing was enough to be half way up"""
    trough: Floats
    """Lowest training accuracy after memorization; NaN where the run never memorized"""

    def __len__(self) -> int:
        return len(self.runs)

    def where(self, mask: Mask) -> "Peers":
        """The runs of `mask` [n]."""
        kept = [int(index) for index in np.flatnonzero(mask)]
        arrays = {name: getattr(self, name)[mask] for name in _ARRAYS}
        lists: dict[str, Any] = {name: [getattr(self, name)[index] for index in kept] for name in _LISTS}
        return replace(self, **lists, **arrays)

    def at(self, tau: float) -> Floats:
        """The numbers of `READ` as last recorded by τ, [n, 4]; NaN where they are not, or older than `STALE`."""
        return np.array([each.at(tau) for each in self.readings]).reshape(len(self), len(READ))

    @cached_property
    def known(self) -> Known:
        """What the runs had, by setting."""
        return known_settings([run.facts for run in self.runs])

    @cached_property
    def usual_kappa(self) -> float:
        """The median over the runs that grok; NaN where none does."""
        grokked = self.kappa[np.isfinite(self.kappa)]
        return float(np.median(grokked)) if len(grokked) else math.nan

    @cached_property
    def rates(self) -> Floats:
        """lr · wd of each run [n]."""
        return np.array([clock.rate for clock in self.clocks])

    @cached_property
    def in_steps(self) -> bool:
        """Whether runs grok at one number of steps rather than at one κ: told by configurations left out.

        Runs of one lr · wd cannot tell the two apart.
        """
        rows = np.isfinite(self.kappa)
        groups, kappa = self.configuration[rows], np.log(self.kappa[rows])
        if len(np.unique(groups)) < FEWEST_GROUPS or np.ptp(np.log(self.rates[rows])) < math.log(SIZE_FACTOR):
            return False
        nothing, weights = np.empty((len(groups), 0)), votes(groups)

        def error(values: Floats) -> float:
            return float(
                np.average(np.abs(values - linear_fits(nothing, values, groups).left_out(nothing)), weights=weights)
            )

        return error(kappa - np.log(self.rates[rows])) < error(kappa)


_LISTS = ("runs", "clocks", "readings")
_ARRAYS = ("kappa", "passed", "horizon", "names", "configuration", "easy", "trough")


def peers_of(trajectories: Sequence[Trajectory]) -> Peers:
    """What a forecast can use of `trajectories`."""
    usable: list[tuple[Trajectory, DecayClock]] = []
    for trajectory in trajectories:
        clock = clock_of(trajectory.facts, *trajectory.signal("decay_time"))
        if settled(trajectory) and not trajectory.treated and not isinstance(clock, NoAnswer):
            usable.append((as_read(trajectory), clock))
    runs, clocks = [run for run, _ in usable], [clock for _, clock in usable]
    rates = np.array([clock.rate for clock in clocks])
    names = [configuration_of(run) for run in runs]
    groks = np.array([math.inf if run.grok_step is None else float(run.grok_step) for run in runs])
    return Peers(
        runs=runs,
        clocks=clocks,
        readings=[Readings.of(run, clock) for run, clock in usable],
        kappa=groks * rates,
        passed=np.array([passed_at(run) for run in runs]) * rates,
        horizon=np.array([float(run.budget) for run in runs]) * rates,
        names=np.array(names, dtype=object),
        configuration=numbered(names),
        easy=np.array([memorization_is_enough(run) for run in runs], dtype=bool),
        trough=np.array([trough_of(run) for run in runs]),
    )


def comparable_size(one: Fact | None, other: Fact | None) -> bool:
    """Whether two values of a size are near enough; words and unset values must be equal."""
    ratio = log_ratio(one, other)
    return one == other if math.isnan(ratio) else abs(ratio) <= math.log(SIZE_FACTOR)


def log_ratio(one: Fact | None, other: Fact | None) -> float:
    """Natural logarithm of one value over the other; NaN unless both are positive numbers."""
    if isinstance(one, int | float) and isinstance(other, int | float) and one > 0 and other > 0:
        return math.log(one / other)
    return math.nan


def numbered(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each different key, in the order of their first occurrence. [n]"""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def seed_errors(peers: Peers) -> Iterator[float]:
    """|predicted / true − 1| of each grok step, predicted by the other seeds of its configuration (geometric mean)."""
    grokked = np.isfinite(peers.kappa)
    for own in np.unique(peers.configuration[grokked]):
        logs = np.log(peers.kappa[grokked & (peers.configuration == own)])
        for index in range(len(logs)) if len(logs) > 1 else ():
            yield abs(math.exp(np.delete(logs, index).mean() - logs[index]) - 1)

"""A run as a forecaster is asked about it, and what is said of it whatever the bank."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.answers import Chance, Projection, When, nothing
from grokscope.warning.forecast.peers import half_way, trough_of
from grokscope.warning.forecast.reading import READ, DecayClock, Reading, clock_of, last_reading
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.trajectory import TREATED_FROM, Fact, Trajectory
from grokscope.words.numbers import count


@dataclass(frozen=True)
class RunSoFar:
    """A run as it is asked about."""

    reading: Reading
    facts: Mapping[str, Fact]
    budget: int
    grokked: bool
    passed: bool
    """Whether its test accuracy has been half way from chance to 1"""
    trough: float
    """Lowest training accuracy after memorization so far; NaN before it"""
    clock: DecayClock | NoAnswer
    record: Trajectory

    def numbers_at(self, tau: float) -> Floats:
        """What it was read at, at an earlier decay time [4]; NaN where nothing was recorded."""
        assert isinstance(self.clock, DecayClock)
        step = math.floor(tau / self.clock.rate + 1e-9)
        if step < self.record.columns["step"][0]:
            return np.full(len(READ), np.nan)
        return last_reading(self.record.until(step), self.clock).numbers

    @classmethod
    def of(cls, trajectory: Trajectory) -> "RunSoFar":
        """A recorded run, from all its rows; cut it with `until` first to ask about an earlier step."""
        threshold = half_way(trajectory)
        clock = clock_of(trajectory.facts, *trajectory.signal("decay_time"))
        read = last_reading(trajectory, clock) if isinstance(clock, DecayClock) else Reading(trajectory.steps)
        return cls(
            reading=replace(read, step=trajectory.steps),
            facts=trajectory.facts,
            budget=trajectory.budget,
            grokked=trajectory.grok_step is not None,
            passed=threshold is not None and bool((trajectory.signal("test_accuracy")[1] >= threshold).any()),
            trough=trough_of(trajectory),
            clock=clock,
            record=trajectory,
        )


def settled_before_looking(asked: RunSoFar) -> Projection | None:
    """What is said whatever the bank: of a run that is over, was treated, or has no clock; None for any other."""
    step = asked.reading.step
    tau = asked.clock.tau(step) if isinstance(asked.clock, DecayClock) else None
    if asked.grokked:
        certain = Chance(1.0)
        return Projection(step, tau, certain, certain, When(refused=NoAnswer(Refusal.GROKKED)))
    if step >= asked.budget:
        over = NoAnswer(Refusal.USED_UP)
        passed = Chance(1.0) if asked.passed else Chance(refused=over)
        return Projection(step, tau, passed, Chance(0.0), When(refused=over))
    treated = asked.facts.get(TREATED_FROM)
    if isinstance(treated, int) and treated < step:
        return nothing(step, tau, NoAnswer(Refusal.TREATED, f"from step {count(treated)} on"))
    return nothing(step, tau, asked.clock) if isinstance(asked.clock, NoAnswer) else None

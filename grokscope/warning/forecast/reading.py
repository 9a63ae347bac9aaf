"""What a forecast reads of a run at a step: its decay time, three numbers of its record, and one of its structure.

The signals' own code computes the numbers, for a run that trains and for a record alike, so that both are told the
same; the structure of an embedding is read where the run recorded it. All else is left to the scoreboard.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Signal, Subject
from grokscope.settings.clock import no_clock
from grokscope.settings.signals import installed_signals
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.recorded import RecordVantage, with_recorded
from grokscope.warning.trajectory import Fact, Trajectory

READ = ("elasticity", "train_loss", "norm_slope", "fourier_growth")
"""The numbers: the elasticity of the test loss, the loss on the training set, the slope of log ‖θ‖², and the growth of
Fourier structure in the embedding, which only tasks over residues have"""
COMPUTED = ("elasticity", "norm_slope")
"""Those of them that a signal computes from others"""
STEADY = 0.01
"""A recorded decay time may differ from step · lr · wd by this part; by more, lr or wd followed a schedule"""


@dataclass(frozen=True)
class DecayClock:
    """Decay time τ = step · rate."""

    rate: float
    """lr · wd, positive"""

    def tau(self, step: float) -> float:
        """Decay time of a step."""
        return step * self.rate

    def step(self, tau: float) -> int:
        """The first step at which decay time is at least τ."""
        return math.ceil(tau / self.rate - 1e-9)


@dataclass(frozen=True)
class Reading:
    """A run at a step; a number that is not on record there is NaN."""

    step: int
    elasticity: float = math.nan
    train_loss: float = math.nan
    norm_slope: float = math.nan
    fourier_growth: float = math.nan

    @property
    def numbers(self) -> Floats:
        """In the order of `READ`, [4]."""
        return np.array([getattr(self, name) for name in READ])


def clock_of(facts: Mapping[str, Fact], steps: Floats, decay_times: Floats) -> DecayClock | NoAnswer:
    """The clock of a run with these settings; `decay_times` [n] as it recorded them at `steps` [n], if it did."""
    lr, wd = (facts.get(f"optimizer.{name}") for name in ("lr", "wd"))
    if not isinstance(lr, int | float) or not isinstance(wd, int | float):
        return NoAnswer(Refusal.NO_CLOCK, "learning rate or weight decay is not on record")
    if lr * wd <= 0:
        return NoAnswer(Refusal.NO_CLOCK, "without weight decay nothing shrinks the weights")
    objection = no_clock(facts)
    if objection is not None:
        return NoAnswer(Refusal.NO_CLOCK, objection)
    if len(steps) and abs(decay_times[-1] - steps[-1] * lr * wd) > STEADY * max(decay_times[-1], STEADY):
        return NoAnswer(Refusal.NO_CLOCK, "learning rate or weight decay follows a schedule")
    return DecayClock(lr * wd)


def as_read(trajectory: Trajectory) -> Trajectory:
    """The run with the columns that a forecast reads, computed where its record lacks them."""
    asked = [(spec, spec.parameters()) for spec in installed_signals() if spec.name in COMPUTED]
    return with_recorded(trajectory, asked)


def last_reading(trajectory: Trajectory, clock: DecayClock) -> Reading:
    """What is read at the last evaluation of a run, computed where its record lacks it."""
    steps, losses = trajectory.signal("train_loss")
    if not len(steps):
        return Reading(trajectory.steps)
    step = int(steps[-1])
    vantage = RecordVantage(trajectory, step, _offered(trajectory, clock))
    found = {"train_loss": float(losses[-1])}
    for name in (each for each in READ if each != "train_loss"):
        at, values = trajectory.signal(name)
        if len(at):
            found[name] = float(values[-1]) if at[-1] == step else math.nan
        elif name in COMPUTED:
            found[name] = _observed(name, vantage)
    return Reading(step, **found)


def _offered(trajectory: Trajectory, clock: DecayClock) -> Callable[[str], tuple[Floats, Floats]]:
    """The series of a run, with its decay time whether or not it recorded that."""

    def series(name: str) -> tuple[Floats, Floats]:
        if name == "decay_time" and not trajectory.has(name):
            return trajectory.columns["step"], trajectory.columns["step"] * clock.rate
        return trajectory.signal(name)

    return series


def _observed(name: str, vantage: RecordVantage) -> float:
    signal = _signal(name)
    value = None if signal is None else signal.observe(vantage).get(name)
    return math.nan if value is None else float(value)


@cache
def _signal(name: str) -> Signal | None:
    """Signals of recorded numbers keep nothing between two looks, so that one serves all runs."""
    found = next((spec for spec in installed_signals() if spec.name == name and spec.open), None)
    return None if found is None or found.open is None else found.open(found.parameters(), Subject(""))

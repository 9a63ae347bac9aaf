"""Signals that need nothing but the record, computed for runs that have ended, came from elsewhere, or stand in a bank.

It is the signal's own code that computes them, from a vantage that offers the record alone: what a run would have
recorded of them while it trained comes out, to the last bit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import NotOffered, Signal, SignalSpec, Subject
from grokscope.settings.signals import installed_signals
from grokscope.warning.trajectory import SCORES, Trajectory

AskedSignals = Iterable[tuple[SignalSpec, BaseModel]]
StepsAndValues = Callable[[str], tuple[Floats, Floats]]


class RecordVantage:
    """See `grokscope.contract.signals.Vantage`: one step of a recorded run. All but the record raises `NotOffered`."""

    outcome = None

    def __init__(self, trajectory: Trajectory, step: int, series: StepsAndValues) -> None:
        """`series`: steps and values of a number, to the end of the run."""
        self.step = step
        self._trajectory = trajectory
        self._series = series

    @property
    def decay_time(self) -> float | None:
        rates = _rates(self._trajectory)
        return None if rates is None else self.step * rates[0] * rates[1]

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        steps, values = self._series(name)
        end = int(np.searchsorted(steps, self.step, "right"))
        return steps[:end], values[:end]

    def __getattr__(self, name: str) -> NoReturn:
        raise NotOffered(f"of {self._trajectory.name} only the record is left, and no {name.replace('_', ' ')}")


def with_recorded(trajectory: Trajectory, asked: AskedSignals | None = None) -> Trajectory:
    """The run with a column more for every signal of cost `recorded` that it lacks; unchanged where none can be had.

    `asked`: signals with their parameters; by default those that are installed, as a run would look at them unasked.
    """
    wanted = _installed() if asked is None else list(asked)
    trajectory = _with_clock(trajectory)
    lacking = [(spec, parameters) for spec, parameters in wanted if not trajectory.has(spec.name)]
    if not lacking:
        return trajectory
    series = _offered(trajectory, [spec for spec, _ in wanted])
    columns: dict[str, Floats] = dict(trajectory.columns)
    for spec, parameters in lacking:
        try:
            assert spec.open is not None
            columns |= _columns(trajectory, spec.open(parameters, Subject(trajectory.task)), series)
        except Exception:  # somebody else's plugin, or a run that does not have what the signal looks at
            continue
    return replace(trajectory, columns=columns)


def _installed() -> list[tuple[SignalSpec, BaseModel]]:
    return [(spec, spec.parameters()) for spec in installed_signals() if spec.cost == "recorded" and spec.open]


def _with_clock(trajectory: Trajectory) -> Trajectory:
    """The run with its decay time, where the settings say what it is: other signals read it."""
    rates = _rates(trajectory)
    if rates is None or trajectory.has("decay_time"):
        return trajectory
    clock = np.where(_evaluated(trajectory), trajectory.columns["step"] * rates[0] * rates[1], np.nan)
    return replace(trajectory, columns={**trajectory.columns, "decay_time": clock})


def _rates(trajectory: Trajectory) -> tuple[float, float] | None:
    lr, wd = (trajectory.facts.get(f"optimizer.{name}") for name in ("lr", "wd"))
    return (float(lr), float(wd)) if isinstance(lr, int | float) and isinstance(wd, int | float) else None


def _evaluated(trajectory: Trajectory) -> NDArray[np.bool_]:
    """The rows that hold an evaluation."""
    evaluated = np.zeros(len(trajectory.columns["step"]), dtype=bool)
    for name in SCORES:
        evaluated |= np.isfinite(trajectory.columns.get(name, np.array(np.nan)))
    return evaluated


def _offered(trajectory: Trajectory, hidden: Sequence[SignalSpec]) -> StepsAndValues:
    """What a vantage offers of a run: not the numbers of `hidden` signals, which are due at the same time."""

    @cache
    def series(name: str) -> tuple[Floats, Floats]:
        return trajectory.signal("" if any(spec.owns(name) for spec in hidden) else name)

    return series


def _columns(trajectory: Trajectory, signal: Signal, series: StepsAndValues) -> dict[str, Floats]:
    """The numbers at every evaluation, in columns like the others."""
    evaluated = _evaluated(trajectory)
    found: dict[str, Floats] = {}
    for row in np.flatnonzero(evaluated):
        vantage = RecordVantage(trajectory, int(trajectory.columns["step"][row]), series)
        for name, value in signal.observe(vantage).items():
            column = found.setdefault(name, np.full(len(evaluated), np.nan))
            column[row] = np.nan if value is None else value
    return found

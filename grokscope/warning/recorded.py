"""Signals that need nothing but the record, computed for runs that have ended, came from elsewhere, or stand in a bank.

It is the signal's own code that computes them, from a vantage that offers the record alone: what a run would have
recorded of them while it trained comes out, to the last bit.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from grokscope.contract.signals import NotOffered, Signal, SignalSpec, Subject
from grokscope.settings.signals import installed_signals
from grokscope.warning.trajectory import SCORES, Array, Trajectory

Asked = Iterable[tuple[SignalSpec, BaseModel]]


class RecordVantage:
    """See `grokscope.contract.signals.Vantage`: one step of a recorded run. All but the record raises `NotOffered`."""

    outcome = None

    def __init__(self, trajectory: Trajectory, step: int, hidden: Iterable[SignalSpec]) -> None:
        """`hidden`: the signals whose numbers are not offered, for they are due at the same time."""
        self.step = step
        self._trajectory = trajectory
        self._hidden = list(hidden)

    @property
    def decay_time(self) -> float | None:
        rates = _rates(self._trajectory)
        return None if rates is None else self.step * rates[0] * rates[1]

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if any(spec.owns(name) for spec in self._hidden):
            return np.empty(0), np.empty(0)
        steps, values = self._trajectory.signal(name)
        end = int(np.searchsorted(steps, self.step, "right"))
        return steps[:end], values[:end]

    def __getattr__(self, name: str) -> NoReturn:
        raise NotOffered(f"of {self._trajectory.name} only the record is left, and no {name.replace('_', ' ')}")


def with_recorded(trajectory: Trajectory, asked: Asked | None = None) -> Trajectory:
    """The run with a column more for every signal of cost `recorded` that it lacks; unchanged where none can be had.

    `asked`: signals with their parameters; by default those that are installed, as a run would look at them unasked.
    """
    wanted = _installed() if asked is None else list(asked)
    trajectory = _with_clock(trajectory)
    lacking = [(spec, parameters) for spec, parameters in wanted if not trajectory.has(spec.name)]
    if not lacking:
        return trajectory
    hidden = [spec for spec, _ in wanted]
    columns: dict[str, Array] = dict(trajectory.columns)
    for spec, parameters in lacking:
        try:
            assert spec.open is not None
            columns |= _columns(trajectory, spec.open(parameters, Subject(trajectory.task)), hidden)
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


def _columns(trajectory: Trajectory, signal: Signal, hidden: Iterable[SignalSpec]) -> dict[str, Array]:
    """The numbers at every evaluation, in columns like the others."""
    evaluated = _evaluated(trajectory)
    found: dict[str, Array] = {}
    for row in np.flatnonzero(evaluated):
        vantage = RecordVantage(trajectory, int(trajectory.columns["step"][row]), hidden)
        for name, value in signal.observe(vantage).items():
            column = found.setdefault(name, np.full(len(evaluated), np.nan))
            column[row] = np.nan if value is None else value
    return found

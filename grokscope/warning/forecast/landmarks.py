"""Runs of a bank, seen at many steps of each: what laws, intervals and probabilities are fitted to.

A run enters twice. At `SPREAD` steps evenly over its way to grokking, for questions of *when*: there every run counts
the same. And on a grid over its budget, for the question *whether*: there a run counts for as long as it was waiting,
so that at any step those that are left are weighed as they are met.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.configuration import configuration_of, settings_of
from grokscope.warning.detection import rows_of
from grokscope.warning.forecast.progress import FEATURES, Progress
from grokscope.warning.trajectory import Fact, Trajectory

SPREAD = 20
LANDMARKS_A_RUN = 40
FEWEST_EVALUATIONS = 4
"""Before that it is too early: there is no slope to look at"""

Mask = NDArray[np.bool_]
FeatureColumns = dict[str, Floats]
"""Features by name, each [n]."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Rows [n]: a run at a step, run by run. Runs that never grokked within their budget are there; see `settled`."""

    columns: FeatureColumns
    run: NDArray[np.int64]
    configuration: NDArray[np.int64]
    """Runs that differ in their seeds alone share one"""
    family: NDArray[np.int64]
    """Runs of the same operation, whatever their lr, share one"""
    grok_step: Floats
    """NaN where the run never grokked"""
    budget: Floats
    spread: Mask
    grid: Mask

    def __len__(self) -> int:
        return len(self.run)

    @property
    def log_grok(self) -> Floats:
        """Of the grok step."""
        return np.log(self.grok_step)

    def where(self, mask: Mask) -> "Landmarks":
        """The rows of `mask` [n]."""
        columns = {name: column[mask] for name, column in self.columns.items()}
        rest = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name != "columns"}
        return Landmarks(columns, **rest)

    @cached_property
    def timed(self) -> "Landmarks":
        """Rows on the way to grokking, evenly over it."""
        return self if self.spread.all() else self.where(self.spread)

    @cached_property
    def last(self) -> "Landmarks":
        """The last row of every run that grokked: what was known just before."""
        run = self.timed.run
        return self.timed.where(np.append(run[1:] != run[:-1], len(run) > 0)[: len(run)])


def settled(trajectory: Trajectory) -> bool:
    """Whether it is known if the run groks within its budget: it has, or the budget was used up."""
    return trajectory.grok_step is not None or trajectory.steps >= trajectory.budget


def family_of(trajectory: Trajectory) -> tuple[Fact, ...]:
    """The options of the task that are words, such as the operation."""
    facts = settings_of(trajectory.facts)
    return tuple(facts[key] for key in sorted(facts) if key.startswith("task.") and isinstance(facts[key], str))


def landmarks_of(trajectories: Sequence[Trajectory]) -> Landmarks:
    """Settled runs as one table, numbered in this order. Raises `ValueError` where there are none."""
    seen = [_seen(trajectory) for trajectory in trajectories]
    counts = [len(each) for each in seen]
    if not sum(counts):
        raise ValueError("no run has grokked or used up its budget: there is nothing to calibrate on")

    def per_run(values: Sequence[float | int]) -> NDArray[Any]:
        return np.repeat(np.array(values), counts)

    rows = [row for each in seen for row in each]
    table = np.array([row.features for row in rows])
    return Landmarks(
        columns=dict(zip(FEATURES, table.T.copy(), strict=True)),
        run=per_run(range(len(trajectories))),
        configuration=per_run(_numbered([configuration_of(trajectory) for trajectory in trajectories])),
        family=per_run(_numbered([family_of(trajectory) for trajectory in trajectories])),
        grok_step=per_run([math.nan if each.grok_step is None else float(each.grok_step) for each in trajectories]),
        budget=per_run([float(trajectory.budget) for trajectory in trajectories]),
        spread=np.array([row.spread for row in rows]),
        grid=np.array([row.grid for row in rows]),
    )


class _Row(NamedTuple):
    features: Floats
    spread: bool
    grid: bool


def _seen(trajectory: Trajectory) -> list[_Row]:
    """The landmarks of a run: its state after the last row that is not later than each of the steps asked for.

    And after the rows between grokking and its confirmation, so that there too a run looks familiar.
    """
    end = trajectory.steps if trajectory.grok_step is None else trajectory.grok_step
    steps = trajectory.columns["step"]
    steps = steps[steps < end]
    asked = np.array([]) if trajectory.grok_step is None else end * (np.arange(SPREAD) + 0.5) / SPREAD
    spread, grid = (
        _rows_at(steps, asked),
        _rows_at(steps, trajectory.budget * np.arange(1, LANDMARKS_A_RUN) / LANDMARKS_A_RUN, end),
    )
    progress = Progress.of(trajectory.facts)
    found: list[_Row] = []
    for index, (step, cells) in enumerate(rows_of(trajectory)):
        if step >= (trajectory.grok_known_at or end):
            break
        progress.see(step, cells)
        wanted = index in spread, index in grid
        if (any(wanted) or step >= end) and progress.evaluations >= FEWEST_EVALUATIONS:
            found.append(_Row(progress.features(), *wanted))
    return found


def _rows_at(steps: Floats, asked: Floats, end: float = math.inf) -> set[int]:
    """The last row at or before each step asked for, if that is before `end`."""
    return {int(row) for row in np.searchsorted(steps, asked[asked < end], "right") - 1 if row >= 0}


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]

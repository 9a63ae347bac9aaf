"""Other people's runs as trajectories, so that they can be scored like ours.

Columns are found by our names, by those that `grokscope export` writes, or as the user maps them. Whatever could change
a conclusion in silence (two values for one step, accuracies in percent, a setting that changes within a run) is an
error that names the line.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np

from grokscope.contract.tasks import GrokCriterion
from grokscope.warning.detectors import Detected, Grokking
from grokscope.warning.foreign import Cell, Row, Unimportable, rows_of
from grokscope.warning.trajectory import Array, Fact, Trajectory, exported, known_columns

ABSENT = frozenset({"", "nan", "na", "n/a", "none", "null", "inf", "-inf", "infinity", "-infinity", "+inf"})
ACCURACIES = ("train_accuracy", "test_accuracy")

Duplicates = Literal["error", "first", "last"]


@dataclass(frozen=True)
class Recipe:
    """How a foreign table is to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our names to theirs, where they differ"""
    run_column: str | None = None
    """Where the file holds several runs"""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Settings of all runs, by dotted key"""
    fact_columns: Mapping[str, str] = field(default_factory=dict)
    """Settings by dotted key to the column that holds them"""
    threshold: float = 0.98
    consecutive: int = 3
    percent: bool = False
    """Accuracies are out of 100"""
    duplicates: Duplicates = "error"
    """Which of two values for one step counts"""
    budget: int | None = None
    """Steps the runs were allowed; None: as many as they have"""


def imported(file: Path, name: str, recipe: Recipe) -> list[Trajectory]:
    """The runs of a table in order of appearance: `name`, or `name/run` with a run column. Raises `Unimportable`."""
    rows = rows_of(file)
    present = dict.fromkeys(column for row in rows for column in row.cells)
    columns = _columns(recipe, list(present))
    for theirs in [*recipe.fact_columns.values(), *([recipe.run_column] if recipe.run_column else [])]:
        _check_present(theirs, list(present))
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_run_name(row, name, recipe.run_column), []).append(row)
    runs = [_trajectory(run, group, columns, recipe) for run, group in groups.items()]
    highest = max(float(np.nanmax(run.columns["test_accuracy"])) for run in runs)
    if recipe.percent and highest <= 0.01:
        raise Unimportable("no test accuracy exceeds 1, so they are fractions already: leave out --percent")
    return runs


def _columns(recipe: Recipe, present: Sequence[str]) -> dict[str, str]:
    """Our names to theirs, for what the table has."""
    known = known_columns()
    unknown = next((ours for ours in recipe.columns if ours not in known), None)
    if unknown is not None:
        raise Unimportable(f"no signal is called {unknown!r}{_nearest(unknown, known)}; there are: {_list(known)}")
    found = {}
    for ours in known:
        if ours in recipe.columns:
            _check_present(recipe.columns[ours], present)
            found[ours] = recipe.columns[ours]
        else:
            candidates = (column for column in (ours, exported(ours)) if column in present)
            if (theirs := next(candidates, None)) is not None:
                found[ours] = theirs
    for needed in ("step", "test_accuracy"):
        if needed not in found:
            raise Unimportable(
                f"which column is {needed}? Say --column {needed}=NAME{_nearest(needed, present)}; there are: "
                f"{_list(present)}"
            )
    return found


def _check_present(theirs: str, present: Sequence[str]) -> None:
    if theirs not in present:
        raise Unimportable(f"there is no column {theirs!r}{_nearest(theirs, present)}; there are: {_list(present)}")


def _nearest(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _run_name(row: Row, name: str, column: str | None) -> str:
    if column is None:
        return name
    cell = row.cells.get(column)
    if cell is None or str(cell) == "":
        raise Unimportable(f"line {row.line} does not say which run it belongs to: {column!r} is empty")
    return f"{name}/{cell}"


def _trajectory(name: str, rows: Sequence[Row], columns: Mapping[str, str], recipe: Recipe) -> Trajectory:
    table: dict[int, dict[str, tuple[float, int]]] = {}
    for row in rows:
        step = _step(row, columns["step"])
        for ours, theirs in columns.items():
            if ours != "step" and (value := _value(row, ours, theirs, recipe)) is not None:
                _enter(table.setdefault(step, {}), ours, value, row.line, step, recipe.duplicates)
    steps = sorted(table)
    if not any("test_accuracy" in table[step] for step in steps):
        raise Unimportable(f"run {name!r}, from line {rows[0].line} on, has no test accuracy")
    arrays = {"step": np.array(steps, dtype=np.float64)}
    for ours in columns:
        if ours != "step" and any(ours in table[step] for step in steps):
            arrays[ours] = np.array([table[step].get(ours, (math.nan, 0))[0] for step in steps])
    grokked = _grokked(arrays["step"], arrays["test_accuracy"], recipe)
    if recipe.budget is not None and recipe.budget < steps[-1]:
        raise Unimportable(f"run {name!r} has a step {steps[-1]:,}, beyond the budget of {recipe.budget:,}")
    criterion: dict[str, Fact] = {"detect.threshold": recipe.threshold, "detect.consecutive": recipe.consecutive}
    return Trajectory(
        name=name,
        task="imported",
        facts={**criterion, **recipe.facts, **_facts(name, rows, recipe.fact_columns)},
        columns=arrays,
        grok_step=None if grokked is None else grokked.step,
        steps=steps[-1],
        budget=recipe.budget or steps[-1],
        grok_known_at=None if grokked is None else grokked.confirmed_at,
    )


def _step(row: Row, column: str) -> int:
    cell = row.cells.get(column)
    number = _number(cell)
    if number is None or not number.is_integer() or number < 0:
        raise Unimportable(f"line {row.line}: {column} is {cell!r}, and a step is a whole number from 0 on")
    return int(number)


def _value(row: Row, ours: str, theirs: str, recipe: Recipe) -> float | None:
    """The cell as a number; None where it is empty or not finite."""
    cell = row.cells.get(theirs)
    if cell is None or str(cell).lower() in ABSENT:
        return None
    number = _number(cell)
    if number is None:
        raise Unimportable(f"line {row.line}: {theirs} is {cell!r}, which is no number")
    if ours not in ACCURACIES:
        return number
    fraction = number / 100 if recipe.percent else number
    if not 0 <= fraction <= 1:
        hint = "; with --percent they are out of 100" if 1 < number <= 100 else ""
        raise Unimportable(f"line {row.line}: {theirs} is {number:g}, and accuracies lie between 0 and 1{hint}")
    return fraction


def _number(cell: Cell) -> float | None:
    if cell is None or isinstance(cell, bool):
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _enter(
    record: dict[str, tuple[float, int]], ours: str, value: float, line: int, step: int, duplicates: Duplicates
) -> None:
    """A step may come in several rows, each with other signals; two values for one signal are one too many."""
    before = record.get(ours)
    if before is not None and before[0] != value and duplicates == "error":
        raise Unimportable(
            f"line {line}: step {step} has {ours} {value:g}, on line {before[1]} it was {before[0]:g}; several runs "
            "need --run-column, a run that was resumed --duplicates last"
        )
    if before is None or duplicates == "last":
        record[ours] = (value, line)


def _grokked(steps: Array, accuracies: Array, recipe: Recipe) -> Detected | None:
    rule = Grokking("imported", GrokCriterion("accuracy", recipe.threshold, recipe.consecutive))
    seen = np.isfinite(accuracies)
    for step, accuracy in zip(steps[seen], accuracies[seen], strict=True):
        detected = rule.update(int(step), {"accuracy": float(accuracy)})
        if detected is not None:
            return detected
    return None


def _facts(name: str, rows: Sequence[Row], fact_columns: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for fact, column in fact_columns.items():
        for row in rows:
            cell = row.cells.get(column)
            if cell is None or str(cell).lower() in ABSENT:
                continue
            value = fact_value(str(cell))
            if facts.setdefault(fact, value) != value:
                raise Unimportable(f"line {row.line}: {column} is {value}, but run {name!r} began with {facts[fact]}")
    return facts


def fact_value(text: str) -> Fact:
    """A number where it is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

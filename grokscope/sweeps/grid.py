"""From a sweep file, or flags of the same meaning, to cells: one run for every combination of the axes.

Every cell is resolved here, so that a wrong value in the last cell is reported before the first cell runs. A file may
also list single cells; an engine does not distinguish them from the cells of a grid.

    name = "rates"                       # default: the file's stem
    task = "modular"
    preset = "quick"
    [base]                               # settings of every cell: dotted keys, or nested tables
    "model.width" = 64
    [axes]                               # the first is slowest
    "optimizer.lr" = [1e-3, 2e-3]
    "model.width, model.feed_forward" = [[32, 64], [64, 128]]   # several settings that vary together
    "train.seed" = [42, 137]
    [[cells]]                            # a single cell, beside a grid or without one; task and preset may differ
    name = "without-decay"
    settings = { "optimizer.wd" = 0.0 }
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokscope import registry
from grokscope.gate import Unreadable, read_toml
from grokscope.runs.directory import BadRunName, RunDirectory, check_name
from grokscope.settings.config import FLAGS, ConfigError, RunConfig, read_environment, resolve
from grokscope.settings.values import dotted, problem_in_words, read_value

MOST_CELLS = 20_000
"""Largest number of cells of a sweep"""
NOT_AXES = ("task.name", "preset")
"""Settings that a grid cannot vary: another task or preset needs another sweep, or a single cell"""


class Listed(BaseModel):
    """A single cell in a sweep file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str | None = None
    preset: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class SweepFile(BaseModel):
    """The content of a sweep file. All other tables of the file (`[optimizer]`, …) are settings of every cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str
    preset: str = "paper"
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every cell, dotted keys")
    axes: dict[str, list[Any]] = Field(
        default_factory=dict, description="values by dotted key, the first is slowest; lists of values by several keys"
    )
    cells: list[Listed] = Field(default_factory=list)


@dataclass(frozen=True)
class Cell:
    """One run of a sweep; the run need not have started."""

    slug: str
    task: str
    preset: str
    settings: Mapping[str, Any]
    """Settings that differ from the preset, by dotted key"""
    config: RunConfig
    """The resolved configuration"""
    directory: RunDirectory
    point: Mapping[str, Any]
    """Values on the axes, by dotted key; empty for a single cell"""


@dataclass(frozen=True)
class Sweep:
    """A planned sweep. Planning writes no file."""

    folder: Path
    """`<runs>/<name>`: holds the manifest and the run directories of the cells"""
    file: SweepFile
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def axes(self) -> Mapping[str, Sequence[Any]]:
        return self.file.axes


def plan(source: Path | Mapping[str, Any], runs: Path) -> Sweep:
    """The sweep that a sweep file, or a mapping of the same form, describes. The runs go to `runs/<name>/`.

    Raises `ConfigError` for an invalid setting or grid, `NoSuchPlugin`, `BadRunName`.
    """
    file = read_sweep_file(source) if isinstance(source, Path) else sweep_file(source)
    folder = runs / check_name(file.name)
    cells = [*_grid_cells(file, folder), *_listed_cells(file, folder)]
    if not cells:
        raise ConfigError(f"the sweep {file.name} has no cells; add [axes], or --axis section.key=value,value")
    _check_distinct(cells)
    return Sweep(folder, file, tuple(cells))


def sweep_file(source: Mapping[str, Any], name: str = "") -> SweepFile:
    """A mapping as a sweep file; nested tables and short names (`lr`) become dotted keys. Raises `ConfigError`."""
    own = {key: value for key, value in source.items() if key in SweepFile.model_fields}
    base = {key: value for key, value in source.items() if key not in own}
    if isinstance(own.get("task"), dict):  # the file is the config.toml of a run
        base["task"] = {key: value for key, value in own["task"].items() if key != "name"}
        own["task"] = own["task"].get("name")
    table, axes = own.get("base", {}), own.get("axes", {})
    if not isinstance(table, dict) or not isinstance(axes, dict):
        raise ConfigError("[base] and [axes] must be tables")
    own["base"] = spelt_out(dotted(base) | dotted(table))
    own["axes"] = spelt_out(dotted(axes))
    try:
        given = {key: value for key, value in own.items() if value is not None}
        file = SweepFile.model_validate({"name": name} | given)
    except ValidationError as problem:
        raise ConfigError(problem_in_words(problem)) from None
    _check_size(file)
    for axis, values in file.axes.items():
        _check_axis(file, axis, values)
    _check_set_once(file)
    return file


def read_sweep_file(path: Path) -> SweepFile:
    """A sweep file. Its default name is the file's stem. Raises `ConfigError`."""
    return sweep_file(read_tables(path), path.stem)


def read_tables(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises `ConfigError`."""
    try:
        return read_toml(path)
    except Unreadable as problem:
        raise ConfigError(str(problem)) from None


def task_of(source: Mapping[str, Any]) -> str | None:
    """The task of a sweep file or of a run's configuration; None without a task."""
    task = source.get("task")
    found = task.get("name") if isinstance(task, dict) else task
    return None if found is None else str(found)


def merged(
    source: Mapping[str, Any],
    axes: Mapping[str, list[Any]],
    changes: Mapping[str, Any],
    *,
    task: str,
    name: str | None = None,
    preset: str | None = None,
    stem: str | None = None,
) -> dict[str, Any]:
    """The tables of a sweep file, changed by `GROKSCOPE_*` variables, flags (`changes`) and `axes`; later ones win.

    A given axis replaces the file's axis of the same key, or is added after the file's axes. The default name is the
    file's `stem`, or the task and the axes. Raises `ConfigError`, `NoSuchPlugin`.
    """
    if task_of(source) not in (None, task):
        raise ConfigError(f"the file is for {task_of(source)}, not for {task}; leave out {task}")
    draft = sweep_file({"task": task, **source}, "unnamed")
    own_axes = spelt_out(axes)
    all_axes = draft.axes | own_axes
    environment = read_environment(registry.get("tasks", task))
    chosen = preset or environment.pop("preset", None) or source.get("preset") or "paper"
    on_axes, on_own_axes = ({key for axis in each for key in axis_keys(axis)} for each in (all_axes, own_axes))
    variables = {key: value for key, value in environment.items() if key not in on_axes}
    base = {key: value for key, value in draft.base.items() if key not in on_own_axes}
    named_after = (key.rpartition(".")[2] for axis in all_axes for key in axis_keys(axis))
    called = name or source.get("name") or stem or "-".join([task, *named_after])
    return {
        "name": called,
        "task": task,
        "preset": chosen,
        "base": base | variables | spelt_out(changes),
        "axes": all_axes,
        "cells": [listed.model_dump() for listed in draft.cells],
    }


def read_axes(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Axes from texts: `section.key=value,value`, or `section.key=` and a TOML array. Raises `ConfigError`."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            raise ConfigError(f"--axis needs section.key=value,value, not {text!r}")
        found = read_value(values.strip())
        several = found if isinstance(found, list) else [read_value(each.strip()) for each in values.split(",")]
        axes[key.strip()] = several
    return axes


def axis_keys(axis: str) -> list[str]:
    """The settings that vary along an axis: `optimizer.lr` is one, `model.width, model.feed_forward` are two."""
    return [key.strip() for key in axis.split(",")]


def spelt_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with dotted keys for short names of flags. Raises `ConfigError` if a setting is given twice."""
    spelt: dict[str, Any] = {}
    for key, value in settings.items():
        whole = ", ".join(FLAGS.get(each, each) for each in axis_keys(key))
        if whole in spelt:
            raise ConfigError(f"{whole} is set twice")
        spelt[whole] = value
    return spelt


def made_cell(
    folder: Path,
    slug: str,
    task: str,
    preset: str = "paper",
    settings: Mapping[str, Any] = {},
    point: Mapping[str, Any] = {},
) -> Cell:
    """A resolved cell. Raises `ConfigError`, whose message names the cell; `NoSuchPlugin`."""
    try:
        check_name(slug)
        config, _ = resolve(registry.get("tasks", task), settings, preset=preset)
    except (ConfigError, BadRunName) as problem:
        raise ConfigError(f"cell {slug}: {problem}") from None
    return Cell(slug, task, preset, dict(settings), config, RunDirectory(folder / slug), dict(point))


def point_on(axis: str, value: Any) -> dict[str, Any]:
    """The settings of one value of an axis, by dotted key."""
    keys = axis_keys(axis)
    return dict(zip(keys, value, strict=True)) if len(keys) > 1 else {axis: value}


def slug_of(point: Mapping[str, Any]) -> str:
    """The name of a cell, as `add-lr0.002-wd1-seed42`: the values in the order of the axes.

    The last part of its key stands before a number; the whole key, if two axes have the same last part.
    """
    parts = [key.rpartition(".")[2] for key in point]
    names = {key: key if parts.count(part) > 1 else part for key, part in zip(point, parts, strict=True)}
    return "-".join(_token(names[key], value) for key, value in point.items())


def _token(name: str, value: Any) -> str:
    match value:
        case bool():
            return name if value else f"no-{name}"
        case int():
            return f"{name}{value}"
        case float():
            short = f"{value:g}"
            return f"{name}{short if float(short) == value else repr(value)}".replace("+", "")
        case list():
            return "_".join(_token("", each) for each in value) or f"no-{name}"
        case _:
            return re.sub(r"[^A-Za-z0-9._-]+", "-", str(value)).strip("-") or f"no-{name}"


def _grid_cells(file: SweepFile, folder: Path) -> Iterable[Cell]:
    if not file.axes:
        return
    for values in product(*file.axes.values()):
        point: dict[str, Any] = {}
        for axis, value in zip(file.axes, values, strict=True):
            point |= point_on(axis, value)
        yield made_cell(folder, slug_of(point), file.task, file.preset, file.base | point, point)


def _listed_cells(file: SweepFile, folder: Path) -> Iterable[Cell]:
    for listed in file.cells:
        settings = file.base | spelt_out(dotted(listed.settings))
        yield made_cell(folder, listed.name, listed.task or file.task, listed.preset or file.preset, settings, {})


def _check_size(file: SweepFile) -> None:
    """Raises `ConfigError` for too many cells, before any cell is resolved: resolving takes a part of a millisecond."""
    cells = prod(map(len, file.axes.values())) if file.axes else 0
    if cells + len(file.cells) > MOST_CELLS:
        raise ConfigError(
            f"the sweep {file.name} would have {cells + len(file.cells):,} cells, but at most {MOST_CELLS:,} are "
            "allowed; use fewer values, or several sweeps"
        )


def _check_axis(file: SweepFile, axis: str, values: list[Any]) -> None:
    keys = axis_keys(axis)
    for key in keys:
        if key in NOT_AXES:
            raise ConfigError(f"{key} cannot be an axis; make several sweeps, or list single [[cells]]")
    if not values:
        raise ConfigError(f"the axis {axis} has no values; give at least one")
    if len(keys) > 1 and any(not isinstance(value, list) or len(value) != len(keys) for value in values):
        raise ConfigError(f"the axis {axis} needs lists of {len(keys)} values, one value for each setting")
    seen: list[Any] = []
    for value in values:
        if value in seen:
            raise ConfigError(f"the axis {axis} has {value!r} twice; remove one")
        seen.append(value)


def _check_set_once(file: SweepFile) -> None:
    """Raises `ConfigError` if a setting is on two axes, or on an axis and in `base`."""
    varied: set[str] = set()
    for key in (key for axis in file.axes for key in axis_keys(axis)):
        if key in file.base:
            raise ConfigError(f"{key} is an axis and also a setting of every cell; set it once")
        if key in varied:
            raise ConfigError(f"{key} is on two axes; set it once")
        varied.add(key)


def _check_distinct(cells: Sequence[Cell]) -> None:
    names: dict[str, Cell] = {}
    runs: dict[str, Cell] = {}
    for each in cells:
        twin = names.setdefault(each.slug.casefold(), each)
        if twin is not each:
            raise ConfigError(
                f"two cells have the name {each.slug}, apart from upper and lower case: "
                f"{_point_in_words(twin)}, and {_point_in_words(each)}"
            )
        twin = runs.setdefault(each.config.model_dump_json(), each)
        if twin is not each:
            raise ConfigError(f"the cells {twin.slug} and {each.slug} are the same run; remove one")


def _point_in_words(cell: Cell) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in cell.point.items()) or "a single cell"

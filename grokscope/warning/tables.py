"""Trajectories found and read: of run directories, folders of runs, and tables, which are written here too."""

import gzip
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grokscope.runs.directory import TABLE_SUFFIXES as TABLE_SUFFIXES
from grokscope.runs.directory import NoSuchRun, RunDirectory, find_run
from grokscope.warning.trajectory import OddLog, Trajectory, trajectory_of

DIGITS = 6
"""Significant digits of a number in a table."""

Skipped = Callable[[str], None]
"""Is told, in a sentence each, which logs of a folder were left out because they could not be understood"""


def unheard(_: str) -> None:
    """Nobody is told."""


def read_trajectories(path: Path, skipped: Skipped = unheard) -> list[Trajectory]:
    """The runs at `path`: a run directory, a folder of runs (one level of subfolders too), or a trajectory table.

    Sorted by name; runs of a subfolder are named `subfolder/run`. Raises `NoSuchRun` where there are none, or where a
    table is none.
    """
    if path.is_file():
        return _read_table(path)
    if not path.exists():
        raise NoSuchRun(f"there is no {path}")
    if (path / "events.jsonl").is_file():
        return [trajectory_of(RunDirectory(path.resolve()))]
    folders = sorted({log.parent for pattern in ("*/events.jsonl", "*/*/events.jsonl") for log in path.glob(pattern)})
    found = [_named(folder.relative_to(path).as_posix(), folder, skipped) for folder in folders]
    trajectories = [trajectory for trajectory in found if trajectory is not None]
    if not trajectories:
        raise NoSuchRun(f"{path} holds no run, and is no trajectory table (*.jsonl, *.jsonl.gz)")
    return trajectories


def find_trajectories(wanted: str, folder: Path, skipped: Skipped = unheard) -> list[Trajectory]:
    """The runs that a person names: a path, or in `folder` a sweep, an imported table, a run or its unique prefix.

    `TABLE/RUN` is one run of a table. Raises `NoSuchRun`.
    """
    path = place_of(wanted, folder)
    if path is not None:
        return read_trajectories(path, skipped)
    table, _, name = wanted.rpartition("/")
    path = place_of(table, folder) if table else None
    if path is not None and path.is_file():
        found = [run for run in _read_table(path) if name in {run.name, run.name.rpartition("/")[2]}]
        if not found:
            raise NoSuchRun(f"{path} holds no run called {name!r}")
        return found
    return [trajectory_of(find_run(wanted, folder))]


def place_of(wanted: str, folder: Path) -> Path | None:
    """Where a path, or in `folder` a run, a sweep or a table of that whole name stands; `latest` is never a name."""
    if wanted == "latest":
        return None
    places = (Path(wanted), folder / wanted, *(folder / f"{wanted}{suffix}" for suffix in TABLE_SUFFIXES))
    return next((place for place in places if place.exists()), None)


def write_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """A table: one JSON object a line and run, numbers to six significant digits; the same runs make the same bytes.

    Compressed where the name ends in `.gz`. Raises `OSError`.
    """
    text = "".join(json.dumps(_to_json(each), allow_nan=False, ensure_ascii=False) + "\n" for each in trajectories)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _named(name: str, folder: Path, skipped: Skipped) -> Trajectory | None:
    try:
        return replace(trajectory_of(RunDirectory(folder)), name=name)
    except OddLog as problem:
        skipped(f"{problem}; left out")
        return None
    except NoSuchRun:
        return None


def _to_json(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "name": trajectory.name,
        "task": trajectory.task,
        "facts": dict(trajectory.facts),
        "grok_step": trajectory.grok_step,
        "grok_known_at": trajectory.grok_known_at,
        "steps": trajectory.steps,
        "budget": trajectory.budget,
        "columns": {name: [_rounded(value) for value in column] for name, column in trajectory.columns.items()},
    }


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value.is_integer():
        return int(value)
    return float(f"{value:.{DIGITS}g}")


def _read_table(path: Path) -> list[Trajectory]:
    trajectories = []
    for number, line in _lines(path):
        try:
            trajectories.append(_from_json(json.loads(line)))
        except KeyError as problem:
            raise NoSuchRun(f"{path}, line {number}: {problem.args[0]!r} is missing") from None
        except (ValueError, TypeError, AttributeError) as problem:
            raise NoSuchRun(f"{path}, line {number} is no trajectory: {problem}") from None
    if not trajectories:
        raise NoSuchRun(f"{path} holds no trajectory")
    return trajectories


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that hold something, numbered from 1."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as problem:
        raise NoSuchRun(f"cannot read {path}: {problem}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line


def _from_json(record: Mapping[str, Any]) -> Trajectory:
    columns = {name: np.array(column, dtype=np.float64) for name, column in record["columns"].items()}
    return Trajectory(
        name=record["name"],
        task=record["task"],
        facts=record["facts"],
        columns=columns,
        grok_step=record["grok_step"],
        steps=record["steps"],
        budget=record["budget"],
        grok_known_at=record.get("grok_known_at"),
    )

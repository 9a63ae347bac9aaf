"""What a person names, as trajectories: a run, a sweep, a folder of runs, a table, one run of a table.

A run is its path: two runs are the same one where they are read from the same place, and never because they look alike.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from grokscope.gate import real_path
from grokscope.runs.directory import NoSuchRun, RunDirectory, distinct_names, find_run, runs_within
from grokscope.warning.recorded import with_recorded
from grokscope.warning.tables import TABLE_SUFFIXES, read_table
from grokscope.warning.trajectory import OddLog, Skipped, Trajectory, ignore_skipped, trajectory_of
from grokscope.words.tracking import Track, untracked


def gathered(
    wanted: Sequence[str], folder: Path, skipped: Skipped = ignore_skipped, track: Track = untracked
) -> list[Trajectory]:
    """The runs behind all names that a person gave, each once, under names that differ. Raises `NoSuchRun`.

    With the signals that their records alone give, whether or not a run looked at them.
    """
    return [with_recorded(run) for run in gathered_as_they_are(wanted, folder, skipped, track)]


def gathered_as_they_are(
    wanted: Sequence[str], folder: Path, skipped: Skipped = ignore_skipped, track: Track = untracked
) -> list[Trajectory]:
    """The same with what was recorded, and no more."""
    found = [trajectory for name in wanted for trajectory in find_trajectories(name, folder, skipped, track)]
    return distinct({run.place: run for run in found}.values())


def find_trajectories(
    wanted: str, folder: Path, skipped: Skipped = ignore_skipped, track: Track = untracked
) -> list[Trajectory]:
    """The runs behind one name: a path, or in `folder` a sweep, a run or its unique prefix.

    `TABLE/RUN` is one run of a table. Raises `NoSuchRun`.
    """
    path = place_of(wanted, folder)
    if path is not None:
        return read_trajectories(path, skipped, track)
    table, _, name = wanted.rpartition("/")
    if table.endswith(TABLE_SUFFIXES) and Path(table).is_file():
        found = [run for run in read_table(Path(table)) if name in {run.name, run.name.rpartition("/")[2]}]
        if not found:
            raise NoSuchRun(f"{table} holds no run called {name!r}")
        return found
    return [trajectory_of(find_run(wanted, folder), skipped)]


def place_of(wanted: str, folder: Path) -> Path | None:
    """Where a path, or in `folder` a run or a folder of runs of that whole name stands; `latest` is never a name."""
    if wanted == "latest":
        return None
    return next((place for place in (Path(wanted), folder / wanted) if place.is_file() or holds_runs(place)), None)


def holds_runs(path: Path) -> bool:
    """Whether a folder is a run, or has runs in it."""
    return path.is_dir() and ((path / "events.jsonl").is_file() or bool(runs_within(path)))


def read_trajectories(path: Path, skipped: Skipped = ignore_skipped, track: Track = untracked) -> list[Trajectory]:
    """The runs at `path`: a run directory, a folder of runs (one level of subfolders too), or a table.

    Sorted by name; runs of a subfolder are named `subfolder/run`. Raises `NoSuchRun` where there are none, or where a
    table is none.
    """
    if path.is_file():
        return _read_file(path)
    if not path.exists():
        raise NoSuchRun(f"there is no {path}")
    if (path / "events.jsonl").is_file():
        return [trajectory_of(RunDirectory(real_path(path)), skipped)]
    found = [
        _named(run.path.relative_to(path).as_posix(), run.path, skipped)
        for run in track(runs_within(path), "runs read")
    ]
    trajectories = [trajectory for trajectory in found if trajectory is not None]
    if not trajectories:
        raise NoSuchRun(f"{path} holds no run")
    return trajectories


def distinct(runs: Iterable[Trajectory]) -> list[Trajectory]:
    """The runs under names that tell them apart: those that share one are called by as much of their path as it takes.

    Expects runs of different places.
    """
    found = list(runs)
    times = Counter(run.name for run in found)
    shared = [run.place for run in found if times[run.name] > 1]
    names = dict(zip(shared, distinct_names([Path(place) for place in shared]), strict=True))
    if times.keys() & set(names.values()):  # as good as never: another run is called by that path
        names = {place: place for place in shared}
    return [replace(run, name=names[run.place]) if times[run.name] > 1 else run for run in found]


def _read_file(path: Path) -> list[Trajectory]:
    if not path.name.endswith(TABLE_SUFFIXES):
        raise NoSuchRun(f"{path} is no run: `grokscope import {path}` makes one of somebody's records")
    return read_table(path)


def _named(name: str, folder: Path, skipped: Skipped) -> Trajectory | None:
    try:
        return replace(trajectory_of(RunDirectory(real_path(folder)), skipped), name=name)
    except OddLog as problem:
        skipped(f"{problem}; left out")
        return None
    except NoSuchRun:
        return None

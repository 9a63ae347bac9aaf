"""Somebody else's records, small, and what became of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.imports.imported import Import, import_runs
from grokscope.imports.recipe import Recipe
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.trajectory import Trajectory

STEPS = list(range(0, 1000, 100))
TRAIN = [0.1, 0.5, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
TEST = [0.1, 0.1, 0.1, 0.2, 0.4, 0.7, 0.99, 0.985, 0.99, 1.0]
GROKKED = 600
"""Where `TEST` groks by the usual criterion, known two records later"""
CONTROL = [0.1, 0.12, 0.11, 0.13, 0.12, 0.11, 0.12, 0.13, 0.12, 0.11]


def csv(head: str, *columns: Sequence[Any], between: str = ",") -> str:
    """A header and a line a record."""
    lines = [between.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([head.replace(",", between), *lines]) + "\n"


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


RECORDS = [{"step": s, "train_acc": a, "test_acc": b} for s, a, b in zip(STEPS, TRAIN, TEST, strict=True)]


class Imports:
    """A folder of files and one of runs."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.runs = folder / "runs"
        self.files.mkdir()
        self.done: Import | None = None

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def take(self, *paths: Path, name: str | None = None, replace: bool = False, **recipe: Any) -> list[Trajectory]:
        """Import, and read back as every command would."""
        self.done = import_runs(paths, self.runs, Recipe(**recipe), name=name, replace=replace)
        return [trajectory for each in self.done.runs for trajectory in read_trajectories(each.directory.path)]

    def one(self, name: str, content: str | bytes, **recipe: Any) -> Trajectory:
        """The only run of one file."""
        [run] = self.take(self.file(name, content), **recipe)
        return run

    @property
    def remarks(self) -> str:
        assert self.done is not None
        return " / ".join(self.done.remarks)

    def names(self) -> list[str]:
        """The runs that there are now."""
        logs = sorted(self.runs.rglob("events.jsonl"))
        return [log.parent.relative_to(self.runs).as_posix() for log in logs]


def column(run: Trajectory, signal: str) -> list[float]:
    values: NDArray[np.float64] = run.signal(signal)[1]
    return [round(float(value), 6) for value in values]


def is_usual(run: Trajectory) -> bool:
    """Whether it is the run of `STEPS`, `TRAIN` and `TEST`, whole and right."""
    return (
        run.columns["step"].tolist() == STEPS
        and column(run, "train_accuracy") == TRAIN
        and column(run, "test_accuracy") == TEST
        and (run.grok_step, run.grok_known_at) == (GROKKED, 800)
    )

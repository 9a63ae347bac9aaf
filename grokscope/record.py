"""Recorded runs for notebooks and scripts: what the commands print, as values.

A record reads its run directory when it is asked, never before, and changes nothing there. So a record of a live run
says at every call what is so by then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grokscope.events import RECURRING
from grokscope.runs.directory import RunDirectory, find_run, runs_in
from grokscope.runs.log import read, read_batches
from grokscope.runs.snapshots import Snapshot, read_snapshot, step_files
from grokscope.runs.state import RunState, read_state, summary
from grokscope.runs.table import wide_table
from grokscope.words.clean import for_html
from grokscope.words.table import TableCell

if TYPE_CHECKING:
    import pandas
    import polars
    from matplotlib.figure import Figure

    from grokscope.warning.forecast.answers import Projection
    from grokscope.warning.review import Finding


def open_run(run: str | Path = "latest", runs: str | Path = "runs") -> "RecordedRun":
    """The record of a run: `run` is a name, a unique prefix, a path, or `latest`; `runs` is where names are looked up.

    Raises `grokscope.runs.directory.NoSuchRun` where it names none, or more than one.

    >>> from grokscope.tui.demo import DEMO  # the path of a run that comes with grokscope
    >>> grokscope.open(DEMO).state.word
    'grokked'
    """
    return RecordedRun(find_run(str(run), Path(runs)))


def list_runs(runs: str | Path = "runs") -> "list[RecordedRun]":
    """The records of all runs directly in the folder `runs`, the one last written to first.

    >>> [run.name for run in grokscope.list_runs("no-such-folder")]
    []
    """
    return [RecordedRun(directory) for directory in runs_in(Path(runs))]


@dataclass(frozen=True)
class RunTable:
    """A run with one row a step. The columns are those of `grokscope export`: `train.accuracy`, `defect.median`, …

    >>> table = grokscope.open(DEMO).table()
    >>> bool(table["test.accuracy"][-1] > 0.99)  # a column is an array, NaN where a step has no value
    True
    >>> table.numpy()["defect.median"].shape == (len(table),)
    True
    >>> table.to_pandas().index.name, table.to_polars().columns[0]
    ('step', 'step')
    """

    columns: tuple[str, ...]
    """`step` first"""
    rows: tuple[tuple[TableCell, ...], ...]
    """Ascending in step; None where a step has no such cell"""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        """A column of numbers [rows], NaN where a step has none. Raises `KeyError`, naming the nearest column."""
        if column not in self.columns:
            nearest = get_close_matches(column, self.columns, n=1, cutoff=0.4)
            raise KeyError(f"no column is called {column!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))
        index = self.columns.index(column)
        return np.array([_as_float(row[index]) for row in self.rows], dtype=np.float64)

    def numpy(self) -> dict[str, NDArray[np.float64]]:
        """The columns that hold numbers, by name, each [rows]."""
        numeric = [
            name for index, name in enumerate(self.columns) if not any(isinstance(row[index], str) for row in self.rows)
        ]
        return {name: self[name] for name in numeric}

    def to_pandas(self) -> "pandas.DataFrame":
        """A data frame with the step as its index. Needs pandas."""
        import pandas

        return pandas.DataFrame.from_records(list(self.rows), columns=list(self.columns)).set_index("step")

    def to_polars(self) -> "polars.DataFrame":
        """A data frame. Needs polars."""
        import polars

        return polars.DataFrame(list(self.rows), schema=list(self.columns), orient="row", infer_schema_length=None)


@dataclass(frozen=True)
class RecordedRun:
    """One run directory, live or finished.

    >>> run = grokscope.open(DEMO)
    >>> run.name, run.config["optimizer"]["lr"], run.state.step
    ('demo', 0.002, 2450)
    >>> [event["step"] for event in run.events("grokked")]
    [2050]
    >>> [found.step for found in run.detections() if found.kind == "onset" and found.default]
    [700]
    >>> run.forecast(at=1600).step  # what was to be said at step 1,600: generalizes, reaches, when
    1600
    >>> run.snapshots()  # with `snapshot.every`: each has a step, and tensors() by name
    []
    >>> run.plot().savefig("run.svg")
    """

    directory: RunDirectory

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def state(self) -> RunState:
        """How the run stands now."""
        return read_state(self.directory)

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration, by section; empty before the first event, or where the run has none."""
        return self.state.config

    def events(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """The events of the log as dictionaries, in order; of one kind alone where `kind` names it."""
        return (event for event in read(self.directory.events) if kind is None or event["event"] == kind)

    def table(self, kinds: Sequence[str] = RECURRING) -> RunTable:
        """One row a step of the events of `kinds`."""
        table = wide_table(read_batches(self.directory.events), kinds)
        return RunTable(tuple(column.name for column in table.columns), table.rows())

    def snapshots(self) -> list[Snapshot]:
        """The snapshots of the parameters, ascending in step; `snapshot.tensors()` names the tensors.

        Raises `grokscope.runs.snapshots.Unreadable` where one is damaged.
        """
        return [read_snapshot(file) for file in step_files(self.directory.snapshots).values()]

    def detections(self) -> "list[Finding]":
        """What every rule says of the run, whether the run acted on it or not: steps, leads, values.

        Raises `grokscope.runs.directory.NoSuchRun` where the log holds no run.
        """
        from grokscope.warning.review import Review

        review = Review()
        for batch in read_batches(self.directory.events):
            review.see_batch(batch)
        return review.findings

    def forecast(self, at: int | None = None, bank: str | Path = "") -> "Projection":
        """Whether the run groks and when, from what was known at step `at` (default: now).

        `bank` is the table of runs to calibrate on; without one it is the bank of the run's settings, or the one that
        is shipped for its task. Raises `grokscope.runs.directory.NoSuchRun` where the log holds no run, `ValueError`
        for a step before the first record.
        """
        from grokscope.warning.forecast.bank import forecast_of
        from grokscope.warning.trajectory import trajectory_of

        trajectory = trajectory_of(self.directory)
        return forecast_of(trajectory if at is None else trajectory.until(at), bank)[0]

    def plot(self) -> "Figure":
        """Accuracies, the defect and every rule that fired, against the step. Needs Matplotlib (extra `plot`)."""
        from grokscope.report.curves import draw_run
        from grokscope.report.sources import Run
        from grokscope.warning.detection import detections
        from grokscope.warning.trajectory import trajectory_of

        trajectory = trajectory_of(self.directory)
        return draw_run(Run(trajectory, detections(trajectory), None))

    def _repr_html_(self) -> str:
        facts = summary(self.state)
        rows = "".join(
            f"<tr><th>{for_html(key)}</th><td>{for_html(str(value))}</td></tr>"
            for key, value in facts.items()
            if value is not None and key != "name"
        )
        return f"<table><caption>{for_html(self.name)}</caption>{rows}</table>"


def _as_float(cell: TableCell) -> float:
    """NaN for what is no number."""
    return float(cell) if isinstance(cell, int | float) else float("nan")

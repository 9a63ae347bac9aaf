"""Databases of trackers: that of mlflow (`mlflow.db`), and those of trackio, one a project.

A cell of SQLite may hold a value of any type, whatever its column says: names are cast to text.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grokscope.gate import Unreadable, open_regular, real_path
from grokscope.imports.documents import Record, Records, json_object
from grokscope.imports.recipe import fact_value
from grokscope.imports.sheets import Columns, Fragment, Unimportable

DATABASES = (".db", ".sqlite", ".sqlite3")
_MARK = b"SQLite format 3\0"

COUNTER = "_step"
"""How Weights & Biases calls the number of a record, which is a step where nothing else is; trackio calls it `step`"""

_TRACKIO = {"metrics", "configs", "project_metadata"}
"""Tables that a database of trackio has, and one of mlflow has not"""
_MLFLOW = {"metrics", "params", "runs", "experiments"}


def is_database(file: Path) -> bool:
    """Whether a file is a database of SQLite. Raises `Unimportable`."""
    try:
        with open_regular(file) as raw:
            return raw.read(len(_MARK)) == _MARK
    except Unreadable as problem:
        raise Unimportable(str(problem)) from None


def database_fragments(file: Path) -> list[Fragment]:
    """The tables of all runs of a tracker. Raises `Unimportable`."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(real_path(file)))}?mode=ro", uri=True)) as database:
            database.text_factory = partial(str, encoding="utf-8", errors="replace")
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables >= _MLFLOW:
                return list(_of_mlflow(database))
            if tables >= _TRACKIO:
                return list(_of_trackio(database, file.name))
    except sqlite3.Error as problem:
        raise Unimportable(f"{file} cannot be read: {problem}") from None
    raise Unimportable(f"{file.name} is a database, but neither of mlflow nor of trackio")


def _of_mlflow(database: sqlite3.Connection) -> Iterator[Fragment]:
    """One sheet a metric of a run, with the run's parameters. Deleted runs are left out."""
    runs = database.execute(
        "SELECT runs.run_uuid, CAST(experiments.name AS TEXT), COALESCE(CAST(runs.name AS TEXT), 'run')"
        " FROM runs JOIN experiments USING (experiment_id)"
        " WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active' ORDER BY runs.start_time"
    ).fetchall()
    several = len({experiment for _, experiment, _ in runs}) > 1
    labels = run_labels([(key, f"{experiment}/{name}" if several else name) for key, experiment, name in runs])
    for key, label in labels.items():
        stated = database.execute(
            "SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM params"
            " WHERE run_uuid = ? AND key IS NOT NULL AND value IS NOT NULL", [key],
        )  # fmt: skip
        facts = {name: fact_value(value) for name, value in stated}
        rows = database.execute(
            "SELECT CAST(key AS TEXT), step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics"
            " WHERE run_uuid = ? AND key IS NOT NULL ORDER BY key, step, timestamp", [key],
        )  # fmt: skip
        metrics: dict[str, list[tuple[int, float | None]]] = {}
        for name, step, value in rows:
            metrics.setdefault(name, []).append((step, value))
        for name, points in metrics.items():
            columns: dict[str, list[Any]] = {"step": [step for step, _ in points], name: [value for _, value in points]}
            yield Fragment(Columns(f"{label}: {name}", columns, facts), label)


def _of_trackio(database: sqlite3.Connection, place: str) -> Iterator[Fragment]:
    """One sheet a run, whose records are what was logged at a step. Raises `Unimportable`."""
    runs = database.execute(
        "SELECT run_id, COALESCE(CAST(run_name AS TEXT), 'run') FROM metrics GROUP BY run_id ORDER BY min(id)"
    ).fetchall()
    for key, label in run_labels(runs).items():
        stated = database.execute("SELECT config FROM configs WHERE run_id = ?", [key]).fetchone()
        rows = database.execute("SELECT step, metrics FROM metrics WHERE run_id = ? ORDER BY id", [key])
        records = [{COUNTER: step, **json_object(logged, f"{place}, {label}, step {step}")} for step, logged in rows]
        facts = json_object(stated[0], f"{place}, configuration of {label}") if stated else {}
        yield Fragment(record_sheet(label, records, facts), label)


def record_sheet(place: str, records: Sequence[Record], facts: Record, skipped: Sequence[str] = ()) -> Records:
    """A sheet of records in memory, the settings beside them, and what of them was not to be read."""

    def stream(left_out: list[str]) -> Iterator[tuple[int, Record]]:
        left_out += skipped
        yield from enumerate(records, 1)

    return Records(place, stream, facts)


def run_labels(runs: Sequence[tuple[Any, str]]) -> dict[Any, str]:
    """The runs' names by their keys, with the beginning of the key where two have one name."""
    times = Counter(name for _, name in runs)
    return {key: name if times[name] == 1 else f"{name}-{str(key)[:8]}" for key, name in runs}

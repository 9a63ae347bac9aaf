"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from grokscope.events import schema

RECURRING = ("trained", "evaluated", "measured", "observed")
ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})

Cell = float | int | str | bool | None


@dataclass(frozen=True)
class Table:
    """Rows in the order of their steps; a cell that a step does not have is None."""

    columns: tuple[str, ...]
    """`step` first, the others in order of appearance"""
    rows: tuple[tuple[Cell, ...], ...]

    def write_csv(self, out: TextIO) -> None:
        """A header and a line a row; cells that are None stay empty, truth is `true` or `false`."""
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow([json.dumps(cell) if isinstance(cell, bool) else cell for cell in row])

    def write_json(self, out: TextIO) -> None:
        """An array with a line a row, each an object with every column."""
        records = (dict(zip(self.columns, row, strict=True)) for row in self.rows)
        lines = ",\n".join(json.dumps(record, allow_nan=False, ensure_ascii=False) for record in records)
        out.write(f"[\n{lines}\n]\n" if lines else "[]\n")


def wide_table(events: Iterable[Mapping[str, Any]], kinds: Iterable[str] = RECURRING) -> Table:
    """The events of `kinds` as a table. Where one kind has a step twice, the later one counts."""
    wanted = frozenset(kinds)
    columns: dict[str, None] = {"step": None}
    rows: dict[int, dict[str, Cell]] = {}
    for event in events:
        if event["event"] in wanted and isinstance(event.get("step"), int):
            cells = flattened(event)
            columns.update(dict.fromkeys(cells))
            rows.setdefault(event["step"], {"step": event["step"]}).update(cells)
    return Table(tuple(columns), tuple(tuple(rows[step].get(column) for column in columns) for step in sorted(rows)))


def known_kinds() -> list[str]:
    """Every kind of event there is, sorted."""
    return sorted(schema()["discriminator"]["mapping"])


def flattened(event: Mapping[str, Any]) -> dict[str, Cell]:
    """One event's cells by column."""
    kind = event["event"]
    cells: dict[str, Cell] = {}
    for name, value in event.items():
        if name in ENVELOPE:
            continue
        nested = isinstance(value, Mapping) and kind in RECURRING
        _flatten(value, name if nested else f"{kind}.{name}", cells)
    return cells


def _flatten(value: Any, path: str, cells: dict[str, Cell]) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _flatten(item, f"{path}.{name}", cells)
    elif not isinstance(value, list):
        cells[path] = value

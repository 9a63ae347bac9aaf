"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from grokscope.events import event_schema
from grokscope.words.table import Column, Table, TableCell

RECURRING = ("trained", "evaluated", "measured", "observed")
ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})


def wide_table(events: Iterable[Mapping[str, Any]], kinds: Iterable[str] = RECURRING) -> Table:
    """The events of `kinds` as a table: `step` first, other columns in order of appearance, rows in order of steps.

    A cell that a step does not have is None. Where one kind has a step twice, the later one counts.
    """
    wanted = frozenset(kinds)
    columns: dict[str, None] = {"step": None}
    rows: dict[int, dict[str, TableCell]] = {}
    for event in events:
        if event["event"] in wanted and isinstance(event.get("step"), int):
            cells = event_cells(event)
            columns.update(dict.fromkeys(cells))
            rows.setdefault(event["step"], {"step": event["step"]}).update(cells)
    return Table(
        "events",
        "Events",
        tuple(map(Column, columns)),
        tuple(tuple(rows[step].get(column) for column in columns) for step in sorted(rows)),
    )


def known_kinds() -> list[str]:
    """Every kind of event there is, sorted."""
    return sorted(event_schema()["discriminator"]["mapping"])


def event_cells(event: Mapping[str, Any]) -> dict[str, TableCell]:
    """One event's cells by column."""
    kind = event["event"]
    cells: dict[str, TableCell] = {}
    for name, value in event.items():
        if name in ENVELOPE:
            continue
        nested = isinstance(value, Mapping) and kind in RECURRING
        _flatten(value, name if nested else f"{kind}.{name}", cells)
    return cells


def _flatten(value: Any, path: str, cells: dict[str, TableCell]) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _flatten(item, f"{path}.{name}", cells)
    elif not isinstance(value, list):
        cells[path] = value

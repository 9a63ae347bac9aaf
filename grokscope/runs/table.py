"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from grokscope.events import RECURRING, event_schema
from grokscope.words.table import Column, Table, TableCell

ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})


def wide_table(events: Iterable[Mapping[str, Any]], kinds: Iterable[str] = RECURRING) -> Table:
    """The events of `kinds` as a table: `step` first, other columns in order of appearance, rows in order of steps.

    A cell that a step does not have is None. Where one kind has a step twice, the later one counts.
    """
    wanted = frozenset(kinds)
    columns: dict[str, None] = {"step": None}
    rows: dict[int, dict[str, TableCell]] = {}
    for event in events:
        if event["event"] in wanted and (step := event.get("step")) is not None:
            cells = event_cells(event)
            if not cells.keys() <= columns.keys():
                columns.update(dict.fromkeys(cells))
            cells["step"] = step
            if step in rows:
                rows[step].update(cells)
            else:
                rows[step] = cells
    return Table(
        "events",
        "Events",
        tuple(map(Column, columns)),
        tuple(tuple(map(rows[step].get, columns)) for step in sorted(rows)),
    )


def known_kinds() -> list[str]:
    """Every kind of event there is, sorted."""
    return sorted(event_schema()["discriminator"]["mapping"])


def event_cells(event: Mapping[str, Any]) -> dict[str, TableCell]:
    """One event's cells by column."""
    return _cells(event, event["event"], is_event=True)


def _cells(values: Mapping[str, Any], above: str, *, is_event: bool = False) -> dict[str, TableCell]:
    cells: dict[str, TableCell] = {}
    for piece in _pieces(tuple(values), tuple(map(type, values.values())), above, is_event):
        if isinstance(piece, _Within):
            cells.update(_cells(values[piece.name], piece.above))
        else:
            cells.update(zip(piece.columns, map(values.__getitem__, piece.names), strict=True))
    return cells


class _Plain(NamedTuple):
    """Neighbouring values that are cells."""

    names: tuple[str, ...]
    columns: tuple[str, ...]


class _Within(NamedTuple):
    """A value that holds cells, and what stands before the names of their columns."""

    name: str
    above: str


@lru_cache(1000)
def _pieces(names: tuple[str, ...], types: tuple[type, ...], above: str, is_event: bool) -> list[_Plain | _Within]:
    """Where the cells of an object stand whose values have these names and types: a long log has few such shapes."""
    pieces: list[_Plain | _Within] = []
    told = [(name, each) for name, each in zip(names, types, strict=True) if not (is_event and name in ENVELOPE)]
    for holds_cells, group in groupby(told, key=lambda pair: issubclass(pair[1], Mapping)):
        members = [name for name, each in group if not issubclass(each, list)]
        if holds_cells:
            bare = is_event and above in RECURRING
            pieces += [_Within(name, name if bare else f"{above}.{name}") for name in members]
        else:
            pieces.append(_Plain(tuple(members), tuple(f"{above}.{name}" for name in members)))
    return pieces

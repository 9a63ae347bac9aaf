"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from grokscope.events import RECURRING, event_schema
from grokscope.words.table import Column, Table, TableCell

ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})


def wide_table(events: Iterable[Mapping[str, Any]], kinds: Iterable[str] = RECURRING) -> Table:
    """The events of `kinds` as a table: `step` first, other columns in order of appearance, rows in order of steps.

    A cell that a step does not have is None. Where one kind has a step twice, the later one counts.
    """
    wanted = frozenset(kinds)
    columns: dict[str, int] = {"step": 0}
    places: dict[_Plain, slice | list[int]] = {}
    rows: dict[int, list[_Cells]] = {}
    for event in events:
        if event["event"] in wanted and (step := event.get("step")) is not None:
            cells = _cells(event, event["event"], is_event=True)
            for piece, _ in cells:
                if piece not in places:
                    places[piece] = _place(piece.columns, columns)
            if step in rows:
                rows[step] += cells
            else:
                rows[step] = cells
    return Table(
        "events",
        "Events",
        tuple(map(Column, columns)),
        tuple(_row(step, rows[step], places, len(columns)) for step in sorted(rows)),
    )


def _place(names: tuple[str, ...], columns: dict[str, int]) -> slice | list[int]:
    """Where neighbouring cells stand in a row; new columns are added."""
    for name in names:
        columns.setdefault(name, len(columns))
    found = [columns[name] for name in names]
    together = list(range(found[0], found[0] + len(found)))
    return slice(found[0], found[0] + len(found)) if found == together else found


def _row(
    step: int, cells: "list[_Cells]", places: "Mapping[_Plain, slice | list[int]]", width: int
) -> tuple[TableCell, ...]:
    row: list[TableCell] = [None] * width
    row[0] = step
    for piece, values in cells:
        place = places[piece]
        if isinstance(place, slice):
            row[place] = values
        else:
            for index, value in zip(place, values, strict=True):
                row[index] = value
    return tuple(row)


def known_kinds() -> list[str]:
    """Every kind of event there is, sorted."""
    return sorted(event_schema()["discriminator"]["mapping"])


def event_cells(event: Mapping[str, Any]) -> dict[str, TableCell]:
    """One event's cells by column."""
    cells = _cells(event, event["event"], is_event=True)
    return {name: value for piece, values in cells for name, value in zip(piece.columns, values, strict=True)}


@dataclass(frozen=True, eq=False)  # equal only to itself: a long log asks for the place of one a million times
class _Plain:
    """Neighbouring values that are cells."""

    columns: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], tuple[TableCell, ...]]


class _Within(NamedTuple):
    """A value that holds cells, and what stands before the names of their columns."""

    name: str
    above: str


_Cells = tuple[_Plain, tuple[TableCell, ...]]
"""Neighbouring cells: their columns, and their values"""


def _cells(values: Mapping[str, Any], above: str, *, is_event: bool = False) -> list[_Cells]:
    cells: list[_Cells] = []
    for piece in _pieces(tuple(values), tuple(map(type, values.values())), above, is_event):
        if isinstance(piece, _Within):
            cells += _cells(values[piece.name], piece.above)
        else:
            cells.append((piece, piece.read(values)))
    return cells


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
        elif members:
            pieces.append(_Plain(tuple(f"{above}.{name}" for name in members), _reader(members)))
    return pieces


def _reader(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[TableCell, ...]]:
    """The values of these names, always as a tuple."""
    read = itemgetter(*names)
    return read if len(names) > 1 else lambda values: (read(values),)

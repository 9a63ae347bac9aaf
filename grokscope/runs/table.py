"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.

A log may have a million events, so the table is built by column: of a batch, all events of a kind at once where they
have the same fields, as most kinds have; a kind that differs in its fields, event by event.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from grokscope.events import RECURRING, event_schema
from grokscope.runs.lines import LogEvent, as_dictionaries
from grokscope.words.columns import WideColumn, WideTable
from grokscope.words.table import TableCell

ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})
_ARRAYS = {float: np.float64, int: np.int64, bool: np.bool_}
_CELLS = frozenset({*_ARRAYS, str, NoneType})


def wide_table(batches: Iterable[Sequence[LogEvent]], kinds: Iterable[str] = RECURRING) -> WideTable:
    """The events of `kinds` as a table: `step` first, other columns in order of appearance, rows in order of steps.

    A cell that a step does not have is missing. Where one kind has a step twice, the later one counts.
    """
    wanted = frozenset(kinds)
    parts: list[_Part] = []
    for batch in batches:
        parts += sorted(_parts(batch, wanted), key=attrgetter("first"))
    steps = np.concatenate([each.steps for each in parts] or [_whole([])])
    rows = np.sort(steps, kind="stable")  # quick where they are in order, as most are
    rows = rows[np.append(True, rows[1:] != rows[:-1])[: len(rows)]]
    everywhere = np.ones(len(rows), np.bool_)
    return WideTable((WideColumn("step", rows, everywhere), *_joined(rows, np.searchsorted(rows, steps), parts)))


def known_kinds() -> list[str]:
    """Every kind of event there is, sorted."""
    return sorted(event_schema()["discriminator"]["mapping"])


def event_cells(event: Mapping[str, Any]) -> dict[str, TableCell]:
    """One event's cells by column."""
    kind = event["event"]
    cells: dict[str, TableCell] = {}
    for name, value in event.items():
        if name not in ENVELOPE:
            _add_cells(cells, f"{kind}.{name}", value, name if kind in RECURRING else "")
    return cells


def _add_cells(cells: dict[str, TableCell], path: str, value: Any, inner: str = "") -> None:
    """Add the cells of a value; `inner` is the path of what lies inside, where it is another."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            _add_cells(cells, f"{inner or path}.{name}", each)
    elif not isinstance(value, list):
        cells[path] = value


class _Cells(NamedTuple):
    """Cells of one column at some steps."""

    values: NDArray[Any]
    """[those present]"""
    present: NDArray[np.bool_]
    """[steps]"""


class _Part(NamedTuple):
    """What some events have, by column, in the order of the log."""

    first: int
    """Place in the batch of the first event that has these columns"""
    steps: NDArray[np.int64]
    columns: dict[str, _Cells]


def _joined(rows: NDArray[np.int64], places: NDArray[np.int64], parts: "list[_Part]") -> Iterator[WideColumn]:
    """The columns of all parts over all rows. Where parts have a cell in common, the later one counts.

    places: the row of each step of each part, one part after the other.
    """
    found: dict[str, list[tuple[NDArray[np.int64], _Cells]]] = defaultdict(list)
    begin = 0
    for part in parts:
        end = begin + len(part.steps)
        for name, cells in part.columns.items():
            found[name].append((places[begin:end], cells))
        begin = end
    for name, pieces in found.items():
        types = {cells.values.dtype for _, cells in pieces if len(cells.values)}
        values = np.zeros(len(rows), types.pop() if len(types) == 1 else object)
        present = np.zeros(len(rows), np.bool_)
        where = np.concatenate([at for at, _ in pieces])
        there = np.concatenate([cells.present for _, cells in pieces])
        values[where[there]] = np.concatenate([cells.values.astype(values.dtype, copy=False) for _, cells in pieces])
        present[where] = there
        yield WideColumn(name, values, present)


def _packed(cells: Sequence[TableCell]) -> _Cells:
    types = set(map(type, cells))
    present = np.ones(len(cells), np.bool_)
    if NoneType in types:
        types.remove(NoneType)
        present = np.array([cell is not None for cell in cells], np.bool_)
        cells = [cell for cell in cells if cell is not None]
    array = _ARRAYS.get(types.pop(), object) if len(types) == 1 else object
    try:
        return _Cells(np.array(cells, array), present)
    except OverflowError:  # a whole number past 64 bits
        return _Cells(np.array(cells, object), present)


def _one_by_one(events: Sequence[LogEvent], places: Sequence[int]) -> "list[_Part]":
    """The parts of any events, which stand at these places in the batch."""
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[TableCell]] = defaultdict(list)
    first: dict[str, int] = {}
    every: list[int] = []
    for event, place in zip(as_dictionaries(events), places, strict=True):
        if (step := event.get("step")) is not None:
            every.append(step)
            for name, cell in event_cells(event).items():
                first.setdefault(name, place)
                steps[name].append(step)
                values[name].append(cell)
    by_column = [_Part(first[name], _whole(steps[name]), {name: _packed(cells)}) for name, cells in values.items()]
    return [_Part(0, _whole(every), {}), *by_column]


def _whole(steps: Sequence[int]) -> NDArray[np.int64]:
    return np.array(steps, np.int64)


# --- events with the same fields --------------------------------------------------------------------------------------


class _Unlike(Exception):
    """These events differ in their fields."""


def _parts(batch: Sequence[LogEvent], wanted: frozenset[str]) -> Iterator[_Part]:
    """The parts of the events of some kinds. Kinds that recur have no column in common: one can be told after the
    other."""
    by_type: dict[type, list[int]] = defaultdict(list)
    for place, event in enumerate(batch):
        by_type[type(event)].append(place)
    told = [place for place in by_type.pop(dict, []) if batch[place]["event"] in wanted]
    alike = [places for places in by_type.values() if batch[places[0]].event in wanted]
    if told:
        places = sorted(chain(told, *alike))
        yield from _one_by_one([batch[place] for place in places], places)
        return
    for places in alike:
        found = [batch[place] for place in places]
        try:
            yield _alike(found, places[0])
        except _Unlike:
            yield from _one_by_one(found, places)


def _alike(events: Sequence[Any], first: int) -> _Part:
    """Events of one kind with the same fields throughout. Raises `_Unlike`."""
    columns = dict(_columns_of(events, events[0].event, is_event=True))
    steps = _whole([each.step for each in events])
    return _Part(first, steps, {name: _packed(cells) for name, cells in columns.items()})


def _columns_of(
    objects: Sequence[Any], above: str, *, is_event: bool = False
) -> Iterator[tuple[str, Sequence[TableCell]]]:
    """The cells of objects of one type by column, where all have the same fields. Raises `_Unlike`."""
    for name, values in _fields_of(objects, is_event):
        types = set(map(type, values))
        if types <= _CELLS:
            yield f"{above}.{name}", values
        elif len(types) > 1:
            raise _Unlike
        elif not types <= {list, msgspec.UnsetType}:
            yield from _columns_of(values, name if is_event else f"{above}.{name}")


def _fields_of(objects: Sequence[Any], is_event: bool) -> Iterable[tuple[str, Sequence[Any]]]:
    first = objects[0]
    if isinstance(first, dict):
        if any(each.keys() != first.keys() for each in objects):
            raise _Unlike
        return [(name, [each[name] for each in objects]) for name in first]
    kind: type[msgspec.Struct] = type(first)
    names, read = _reader(kind, is_event)
    return zip(names, zip(*map(read, objects), strict=True), strict=True)


@cache
def _reader(kind: type[msgspec.Struct], is_event: bool) -> tuple[list[str], Any]:
    """The fields of a struct that may hold cells, and a function that reads them."""
    names = [name for name in kind.__struct_fields__ if not (is_event and name in ENVELOPE)]
    read = attrgetter(*names)
    return names, read if len(names) > 1 else lambda each: (read(each),)

"""A run's log as one wide table: a row a step, a column a signal.

Columns are dotted paths into the events. What lies inside an event keeps its path (`defect.median`, `train.accuracy`,
`signals.weight_norm`), its plain fields are preceded by the event (`trained.loss`, `measured.gradient_norm`), and so is
everything of events other than the four that recur. Lists (the samples behind a median) are left out.

A log may have a million events, so the table is built by column: some hundred events of a kind at once where they have
the same fields, as most have; those that differ in their fields, event by event.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from grokscope.events import RECURRING, event_schema
from grokscope.runs.lines import LogEvent, as_dictionaries, struct_of
from grokscope.words.columns import WideColumn, WideTable
from grokscope.words.table import TableCell

ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step", "flags"})
_ARRAYS = {float: np.float64, int: np.int64, bool: np.bool_}
_CELLS = frozenset({*_ARRAYS, str, NoneType})
_AT_ONCE = 400
"""Events of a kind that are taken at once"""
_FORMS = 50
"""Sets of signals whose events are gathered at a time"""
_FEW = 20
"""Below so many, events with the same fields are taken one by one"""


def wide_table(batches: Iterable[Sequence[LogEvent]], kinds: Iterable[str] = RECURRING) -> WideTable:
    """The events of `kinds` as a table: `step` first, other columns in order of appearance, rows in order of steps.

    A cell that a step does not have is missing. Where one kind has a step twice, the later one counts.
    """
    parts = sorted(_parts(batches, frozenset(kinds)), key=lambda part: part.places[:1].tolist())
    steps = np.concatenate([each.steps for each in parts] or [_whole([])])
    every = np.sort(steps, kind="stable")  # quick where they are in order, as most are
    every = every[np.append(True, every[1:] != every[:-1])[: len(every)]]
    return WideTable((WideColumn("step", np.arange(len(every)), every), *_joined(np.searchsorted(every, steps), parts)))


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
    """[steps]: without a meaning where the cell is missing"""
    present: NDArray[np.bool_]
    """[steps]"""


class _Part(NamedTuple):
    """What some events have, by column, in the order of the log."""

    places: NDArray[np.int64]
    """Of the events in the log"""
    steps: NDArray[np.int64]
    """[places]"""
    columns: dict[str, _Cells]


def _joined(rows: NDArray[np.int64], parts: "list[_Part]") -> Iterator[WideColumn]:
    """The columns of all parts, which come in the order of the log. Where parts have a cell in common, the later one
    counts.

    rows: of each part, one after the other, the row of each step.
    """
    by_part = np.split(rows, np.cumsum([len(part.steps) for part in parts[:-1]]))
    having: dict[str, list[int]] = defaultdict(list)
    for index, part in enumerate(parts):
        for name in part.columns:
            having[name].append(index)
    for indices, together in groupby(having, having.__getitem__):
        places = np.concatenate([parts[index].places for index in indices])
        where = np.concatenate([by_part[index] for index in indices])
        newest: NDArray[np.int64] | slice = slice(None)
        if not (where[1:] > where[:-1]).all():
            order = np.lexsort((places, where))
            newest = order[np.append(where[order][1:] != where[order][:-1], True)]
            where = where[newest]
        for name in together:
            pieces = [parts[index].columns[name] for index in indices]
            types = {each.values.dtype for each in pieces if each.present.any()}
            kind = types.pop() if len(types) == 1 else object
            values = np.concatenate([each.values.astype(kind, copy=False) for each in pieces])[newest]
            present = np.concatenate([each.present for each in pieces])[newest]
            if present.all():
                yield WideColumn(name, where, values)
            else:
                yield WideColumn(name, where[present], values[present])


def _packed(cells: Sequence[TableCell], types: set[type]) -> _Cells:
    """Cells, which have these types, as arrays."""
    present = np.ones(len(cells), np.bool_)
    if NoneType in types:
        present = np.array([cell is not None for cell in cells], np.bool_)
        cells = [0 if cell is None else cell for cell in cells]
    own = types - {NoneType}
    array = _ARRAYS.get(own.pop(), object) if len(own) == 1 else object
    try:
        return _Cells(np.array(cells, array), present)
    except OverflowError:  # a whole number past 64 bits
        return _Cells(np.array(cells, object), present)


def _one_by_one(placed: "Sequence[_Placed]") -> "list[_Part]":
    """The parts of any events."""
    found: dict[str, list[tuple[int, int, TableCell]]] = defaultdict(list)
    every: list[int] = []
    for (place, _), event in zip(placed, as_dictionaries([event for _, event in placed]), strict=True):
        if (step := event.get("step")) is not None:
            every.append(step)
            for name, cell in event_cells(event).items():
                found[name].append((place, step, cell))
    parts = [_Part(_whole([]), _whole(every), {})]
    for name, rows in found.items():
        at, steps, cells = zip(*rows, strict=True)
        parts.append(_Part(_whole(at), _whole(steps), {name: _packed(cells, set(map(type, cells)))}))
    return parts


def _whole(steps: Sequence[int]) -> NDArray[np.int64]:
    return np.array(steps, np.int64)


# --- events with the same fields --------------------------------------------------------------------------------------


class _Unlike(Exception):
    """These events differ in their fields."""


_Placed = tuple[int, LogEvent]
"""An event and its place in the log"""


def _parts(batches: Iterable[Sequence[LogEvent]], kinds: frozenset[str]) -> Iterator[_Part]:
    """The parts of the events of some kinds."""
    waiting: dict[Any, list[_Placed]] = defaultdict(list)
    places, observed = count(), struct_of("observed")
    for batch in batches:
        for event, kind, place in zip(batch, map(type, batch), places, strict=False):
            waiting[kind if kind is not observed else tuple(event.signals)].append((place, event))
        for form in [form for form, placed in waiting.items() if len(placed) >= _AT_ONCE or len(waiting) > _FORMS]:
            yield from _parts_of(waiting.pop(form), kinds)
    for placed in waiting.values():
        yield from _parts_of(placed, kinds)


def _parts_of(placed: "list[_Placed]", kinds: frozenset[str]) -> "list[_Part]":
    """The parts of events of one type, as far as they are of some kinds; of observed events, of the same signals."""
    if isinstance(placed[0][1], dict):
        return _one_by_one([each for each in placed if each[1]["event"] in kinds])
    if placed[0][1].event not in kinds:
        return []
    if len(placed) < _FEW:
        return _one_by_one(placed)
    try:
        return [_alike(placed)]
    except _Unlike:
        shapes: dict[Any, list[_Placed]] = defaultdict(list)
        for each in placed:
            shapes[_shape(each[1])].append(each)
        large = [each for each in shapes.values() if len(each) >= _FEW]
        small = [each for some in shapes.values() if len(some) < _FEW for each in some]
        return [*map(_alike, large), *_one_by_one(small)]


def _shape(value: Any) -> Any:
    """What is equal for two values where they have the same cells."""
    kind = type(value)
    if kind in _CELLS:
        return None
    if kind is dict:
        names, cells = tuple(value), value.values()
        return names if _CELLS.issuperset(map(type, cells)) else (names, *map(_shape, cells))
    if issubclass(kind, msgspec.Struct):
        return kind, *[_shape(each) for each in msgspec.structs.astuple(value)]
    return kind


def _alike(placed: Sequence[_Placed]) -> _Part:
    """Events of one type with the same fields throughout. Raises `_Unlike`."""
    places, events = zip(*placed, strict=True)
    columns = dict(_columns_of(events, events[0].event, is_event=True))
    return _Part(_whole(places), _whole([each.step for each in events]), columns)


def _columns_of(objects: Sequence[Any], above: str, *, is_event: bool = False) -> Iterator[tuple[str, _Cells]]:
    """The cells of objects of one type by column, where all have the same fields. Raises `_Unlike`."""
    for name, values in _fields_of(objects):
        if is_event and name in ENVELOPE:
            continue
        types = set(map(type, values))
        if types <= _CELLS:
            yield f"{above}.{name}", _packed(values, types)
        elif len(types) > 1:
            raise _Unlike
        elif not types <= {list, msgspec.UnsetType}:
            yield from _columns_of(values, name if is_event and above in RECURRING else f"{above}.{name}")


def _fields_of(objects: Sequence[Any]) -> Iterable[tuple[str, Sequence[Any]]]:
    first = objects[0]
    if isinstance(first, dict):
        names = list(first)
        if not all(map(names.__eq__, map(list, objects))):
            raise _Unlike
        return zip(names, zip(*map(dict.values, objects), strict=True), strict=True)
    return zip(first.__struct_fields__, zip(*map(msgspec.structs.astuple, objects), strict=True), strict=True)

"""A table of millions of rows, kept by column in arrays. It writes the same CSV and JSON as `Table` does of the same
cells, in a fraction of the time and without holding the text.

Most rows have cells in few columns, and many rows have cells in the same ones, as those of one kind of event have. Such
rows are written together: the texts of their cells, column by column, and between them what is the same in every row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from grokscope.words.clean import json_text
from grokscope.words.table import Column, Table, TableCell, csv_cell

_AT_ONCE = 500
"""Rows that are written at once: their texts stay in the processor's cache"""
_LIKE = 16
"""Sets of columns whose rows are written together; rows with other sets are written with each other"""
_SAME_FROM, _SAME_BELOW = 1e-4, 1e16
"""Sizes of numbers that CSV and JSON write alike; others have an exponent in one of them or in both"""


_Cells = list[Any] | None
"""Cells of one column, as msgspec encodes them; None where all are missing"""


class _Medium(NamedTuple):
    """How rows and cells stand in a file."""

    missing: Any
    word: Callable[[str], str]
    extreme: Callable[[list[float]], Iterable[str]]
    """For numbers outside `_SAME_FROM` to `_SAME_BELOW`"""
    lines: Callable[[Sequence[str], Sequence[_Cells]], Iterable[str]]
    """From the names and the cells of all columns; in the first no cell is missing"""


def _csv_numbers(numbers: list[float]) -> list[str]:
    return to_json(numbers)[1:-1].decode().split(",")


def _csv_lines(_: Sequence[str], columns: Sequence[_Cells]) -> Iterable[str]:
    cells: list[Iterable[Any]] = []
    for column in columns:
        if column is not None:
            cells.append(column)
        elif isinstance(cells[-1], repeat):
            cells[-1] = repeat(msgspec.Raw(bytes(next(cells[-1])) + b","))
        else:
            cells.append(repeat(_CSV.missing))
    lines = msgspec.json.Encoder().encode_lines(list(zip(*cells, strict=False)))
    return lines[1:-2].decode().split("]\n[")  # no cell has a line end


def _json_lines(names: Sequence[str], columns: Sequence[_Cells]) -> Iterable[str]:
    texts: list[Iterable[str]] = []
    same = "{"
    for name, cells in zip(names, columns, strict=True):
        same += f"{json_text(name)}: "
        if cells is not None:
            texts += [repeat(same), _apart(cells)]
            same = ""
        else:
            same += "null"
        same += ", "
    return map("".join, zip(*texts, repeat(same.removesuffix(", ") + "}"), strict=False))


def _apart(cells: list[Any]) -> list[str]:
    texts = msgspec.json.encode(cells)[1:-1].decode().split(",")
    if len(texts) == len(cells):
        return texts
    return [msgspec.json.encode(cell).decode() for cell in cells]  # a word has a comma


_CSV = _Medium(msgspec.Raw(b""), csv_cell, _csv_numbers, _csv_lines)
_JSON = _Medium(None, json_text, lambda numbers: map(repr, numbers), _json_lines)


@dataclass(frozen=True)
class WideColumn:
    """One column of cells."""

    name: str
    rows: NDArray[np.int64]
    """[cells] places of the rows that have a cell here, ascending"""
    values: NDArray[Any]
    """[cells] float64, int64, bool, or object for words and for cells of several types"""

    @property
    def uniform(self) -> bool:
        """Whether all cells have one type."""
        return self.values.dtype != object or all(type(cell) is str for cell in self.values)

    def cells(self, rows: int) -> list[TableCell]:
        """[rows]: None where the cell is missing."""
        found: list[TableCell] = [None] * rows
        for row, cell in zip(self.rows.tolist(), self.values.tolist(), strict=True):
            found[row] = cell
        return found


@dataclass(frozen=True)
class WideTable:
    """Columns over the same rows; the first has a cell in every row."""

    columns: tuple[WideColumn, ...]

    def rows(self) -> tuple[tuple[TableCell, ...], ...]:
        """[rows][columns]: None where a cell is missing."""
        return tuple(zip(*(column.cells(self._rows) for column in self.columns), strict=True))

    def csv(self) -> Iterator[str]:
        """The text of `Table.csv`, piece by piece."""
        if not self._by_column:
            yield self._table().csv()
            return
        yield ",".join(csv_cell(column.name) for column in self.columns) + "\n"
        for lines in self._lines(_CSV):
            yield "\n".join(lines)
            yield "\n"

    def json(self) -> Iterator[str]:
        """The text of `Table.json`, piece by piece."""
        if not self._by_column:
            yield self._table().json()
            return
        before = "[\n"
        for lines in self._lines(_JSON):
            yield before
            yield ",\n".join(lines)
            before = ",\n"
        yield "\n]\n"

    @property
    def _rows(self) -> int:
        return len(self.columns[0].rows)

    @property
    def _by_column(self) -> bool:
        return self._rows > 0 and all(column.uniform for column in self.columns)

    def _table(self) -> Table:
        return Table("events", "Events", tuple(Column(column.name) for column in self.columns), self.rows())

    def _lines(self, medium: _Medium) -> Iterator[list[str]]:
        """The rows as they stand in a file, `_AT_ONCE` of them at a time."""
        names = [column.name for column in self.columns]
        starts = range(0, self._rows, _AT_ONCE)
        kinds = []
        for rows, columns in _kinds_of_rows(self.columns, self._rows):
            written = chain.from_iterable(medium.lines(names, cells) for cells in _blocks(columns, medium))
            kinds.append((np.split(rows % _AT_ONCE, np.searchsorted(rows, starts[1:])), written))
        for number, start in enumerate(starts):
            lines = [""] * min(_AT_ONCE, self._rows - start)
            for places, written in kinds:
                for place, line in zip(places[number].tolist(), written, strict=False):
                    lines[place] = line
            yield lines


_Places = NDArray[np.int64] | None
"""[rows] of some rows, the places of their cells among all cells of a column, -1 for a missing cell; None where all are
missing"""


def _kinds_of_rows(
    columns: Sequence[WideColumn], count: int
) -> list[tuple[NDArray[np.int64], list[tuple[WideColumn, _Places]]]]:
    """All rows, those with cells in the same columns together, and where in each column their cells are."""
    together = [list(some) for _, some in groupby(columns, lambda each: each.rows.tobytes())]
    sets = np.zeros(count, np.int64)
    for number, some in enumerate(together):
        sets[some[0].rows] += 1 << number % 60  # two sets that come to the same do no harm
    _, which, sizes = np.unique(sets, return_inverse=True, return_counts=True)
    rank = np.full(len(sizes), _LIKE)
    largest = np.argsort(-sizes, kind="stable")[:_LIKE]
    rank[largest] = range(len(largest))
    kind = rank[which]
    found: list[tuple[NDArray[np.int64], list[tuple[WideColumn, _Places]]]] = [
        (np.flatnonzero(kind == each), []) for each in np.unique(kind)
    ]
    for some in together:
        places = np.full(count, -1)
        places[some[0].rows] = range(len(some[0].rows))
        for rows, its in found:
            among = places[rows]
            its += [(column, among if among.max() >= 0 else None) for column in some]
    return found


def _blocks(columns: Sequence[tuple[WideColumn, _Places]], medium: _Medium) -> Iterator[list[_Cells]]:
    """The cells of some rows by column, `_AT_ONCE` rows at a time."""
    count = next(len(places) for _, places in columns if places is not None)
    for start in range(0, count, _AT_ONCE):
        yield [
            None if places is None else _cells(column.values, places[start : start + _AT_ONCE], medium)
            for column, places in columns
        ]


def _cells(values: NDArray[Any], places: NDArray[np.int64], medium: _Medium) -> list[Any]:
    there = (places >= 0).nonzero()[0]
    if len(there) == len(places):
        return _encodable(values[places], medium)
    cells = [medium.missing] * len(places)
    for place, cell in zip(there.tolist(), _encodable(values[places[there]], medium), strict=True):
        cells[place] = cell
    return cells


def _encodable(values: NDArray[Any], medium: _Medium) -> list[Any]:
    """Cells of one type that msgspec encodes as the medium has them."""
    cells: list[Any] = values.tolist()
    if values.dtype == object:
        words = {cell: msgspec.Raw(medium.word(cell).encode()) for cell in set(cells)}
        return [words[cell] for cell in cells]
    if values.dtype == np.float64:
        size = np.abs(values)
        extreme = ((size < _SAME_FROM) & (size > 0) | (size >= _SAME_BELOW)).nonzero()[0]
        if len(extreme):
            for place, text in zip(extreme.tolist(), medium.extreme(values[extreme].tolist()), strict=True):
                cells[place] = msgspec.Raw(text.encode())
    return cells

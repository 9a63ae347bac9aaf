"""A table of millions of rows, kept by column in arrays. It writes the same CSV and JSON as `Table` does of the same
cells, in a fraction of the time and without holding the text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from grokscope.words.clean import json_text
from grokscope.words.table import Column, Table, TableCell, csv_cell

_AT_ONCE = 1000
"""Rows that are written at once: their texts stay in the processor's cache"""
_SAME_FROM, _SAME_BELOW = 1e-4, 1e16
"""Sizes of numbers that CSV and JSON write alike; others have an exponent in one of them or in both"""


class _Medium(NamedTuple):
    """How cells stand in a file."""

    missing: str
    between: str
    joined: Callable[[Sequence[str]], Callable[[tuple[str, ...]], str]]
    """From the names of some columns, what writes their cells of one row"""
    extreme: Callable[[list[float]], Iterable[str]]
    """For numbers outside `_SAME_FROM` to `_SAME_BELOW`"""
    word: Callable[[str], str]


def _named(names: Sequence[str]) -> Callable[[tuple[str, ...]], str]:
    return ", ".join(json_text(name).replace("%", "%%") + ": %s" for name in names).__mod__


_CSV = _Medium("", ",", lambda _: ",".join, lambda numbers: to_json(numbers)[1:-1].decode().split(","), csv_cell)
_JSON = _Medium("null", ", ", _named, lambda numbers: map(repr, numbers), json_text)


@dataclass(frozen=True)
class WideColumn:
    """One column of cells."""

    name: str
    values: NDArray[Any]
    """[rows] float64, int64, bool, or object for words and for cells of several types"""
    present: NDArray[np.bool_]
    """[rows]: False where the cell is missing, and its value has no meaning"""

    @property
    def uniform(self) -> bool:
        """Whether all cells that are there have one type."""
        return self.values.dtype != object or all(type(cell) is str for cell in self.values[self.present])

    def cells(self) -> list[TableCell]:
        """[rows]: None where the cell is missing."""
        return [
            cell if there else None for cell, there in zip(self.values.tolist(), self.present.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class WideTable:
    """Columns of equal length."""

    columns: tuple[WideColumn, ...]

    def rows(self) -> tuple[tuple[TableCell, ...], ...]:
        """[rows][columns]: None where a cell is missing."""
        return tuple(zip(*(column.cells() for column in self.columns), strict=True))

    def csv(self) -> Iterator[str]:
        """The text of `Table.csv`, piece by piece."""
        if not self._uniform:
            yield self._table().csv()
            return
        yield ",".join(csv_cell(column.name) for column in self.columns) + "\n"
        for texts in self._texts(_CSV):
            yield "\n".join(texts) + "\n"

    def json(self) -> Iterator[str]:
        """The text of `Table.json`, piece by piece."""
        if not self._uniform or not len(self.columns[0].values):
            yield self._table().json()
            return
        before = "[\n{"
        for texts in self._texts(_JSON):
            yield before + "},\n{".join(texts)
            before = "},\n{"
        yield "}\n]\n"

    @property
    def _uniform(self) -> bool:
        return all(column.uniform for column in self.columns)

    def _table(self) -> Table:
        return Table("events", "Events", tuple(Column(column.name) for column in self.columns), self.rows())

    def _texts(self, medium: _Medium) -> Iterator[Iterable[str]]:
        """The rows as they stand in a file, `_AT_ONCE` of them at a time.

        Neighbouring columns whose cells are missing in the same rows, as those of one kind of event are, are written
        together: where they are missing, which is nearly everywhere, there is one text for all.
        """
        together = [list(columns) for _, columns in groupby(self.columns, lambda each: each.present.tobytes())]
        for start in range(0, len(self.columns[0].values), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            yield map(medium.between.join, zip(*(_joined(each, rows, medium) for each in together), strict=True))


def _joined(columns: Sequence[WideColumn], rows: slice, medium: _Medium) -> list[str]:
    """[rows]: the cells of columns whose cells are missing in the same rows."""
    present = columns[0].present[rows]
    joined = medium.joined([column.name for column in columns])
    texts = [joined((medium.missing,) * len(columns))] * len(present)
    cells = zip(*(_texts(column.values[rows][present], medium) for column in columns), strict=True)
    for index, text in zip(present.nonzero()[0].tolist(), map(joined, cells), strict=True):
        texts[index] = text
    return texts


def _texts(values: NDArray[Any], medium: _Medium) -> list[str]:
    """The texts of cells of one type."""
    if not len(values):
        return []
    cells = values.tolist()
    if values.dtype == object:
        texts = {cell: medium.word(cell) for cell in set(cells)}
        return [texts[cell] for cell in cells]
    written = msgspec.json.encode(cells)[1:-1].decode().split(",")
    if values.dtype == np.float64:
        size = np.abs(values)
        extreme = ((size < _SAME_FROM) & (size > 0) | (size >= _SAME_BELOW)).nonzero()[0]
        if len(extreme):
            for index, text in zip(extreme.tolist(), medium.extreme(values[extreme].tolist()), strict=True):
                written[index] = text
    return written

"""A table of millions of rows, kept by column in arrays. It writes the same CSV and JSON as `Table` does of the same
cells, in a fraction of the time and without holding the text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
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
    extreme: Callable[[list[float]], Iterable[str]]
    """For numbers outside `_SAME_FROM` to `_SAME_BELOW`"""
    word: Callable[[str], str]
    labels: Callable[[Sequence[str]], list[str]]
    """From the names of some columns, what stands before the cell of each"""
    rows: Callable[[Sequence[str], Sequence[Sequence[Any]]], list[str]]
    """From the names and the cells of some columns, which msgspec can encode, the texts of their rows"""


def _rows_of_csv(_: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[str]:
    lines = msgspec.json.Encoder().encode_lines(list(zip(*columns, strict=True)))
    return lines[1:-2].decode().split("]\n[")  # no cell has a line end


def _rows_of_json(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[str]:
    if all(json_text(name) == f'"{name}"' for name in names):
        objects = list(map(_struct(tuple(names)), *columns))
        text = msgspec.json.format(msgspec.json.encode(objects), indent=0)
        texts = text[2:-2].decode().split("}, {")
        if len(texts) == len(objects):  # else a word holds what stands between two objects
            return texts
    labels = _labels(names)
    return [
        ", ".join(label + msgspec.json.encode(cell).decode() for label, cell in zip(labels, row, strict=True))
        for row in zip(*columns, strict=True)
    ]


@cache
def _struct(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """An object with these fields, given by place."""
    fields = {f"_{index}": name for index, name in enumerate(names)}
    return msgspec.defstruct("_Row", [(field, Any) for field in fields], rename=fields, gc=False)


def _labels(names: Sequence[str]) -> list[str]:
    return [f"{json_text(name)}: " for name in names]


def _csv_numbers(numbers: list[float]) -> list[str]:
    return to_json(numbers)[1:-1].decode().split(",")


_CSV = _Medium("", ",", _csv_numbers, csv_cell, lambda names: [""] * len(names), _rows_of_csv)
_JSON = _Medium("null", ", ", lambda numbers: map(repr, numbers), json_text, _labels, _rows_of_json)


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
        if not self._by_column:
            yield self._table().csv()
            return
        yield ",".join(csv_cell(column.name) for column in self.columns) + "\n"
        for texts in self._texts(_CSV):
            yield "\n".join(texts)
            yield "\n"

    def json(self) -> Iterator[str]:
        """The text of `Table.json`, piece by piece."""
        if not self._by_column:
            yield self._table().json()
            return
        before = "[\n{"
        for texts in self._texts(_JSON):
            yield before
            yield "},\n{".join(texts)
            before = "},\n{"
        yield "}\n]\n"

    @property
    def _by_column(self) -> bool:
        return len(self.columns[0].values) > 0 and all(column.uniform for column in self.columns)

    def _table(self) -> Table:
        return Table("events", "Events", tuple(Column(column.name) for column in self.columns), self.rows())

    def _texts(self, medium: _Medium) -> Iterator[Iterable[str]]:
        """The rows as they stand in a file, `_AT_ONCE` of them at a time.

        Neighbouring columns whose cells are missing in the same rows, as those of one kind of event are, are written
        together: where they are missing, which is nearly everywhere, there is one text for all.
        """
        together = [list(columns) for _, columns in groupby(self.columns, lambda each: each.present.tobytes())]
        for parts in zip(*(_together(columns, medium) for columns in together), strict=True):
            yield map(medium.between.join, zip(*parts, strict=True))


def _together(columns: Sequence[WideColumn], medium: _Medium) -> Iterator[list[str]]:
    """The cells of columns that are missing in the same rows, [rows] of `_AT_ONCE` rows at a time."""
    names, present = [column.name for column in columns], columns[0].present
    where = present.nonzero()[0]
    blocks = np.split(where, range(_AT_ONCE, len(where), _AT_ONCE)) if len(where) else []
    written = chain.from_iterable(
        medium.rows(names, [_encodable(column.values[block], medium) for column in columns]) for block in blocks
    )
    missing = medium.between.join(label + medium.missing for label in medium.labels(names))
    starts = range(0, len(present), _AT_ONCE)
    for start, among in zip(starts, np.split(where, np.searchsorted(where, starts[1:])), strict=True):
        texts = [missing] * min(_AT_ONCE, len(present) - start)
        for index, text in zip((among - start).tolist(), written, strict=False):
            texts[index] = text
        yield texts


def _encodable(values: NDArray[Any], medium: _Medium) -> list[Any]:
    """Cells of one type that msgspec encodes as the medium has them."""
    cells: list[Any] = values.tolist()
    if values.dtype == object:
        texts = {cell: msgspec.Raw(medium.word(cell).encode()) for cell in set(cells)}
        return [texts[cell] for cell in cells]
    if values.dtype == np.float64:
        size = np.abs(values)
        extreme = ((size < _SAME_FROM) & (size > 0) | (size >= _SAME_BELOW)).nonzero()[0]
        if len(extreme):
            for index, text in zip(extreme.tolist(), medium.extreme(values[extreme].tolist()), strict=True):
                cells[index] = msgspec.Raw(text.encode())
    return cells

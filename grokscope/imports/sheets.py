"""A table with named columns, read a few columns at a time: what every kind of file is made into."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import compress
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.examples import Ints

Getter = Callable[[Any], Any]

ABSENT = frozenset({"", "nan", "na", "n/a", "none", "null", "-", "inf", "-inf", "+inf", "infinity", "-infinity"})
"""Words for no number, in lower case"""


class Unimportable(ValueError):
    """Somebody's record that cannot be read as runs; one sentence, with the line where there is one."""


@dataclass(frozen=True)
class Cells:
    """Some columns of a sheet. All [n]."""

    lines: Ints
    """Line of the file, or number of the record, from 1"""
    numbers: Mapping[str, Floats]
    """NaN where there is no number, or none that is finite"""
    words: Mapping[str, list[str]]
    """Text as it stands; empty where there is none"""


class Sheet(Protocol):
    """One table of a file."""

    @property
    def place(self) -> str:
        """What a sentence calls it: the file, and where in it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns, each once."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the file says of the run beside the table, by the file's own names."""

    @property
    def left_out(self) -> list[str]:
        """What was passed over when it was read last, in words."""

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        """Columns as numbers and as text. Rows in which all columns of numbers but the first are empty are left out.

        Raises `Unimportable` where a cell is no number, or a name stands for two columns.
        """


@dataclass(frozen=True)
class Fragment:
    """A sheet, and of which run it is; None where it is of the only run of its file, or has a column that says so."""

    sheet: Sheet
    run: str | None = None


class Collector:
    """Builds `Cells` row by row; in blocks, so that a long file costs eight bytes a number and no more."""

    BLOCK = 1 << 14

    def __init__(self, place: str, numbers: Sequence[str], words: Sequence[str]) -> None:
        self._place = place
        self._numbers = {name: array("d") for name in numbers}
        self._words: dict[str, list[str]] = {name: [] for name in words}
        self._known: dict[str, str] = {}
        self._lines = array("q")
        self._odd: dict[int, Any] = {}
        """Cells of the first column that are no numbers, by line"""
        self._rows: list[Any] = []
        self._cell: Callable[[str], Getter] = itemgetter

    @property
    def first(self) -> str:
        """The first of the columns of numbers: the step."""
        return next(iter(self._numbers))

    @property
    def rows(self) -> int:
        """How many were added."""
        return len(self._lines)

    def forget_last(self) -> None:
        """Take the last row back, before its block is full of others."""
        if self._rows:
            self._rows.pop()
            self._lines.pop()

    def look(self, cell: Callable[[str], Getter]) -> None:
        """From here on `cell(name)` takes the cell of a column out of a row."""
        self._convert()
        self._cell = cell

    def add(self, line: int, row: Any) -> None:
        """A row, and its line."""
        if len(self._rows) >= self.BLOCK:
            self._convert()
        self._lines.append(line)
        self._rows.append(row)

    def cells(self) -> Cells:
        """All rows that hold something."""
        self._convert()
        numbers = {name: np.array(column) for name, column in self._numbers.items()}
        found = _without_empty_rows(Cells(np.array(self._lines), numbers, self._words))
        if self._odd:
            line = next((int(line) for line in found.lines if line in self._odd), None)
            if line is not None:
                raise self._no_number(self.first, self._odd[line], line)
        return found

    def _convert(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        for name, column in self._numbers.items():
            cells = list(map(self._cell(name), rows))
            before = len(column)
            try:
                column.extend(map(float, cells))
            except (TypeError, ValueError, OverflowError):
                del column[before:]
                lines = self._lines[len(self._lines) - len(rows) :]
                column.extend(self._number(name, cell, line) for line, cell in zip(lines, cells, strict=True))
        for name, texts in self._words.items():  # a text that stands in every row is kept once
            texts += [self._known.setdefault(text, text) for text in map(as_text, map(self._cell(name), rows))]

    def _number(self, name: str, cell: Any, line: int) -> float:
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in ABSENT):
            return math.nan
        try:
            return float(cell)
        except OverflowError:
            return math.inf
        except (TypeError, ValueError):
            if name != self.first:
                raise self._no_number(name, cell, line) from None
            self._odd[line] = cell  # which does not matter where nothing else stands in the row
            return math.nan

    def _no_number(self, name: str, cell: Any, line: int) -> Unimportable:
        return Unimportable(f"{self._place}, line {line}: {name} is {shortened(cell)}, which is no number")


def _without_empty_rows(cells: Cells) -> Cells:
    """Without the rows that hold nothing that was asked for; what is not finite is no number."""
    numbers = {name: np.where(np.isfinite(column), column, np.nan) for name, column in cells.numbers.items()}
    values = list(numbers.values())[1:]
    if not values:
        return Cells(cells.lines, numbers, cells.words)
    kept = np.any([np.isfinite(column) for column in values], axis=0)
    if kept.all():
        return Cells(cells.lines, numbers, cells.words)
    words = {name: list(compress(column, kept)) for name, column in cells.words.items()}
    return Cells(cells.lines[kept], {name: column[kept] for name, column in numbers.items()}, words)


@dataclass(frozen=True)
class Renamed:
    """A sheet whose columns are called otherwise."""

    sheet: Sheet
    renamed: Mapping[str, str]
    """New names to those of `sheet`; columns that are not here are not there"""

    @property
    def place(self) -> str:
        return self.sheet.place

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.renamed)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.sheet.facts

    @property
    def left_out(self) -> list[str]:
        return self.sheet.left_out

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        cells = self.sheet.read([self.renamed[name] for name in numbers], [self.renamed[name] for name in words])
        return Cells(
            cells.lines,
            {name: cells.numbers[self.renamed[name]] for name in numbers},
            {name: cells.words[self.renamed[name]] for name in words},
        )


@dataclass
class Columns:
    """A sheet whose columns are lists already."""

    place: str
    columns: Mapping[str, Sequence[Any]]
    """Equal lengths"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        collector = Collector(self.place, numbers, words)
        names = list(dict.fromkeys([*numbers, *words]))
        collector.look(lambda name: itemgetter(names.index(name)))
        for line, row in enumerate(zip(*(self.columns[name] for name in names), strict=True), 1):
            collector.add(line, row)
        return collector.cells()


def as_text(cell: Any) -> str:
    """A cell that names something."""
    return "" if cell is None else str(cell).strip()


def shortened(cell: Any) -> str:
    """A cell for a sentence."""
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:59]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def some(names: Sequence[str], most: int = 20) -> str:
    """The first of them, with commas."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def flattened(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as dotted columns, truth as text, for it is no number; lists are left out."""
    for name, value in record.items():
        if isinstance(value, bool):
            yield f"{prefix}{name}", str(value)
        elif isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value

"""Sheets: tables with named columns, read a few columns at a time. Every kind of file is turned into sheets."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import compress
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.examples import Ints
from grokscope.words.numbers import counted

Getter = Callable[[Any], Any]

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
EMPTY = frozenset({"", "na", "n/a", "none", "null", "-"})
ABSENT = EMPTY | {"nan", "inf", "-inf", "+inf", "infinity", "-infinity"}
"""Texts of cells without a number, in lower case"""


class Unimportable(ValueError):
    """A file cannot be imported. The message is one sentence, with the line if there is one."""


@dataclass(frozen=True)
class Cells:
    """Some columns of a sheet. All of length n."""

    lines: Ints
    """[n]: lines of the file, or numbers of the records, from 1"""
    numbers: Mapping[str, Floats]
    """[n] by column; NaN for a cell without a finite number"""
    words: Mapping[str, list[str]]
    """[n] by column; unchanged text, empty for an empty cell"""


class Sheet(Protocol):
    """One table of a file."""

    @property
    def place(self) -> str:
        """The name of the sheet in messages: the file, and the place in the file."""

    @property
    def names(self) -> tuple[str, ...]:
        """The distinct names of the columns."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Values that the file states beside the table, by the names in the file."""

    @property
    def left_out(self) -> list[str]:
        """What the last `read` skipped, one sentence each."""

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        """Columns as numbers and as text. A row is left out if all its numbers except the first are missing.

        Raises `Unimportable` if a cell of `numbers` is no number, or if two columns have the same name.
        """


@dataclass(frozen=True)
class Fragment:
    """A sheet and its run. `run` is None for the only run of a file, and for a sheet with a column of runs."""

    sheet: Sheet
    run: str | None = None


MOST_IMPORTED_CELLS = 50_000_000
"""Cells of one sheet that are kept, 8 bytes each"""


class Collector:
    """Builds `Cells` row by row. It works in blocks, so that a long file takes only eight bytes per number."""

    BLOCK = 1 << 14

    def __init__(self, place: str, numbers: Sequence[str], words: Sequence[str]) -> None:
        self._place = place
        self._numbers = {name: array("d") for name in numbers}
        self._words: dict[str, list[str]] = {name: [] for name in words}
        self._known: dict[str, str] = {}
        self._lines = array("q")
        self._not_finite: Counter[str] = Counter()
        """How many cells of a column say that they are no finite number, such as `nan`; empty cells do not"""
        self._odd: dict[int, Any] = {}
        """Cells of the step column that are no numbers, by line"""
        self._rows: list[Any] = []
        self._cell: Callable[[str], Getter] = itemgetter

    @property
    def first(self) -> str:
        """The first of the columns of numbers: the step."""
        return next(iter(self._numbers))

    @property
    def rows(self) -> int:
        """The number of added rows."""
        return len(self._lines)

    def forget_last(self) -> None:
        """Remove the last row. Works only directly after the row was added."""
        if self._rows:
            self._rows.pop()
            self._lines.pop()

    def look(self, cell: Callable[[str], Getter]) -> None:
        """Set how cells are taken from the next rows: `cell(name)` gives the function for a column."""
        self._convert()
        self._cell = cell

    def add(self, line: int, row: Any) -> None:
        """Add a row and its line."""
        if len(self._rows) >= self.BLOCK:
            self._convert()
        self._lines.append(line)
        self._rows.append(row)

    def cells(self, left_out: list[str]) -> Cells:
        """All rows with at least one value. Values that are not finite are counted in `left_out`."""
        self._convert()
        for name, count in self._not_finite.items():
            remark = f"{self._place}: {counted(count, 'value')} of {name} not finite"
            if remark not in left_out:  # a sheet may be read again
                left_out.append(remark)
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
        if self.rows * (len(self._numbers) + len(self._words)) > MOST_IMPORTED_CELLS:
            raise Unimportable(
                f"{self._place} has more than {MOST_IMPORTED_CELLS:,} cells to read; split it into smaller files"
            )
        for name, column in self._numbers.items():
            cells = list(map(self._cell(name), rows))
            before = len(column)
            try:
                column.extend(map(float, cells))
                self._count(name, int(np.count_nonzero(~np.isfinite(np.array(column[before:])))))
            except (TypeError, ValueError, OverflowError):
                del column[before:]
                lines = self._lines[len(self._lines) - len(rows) :]
                column.extend(self._number(name, cell, line) for line, cell in zip(lines, cells, strict=True))
        for name, texts in self._words.items():  # equal texts share one object
            texts += [self._known.setdefault(text, text) for text in map(as_text, map(self._cell(name), rows))]

    def _number(self, name: str, cell: Any, line: int) -> float:
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in EMPTY):
            return math.nan
        try:
            value = float(cell)
        except OverflowError:
            value = math.inf
        except (TypeError, ValueError):
            written = _written_number(cell, step=name == self.first) if isinstance(cell, str) else None
            if written is not None:
                value = written
            elif name != self.first:
                raise self._no_number(name, cell, line) from None
            else:
                self._odd[line] = cell  # an error only if the row holds a value
                return math.nan
        self._count(name, int(not math.isfinite(value)))
        return value

    def _count(self, name: str, not_finite: int) -> None:
        if not_finite and name != self.first:
            self._not_finite[name] += not_finite

    def _no_number(self, name: str, cell: Any, line: int) -> Unimportable:
        return Unimportable(f"{self._place}, line {line}: {name} is {shortened(cell)}, which is not a number")


def _written_number(text: str, *, step: bool) -> float | None:
    """A step with commas between thousands, or a value with a percent sign; None for another text."""
    plain = text.strip()
    if step:
        return float(plain.replace(",", "")) if _THOUSANDS.fullmatch(plain) else None
    try:
        return float(plain[:-1]) / 100 if plain.endswith("%") else None
    except ValueError:
        return None


def _without_empty_rows(cells: Cells) -> Cells:
    """The cells without empty rows. Infinite numbers become NaN."""
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
class Wrapped:
    """What a sheet with other columns takes from the one that it reads."""

    sheet: Sheet

    @property
    def place(self) -> str:
        return self.sheet.place

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.sheet.facts

    @property
    def left_out(self) -> list[str]:
        return self.sheet.left_out


@dataclass(frozen=True)
class Renamed(Wrapped):
    """A sheet with other names for its columns."""

    renamed: Mapping[str, str]
    """Names in `sheet` by the new names; columns without a new name are hidden"""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.renamed)

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        cells = self.sheet.read([self.renamed[name] for name in numbers], [self.renamed[name] for name in words])
        return Cells(
            cells.lines,
            {name: cells.numbers[self.renamed[name]] for name in numbers},
            {name: cells.words[self.renamed[name]] for name in words},
        )


@dataclass
class Columns:
    """A sheet whose columns are lists."""

    place: str
    columns: Mapping[str, Sequence[Any]]
    """Lists of equal length, by name"""
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
        return collector.cells(self.left_out)


def as_text(cell: Any) -> str:
    """A cell as text."""
    return "" if cell is None else str(cell).strip()


def shortened(cell: Any) -> str:
    """A cell in quotation marks, short enough for a message."""
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:59]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` with the nearest known name; empty without one."""
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def some(names: Sequence[str], most: int = 20) -> str:
    """The first `most` names, separated by commas."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def flattened(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a record, with dotted names for nested objects. Booleans become text; lists are left out."""
    for name, value in record.items():
        if isinstance(value, bool):
            yield f"{prefix}{name}", str(value)
        elif isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value

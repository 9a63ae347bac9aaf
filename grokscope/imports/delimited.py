"""Tables of text: commas, tabs, semicolons or spaces between cells, read as a stream.

Generous about what loggers leave behind: comments, blank lines, lines before the header, a header again after a resume
(also with other columns), a last line without its end, a few lines of another length. What is passed over is counted.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from grokscope.gate import Unreadable, open_regular
from grokscope.imports.sheets import Cells, Collector, Getter, Unimportable, some
from grokscope.words.numbers import counted

DELIMITERS = (",", "\t", ";")
TORN = "the last line, which has no end, as a writer that was killed leaves it"
FIRST_LINES = 100
"""Lines in which the header is looked for"""
BLOCK_CHARACTERS = 1 << 16
"""Characters read at once"""
ODD_SHARE = 0.1
"""Of the rows may be of another length than the header; where more are, the header is not theirs"""
LARGEST_FILE = 1 << 32
"""Bytes after decompression"""

_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class _Header(NamedTuple):
    names: list[str]
    delimiter: str
    """A space stands for any white space"""
    lines: int
    """Lines of the file up to its end"""


@dataclass
class Delimited:
    """One table of text. Raises `Unimportable` where the file is no such table, or has no header."""

    file: Path
    whole: bool = False
    """Whether a last line without its end is whole all the same: an export is written at once, a log may be torn"""
    left_out: list[str] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with opened(self.file) as text:
            self._header = _found_header(text, self.place)

    @property
    def place(self) -> str:
        return self.file.name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in self._header.names if name))

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        for name in (*numbers, *words):
            if self._header.names.count(name) > 1:
                raise Unimportable(f"{self.place} has two columns called {name!r}: rename the one that is not meant")
        rows = _Rows(self.place, self._header, Collector(self.place, numbers, words))
        with opened(self.file) as text:
            lines = _Lines(text, self._header)
            try:
                rows.take(csv.reader(lines, delimiter=self._header.delimiter))
            except csv.Error as problem:
                raise Unimportable(f"{self.place}, line {rows.line + 1}: {problem}") from None
        self.left_out = rows.left_out(torn=lines.torn and not self.whole)
        return rows.collector.cells()


class _Rows:
    """Takes rows as they come, and counts what it passes over."""

    def __init__(self, place: str, header: _Header, collector: Collector) -> None:
        self.collector = collector
        self.line = header.lines
        """The last line taken"""
        self._place = place
        self._delimiter = header.delimiter
        self._before = header.lines
        self._headers = -1
        self._odd: list[tuple[int, int]] = []
        self._taken = 0
        """The line of the last row that counts"""
        self._begin(header.names)

    def take(self, reader: Any) -> None:
        """All rows of a `csv.reader`. Raises `Unimportable` where a quotation takes many lines, or all."""
        add = self.collector.add
        for row in reader:
            line = self._before + reader.line_num
            if line - self.line > 1:
                raise Unimportable(f"{self._place}, line {self.line + 1} opens a quotation that does not end there")
            self.line = line
            if (len(row) == self._width and row[self._step][:1].isdigit()) or self._fits(row, line):
                add(line, row)
                self._taken = line

    def left_out(self, *, torn: bool) -> list[str]:
        """What was passed over, a sentence each. `torn`: the last line may have been cut, and is forgotten.

        Raises `Unimportable` where more than a few lines are of another length than the header.
        """
        said = []
        if torn and self._odd and self._odd[-1][0] == self.line:
            self._odd.pop()
        elif torn and self._taken == self.line:
            self.collector.forget_last()
        if len(self._odd) > ODD_SHARE * (self.collector.rows + len(self._odd)):
            line, cells = self._odd[0]
            raise Unimportable(f"{self._place}, line {line} has {cells} cells, the header {self._width}")
        if self._headers:
            said.append(f"{self._place}: {counted(self._headers, 'more header')}, as after a resume")
        if self._odd:
            lines = some([str(line) for line, _ in self._odd], 5)
            said.append(f"{self._place}: {counted(len(self._odd), 'line')} of another length than the header ({lines})")
        if torn:
            said.append(f"{self._place}: {TORN}")
        return said

    def _fits(self, row: list[str], line: int) -> bool:
        """Whether an odd row is a record; else it is counted."""
        if not "".join(row).strip(" \t"):  # a line end inside of a cell is a quotation that was cut
            return False
        if _is_header(row, self._names):
            self._begin([cell.strip() for cell in row])
            return False
        while len(row) > self._width and not row[-1].strip():
            row.pop()
        if len(row) != self._width:
            self._odd.append((line, len(row)))
        return len(row) == self._width

    def _begin(self, names: list[str]) -> None:
        """A header, under which the rows that follow stand."""
        self._names, self._width = names, len(names)
        self._headers += 1
        step = self.collector.first
        self._step = names.index(step) if step in names else 0
        self.collector.look(partial(_cell_of, names, self._delimiter))


def _cell_of(names: Sequence[str], delimiter: str, name: str) -> Getter:
    """How the cell of a column is taken out of a row; a column that the header does not have is empty."""
    if name not in names:
        return lambda row: ""
    place = names.index(name)
    if delimiter == ";":
        return lambda row: row[place].replace(",", ".")  # where cells are parted so, decimals have commas
    return itemgetter(place)


class _Lines:
    """The lines behind the header, for `csv.reader`; knows at the end whether the last one has its own."""

    def __init__(self, text: TextIO, header: _Header) -> None:
        self.torn = False
        self._text, self._header = text, header

    def __iter__(self) -> Iterator[str]:
        for _ in range(self._header.lines):
            self._text.readline()
        taken, line = 0, "\n"
        while lines := self._text.readlines(BLOCK_CHARACTERS):
            taken += sum(map(len, lines))
            if taken > LARGEST_FILE:
                raise Unimportable(f"a table of more than {LARGEST_FILE >> 30} GiB is too large")
            line = lines[-1]
            yield from map(self._plain, lines)
        self.torn = not line.endswith(("\n", "\r"))

    def _plain(self, line: str) -> str:
        if line[:1] == "#":
            return "\n"
        if "\0" in line:  # what some filesystems leave behind a crash
            line = line.replace("\0", "")
        return " ".join(line.split()) + "\n" if self._header.delimiter == " " else line


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """A text file, compressed or not, in UTF-8, or in UTF-16 where its mark says so. Raises `Unimportable`.

    Also for what goes wrong while it is read inside of the block.
    """
    try:
        with _bytes_of(file) as raw:
            mark = raw.read(4096)
        encoding = _BOMS.get(mark[:2], "utf-8-sig")
        if encoding == "utf-8-sig" and b"\0" in mark.rstrip(b"\0"):
            hint = ": of a workbook or an archive, save the table as CSV" if mark.startswith(b"PK") else ""
            raise Unimportable(f"{file} is no text{hint}")
        with _bytes_of(file) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            yield text
    except Unreadable as problem:
        raise Unimportable(str(problem)) from None
    except UnicodeError:
        raise Unimportable(f"{file} is no text in UTF-8") from None
    except (OSError, EOFError, zlib.error) as problem:
        raise Unimportable(f"cannot read {file}: {getattr(problem, 'strerror', None) or problem}") from None


@contextmanager
def _bytes_of(file: Path) -> Iterator[Any]:
    with open_regular(file) as raw:
        if file.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield unpacked
        else:
            yield raw


def _found_header(text: TextIO, place: str) -> _Header:
    """The first line of several cells that the next line has as many of, unless it holds numbers."""
    comment: list[str] = []
    begun: list[_Header] = []
    for number, line in enumerate(islice(text, FIRST_LINES), 1):
        delimiter = max(DELIMITERS, key=line.count)
        cells = _split(line, delimiter if line.count(delimiter) else " ")
        if len(cells) < 2:
            continue
        if cells[0].startswith("#"):
            comment = [cell for cell in (cells[0].lstrip("# "), *cells[1:]) if cell]
            continue
        if begun and len(_split(line, begun[-1].delimiter)) == len(begun[-1].names):
            return begun[-1]
        if all(map(_is_number, cells)) and not begun:
            if len(comment) == len(cells):  # as NumPy writes it
                return _Header(comment, delimiter if line.count(delimiter) else " ", number - 1)
            raise Unimportable(f"{place} has no header: line {number} holds numbers, and no line before names them")
        begun.append(_Header(cells, delimiter if line.count(delimiter) else " ", number))
    if not begun:
        raise Unimportable(f"{place} holds no table: no line of it has several cells")
    return begun[0]


def _split(line: str, delimiter: str) -> list[str]:
    plain = " ".join(line.split()) if delimiter == " " else line
    try:
        return [cell.strip() for cell in next(csv.reader([plain], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _is_header(row: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row is names again: the same, or others of which most were there before, and no number."""
    cells = [cell.strip() for cell in row]
    known = sum(cell in header for cell in cells)
    return known * 2 > len(cells) and not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

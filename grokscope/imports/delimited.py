"""Text tables with commas, tabs, semicolons or spaces between cells, read as a stream.

The reader accepts what loggers write: comments, blank lines, lines before the header, another header after a resume
(also with other columns), an incomplete last line, a few lines of another length. It counts what it skips.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
TORN = "the last line, which is incomplete, as after a crash of the writer"
FIRST_LINES = 100
"""Number of lines that may come before the end of the header"""
BLOCK_CHARACTERS = 1 << 16
"""Characters read at once"""
ODD_SHARE = 0.1
"""Largest share of rows with another length than the header; if more differ, the header does not fit the table"""
LARGEST_FILE = 1 << 30
"""Largest size of a file, in bytes after decompression"""
LONGEST_ROW = 1 << 24
"""Longest line of a table, in bytes"""
MOST_IMPORTED_ROWS = 10_000_000
"""Lines of a file, or records of an array, that are read"""

_LOOKED_THROUGH = 1 << 20
"""Bytes at once in which lines are counted"""
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class _Header(NamedTuple):
    names: list[str]
    delimiter: str
    """A space means any white space"""
    lines: int
    """Number of lines of the file up to and including the header"""


@dataclass
class Delimited:
    """One text table. Raises `Unimportable` if the file is no text table or has no header."""

    file: Path
    whole: bool = False
    """Whether a last line without a line end is complete: true for an export, unknown for a log"""
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
                raise Unimportable(f"{self.place} has two columns {name!r}; rename one of them in the file")
        rows = _Rows(self.place, self._header, Collector(self.place, numbers, words))
        with opened(self.file) as text:
            lines = _Lines(text, self._header)
            try:
                rows.take(csv.reader(lines, delimiter=self._header.delimiter))
            except csv.Error as problem:
                raise Unimportable(f"{self.place}, line {rows.line + 1}: {problem}") from None
        self.left_out = rows.left_out(torn=lines.torn and not self.whole)
        return rows.collector.cells(self.left_out)


class _Rows:
    """Collects rows one after the other, and counts the rows that it skips."""

    def __init__(self, place: str, header: _Header, collector: Collector) -> None:
        self.collector = collector
        self.line = header.lines
        """The last line read"""
        self._place = place
        self._delimiter = header.delimiter
        self._before = header.lines
        self._headers = -1
        self._odd: list[tuple[int, int]] = []
        self._taken = 0
        """The line of the last collected row"""
        self._begin(header.names)

    def take(self, reader: Any) -> None:
        """Collect all rows of a `csv.reader`. Raises `Unimportable` for a quotation that spans lines."""
        add = self.collector.add
        for row in reader:
            line = self._before + reader.line_num
            if line - self.line > 1:
                raise Unimportable(f"{self._place}, line {self.line + 1} has a quotation mark without a closing mark")
            self.line = line
            if (len(row) == self._width and row[self._step][:1].isdigit()) or self._fits(row, line):
                add(line, row)
                self._taken = line

    def left_out(self, *, torn: bool) -> list[str]:
        """What was skipped, one sentence each. `torn`: the last line may be incomplete, and is dropped.

        Raises `Unimportable` if more than `ODD_SHARE` of the rows have another length than the header.
        """
        remarks = []
        if torn and self._odd and self._odd[-1][0] == self.line:
            self._odd.pop()
        elif torn and self._taken == self.line:
            self.collector.forget_last()
        if len(self._odd) > ODD_SHARE * (self.collector.rows + len(self._odd)):
            line, cells = self._odd[0]
            raise Unimportable(f"{self._place}, line {line} has {cells} cells, but the header has {self._width}")
        if self._headers:
            remarks.append(f"{self._place}: {counted(self._headers, 'more header')}, as after a resume")
        if self._odd:
            lines = some([str(line) for line, _ in self._odd], 5)
            many = counted(len(self._odd), "line")
            remarks.append(f"{self._place}: {many} of another length than the header ({lines})")
        if torn:
            remarks.append(f"{self._place}: {TORN}")
        return remarks

    def _fits(self, row: list[str], line: int) -> bool:
        """Whether a row that is not obviously a record is a record. A new header is taken; other rows are counted."""
        if not "".join(row).strip(" \t"):  # blank; a line end in a cell is the rest of a quotation
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
        """Take a header, which names the columns of the rows below it."""
        self._names, self._width = names, len(names)
        self._headers += 1
        step = self.collector.first
        self._step = names.index(step) if step in names else 0
        self.collector.look(partial(_cell_of, names, self._delimiter, step))


def _cell_of(names: Sequence[str], delimiter: str, step: str, name: str) -> Getter:
    """The function that takes the cell of a column from a row. A column that the header lacks has empty cells.

    Where commas do not stand between cells, they are decimal commas. A step is whole, so that one in it may stand
    between thousands; but tables with semicolons come from where no one writes it so.
    """
    if name not in names:
        return lambda row: ""
    place = names.index(name)
    if delimiter == ";" or (delimiter != "," and name != step):
        return lambda row: row[place].replace(",", ".")
    return itemgetter(place)


class _Lines:
    """The lines after the header, for `csv.reader`. `torn`: whether the last line has no line end."""

    def __init__(self, text: TextIO, header: _Header) -> None:
        self.torn = False
        self._text, self._header = text, header

    def __iter__(self) -> Iterator[str]:
        for _ in range(self._header.lines):
            self._text.readline()
        line = "\n"
        while lines := self._text.readlines(BLOCK_CHARACTERS):
            line = lines[-1]
            yield from map(self._plain, lines)
        self.torn = not line.endswith(("\n", "\r"))

    def _plain(self, line: str) -> str:
        if line[:1] == "#":
            return "\n"
        if "\0" in line:  # some filesystems write null bytes in a crash
            line = line.replace("\0", "")
        return " ".join(line.split()) + "\n" if self._header.delimiter == " " else line


class _Bounded(io.RawIOBase):
    """The bytes of a file, so long as they and their lines are not too many, nor those of one line: a compressed file
    may hold anything.

    Raises `Unimportable` where they are.
    """

    def __init__(self, raw: Any, file: Path, longest_line: int) -> None:
        self._raw, self._file, self._longest_line = raw, file, longest_line
        self._taken = self._begun = 0
        """Bytes in all, and before the line that has begun"""
        self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._raw.readinto(buffer)
        data = bytes(buffer[:count])
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._begun = self._begun if end < 0 else self._taken + end + 1
        self._taken += count
        if self._taken > LARGEST_FILE:
            raise Unimportable(f"{self._file} holds more than {LARGEST_FILE >> 30} GiB; split it into smaller files")
        if self._taken - self._begun > self._longest_line:
            raise Unimportable(f"{self._file} has a line of more than {self._longest_line >> 20} MiB; it is no table")
        self._lines += max(data.count(b"\n"), data.count(b"\r"))
        check_rows(self._lines, self._file)
        return count


def check_rows(count: int, file: Path) -> None:
    """Raises `Unimportable` where a file has more rows than are read."""
    if count > MOST_IMPORTED_ROWS:
        raise Unimportable(
            f"{file} has more than {MOST_IMPORTED_ROWS:,} rows; split it into smaller files, or leave rows out"
        )


def check_lines(file: Path) -> None:
    """Raises `Unimportable` where a text has more lines than are read, before any is decoded; else as `opened`."""
    with suppress(OSError):  # which is said where the file is opened
        if file.suffix != ".gz" and file.stat().st_size <= MOST_IMPORTED_ROWS:  # no more lines than bytes
            return
    with opened(file, LARGEST_FILE) as text:
        while text.buffer.read(_LOOKED_THROUGH):
            pass


@contextmanager
def opened(file: Path, longest_line: int = LONGEST_ROW) -> Iterator[TextIO]:
    """Yields a text file in UTF-8, or in UTF-16 with a byte order mark. The file may be compressed (`.gz`).

    Raises `Unimportable`, also for errors while the caller reads the file, and where it or a line of it is too long.
    """
    try:
        with _bytes_of(file) as raw:
            mark = raw.read(4096)
        encoding = _BOMS.get(mark[:2], "utf-8-sig")
        if encoding == "utf-8-sig" and b"\0" in mark.rstrip(b"\0"):
            hint = "; save the table of a workbook or an archive as CSV" if mark.startswith(b"PK") else ""
            raise Unimportable(f"{file} is no text{hint}")
        with (
            _bytes_of(file) as raw,
            io.BufferedReader(_Bounded(raw, file, longest_line)) as bounded,
            io.TextIOWrapper(bounded, encoding=encoding, newline="") as text,
        ):
            yield text
    except Unreadable as problem:
        raise Unimportable(str(problem)) from None
    except UnicodeError:
        raise Unimportable(f"{file} is no text in UTF-8; save it with that encoding") from None
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
    """The header: the first line with as many cells (two or more) as the next line, and without numbers.

    Where spaces stand between the cells, that next line has a number: else the lines may be prose.
    """
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
        below = _split(line, begun[-1].delimiter) if begun else []
        if begun and len(below) == len(begun[-1].names) and (begun[-1].delimiter != " " or any(map(_is_number, below))):
            return begun[-1]
        if all(map(_is_number, cells)) and not begun:
            if len(comment) == len(cells):  # NumPy writes the header as a comment
                return _Header(comment, delimiter if line.count(delimiter) else " ", number - 1)
            raise Unimportable(
                f"{place} has no header: line {number} holds numbers; add a line with the names of the columns"
            )
        begun.append(_Header(cells, delimiter if line.count(delimiter) else " ", number))
    if not begun or begun[0].delimiter == " ":
        raise Unimportable(f"{place} holds no table, and no lines with named numbers, as `step 100 val_acc 0.5`")
    return begun[0]


def _split(line: str, delimiter: str) -> list[str]:
    plain = " ".join(line.split()) if delimiter == " " else line
    try:
        return [cell.strip() for cell in next(csv.reader([plain], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _is_header(row: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row is another header: it has no numbers, and most of its names stand in the present header."""
    cells = [cell.strip() for cell in row]
    known = sum(cell in header for cell in cells)
    return known * 2 > len(cells) and not any(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

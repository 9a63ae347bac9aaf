"""A result as a table, and its renderings: terminal, CSV, JSON, Markdown and HTML.

A table holds the computed numbers. CSV and JSON write these numbers to the last digit; terminal, Markdown and HTML
write rounded numbers, all three in the same words.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Self

from pydantic_core import PydanticSerializationError, to_json

from grokscope.words.clean import clean, for_csv, for_html, for_markdown, json_text
from grokscope.words.numbers import MISSING, Form, value_text

TableCell = str | int | float | bool | tuple[Any, ...] | None
COLUMN_GAP = "  "
_AT_ONCE = 1000
"""Rows that are turned into columns at once: a table may have millions"""
_SIMPLE = re.compile(rb"(?!.*null)[A-Za-z0-9_.:/+ -]{0,100}")
"""Words that are the same in JSON and in a CSV, but for JSON's quotes"""


@dataclass(frozen=True)
class Column:
    """One column, and the form of its cells for people."""

    words: str
    form: Form = value_text
    unit: str = ""
    """Shown after the words on pages and in files, but not in a terminal"""
    parts: tuple[str, ...] = ()
    """For cells that are tuples, such as an estimate with its interval: the names of the members, which are separate
    columns in CSV"""
    rank: int = 0
    """A narrow terminal first leaves out the column with the highest rank; of equal ranks, the last column"""
    narrowest: int | None = None
    """Cells to which a narrow terminal may cut the column, before columns of its rank leave"""
    detail: bool = False
    """Whether the column is shown only on pages and in files"""
    prose: bool = False
    """Whether pages show the cells below their row and over its whole width, with the column's words before them: for
    sentences"""
    code: bool = False
    """Whether pages show the cells as code, such as a command or a path"""

    @property
    def heading(self) -> str:
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def read(self, cell: TableCell) -> str:
        """The cell as one line of clean text for people."""
        return MISSING if _missing(cell) else clean(self.form(cell))


@dataclass(frozen=True)
class Table:
    """Rows of raw values under columns. `rows` [n][columns]."""

    slug: str
    """Name of the table's files, and its anchor on a page"""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()
    """Sentences that explain the columns"""
    folded: bool = False
    """Whether a page shows the table closed, until the reader opens it"""

    @classmethod
    def of_records(cls, slug: str, title: str, records: Sequence[Mapping[str, TableCell]]) -> Self:
        """A table with one column for each key of the first record."""
        names = tuple(records[0]) if records else ()
        rows = tuple(tuple(record[name] for name in names) for record in records)
        return cls(slug, title, tuple(map(Column, names)), rows)

    def about(self, subject: str) -> Self:
        """The same table with its subject (a task, an experiment) in slug and title."""
        return replace(self, slug=f"{self.slug}-{subject}", title=f"{self.title}: {subject}")

    @property
    def numeric(self) -> tuple[bool, ...]:
        """[columns]: whether a column holds only numbers, and is aligned right."""
        firsts = [[cell[0] if isinstance(cell, tuple) else cell for cell in cells] for cells in self._by_column()]
        return tuple(
            any(cell is not None for cell in cells) and not any(isinstance(cell, str) for cell in cells)
            for cells in firsts
        )

    def records(self) -> list[dict[str, TableCell]]:
        """The rows as dictionaries, by the words of the columns."""
        names = [column.words for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def terminal(self, width: int) -> list[str]:
        """A heading and one line per row. Columns that do not fit in `width` cells are left out, except the first."""
        shown = [index for index, column in enumerate(self.columns) if not column.detail]
        texts = {index: [self.columns[index].words, *self._read(index)] for index in shown}
        widths = {index: max(map(_cells, texts[index])) for index in shown}
        leaving = sorted(shown[1:], key=lambda index: (self.columns[index].rank, index))
        while leaving and _excess(shown, widths, width) > self._slack(shown, widths):
            shown.remove(leaving.pop())
        for index in shown:
            least, excess = self.columns[index].narrowest, _excess(shown, widths, width)
            if least is not None and excess > 0:
                widths[index] = max(min(least, widths[index]), widths[index] - excess)
                cut = _cut_in_the_middle if index == 0 else _cut_at_the_end
                texts[index] = [cut(text, widths[index]) for text in texts[index]]
        right = self.numeric
        padded = [[_padded(text, widths[index], right[index]) for text in texts[index]] for index in shown]
        return [COLUMN_GAP.join(line).rstrip() for line in zip(*padded, strict=True)]

    def _slack(self, shown: Sequence[int], widths: Mapping[int, int]) -> int:
        """Cells that can be cut from columns, where no column of a higher rank is left to leave out."""
        columns = [self.columns[index] for index in shown]
        last = max(column.rank for column in columns)
        cuttable = [index for index in shown if self.columns[index].rank == last]
        return sum(max(0, widths[index] - (self.columns[index].narrowest or widths[index])) for index in cuttable)

    def csv(self) -> str:
        """Comma-separated values: numbers to the last digit, empty cells for missing values, `true` and `false`."""
        names = [name for column in self.columns for name in column.parts or (column.heading,)]
        lines = [",".join(map(csv_cell, names))]
        for start in range(0, len(self.rows), _AT_ONCE):
            rows = self.rows[start : start + _AT_ONCE]
            simple = None if len(names) == 1 else _simple_for_file(rows)
            lines += self._for_file(rows) if simple is None else [simple]
        empty = '""' if len(names) == 1 else ""  # a line without anything would be no row
        return "".join(f"{line or empty}\n" for line in lines)

    def _for_file(self, rows: Sequence[tuple[TableCell, ...]]) -> Iterable[str]:
        """Rows of any cells as lines of a file."""
        cells: list[Sequence[str]] = []
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            cells += map(_for_file, _spread(values, len(column.parts)) if column.parts else [values])
        return map(",".join, zip(*cells, strict=True))

    def json(self) -> str:
        """A JSON array with one line per row; each row is an object with every column."""
        lines = ",\n".join(map(json_text, self.records()))
        return f"[\n{lines}\n]\n" if lines else "[]\n"

    def markdown(self) -> str:
        """A table in GitHub's Markdown, with the notes below."""
        rule = ["---:" if right else "---" for right in self.numeric]
        body = [[for_markdown(text) for text in line] for line in self._lines()]
        heading = [for_markdown(column.heading) for column in self.columns]
        lines = [f"| {' | '.join(line)} |" for line in (heading, rule, *body)]
        return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in self.notes)

    def html(self) -> str:
        """A `<table>` with the title as its caption."""
        beside = [index for index, column in enumerate(self.columns) if not column.prose]
        below = [index for index, column in enumerate(self.columns) if column.prose]
        kinds = [' class="number"' if self.numeric[index] else "" for index in beside]
        code = [self.columns[index].code for index in beside]
        head = "".join(
            f'<th scope="col"{kind}>{for_html(self.columns[index].heading)}</th>'
            for index, kind in zip(beside, kinds, strict=True)
        )
        told = ' class="told"' if below else ""
        body = "\n".join(
            f"<tr{told}>{_html_row([line[index] for index in beside], kinds, code)}</tr>"
            + self._html_prose(line, below, len(beside))
            for line in self._lines()
        )
        return (
            f"<table>\n<caption>{for_html(self.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n</table>"
        )

    def _html_prose(self, line: Sequence[str], columns: Sequence[int], width: int) -> str:
        """The row with the sentences of a line; empty for a table without sentences."""
        said = "".join(
            f"<p><b>{for_html(self.columns[index].heading)}:</b> {for_html(line[index])}</p>"
            for index in columns
            if line[index] != MISSING
        )
        return f'\n<tr class="prose"><td colspan="{width}">{said}</td></tr>' if columns else ""

    def _by_column(self) -> list[tuple[TableCell, ...]]:
        return list(zip(*self.rows, strict=True)) or [()] * len(self.columns)

    def _read(self, index: int) -> list[str]:
        return [self.columns[index].read(row[index]) for row in self.rows]

    def _lines(self) -> list[list[str]]:
        return [[column.read(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows]


def _missing(cell: TableCell) -> bool:
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))


def _spread(values: Sequence[TableCell], parts: int) -> Iterable[Sequence[TableCell]]:
    """A column of tuples as columns of their members; what is missing has as many cells."""
    rows = [value if isinstance(value, tuple) else (value,) * parts for value in values]
    return zip(*rows, strict=True) if rows else [()] * parts


def _simple_for_file(rows: Sequence[tuple[TableCell, ...]]) -> str | None:
    """Rows of numbers, truth and simple words as lines of a file: their JSON without brackets, quotes and nulls, in a
    third of the time. None where they have other cells."""
    try:
        *between, last = to_json(rows, inf_nan_mode="null").split(b'"')
    except PydanticSerializationError:
        return None
    written = b"".join([*between, last])
    simple = all(map(_SIMPLE.fullmatch, set(between[1::2]))) and written.count(b"[") == 1 + len(rows)
    return written[2:-2].replace(b"],[", b"\n").replace(b"null", b"").decode() if simple else None


def _for_file(values: Sequence[TableCell]) -> Sequence[str]:
    """A column as it stands between the commas of a file."""
    if values.count(None) == len(values):
        return [""] * len(values)
    kinds = set(map(type, values))
    if kinds <= {int, float, NoneType}:  # as JSON has them: a third of the time that `repr` takes
        return to_json(values, inf_nan_mode="null")[1:-1].replace(b"null", b"").decode().split(",")
    if kinds <= {bool, str, NoneType}:
        texts = {value: csv_cell(value) for value in set(values)}
        return [texts[value] for value in values]
    return list(map(csv_cell, values))


def csv_cell(value: TableCell) -> str:
    """One cell, in quotes where it needs them."""
    if _missing(value):
        return ""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow((for_csv(value), 0))
    return out.getvalue()[: -len(",0")]


def _html_row(texts: Sequence[str], kinds: Sequence[str], code: Sequence[bool]) -> str:
    escaped = [for_html(text) for text in texts]
    first, *others = (f"<code>{text}</code>" if set_as else text for text, set_as in zip(escaped, code, strict=True))
    cells = "".join(f"<td{kind}>{text}</td>" for text, kind in zip(others, kinds[1:], strict=True))
    return f'<th scope="row"{kinds[0]}>{first}</th>{cells}'


def _excess(shown: Sequence[int], widths: Mapping[int, int], width: int) -> int:
    """Cells by which the columns are wider than a window."""
    return sum(widths[index] + len(COLUMN_GAP) for index in shown) - len(COLUMN_GAP) - width


def _cut_in_the_middle(text: str, cells: int) -> str:
    """Beginning and end of a text that is too long: both tell one name from others."""
    tail = (cells - 1) // 2
    return text if _cells(text) <= cells else f"{text[: cells - 1 - tail]}…{text[len(text) - tail :]}"


def _cut_at_the_end(text: str, cells: int) -> str:
    return text if _cells(text) <= cells else f"{text[: cells - 1]}…"


def _cells(text: str) -> int:
    """Width of a text in terminal cells; some letters take two cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space

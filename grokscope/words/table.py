"""A result as a table: one value, and four ways to write it.

A table keeps the numbers as they were computed. CSV writes them to the last digit; a terminal, Markdown and HTML write
them as people read them, all three in the same words.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Self

from grokscope.words.clean import clean, for_csv, for_html, for_markdown, json_text
from grokscope.words.numbers import MISSING, Form, value_text

TableCell = str | int | float | bool | tuple[Any, ...] | None
COLUMN_GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column, and how a person reads its cells."""

    words: str
    form: Form = value_text
    unit: str = ""
    """Stands behind the words on pages and in files; a terminal has no room for it"""
    parts: tuple[str, ...] = ()
    """For cells that are tuples, as an estimate with its interval: the names of the members, columns of their own in
    CSV"""
    rank: int = 0
    """In a narrow terminal the column of the highest rank gives way first; among equals, the last"""
    detail: bool = False
    """On pages and in files only"""
    code: bool = False
    """On pages set as code: what is typed, a command or a path"""

    @property
    def heading(self) -> str:
        return f"{self.words} ({self.unit})" if self.unit else self.words

    def read(self, cell: TableCell) -> str:
        """The cell for a person, on one line of clean text."""
        return MISSING if _missing(cell) else clean(self.form(cell))


@dataclass(frozen=True)
class Table:
    """Rows of raw values under columns. `rows` [n][columns]."""

    slug: str
    """Name of its files, and its anchor on a page"""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()
    """What a reader must know to read the columns, a sentence each"""
    folded: bool = False
    """On a page the table is closed until somebody opens it"""

    @classmethod
    def of_records(cls, slug: str, title: str, records: Sequence[Mapping[str, TableCell]]) -> Self:
        """A column for each key of the first record."""
        names = tuple(records[0]) if records else ()
        rows = tuple(tuple(record[name] for name in names) for record in records)
        return cls(slug, title, tuple(map(Column, names)), rows)

    def about(self, subject: str) -> Self:
        """The same table under a slug and a title that name its subject: a task, an experiment."""
        return replace(self, slug=f"{self.slug}-{subject}", title=f"{self.title}: {subject}")

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers alone; they are flush right. [columns]"""
        firsts = [[cell[0] if isinstance(cell, tuple) else cell for cell in cells] for cells in self._by_column()]
        return tuple(
            any(cell is not None for cell in cells) and not any(isinstance(cell, str) for cell in cells)
            for cells in firsts
        )

    def records(self) -> list[dict[str, TableCell]]:
        """The rows as objects, by the words of their columns."""
        names = [column.words for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def terminal(self, width: int) -> list[str]:
        """A heading and a line a row. Columns that do not fit in `width` cells are left out, the first never.

        Every text is measured once: which columns fit follows from their widths.
        """
        shown = [index for index, column in enumerate(self.columns) if not column.detail]
        texts = {index: [self.columns[index].words, *self._read(index)] for index in shown}
        widths = {index: max(map(_cells, texts[index])) for index in shown}
        leaving = sorted(shown[1:], key=lambda index: (self.columns[index].rank, index))
        while leaving and sum(widths[index] + len(COLUMN_GAP) for index in shown) - len(COLUMN_GAP) > width:
            shown.remove(leaving.pop())
        right = self.numeric
        padded = [[_padded(text, widths[index], right[index]) for text in texts[index]] for index in shown]
        return [COLUMN_GAP.join(line).rstrip() for line in zip(*padded, strict=True)]

    def csv(self) -> str:
        """Comma-separated values: numbers to the last digit, what is missing empty, `true` and `false`.

        Columns are made ready one by one: those of numbers alone, of which a long run has millions, stay as they are.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(for_csv(name) for column in self.columns for name in column.parts or (column.heading,))
        cells: list[Sequence[object]] = []
        for column, values in zip(self.columns, self._by_column(), strict=True):
            cells += map(_for_file, _spread(values, len(column.parts)) if column.parts else [values])
        writer.writerows(zip(*cells, strict=True))
        return out.getvalue()

    def json(self) -> str:
        """An array with a line a row, each an object with every column."""
        lines = ",\n".join(map(json_text, self.records()))
        return f"[\n{lines}\n]\n" if lines else "[]\n"

    def markdown(self) -> str:
        """A table as GitHub has them, its notes below."""
        rule = ["---:" if right else "---" for right in self.numeric]
        body = [[for_markdown(text) for text in line] for line in self._lines()]
        heading = [for_markdown(column.heading) for column in self.columns]
        lines = [f"| {' | '.join(line)} |" for line in (heading, rule, *body)]
        return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in self.notes)

    def html(self) -> str:
        """A `<table>` with its title as caption."""
        kinds = [' class="number"' if right else "" for right in self.numeric]
        code = [column.code for column in self.columns]
        head = "".join(
            f'<th scope="col"{kind}>{for_html(column.heading)}</th>'
            for column, kind in zip(self.columns, kinds, strict=True)
        )
        body = "\n".join(f"<tr>{_html_row(line, kinds, code)}</tr>" for line in self._lines())
        return (
            f"<table>\n<caption>{for_html(self.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n</table>"
        )

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


def _for_file(values: Sequence[TableCell]) -> Sequence[object]:
    """A column as `csv.writer` has to get it. Numbers may stay, for it writes None as nothing; texts come often."""
    kinds = set(map(type, values))
    if kinds <= {int, float, NoneType} and all(map(math.isfinite, filter(None, values))):  # type: ignore[arg-type]
        return values
    if kinds <= {bool, str, NoneType}:
        texts = {value: for_csv(value) for value in set(values)}
        return [texts[value] for value in values]
    return ["" if _missing(value) else for_csv(value) for value in values]


def _html_row(texts: Sequence[str], kinds: Sequence[str], code: Sequence[bool]) -> str:
    escaped = [for_html(text) for text in texts]
    first, *others = (f"<code>{text}</code>" if set_as else text for text, set_as in zip(escaped, code, strict=True))
    cells = "".join(f"<td{kind}>{text}</td>" for text, kind in zip(others, kinds[1:], strict=True))
    return f'<th scope="row"{kinds[0]}>{first}</th>{cells}'


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: some letters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space

"""What a report is made of: figures that know how to draw themselves, tables, and what had to be left out and why."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | None

MISSING = "–"


@dataclass(frozen=True)
class Plate:
    """One figure. `draw` is called under `style()`, and only where figures are wanted."""

    slug: str
    """Name of its files, and its anchor on the page"""
    title: str
    caption: str
    """What is drawn, and what to see in it"""
    alt: str
    """For those who cannot see it: what it is, and its numbers"""
    draw: "Callable[[], Figure]"


@dataclass(frozen=True)
class Table:
    """One table. Numbers are kept as they are; who writes them rounds for people, not for machines."""

    slug: str
    title: str
    columns: tuple[str, ...]
    """Units stand in the names"""
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False
    """On the page it is closed until somebody opens it"""

    def csv(self) -> str:
        """Comma-separated values; numbers to their last digit, what is missing empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if _absent(cell) else cell for cell in row] for row in self.rows)
        return out.getvalue()

    def markdown(self) -> str:
        """A table as GitHub has them, under its title."""
        numeric = self.numeric
        rule = ["---:" if right else "---" for right in numeric]
        body = [[_escaped(shown(cell)) for cell in row] for row in self.rows]
        lines = [f"| {' | '.join(row)} |" for row in ([_escaped(name) for name in self.columns], rule, *body)]
        note = f"\n{self.note}\n" if self.note else ""
        return f"### {self.title}\n\n" + "\n".join(lines) + f"\n{note}"

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers alone."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return tuple(
            any(not isinstance(cell, str) and cell is not None for cell in column)
            and all(not isinstance(cell, str) for cell in column)
            for column in columns
        )


@dataclass(frozen=True)
class Listing:
    """A text as it stands, and the command that takes it."""

    slug: str
    """Name of its file, with a suffix"""
    title: str
    command: str
    text: str


@dataclass(frozen=True)
class LeftOut:
    """A figure or table that the data do not carry."""

    what: str
    why: str


Part = Plate | Table | Listing | LeftOut


@dataclass(frozen=True)
class Section:
    """A heading, what to know before reading, and its parts in order."""

    slug: str
    title: str
    paragraphs: tuple[str, ...]
    parts: tuple[Part, ...]


def shown(cell: Cell) -> str:
    """A cell for people: four digits, thousands separated, a dash where there is nothing."""
    if cell is None or _absent(cell):
        return MISSING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or (cell.is_integer() and abs(cell) < 1e15):
        return f"{int(cell):,}"
    return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"


def listed(words: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; the first few and a count where there are many."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(count: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _absent(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")

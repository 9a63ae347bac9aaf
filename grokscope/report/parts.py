"""What a report is made of: figures that know how to draw themselves, tables, and what had to be left out and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokscope.words.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

"""The parts of a report: the answer, figures, tables, listings, and parts that were left out, with the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokscope.words.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plate:
    """One figure. `draw` is called under `style()`, and only if figures are written."""

    slug: str
    """Name of the figure's files, and its anchor on the page"""
    title: str
    caption: str
    """Explanation of the figure"""
    alt: str
    """Description of the figure with its numbers, for readers who cannot see it"""
    draw: "Callable[[], Figure]"
    findings: tuple[str, ...] = ()
    """What the figure decides, a sentence each, such as the verdict on a claim; they stand above it"""


@dataclass(frozen=True)
class Listing:
    """An unchanged text, such as a manifest, and the command that reads it."""

    slug: str
    """Name of the file, with its suffix"""
    title: str
    command: str
    text: str


@dataclass(frozen=True)
class LeftOut:
    """A figure or table that is missing, because the runs lack its data."""

    what: str
    why: str


@dataclass(frozen=True)
class Sentence:
    """A claim with its numbers, and the figure that shows it."""

    text: str
    figure: str
    """Slug of the figure; where it was not drawn, the sentence links to the section"""
    section: str
    """Slug of the section"""


@dataclass(frozen=True)
class ShortAnswer:
    """What a reader wants to know first."""

    sentences: tuple[Sentence, ...]


Part = Plate | Table | Listing | LeftOut | ShortAnswer


@dataclass(frozen=True)
class Section:
    """A heading, introductory paragraphs, and the parts in order."""

    slug: str
    title: str
    paragraphs: tuple[str, ...]
    parts: tuple[Part, ...]

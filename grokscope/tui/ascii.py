"""ASCII mode: a filter replaces every drawn cell by an ASCII cell, so that no widget needs an ASCII mode of its own."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from grokscope.words.ascii import ascii_text


class Ascii(LineFilter):
    """A filter that draws the whole application in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]

"""ASCII mode: a filter replaces every drawn cell by an ASCII cell, so that no widget needs an ASCII mode of its own."""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_CELLS = str.maketrans(
    {
        **dict.fromkeys("─━╌╍┄┅┈┉╴╶╸╺▔⎯", "-"),
        **dict.fromkeys("│┃║┆┇┊┋▏▎▌▐▕╏", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "..--==##", strict=True)),
        "▀": "'",
        "●": "*",
        "○": "o",
        "╎": ":",
        "═": "=",
        "╞": "[",
        "╡": "]",
        "◇": "?",
        "☆": "x",
        "▽": "v",
        "×": "x",
        "░": ".",
        "▒": ":",
        "▓": "=",
        "‖": "=",
        "✓": "+",
        "✗": "X",
        "∅": "0",
        "▶": ">",
        "◀": "<",
        "▲": "^",
        "▼": "v",
        "◆": "#",
        "★": "*",
        "✚": "+",
        "–": "-",
        "—": "-",
        "−": "-",
        "·": ".",
        "•": "*",
        "…": "~",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "▦": "#",
        "▸": ">",
        "▪": "*",
        "‘": "'",
        "’": "'",
        "°": "o",
    }
)
_BRAILLE = {"": " ", "t": "'", "m": "-", "b": ".", "tm": "^", "mb": ",", "tb": ":", "tmb": "|"}


def _braille(dots: int) -> str:
    rows = "".join(name for name, mask in (("t", 0x09), ("m", 0x36), ("b", 0xC0)) if dots & mask)
    return _BRAILLE[rows]


@lru_cache(8192)
def ascii_text(text: str) -> str:
    """The text in ASCII, in the same number of cells."""
    return text if text.isascii() else "".join(map(_cell, text.translate(_CELLS)))


def _cell(character: str) -> str:
    if character.isascii():
        return character
    code = ord(character)
    if 0x2800 <= code <= 0x28FF:
        return _braille(code - 0x2800)
    width = cell_len(character)
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain if width and len(plain) == width else "?" * width


class Ascii(LineFilter):
    """A filter that draws the whole application in ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]

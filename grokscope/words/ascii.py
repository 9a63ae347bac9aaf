"""ASCII instead of other letters, in as many cells, and whether a terminal wants that.

Python writes UTF-8 whatever the locale is, so the encoding of its streams does not tell: the environment does.
"""

import os
import sys
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rich.cells import cell_len

_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
"""What Python sets LC_CTYPE to where the locale is C: nobody has asked for it"""
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


def locale_is_ascii(environment: Mapping[str, str] = os.environ, *, utf8_mode: int = sys.flags.utf8_mode) -> bool:
    """Whether the locale is C or POSIX, or has a character set that is not UTF-8: a terminal that says so is taken at
    its word. A locale that names no character set, and none at all, say nothing.

    `utf8_mode`: as Python has it, which is 1 where it has set LC_CTYPE itself.
    """
    named = {name: environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")}
    if utf8_mode and named["LC_CTYPE"] in _COERCED:
        named["LC_CTYPE"] = ""
    locale = next(filter(None, named.values()), "")
    charset = locale.partition("@")[0].partition(".")[2]
    return locale in {"C", "POSIX"} or charset.lower().replace("-", "") not in {"", "utf8"}


def ascii_for(failed: UnicodeError) -> tuple[str, int]:
    """What a stream that can write ASCII alone writes instead of letters that it cannot encode."""
    if not isinstance(failed, UnicodeEncodeError):
        raise failed
    return ascii_text(failed.object[failed.start : failed.end]), failed.end

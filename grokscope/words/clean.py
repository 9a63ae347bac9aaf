"""The gate for output: makes text from files and plugins harmless for the medium that shows it.

A run directory, a table or a plugin may hold escape sequences, right-to-left marks or HTML. All such text must pass one
of these functions before it reaches a terminal, a CSV, a Markdown or an HTML page, or a JSON document on stdout.
"""

import html
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

LONGEST_TEXT = 2000
"""Largest number of shown characters of one text"""

_PLAIN = re.compile(r"[ -~]*")
_CONTROL = "·"
_IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(code)
    for first, last in ((0xFE00, 0xFE0F), (0x180B, 0x180F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
"""Characters that Unicode calls ignorable: they are invisible"""

_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def clean(value: object, limit: int | None = LONGEST_TEXT) -> str:
    """One line of visible text of at most `limit` characters; None: any length. A longer text is cut, and ends in `…`.

    Line ends and tabs become spaces. Control characters, lone surrogates and unassigned characters become `·`, so that
    they stay visible. Bidirectional and zero-width characters are removed, because they can disguise the text. The
    result may hold markup; each function below escapes the markup of one medium.
    """
    text = str(value)
    cut = text if limit is None else text[: limit + 1]
    if not _PLAIN.fullmatch(cut):
        cut = "".join(map(_visible, cut))
    return cut if limit is None or len(text) <= limit else cut[: limit - 1] + "…"


def for_html(value: object) -> str:
    """Clean text for the inside of an HTML element or of a quoted attribute."""
    return html.escape(clean(value))


def for_markdown(value: object) -> str:
    """Clean text for one line or one table cell of Markdown: HTML, emphasis, links, code and `|` are escaped."""
    return _MARKDOWN.sub(r"\\\g<0>", html.escape(clean(value), quote=False))


def for_csv(value: object) -> object:
    """A cell for `csv.writer`: text is cleaned, truth is `true` or `false`, anything else stays as it is.

    A text that begins with `=`, `+`, `-` or `@` stays as it is, because a changed text would be wrong for all other
    readers; a spreadsheet that runs formulas from files must be configured not to.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(value) if isinstance(value, str) else value


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A JSON document in printable ASCII: safe for any terminal and any encoding, equal when it is read.

    A number that is not finite becomes null. Raises `TypeError` for a value without a JSON form.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=True, indent=indent)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, ensure_ascii=True, indent=indent)
    return text.replace("\x7f", "\\u007f")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _visible(character: str) -> str:
    if " " <= character <= "~":
        return character
    if character in "\n\t\r":
        return " "
    category = unicodedata.category(character)
    if category == "Cf" or character in _IGNORABLE:
        return ""
    return _CONTROL if category[0] == "C" or category in {"Zl", "Zp"} else character

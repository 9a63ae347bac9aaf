"""Numbers as people read them. Files for programs hold the unrounded numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grokscope.words.clean import clean

MISSING = "–"
"""Shown for a missing number"""

Form = Callable[[Any], str]


def number(value: object, digits: int = 4) -> str:
    """At most `digits` significant digits: `0.0123`, `45.2`, `12,300`, `1.2e-7`; `–` for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, int) or value == 0:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_trimmed(mantissa)}e{int(exponent)}"
    return _trimmed(f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}")


def fixed(digits: int) -> Form:
    """The form of numbers with `digits` decimals, for columns of numbers that are compared with each other."""
    return lambda value: f"{value:,.{digits}f}" if _finite(value) else MISSING


def count(value: object) -> str:
    """Steps and other counts: `12,300`."""
    return f"{value:,.0f}" if _finite(value) else MISSING


def short_count(value: float) -> str:
    """A short count: `900`, `1.2k`, `40k`, `3.5M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def percent(fraction: Any, decimals: int = 1) -> str:
    """A fraction as `97.3 %`."""
    return f"{100 * fraction:.{decimals}f} %" if _finite(fraction) else MISSING


def whole_percent(fraction: Any) -> str:
    """A fraction as `97 %`."""
    return percent(fraction, 0)


def p_value(p: Any) -> str:
    """A p value with two significant digits; `< 1e-15` below the resolution of the arithmetic."""
    if not _finite(p):
        return MISSING
    return "< 1e-15" if p < 1e-15 else number(float(p), 2)


def bracketed(low: Any, high: Any, form: Form = number) -> str:
    """An interval: `[0.9, 1.6]`. None is an open end."""
    return f"[{MISSING if low is None else form(low)}, {MISSING if high is None else form(high)}]"


def interval_form(form: Form = number) -> Form:
    """The form of a pair (low, high): `[0.9, 1.6]`."""
    return lambda cell: bracketed(cell[0], cell[1], form)


def estimate(form: Form = number) -> Form:
    """The form of a triple (value, low, high): `1.2 [0.9, 1.6]`."""
    return lambda cell: f"{form(cell[0])} {bracketed(cell[1], cell[2], form)}"


def parts_of_whole(cell: Sequence[int]) -> str:
    """The form of a tuple of counts whose last count is the whole: `3/5`."""
    return "/".join(map(count, cell))


def counted(many: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def listed(words: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; of more than `most` words, the first ones and the number of the others."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def assigned(values: Mapping[str, Any], sign: str = " ", between: str = ", ") -> str:
    """`lr 0.001, wd 1`. Values that are None are left out."""
    pairs = ((key, value) for key, value in values.items() if value is not None)
    return between.join(f"{clean(key)}{sign}{value_text(value)}" for key, value in pairs)


def value_text(value: object) -> str:
    """A setting or a cell of any type: cleaned text, integers with separators, floats with four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return MISSING if value is None else clean(value)


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

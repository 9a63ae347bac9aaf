"""Words and numbers as people read them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from grokscope.words.clean import clean

MISSING = "–"


def number(value: object, digits: int = 3) -> str:
    """A number in `digits` significant digits: `0.0123`, `45.2`, `12,300`, `1.2e-7`; `–` where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return _scientific(value, digits)
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def count(value: float | None) -> str:
    """Steps and other whole things: `12,300`."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:,.0f}"


def short(value: float) -> str:
    """A count in little room: `900`, `1.2k`, `40k`, `3.5M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def percent(value: float | None) -> str:
    return MISSING if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def duration(seconds: float | None) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def leaves(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested table under its dotted path."""
    for key, value in nested.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from leaves(value, path)
        else:
            yield path, value


def setting(config: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value whose dotted path is `name` or ends with it; the shallowest one where several do."""
    found = [(path.count("."), value) for path, value in leaves(config) if path == name or path.endswith(f".{name}")]
    return min(found, key=lambda item: item[0])[1] if found else default


def said(parameters: Mapping[str, Any]) -> str:
    """Parameters as `name value, name value`; those that are not set are left out."""
    return ", ".join(
        f"{clean(key)} {number(value) if isinstance(value, float) else clean(value)}"
        for key, value in parameters.items()
        if value is not None
    )


def wrapped(text: str, width: int) -> list[str]:
    """Words in lines of at most `width`."""
    result, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            result.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*result, line] if line else result

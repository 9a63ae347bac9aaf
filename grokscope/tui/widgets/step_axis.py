"""The step axis under a chart: steps, marks, and the expected grok step with its interval.

The interval is drawn with glyphs (`╞══◇══╡`), so that it is seen without colour. Labels never touch: a label that finds
no room is left out.
"""

from collections.abc import Mapping

import numpy as np
from rich.segment import Segment
from rich.style import Style

from grokscope.tui.expected import Expected
from grokscope.tui.raster import Scale
from grokscope.tui.widgets.base import Inks
from grokscope.tui.widgets.marks import EVENT_GLYPHS, FORECAST_GLYPH, Mark
from grokscope.words.numbers import short_count

_APART = 14
"""Columns from one tick to the next"""


class _Line:
    """Cells of one line, which are written once."""

    def __init__(self, width: int, filling: str, style: Style) -> None:
        self.cells, self.styles = [filling] * width, [style] * width
        self._taken = [False] * width

    def put(self, at: int, text: str, style: Style, apart: int = 0) -> bool:
        """Write `text` at `at`, if nothing was written there and in the `apart` cells around."""
        near = self._taken[max(0, at - apart) : at + len(text) + apart]
        if at < 0 or at + len(text) > len(self.cells) or any(near):
            return False
        self.draw(at, text, style)
        for beside in (at - 1, at + len(text)):
            if apart and 0 <= beside < len(self.cells):
                self.draw(beside, " ", style)
        self._taken[at : at + len(text)] = [True] * len(text)
        return True

    def free(self, at: int) -> bool:
        return not self._taken[at]

    def draw(self, at: int, text: str, style: Style) -> None:
        """Write `text` as a background, over which `put` may write."""
        self.cells[at : at + len(text)] = list(text)
        self.styles[at : at + len(text)] = [style] * len(text)

    def segments(self) -> list[Segment]:
        return list(Segment.simplify(Segment(*cell) for cell in zip(self.cells, self.styles, strict=True)))


def step_axis(
    width: int,
    lines: int,
    scale: Scale,
    marks: Mapping[int, Mark],
    ahead: Expected | None,
    cursor: float | None,
    inks: Inks,
) -> list[list[Segment]]:
    """The axis in one or two lines: with two, the labels stand below the marks, else beside them.

    The step of the cursor has the first right to a place.
    """
    single = lines < 2
    axis = _Line(width, " " if single else "─", inks["axis"])
    below = axis if single else _Line(width, " ", inks["axis"])
    cursor_at = None if cursor is None else scale.column(cursor, width)
    if cursor is not None and cursor_at is not None:
        axis.put(cursor_at, "│", inks["strong"])
        _label(below, cursor_at, cursor, inks["strong"], beside=single)
    if ahead is not None:
        _draw_interval(axis, width, scale, ahead, inks["expected"])
        expected_at = scale.column(ahead.step, width)
        if expected_at is not None:
            axis.put(expected_at, FORECAST_GLYPH, inks["expected"])
            _label(below, expected_at, ahead.step, inks["expected"], beside=single)
    for x, mark in marks.items():
        axis.put(x, EVENT_GLYPHS[mark.kind], inks[mark.kind])
    for x, mark in sorted(marks.items(), key=lambda item: item[1].kind == "treated"):
        _label(below, x, mark.step, inks[mark.kind], beside=single)
    right, left = short_count(scale.right), short_count(scale.left)
    below.put(width - len(right), right, inks["axis"], apart=1)
    below.put(0, left, inks["axis"], apart=1)
    for step in step_ticks(scale, max(2, width // _APART)):
        column, text = scale.column(step, width), short_count(step)
        if column is not None and not single and below.put(column - len(text) // 2, text, inks["axis"], apart=2):
            axis.put(column, "┬", inks["axis"])
    return [axis.segments()] if single else [axis.segments(), below.segments()]


def _label(line: _Line, column: int, step: float, style: Style, beside: bool) -> None:
    """The step of a glyph: below it, or else at its right or its left, a cell apart from everything else."""
    text = short_count(step)
    places = (column + 1, column - len(text)) if beside else (column - len(text) // 2, column, column - len(text) + 1)
    for place in places:
        if beside:
            before, after = place - 1, place + len(text)
            rest = after if place > column else before  # the side of the label that is not its glyph
            inside = 0 <= rest < len(line.cells)
            if (not inside or line.free(rest)) and line.put(place, text, style):
                if inside:
                    line.draw(rest, " ", style)
                return
        elif line.put(place, text, style, apart=1):
            return


def _draw_interval(line: _Line, width: int, scale: Scale, ahead: Expected, style: Style) -> None:
    low = 0.0 if ahead.low is None else float(scale.across(np.array([ahead.low]))[0])
    high = 2.0 if ahead.high is None else float(scale.across(np.array([ahead.high]))[0])
    if low > 1 or high < 0:
        return
    first, last = int(max(low, 0.0) * (width - 1)), int(min(high, 1.0) * (width - 1))
    text = "═" * (last - first + 1)
    if len(text) > 2:
        text = f"{'╞' if low >= 0 else '◀'}{text[2:]}{'╡' if high <= 1 else '▶'}"
    line.draw(first, text, style)


def step_ticks(scale: Scale, most: int) -> list[float]:
    """Round steps inside of the axis: decades, and also 2 and 5 between few decades, if it is logarithmic."""
    if scale.log_steps:
        return decades(scale.left, scale.right)
    return round_values(scale.left, scale.right, most)


def decades(low: float, high: float) -> list[float]:
    """The powers of ten between two positive numbers; with fewer than two powers, also twice and five times them."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    inside = [10.0**power for power in powers if low <= 10.0**power <= high]
    if len(inside) >= 2:
        return inside
    return [value for power in powers for digit in (1, 2, 5) if low <= (value := digit * 10.0**power) <= high]


def round_values(low: float, high: float, most: int) -> list[float]:
    """About `most` round numbers, which cover the range."""
    span = max(high - low, 1e-12)
    rough = span / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first = np.ceil(low / step - 1e-9)
    return [float(step * (first + index)) for index in range(int(span / step) + 2)]

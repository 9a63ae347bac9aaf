"""Draws curves over steps as lines of cells, the same for the small charts and for the full one.

Curves differ by glyph and by line, not only by colour. Where many samples share a column, the curve is the middle of
them over a band from the smallest to the largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from grokscope.tui.expected import Expected
from grokscope.tui.frame import Frame
from grokscope.tui.raster import Canvas, Scale, averaged
from grokscope.tui.series import Rows, Series
from grokscope.tui.widgets.base import Inks
from grokscope.tui.widgets.marks import Mark
from grokscope.tui.widgets.step_axis import decades, round_values, step_axis
from grokscope.words.numbers import number, short_count

_GUTTER, _LEAST_WITH_GUTTER = 7, 26
_TALL = 9
"""Lines of a chart whose step axis has a line of its own for the labels"""
_CROWDED = 3
"""Samples per column, on average, from which on a curve has a band"""
_GLYPH_EVERY = 16
_BELOW_FLOOR = -2
_PLAIN = Style()


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    series: Series
    ink: str
    name: str = ""
    glyph: str = ""
    """Stands on the curve now and then; empty where a chart has one curve"""
    dotted: bool = False
    band: bool = False
    """Whether columns 2 and 3 of the series are its quartiles"""
    flagged: bool = False
    """Whether column 5 of the series is 1 for samples below the rounding floor"""


@dataclass(frozen=True)
class Pointers:
    """What a chart points at on its step axis."""

    marks: tuple[Mark, ...] = ()
    ahead: Expected | None = None
    cursor: float | None = None


def gutter_of(width: int) -> int:
    """Columns at the left of a chart for the labels of its values."""
    return _GUTTER if width >= _LEAST_WITH_GUTTER else 0


def step_at(column: int, width: int, scale: Scale) -> float:
    """The step at a column of a chart of `width` columns."""
    gutter = gutter_of(width)
    return scale.step(min(1.0, max(0.0, (column - gutter) / max(1, width - gutter - 1))))


def nearest_sample(curves: Sequence[Curve], step: float) -> float:
    """The step of the sample nearest to `step`, of curves that have samples."""
    steps = np.concatenate([curve.series.steps for curve in curves])
    return float(steps[int(np.abs(steps - step).argmin())])


def sample_beside(steps: Rows, step: float, by: int) -> float:
    """The sample `by` samples behind the one at `step`, as far as there are samples; `steps` [n] ascend."""
    place = int(np.searchsorted(steps, step)) + by
    return float(steps[min(max(place, 0), len(steps) - 1)])


def plot(width: int, height: int, curves: Sequence[Curve], scale: Scale, pointers: Pointers, inks: Inks) -> list[Strip]:
    """Curves, with labels at the left, and the step axis below; labels and axis only if there is room."""
    gutter = gutter_of(width)
    foot = 2 if height >= _TALL else 1 if height >= 4 else 0
    canvas = Canvas(max(width - gutter, 1), max(height - foot, 1))
    for index, curve in enumerate(curves):
        _draw(canvas, curve, scale, index)
    ticks = value_ticks(scale, canvas.height)
    marked = {column: mark for mark in pointers.marks if (column := scale.column(mark.step, canvas.width)) is not None}
    paint = _Paint(canvas, curves, _rules(canvas, scale, marked, pointers, inks), scale, pointers.ahead, inks)
    lines = []
    for y in range(canvas.height):
        label = f"{ticks[y]:>{gutter - 1}} " if gutter and y in ticks else " " * gutter
        lines.append(Strip([Segment(label, inks["axis"]), *paint.line(y, y in ticks)]))
    if foot:
        axis = step_axis(canvas.width, foot, scale, marked, pointers.ahead, pointers.cursor, inks)
        lines += [Strip([Segment(" " * gutter), *segments]) for segments in axis]
    return lines


def _draw(canvas: Canvas, curve: Curve, scale: Scale, owner: int) -> None:
    rows = curve.series.rows
    across, up = scale.across(rows[:, 0]), scale.up(rows[:, 1])
    crowded = int(((across >= 0) & (across <= 1)).sum()) > _CROWDED * canvas.width
    if curve.band and rows.shape[1] > 3:
        canvas.band(across, scale.up(rows[:, 2]), scale.up(rows[:, 3]), owner)
    elif crowded:
        canvas.band(across, up, up, owner)
    if curve.flagged and rows.shape[1] > 5:
        below = rows[:, 5] > 0
        canvas.line(across[below], up[below], _BELOW_FLOOR, dotted=True, joined=False)
        up = np.where(below, np.nan, up)
    if crowded:
        across, up = averaged(across, up, canvas.width * 2)
    canvas.line(across, up, owner, curve.dotted)
    if curve.glyph:
        canvas.mark(across, up, owner, curve.glyph, 3 + 5 * owner % _GLYPH_EVERY, _GLYPH_EVERY)


def _rules(
    canvas: Canvas, scale: Scale, marked: dict[int, Mark], pointers: Pointers, inks: Inks
) -> dict[int, tuple[str, Style]]:
    """Vertical lines, by column: of the marks, of the expected grok step, of the cursor."""
    rules = {column: ("┊", inks[mark.kind]) for column, mark in marked.items()}
    for step, glyph, ink in (
        (pointers.ahead.step if pointers.ahead else None, "╎", "expected"),
        (pointers.cursor, "│", "strong"),
    ):
        column = None if step is None else scale.column(step, canvas.width)
        if column is not None:
            rules[column] = (glyph, inks[ink])
    return rules


class _Paint:
    """Gives every cell of a canvas its character and its colours."""

    def __init__(
        self,
        canvas: Canvas,
        curves: Sequence[Curve],
        rules: dict[int, tuple[str, Style]],
        scale: Scale,
        ahead: Expected | None,
        inks: Inks,
    ) -> None:
        self._canvas, self._rules = canvas, rules
        self._styles = {index: inks[curve.ink] for index, curve in enumerate(curves)} | {_BELOW_FLOOR: inks["muted"]}
        self._shades = [Style(bgcolor=inks.shade(curve.ink).bgcolor) for curve in curves]
        self._grid = inks["grid"]
        self._ahead = Style(bgcolor=inks.shade("expected", 0.1).bgcolor)
        self._between = _columns_between(canvas.width, scale, ahead)

    def line(self, y: int, tick: bool) -> list[Segment]:
        return list(Segment.simplify(self._cell(y, x, tick) for x in range(self._canvas.width)))

    def _cell(self, y: int, x: int, tick: bool) -> Segment:
        canvas = self._canvas
        upper, lower = int(canvas.shade[2 * y, x]), int(canvas.shade[2 * y + 1, x])
        glyph = canvas.glyph(y, x)
        behind = self._ahead if x in self._between else _PLAIN
        shade = max(upper, lower)
        covered = self._shades[shade] if shade >= 0 else behind
        if glyph != " ":
            style = self._styles[int(canvas.owner[y, x])]
            return Segment(glyph, style if covered is _PLAIN else style + covered)
        if (upper < 0) != (lower < 0):
            return Segment("▀" if upper >= 0 else "▄", Style(color=covered.bgcolor) + behind)
        rule, style = self._rules.get(x, ("┈" if tick and upper < 0 else " ", self._grid))
        return Segment(rule, style if covered is _PLAIN else style + covered)


def _columns_between(width: int, scale: Scale, ahead: Expected | None) -> range:
    """The columns of the expected interval."""
    if ahead is None or ahead.low == ahead.high:
        return range(0)
    low = scale.left if ahead.low is None else ahead.low
    high = np.inf if ahead.high is None else ahead.high
    ends = scale.across(np.array([low, high]))
    if ends[0] > 1 or ends[1] < 0:
        return range(0)
    first, last = (np.clip(ends, 0, 1) * (width - 1)).astype(int)
    return range(first, last + 1)


def value_ticks(scale: Scale, height: int) -> dict[int, str]:
    """Labels of values by line: decades for a log axis, round values for a linear one and for a part of a decade."""
    if height < 2:
        return {}
    values = decades(scale.bottom, scale.top) if scale.log else []
    if len(values) < 2:
        values = round_values(scale.bottom, scale.top, max(2, height // 3))
    lines: dict[int, str] = {}
    for value in values:
        up = float(scale.up(np.array([value]))[0])
        if -0.01 <= up <= 1.01:
            line, label = round((1 - up) * (height - 1)), _value_label(value)
            if all(abs(line - other) > 1 for other in lines) and label not in lines.values():
                lines[line] = label
    return lines


def _value_label(value: float) -> str:
    """A value with as many digits as the gutter holds."""
    if abs(value) >= 1e-3 or value == 0:
        return short_count(value)
    return min(number(value, 2), number(value, 1), key=lambda label: len(label) >= _GUTTER)


def step_scale(frame: Frame, curves: Sequence[Curve], bottom: float, top: float, log: bool) -> Scale:
    """The scale of a whole run. A logarithmic step axis begins at the first positive step."""
    left = first_step(curves) if frame.log_steps else 0.0
    return Scale(left, max(frame.horizon, left * 1.01), bottom, top, log, frame.log_steps)


def first_step(curves: Sequence[Curve]) -> float:
    """The first positive step of the curves: the left end of a logarithmic step axis."""
    firsts = [steps[0] for curve in curves if len(steps := curve.series.steps[curve.series.steps > 0])]
    return float(min(firsts, default=1.0))

"""Small charts of curves over steps: the commutator defect with its band and marks, accuracy, loss."""

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from grokscope.contract.arrays import Floats
from grokscope.tui.frame import Frame
from grokscope.tui.raster import Canvas, Scale, limits
from grokscope.tui.series import Series
from grokscope.tui.view import View
from grokscope.tui.widgets.base import Drawn, Inks
from grokscope.words.numbers import number, percent, short_count

EVENT_GLYPHS = {
    "memorized": "▲", "onset": "◆", "turned": "▽", "grokked": "★", "regressed": "☆", "fired": "●", "treated": "✚",
}  # fmt: skip
_GUTTER = 7


@dataclass(frozen=True)
class Mark:
    """A marked step: a detection or an intervention."""

    step: float
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    series: Series
    ink: str
    band: bool = False
    """Whether columns 2 and 3 of the series are its quartiles"""
    flagged: bool = False
    """Whether column 5 of the series is 1 for samples below the rounding floor"""


def marks_of(view: View, signal: str = "") -> tuple[Mark, ...]:
    """Detections and interventions as marks, in the order of steps. `signal` adds the detections of its rules."""
    found = [Mark(float(item.step), item.name) for item in view.detected]
    found += [Mark(float(item.step), "fired", item.name) for item in view.fired if item.signal == signal]
    found += [
        Mark(float(item.step), "treated", f"{item.kind} {item.state}")
        for item in view.treated
        if item.step is not None and item.state in {"on", "off", "changed"}
    ]
    return tuple(sorted(found, key=lambda mark: mark.step))


def plot(
    width: int, height: int, curves: Iterable[Curve], scale: Scale, marks: tuple[Mark, ...], inks: Inks
) -> list[Strip]:
    """Curves, with labels at the left, and steps and marks below; labels, steps and marks only if there is room."""
    gutter = _GUTTER if width >= 36 else 0
    foot = 1 if height >= 4 else 0
    canvas = Canvas(max(width - gutter, 1), max(height - foot, 1))
    drawn = list(curves)
    for index, curve in enumerate(drawn):
        _draw(canvas, curve, scale, index)
    ticks = _ticks(scale, canvas.height)
    columns = {column: mark for mark in marks if (column := _column(mark.step, scale, canvas.width)) is not None}
    lines = []
    for y in range(canvas.height):
        label = f"{ticks[y]:>{gutter - 1}} " if gutter and y in ticks else " " * gutter
        cells = _cells(canvas, y, drawn, columns, y in ticks, inks)
        lines.append(Strip([Segment(label, inks["axis"]), *cells]))
    if foot:
        lines.append(Strip([Segment(" " * gutter), *_foot(canvas.width, scale, columns, inks)]))
    return lines


def _draw(canvas: Canvas, curve: Curve, scale: Scale, owner: int) -> None:
    rows = curve.series.rows
    across = scale.across(rows[:, 0])
    if curve.band and rows.shape[1] > 3:
        canvas.band(across, scale.up(rows[:, 2]), scale.up(rows[:, 3]))
    up = scale.up(rows[:, 1])
    if curve.flagged and rows.shape[1] > 5:
        below = rows[:, 5] > 0
        canvas.line(across[below], up[below], -2, sparse=True)
        clear: Floats = np.where(below, np.nan, up)
        canvas.line(across, clear, owner)
    else:
        canvas.line(across, up, owner)


def _cells(
    canvas: Canvas, y: int, curves: list[Curve], columns: dict[int, Mark], tick: bool, inks: Inks
) -> list[Segment]:
    """One line of cells as segments."""
    styles = {index: inks[curve.ink] for index, curve in enumerate(curves)} | {-2: inks["muted"]}
    grid, band = inks["grid"], inks.band
    on_band = Style(bgcolor=band.bgcolor)
    segments: list[Segment] = []
    for x in range(canvas.width):
        upper, lower = canvas.shade[2 * y, x], canvas.shade[2 * y + 1, x]
        glyph = canvas.glyph(y, x)
        if glyph != " ":
            style = styles[int(canvas.owner[y, x])]
            segments.append(Segment(glyph, style + on_band if upper or lower else style))
        elif upper and lower:
            segments.append(_under(columns.get(x), inks, on_band) or Segment(" ", on_band))
        elif upper or lower:
            segments.append(Segment("▀" if upper else "▄", Style(color=band.color)))
        else:
            segments.append(_under(columns.get(x), inks) or Segment("┈" if tick else " ", grid))
    return list(Segment.simplify(segments))


def _under(mark: Mark | None, inks: Inks, on: Style | None = None) -> Segment | None:
    if mark is None:
        return None
    return Segment("┊", inks[mark.kind] + on if on else inks[mark.kind])


def _column(step: float, scale: Scale, width: int) -> int | None:
    across = float(scale.across(np.array([step]))[0])
    return min(int(across * width), width - 1) if 0 <= across <= 1 else None


def _ticks(scale: Scale, height: int) -> dict[int, str]:
    """Labels by line: decades for a log axis, round values for a linear axis."""
    if height < 2:
        return {}
    values = _decades(scale) if scale.log else _round_values(scale, max(2, height // 3))
    lines: dict[int, str] = {}
    for value in values:
        up = float(scale.up(np.array([value]))[0])
        if -0.01 <= up <= 1.01:
            line = round((1 - up) * (height - 1))
            if all(abs(line - other) > 1 for other in lines):
                lines[line] = short_count(value) if abs(value) >= 1e-3 or value == 0 else number(value, 1)
    return lines


def _decades(scale: Scale) -> list[float]:
    low, high = int(np.floor(np.log10(scale.bottom))), int(np.ceil(np.log10(scale.top)))
    inside = [10.0**power for power in range(low, high + 1) if scale.bottom <= 10.0**power <= scale.top]
    if len(inside) >= 2:
        return inside
    finer = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
    return [value for value in finer if scale.bottom <= value <= scale.top]


def _round_values(scale: Scale, most: int) -> list[float]:
    span = scale.top - scale.bottom
    rough = span / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first = np.ceil(scale.bottom / step - 1e-9)
    return [float(step * (first + index)) for index in range(int(span / step) + 2)]


def _foot(width: int, scale: Scale, columns: dict[int, Mark], inks: Inks) -> list[Segment]:
    """The line under a chart: the marks, by glyph and step, and the first and last step if they fit."""
    cells = [" "] * width
    styles = [inks["axis"]] * width

    def put(at: int, text: str, style: Style, apart: int = 1) -> bool:
        near = cells[max(0, at - apart) : at + len(text) + apart]
        if at < 0 or at + len(text) > width or any(cell != " " for cell in near):
            return False
        cells[at : at + len(text)] = list(text)
        styles[at : at + len(text)] = [style] * len(text)
        return True

    for x, mark in columns.items():
        cells[x], styles[x] = EVENT_GLYPHS[mark.kind], inks[mark.kind]
    for x, mark in sorted(columns.items()):
        text = short_count(mark.step)
        if not put(x + 1, text, inks[mark.kind], apart=0):
            put(x - len(text), text, inks[mark.kind], apart=0)
    right = short_count(scale.right)
    put(width - len(right), right, inks["axis"])
    put(0, short_count(scale.left), inks["axis"])
    return list(Segment.simplify(Segment(cell, style) for cell, style in zip(cells, styles, strict=True)))


class Chart(Drawn, can_focus=True):
    """A chart panel. Subclasses choose the curves and the scale."""

    ALLOW_MAXIMIZE = True

    def curves(self, view: View) -> list[Curve]:
        raise NotImplementedError

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        raise NotImplementedError

    def headline(self, frame: Frame) -> tuple[str, str]:
        """Title and subtitle of the panel."""
        raise NotImplementedError

    def watch_frame(self, old: Frame, new: Frame) -> None:
        self.entitle(*self.headline(new))
        if self._drawn_from(old) != self._drawn_from(new):
            self.redraw()

    def _drawn_from(self, frame: Frame) -> tuple[object, ...]:
        """Everything that the picture depends on. The chart is drawn again only if it changes."""
        seen = tuple((id(curve.series), len(curve.series)) for curve in self.curves(frame.view))
        return (*seen, frame.waiting, frame.horizon, frame.log_scale, marks_of(frame.view))

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        curves = [curve for curve in self.curves(self.frame.view) if len(curve.series)]
        if not curves:
            reason = self.frame.waiting or "nothing measured yet"
            return [Strip([Segment(f" {line}", inks["muted"])]) for line in wrap(reason, width - 2)]
        return plot(width, height, curves, self.scale(self.frame, curves), marks_of(self.frame.view), inks)


class DefectChart(Chart):
    """The commutator defect with its quartile band."""

    def curves(self, view: View) -> list[Curve]:
        return [Curve(view.curve("defect"), "series-1", band=True, flagged=True)]

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        whole = frame.whole.curve("defect").rows if frame.player else curves[0].series.rows
        shown = whole[:, 1:4].ravel()
        bottom, top = limits(shown, frame.log_scale)
        return Scale(0.0, frame.horizon, bottom, top, frame.log_scale)

    def headline(self, frame: Frame) -> tuple[str, str]:
        rows = frame.view.curve("defect").rows
        title = "1 commutator defect"
        if not len(rows):
            return title, ""
        _, median, p25, p75, floor, below = rows[-1]
        value = f"{number(median)} \\[{number(p25)}, {number(p75)}]"
        latest = frame.view.latest.get("measured", {})
        how = {"exact": "exact", "finite-difference": "finite difference"}.get(str(latest.get("estimator")), "")
        low = "  BELOW FLOOR" if below > 0 else ""
        floor_text = f"floor {number(float(floor))}" if np.isfinite(floor) else ""
        scale = "log" if frame.log_scale else "linear"
        return f"{title}  {value}{low}", " · ".join(filter(None, (how, floor_text, scale)))


_INKS = {"train": "series-1", "test": "series-2"}


class AccuracyChart(Chart):
    """Accuracy of both splits, from 0 to 1, by the metric of the run."""

    def curves(self, view: View) -> list[Curve]:
        return [Curve(view.curve(f"{split}.{view.metric}"), ink) for split, ink in _INKS.items()]

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        return Scale(0.0, frame.horizon, -0.02, 1.02)

    def headline(self, frame: Frame) -> tuple[str, str]:
        return "2 accuracy", _pair(frame.view, frame.view.metric)


class LossChart(Chart):
    """Loss of both splits."""

    def curves(self, view: View) -> list[Curve]:
        return [Curve(view.curve(f"{split}.loss"), ink) for split, ink in _INKS.items()]

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        shown = np.concatenate([curve.series.values for curve in self.curves(frame.whole)])
        bottom, top = limits(shown, frame.log_scale)
        return Scale(0.0, frame.horizon, bottom, top, frame.log_scale)

    def headline(self, frame: Frame) -> tuple[str, str]:
        return "loss", _pair(frame.view, "loss")


def _pair(view: View, what: str) -> str:
    """The newest values of both splits, in the inks of their curves; the text is also the legend."""
    say = number if what == "loss" else percent
    found = [(split, view.curve(f"{split}.{what}")) for split in _INKS]
    return "  ".join(f"[${_INKS[split]}]━ {split} {say(series.last)}[/]" for split, series in found if len(series))

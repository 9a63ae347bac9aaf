"""The plot of the full chart: textual-plot with a logarithmic axis, the quartile band, marks and a cursor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from textual.color import Color
from textual.reactive import reactive
from textual_plot import AxisFormatter, HiResMode, NumericAxisFormatter, PlotWidget

from grokscope.contract.arrays import Floats
from grokscope.tui.raster import limits
from grokscope.tui.series import Rows, extremes
from grokscope.tui.widgets.chart import Mark
from grokscope.words.numbers import number, short_count

MARK_COLOURS = {
    "memorized": "series-4", "onset": "series-5", "turned": "series-2", "grokked": "series-3", "regressed": "series-6",
    "fired": "series-1", "treated": "series-6",
}  # fmt: skip


class Powers(AxisFormatter):
    """Ticks of an axis of log10 values: the decades, and also 2 and 5 between them if there are few decades."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        low, high = int(np.floor(min_)), int(np.ceil(max_))
        every = max(1, int(np.ceil((high - low) / max_ticks)))
        decades = [float(power) for power in range(low, high + 1, every) if min_ <= power <= max_]
        if len(decades) >= 3:
            return decades
        finer = [power + float(np.log10(digit)) for power in range(low, high + 1) for digit in (1, 2, 5)]
        return [tick for tick in finer if min_ <= tick <= max_] or [min_, max_]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        values = [10**tick for tick in ticks]
        return [short_count(value) if 1e-3 <= value < 1e6 else number(value, 2) for value in values]


class StepTicks(NumericAxisFormatter):
    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        return [f"{tick:,.0f}" if float(tick).is_integer() else f"{tick:,.4g}" for tick in ticks]


class Values(NumericAxisFormatter):
    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        return [number(tick) for tick in ticks]


@dataclass(frozen=True)
class TickLine:
    """One curve of the full chart. rows: [n, 2 or more]; with `band`, columns 2 and 3 are the quartiles."""

    name: str
    rows: Rows
    colour: str
    """A variable of the theme"""
    band: bool = False


@dataclass(frozen=True)
class Picture:
    """Everything that the chart shows."""

    lines: tuple[TickLine, ...]
    marks: tuple[Mark, ...]
    window: tuple[float, float]
    log: bool
    cursor: float | None


class Axes(PlotWidget, can_focus=False):
    """Draws a picture. The screen handles the keys."""

    margin_top = reactive(0)

    def __init__(self) -> None:
        super().__init__(allow_pan_and_zoom=False)
        self.picture: Picture | None = None

    def show(self, picture: Picture) -> None:
        """Draw `picture`, unless it is the present picture."""
        if picture is not self.picture:
            self.picture = picture
            self._redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._redraw()

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        picture = self.picture
        if picture is None or not self.query("#legend"):
            return
        with self.app.batch_update():
            self.clear()
            self._set_axes(picture)
            for line in reversed(picture.lines):  # the first line is drawn last, on top
                self._draw(line, picture)
            for mark in picture.marks:
                if picture.window[0] <= mark.step <= picture.window[1]:
                    self.add_v_line(mark.step, self._colour(MARK_COLOURS[mark.kind]))
            if picture.cursor is not None:
                self.add_v_line(picture.cursor, self._colour("foreground"))

    def _set_axes(self, picture: Picture) -> None:
        left, right = picture.window
        self.set_x_formatter(StepTicks())
        self.set_xlimits(left, right if right > left else left + 1)
        shown = [line.rows[(line.rows[:, 0] >= left) & (line.rows[:, 0] <= right)] for line in picture.lines]
        values = [
            rows[:, 1:4].ravel() if line.band else rows[:, 1] for rows, line in zip(shown, picture.lines, strict=True)
        ]
        bottom, top = limits(np.concatenate(values) if values else np.empty(0), picture.log)
        self.set_y_formatter(Powers() if picture.log else Values())
        self.set_ylimits(*(float(edge) for edge in _drawn(np.array([bottom, top]), picture.log)))
        self.set_xlabel("step")

    def _draw(self, line: TickLine, picture: Picture) -> None:
        left, right = picture.window
        inside = line.rows[(line.rows[:, 0] >= left) & (line.rows[:, 0] <= right)]
        rows = extremes(inside, max(16, self.size.width)) if len(inside) else inside
        colour = self._colour(line.colour)
        if line.band and rows.shape[1] > 3 and len(rows):
            low, high = _drawn(rows[:, 2:4].T, picture.log)
            zigzag = _zigzag(rows[:, 0], low, high, max(2, self.size.width - 14))
            self.plot(*zigzag, line_style=self._soft(colour), hires_mode=HiResMode.BRAILLE)
        if len(rows) == 1:
            self.scatter(rows[:, 0], _drawn(rows[:, 1], picture.log), marker="•", marker_style=colour)
        elif len(rows):
            self.plot(rows[:, 0], _drawn(rows[:, 1], picture.log), line_style=colour, hires_mode=HiResMode.BRAILLE)

    def _colour(self, variable: str) -> str:
        return str(self.app.theme_variables.get(variable, "white"))

    def _soft(self, colour: str) -> str:
        _, base = self.background_colors
        return base.blend(Color.parse(colour), 0.35).hex

    def step_at(self, x: int) -> float:
        """The step at column `x` of this widget."""
        width: int = self.query_one("#plot").size.width
        left, right = self.picture.window if self.picture else (0.0, 1.0)
        across = float(x - self.margin_left - 1) / max(1, width - 3)
        return left + min(1.0, max(0.0, across)) * (right - left)


def _drawn(values: Floats, log: bool) -> Floats:
    """Values [n] on the scale of the axis [n]. A value that a log axis cannot show becomes NaN, and is not drawn."""
    return np.log10(np.where(values > 0, values, np.nan)) if log else values


def _zigzag(steps: Floats, low: Floats, high: Floats, columns: int) -> tuple[Floats, Floats]:
    """A line that fills the band between two curves: it goes up and down once in every column."""
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return np.empty(0), np.empty(0)
    across = np.linspace(steps[known][0], steps[known][-1], columns)
    edges = [np.interp(across, steps[known], edge[known]) for edge in (low, high)]
    return np.repeat(across, 2), np.stack(edges, axis=1).ravel()

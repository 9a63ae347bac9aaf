"""The full chart: one quantity with axes, a cursor that shows its values, and up to six overlaid runs."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Footer, Static

from grokscope.tui.actions import bindings
from grokscope.tui.expected import expected
from grokscope.tui.frame import Frame
from grokscope.tui.messages import GuideMoved
from grokscope.tui.quantities import curves_of, has_log_axis, quantities, value_limits
from grokscope.tui.raster import Scale
from grokscope.tui.screens.base import RunScreen
from grokscope.tui.widgets.full_chart import FullChart, Picture
from grokscope.tui.widgets.marks import EVENT_GLYPHS, MARK_COLOURS, Mark, marks_of
from grokscope.tui.widgets.plot import Curve, Pointers, first_step, nearest_sample, sample_beside
from grokscope.tui.widgets.signals import signal_of
from grokscope.tui.widgets.transport import Transport
from grokscope.words.clean import clean
from grokscope.words.numbers import count, number


class ChartScreen(RunScreen):
    WHERE = "chart"
    CSS_PATH = "../styles/chart.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("chart")

    at: reactive[int] = reactive(0)
    """Index of the quantity"""
    window: reactive[tuple[float, float] | None] = reactive[tuple[float, float] | None](None)
    banded: reactive[bool] = reactive(True)

    def __init__(self, curve: str = "defect") -> None:
        """`curve`: the one to show first."""
        super().__init__()
        self._wanted = curve

    def compose(self) -> ComposeResult:
        yield Static("", id="heading")
        yield Static("", id="readout")
        yield FullChart()
        yield Static("", id="legend")
        yield Transport()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        shown = [self._wanted in curves for curves in quantities(self.frame.whole).values()]
        self.at = shown.index(True) if True in shown else 0
        self._draw()

    def watch_frame(self, old: Frame, new: Frame) -> None:
        if old.name != new.name:
            self.window = None
        self._draw()

    def watch_at(self) -> None:
        self._draw()

    def watch_window(self) -> None:
        self._draw()

    def watch_banded(self) -> None:
        self._draw()

    @property
    def at_step(self) -> float | None:
        """Step of the cursor, which is the guide of all charts; None: the newest sample."""
        return self.frame.guide

    def _point(self, step: float | None) -> None:
        self.post_message(GuideMoved(step))

    @property
    def quantity(self) -> str:
        names = list(quantities(self.frame.whole))
        return names[self.at % len(names)]

    @property
    def charted(self) -> str:
        return self._curves[-1]

    @property
    def _curves(self) -> tuple[str, ...]:
        return quantities(self.frame.whole)[self.quantity]

    def _marks(self) -> tuple[Mark, ...]:
        return marks_of(self.frame.view, signal_of(self._curves[-1]))

    def _lines(self) -> tuple[Curve, ...]:
        """The curves of the run, then the curves of the overlaid runs, which are numbered."""
        names = self._curves
        own = [
            replace(curve, name=self._name_of(curve.name)) for curve in curves_of(self.frame.view, names, self.banded)
        ]
        over = [
            Curve(
                overlay.view.curve(names[-1]),
                f"series-{1 + (len(names) + index) % 6}",
                clean(overlay.name, 40),
                glyph=str(index + 1),
            )
            for index, overlay in enumerate(self.frame.overlays)
        ]
        return tuple(curve for curve in (*own, *over) if len(curve.series))

    def _name_of(self, words: str) -> str:
        """The name of a curve of the run, with the run's name if other runs are overlaid."""
        if not self.frame.overlays:
            return words
        name = clean(self.frame.name, 40)
        return f"{name} {words}" if len(self._curves) > 1 else name

    def _whole_window(self, lines: tuple[Curve, ...]) -> tuple[float, float]:
        left = first_step(lines) if self.frame.log_steps else 0.0
        return left, max([self.frame.horizon, left * 1.01, *(float(line.series.steps[-1]) for line in lines)])

    def _picture(self, lines: tuple[Curve, ...], marks: tuple[Mark, ...]) -> Picture:
        left, right = self.window or self._whole_window(lines)
        log = self._log()
        bottom, top = self.frame.limits(self.charted, value_limits(lines, left, right, log), log)
        log_steps = self.frame.log_steps and left > 0
        pointers = Pointers(marks, expected(self.frame.view), self.at_step)
        return Picture(lines, Scale(left, right, bottom, top, log, log_steps), pointers, "nothing recorded yet")

    def _log(self) -> bool:
        return has_log_axis(self.frame, self._curves)

    def _draw(self) -> None:
        if not self.query("#legend"):
            return
        self.query_one(Transport).frame = self.frame
        lines = self._lines()
        marks = self._marks()
        self.query_one(FullChart).picture = self._picture(lines, marks)
        self.query_one("#heading", Static).update(self._heading())
        self.query_one("#readout", Static).update(self._readout(lines, marks))
        self.query_one("#legend", Static).update(_legend(lines, marks))

    def _heading(self) -> Content:
        names = quantities(self.frame.whole)
        place = f"{list(names).index(self.quantity) + 1} of {len(names)}"
        scale = (
            f"{self.frame.axis_words(self.charted, self._log())} by {'log' if self.frame.log_steps else 'linear'} steps"
        )
        name, state = clean(self.frame.name, 60), self.frame.state
        return Content.assemble(
            (f" {self.quantity}", "bold $primary"),
            (f"  {place} · {scale} · {name} · {state.glyph} {state.word}", "$foreground 65%"),
        )

    def _readout(self, lines: tuple[Curve, ...], marks: tuple[Mark, ...]) -> Content:
        """The values of the curves at the cursor."""
        step = self.at_step if self.at_step is not None else self.frame.present
        parts: list[Content | tuple[str, str] | str] = [(f" step {count(step)} ", "bold")]
        for line in lines:
            row = line.series.at(step)
            if row is not None:
                spread = f" [{number(row[2])}, {number(row[3])}]" if len(row) > 3 else ""
                parts.append((f"  {line.name} ", f"${line.ink}"))
                parts.append((f"{number(row[1], 4)}{spread}", "bold"))
                if len(row) > 5 and row[5] > 0:
                    parts.append((" below floor", "$warning"))
        here = [mark for mark in marks if mark.step == step]
        parts += [(f"  {EVENT_GLYPHS[mark.kind]} {mark.text or mark.kind}", "bold $accent") for mark in here]
        return Content.assemble(*parts)

    def _samples(self) -> np.ndarray:
        lines = self._lines()
        return lines[0].series.steps if lines else np.empty(0)

    def action_quantity(self, by: int) -> None:
        self.at = (self.at + by) % len(quantities(self.frame.whole))

    async def action_cursor(self, by: int) -> None:
        """Move the cursor by samples; without a cursor, move the replay."""
        if self.at_step is None and self.frame.player:
            await self.run_action(f"app.scrub({by / 100})")
            return
        steps = self._samples()
        if not len(steps):
            return
        if self.at_step is None:
            self._point(float(steps[-1] if by < 0 else steps[0]))
            return
        self._point(sample_beside(steps, self.at_step, by))

    def action_mark(self, by: int) -> None:
        steps = [mark.step for mark in self._marks()]
        here = self.at_step if self.at_step is not None else (-1.0 if by > 0 else float("inf"))
        beyond = [step for step in steps if (step > here if by > 0 else step < here)]
        if beyond:
            self._point(beyond[0] if by > 0 else beyond[-1])

    def action_band(self) -> None:
        self.banded = not self.banded

    def action_zoom(self, factor: float) -> None:
        """Show `factor` times as many steps around the cursor; 0: all steps."""
        whole = self._whole_window(self._lines())
        if factor == 0:
            self.window = None
            self._point(None)
            return
        left, right = self.window or whole
        middle = self.at_step if self.at_step is not None else (left + right) / 2
        half = max(1.0, (right - left) * factor / 2)
        low, high = max(whole[0], middle - half), min(whole[1], middle + half)
        self.window = None if (low, high) == whole else (low, high)

    def action_close(self) -> None:
        """Remove the cursor; without a cursor, close the screen."""
        if self.at_step is not None:
            self._point(None)
        else:
            self.dismiss()

    def on_click(self, event: events.Click) -> None:
        chart = self.query_one(FullChart)
        if chart.region.contains(event.screen_x, event.screen_y):
            lines = self._lines()
            if lines:
                self._point(nearest_sample(lines[:1], chart.step_at(event.screen_x - chart.region.x)))

    def on_mouse_scroll_down(self) -> None:
        self.action_zoom(1.5)

    def on_mouse_scroll_up(self) -> None:
        self.action_zoom(1 / 1.5)


def _legend(lines: tuple[Curve, ...], marks: tuple[Mark, ...]) -> Content:
    parts: list[Content | tuple[str, str] | str] = [" "]
    for line in lines:
        parts += [(f"{line.glyph or '━'} ", f"${line.ink}"), f"{line.name}   "]
    for mark in marks:
        parts += [
            (f"{EVENT_GLYPHS[mark.kind]} ", f"${MARK_COLOURS[mark.kind]}"),
            f"{mark.text or mark.kind} {count(mark.step)}   ",
        ]
    return Content.assemble(*parts)

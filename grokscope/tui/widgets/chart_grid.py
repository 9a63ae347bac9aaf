"""Small charts of all quantities, as many as fit on a page."""

from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.expected import expected
from grokscope.tui.frame import Frame
from grokscope.tui.messages import GuideMoved
from grokscope.tui.quantities import curves_of, has_log_axis, quantities, value_limits
from grokscope.tui.raster import Scale
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.tui.widgets.marks import marks_of
from grokscope.tui.widgets.plot import Curve, Pointers, nearest_sample, plot, step_at, step_scale
from grokscope.words.clean import clean
from grokscope.words.numbers import number

_WIDTH, _HEIGHT = 38, 9
"""Columns and lines that a chart needs"""


class ChartGrid(Drawn, can_focus=True):
    """A page of charts, with a cursor."""

    at: reactive[int] = reactive(0)
    """The chart under the cursor, as an index of the quantities that the filter accepts"""
    wanted: reactive[str] = reactive("")
    """Words that a title must contain"""

    class Turned(Message):
        """Another chart is under the cursor, or the filter accepts others."""

    class Chosen(Message):
        """The user wants to see one quantity on the whole screen."""

    @property
    def titles(self) -> list[str]:
        """The quantities that have samples, and that the filter accepts."""
        words = self.wanted.lower().split()
        view = self.frame.view
        found = quantities(self.frame.whole)
        return [
            name
            for name, curves in found.items()
            if all(word in name.lower() for word in words) and any(len(view.curve(curve)) for curve in curves)
        ]

    @property
    def title(self) -> str:
        """The quantity under the cursor; empty if there is none."""
        titles = self.titles
        return titles[min(self.at, len(titles) - 1)] if titles else ""

    @property
    def charted(self) -> str:
        return quantities(self.frame.whole)[self.title][-1] if self.title else ""

    @property
    def shape(self) -> tuple[int, int]:
        """Charts beside each other, and below each other."""
        width, height = self.content_size
        return max(1, width // _WIDTH), max(1, height // _HEIGHT)

    @property
    def page(self) -> tuple[int, int]:
        """The present page and the number of pages, from 1."""
        across, down = self.shape
        size = across * down
        return self.at // size + 1, max(1, -(-len(self.titles) // size))

    def watch_frame(self, old: Frame, new: Frame) -> None:
        if _drawn_from(old) != _drawn_from(new):
            self.redraw()

    def watch_at(self) -> None:
        self.post_message(self.Turned())
        self.redraw()

    def watch_wanted(self) -> None:
        self.at = 0
        self.post_message(self.Turned())
        self.redraw()

    def move(self, down: int, across: int) -> None:
        """Move the cursor by rows and columns."""
        self.at = min(max(self.at + across + down * self.shape[0], 0), max(0, len(self.titles) - 1))

    def turn(self, pages: int) -> None:
        """Move the cursor by pages."""
        across, down = self.shape
        self.at = min(max(self.at + pages * across * down, 0), max(0, len(self.titles) - 1))

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        titles, (across, down) = self.titles, self.shape
        if not titles:
            return [strip((" no quantity with these words" if self.wanted else " nothing recorded yet", inks["muted"]))]
        first = self.at // (across * down) * across * down
        wide, high = width // across, height // down
        lines: list[Strip] = []
        for row in range(down):
            places = range(first + row * across, min(first + (row + 1) * across, len(titles)))
            cells = [self._cell(titles[place], place == self.at, wide, high, inks) for place in places]
            lines += [Strip.join(pieces) for pieces in zip(*cells, strict=True)]
        return lines

    def _cell(self, name: str, chosen: bool, width: int, height: int, inks: Inks) -> list[Strip]:
        """A title with the values, and the chart."""
        frame = self.frame
        curves, scale = self._content(name)
        shown = ((curve.glyph, frame.shown(curve.series)) for curve in curves)
        values = "  ".join(f"{glyph} {number(row[1])}".strip() for glyph, row in shown if row is not None)
        cursor = ("▸" if chosen else " ", inks["warn"])
        head = strip(cursor, (f"{clean(name, 26)}  ", inks["strong"]), (values, inks["plain"]))
        pointers = Pointers(marks_of(frame.view), expected(frame.view), frame.guide)
        drawn = plot(width - 1, height - 1, curves, scale, pointers, inks)
        return [line.adjust_cell_length(width) for line in (head, *drawn)]

    def _content(self, name: str) -> tuple[list[Curve], Scale]:
        """The curves of a quantity, and the scale that shows them all."""
        frame = self.frame
        names = quantities(frame.whole)[name]
        curves = [curve for curve in curves_of(frame.view, names) if len(curve.series)]
        log = has_log_axis(frame, names)
        scale = step_scale(frame, curves, 0.0, 1.0, log)
        bottom, top = frame.limits(names[-1], value_limits(curves, scale.left, scale.right, log), log)
        return curves, step_scale(frame, curves, bottom, top, log)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, and the guide of all charts; a click on the chart under the cursor opens it."""
        (across, down), (width, height) = self.shape, self.content_size
        wide = max(1, width // across)
        column, row = event.x // wide, event.y // max(1, height // down)
        place = self.at // (across * down) * across * down + row * across + column
        if column >= across or place >= len(self.titles):
            return
        curves, scale = self._content(self.titles[place])
        self.post_message(GuideMoved(nearest_sample(curves, step_at(event.x % wide, wide - 1, scale))))
        if place == self.at:
            self.post_message(self.Chosen())
        self.at = place

    def on_mouse_scroll_down(self) -> None:
        self.turn(1)

    def on_mouse_scroll_up(self) -> None:
        self.turn(-1)


def _drawn_from(frame: Frame) -> tuple[object, ...]:
    """Everything that the charts depend on. The steps of the batches change all the time, and are on no axis."""
    curves = tuple((name, id(curve), len(curve)) for name, curve in frame.view.series.items() if "trained." not in name)
    return (*curves, *frame.axes, marks_of(frame.view), expected(frame.view))

"""The dashboard: all panels of one run."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Footer, Input

from grokscope.tui.actions import bindings
from grokscope.tui.frame import Frame
from grokscope.tui.messages import GuideMoved
from grokscope.tui.screens.base import RunScreen
from grokscope.tui.widgets.answer import AnswerLine
from grokscope.tui.widgets.base import ShowsFrame
from grokscope.tui.widgets.chart import AccuracyChart, Chart, DefectChart, LossChart
from grokscope.tui.widgets.event_log import EventLogPanel
from grokscope.tui.widgets.forecast import ForecastPanel
from grokscope.tui.widgets.notices import Notices
from grokscope.tui.widgets.panes import Panes
from grokscope.tui.widgets.run_line import RunLine
from grokscope.tui.widgets.signals import SignalsPanel
from grokscope.tui.widgets.transport import Transport
from grokscope.tui.widgets.treatments import Toggle, TreatmentRow, Treatments

_PANELS = {
    "defect": "#defect",
    "curves": "#accuracy",
    "signals": "#signals",
    "forecast": "#forecast",
    "treat": "#treat",
    "events": "#events",
}
_SHOWN: tuple[type[ShowsFrame], ...] = (
    RunLine,
    AnswerLine,
    Chart,
    ForecastPanel,
    Treatments,
    SignalsPanel,
    EventLogPanel,
    Notices,
    Transport,
)
_BESIDE = ("forecast", "treat", "events")

_WIDE, _TALL = 120, 34
_WIDTHS = [(0, "-slim"), (56, "-narrow"), (_WIDE, "-wide")]
_HEIGHTS = [(0, "-low"), (16, "-middling"), (_TALL, "-tall")]


def _is_spacious(size: Size) -> bool:
    """Whether the side panels have room beside all charts."""
    return size.width >= _WIDE and size.height >= _TALL


class WatchScreen(RunScreen):
    WHERE = "watch"
    BINDINGS: ClassVar[list[BindingType]] = bindings("watch")
    AUTO_FOCUS = "#defect"
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS

    _spacious = False
    """Whether the side panels stand beside all charts"""

    def compose(self) -> ComposeResult:
        # With the classes of this size from the start, nothing is styled and placed twice.
        for size, breakpoints in zip(self.app.size, (_WIDTHS, _HEIGHTS), strict=True):
            self.add_class(*[name for least, name in breakpoints if size >= least][-1:])
        self._spacious = _is_spacious(self.app.size)
        yield RunLine()
        yield AnswerLine()
        with Panes(id="body"):
            yield DefectChart(id="defect")
            if self._spacious:
                yield from self._side()
            with Container(id="curves"):
                yield AccuracyChart(id="accuracy")
                yield LossChart(id="loss")
            yield SignalsPanel(id="signals")
            if not self._spacious:
                yield from self._side()
        yield Input(placeholder="show lines with these words; -word hides; esc closes", id="event-filter", compact=True)
        yield Notices()
        yield Transport()
        yield Footer(compact=True, show_command_palette=False)

    def _side(self) -> ComposeResult:
        with Container(id="side"):
            yield ForecastPanel(id="forecast", classes="-chosen")
            yield Treatments(id="treat")
            yield EventLogPanel(id="events")

    def watch_frame(self, frame: Frame) -> None:
        for kind in _SHOWN:
            for panel in self.query(kind):
                panel.frame = frame

    def on_mount(self) -> None:
        self.watch_frame(self.frame)

    def on_resize(self, event: events.Resize) -> None:
        """Place the side panels: beside the charts if there is room, else beside the signals in the last row."""
        spacious = _is_spacious(event.size)
        if spacious != self._spacious:
            self._spacious = spacious
            body, side = self.query_one(Panes), self.query_one("#side")
            body.move_child(side, after=self.query_one("#defect" if spacious else "#signals"))
            body.reset()

    def is_at(self, action: str) -> bool:
        return action == "panel_treat" and isinstance(self.focused, Toggle)

    def action_panel(self, name: str) -> None:
        """Focus a panel. If only one side panel fits on the screen, this panel becomes the visible one."""
        if name in _BESIDE:
            for other in _BESIDE:
                self.query_one(f"#{other}").set_class(other == name, "-chosen")
        panel = self.query_one(_PANELS[name])
        rows = [row for row in panel.query(TreatmentRow) if not row.disabled]
        (rows[0].query_one(Toggle) if rows else panel).focus()

    def action_grow(self, times: int) -> None:
        """Make the focused panel larger or smaller."""
        panels = [*self.query(ShowsFrame)]
        focused = next((panel for panel in panels if panel.has_focus or panel.has_focus_within), None)
        if focused is not None:
            self.query_one(Panes).grow(focused, times)

    def action_widen(self, times: int) -> None:
        """Move the line between the charts and the side panels."""
        self.query_one(Panes).widen(times)

    def action_reset_sizes(self) -> None:
        self.query_one(Panes).reset()

    def action_zoom(self) -> None:
        """Show the focused panel on the whole screen, or all panels again."""
        if self.maximized is not None:
            self.minimize()
        elif isinstance(self.focused, Widget):
            self.maximize(self.focused)

    def action_filter_events(self) -> None:
        self.action_panel("events")
        entry = self.query_one("#event-filter", Input)
        entry.add_class("-open")
        entry.focus()

    @on(Input.Changed, "#event-filter")
    def _filtering(self, event: Input.Changed) -> None:
        self.query_one(EventLogPanel).wanted = event.value

    @on(Input.Submitted, "#event-filter")
    def _filtered(self, event: Input.Submitted) -> None:
        event.input.set_class(bool(event.value), "-open")
        self.query_one(EventLogPanel).focus()

    def key_escape(self) -> None:
        """Close the filter, leave the enlarged panel, or remove the guide."""
        entry = self.query_one("#event-filter", Input)
        if entry.has_class("-open"):
            entry.value = ""
            entry.remove_class("-open")
            self.query_one(EventLogPanel).focus()
        elif self.maximized is not None:
            self.minimize()
        else:
            self.post_message(GuideMoved(None))

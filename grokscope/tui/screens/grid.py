"""All quantities of a run as a paged grid of charts, with a filter."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, Input, Static

from grokscope.tui.actions import bindings
from grokscope.tui.frame import Frame
from grokscope.tui.messages import ChartOpened, GuideMoved
from grokscope.tui.screens.base import RunScreen
from grokscope.tui.widgets.chart_grid import ChartGrid
from grokscope.tui.widgets.transport import Transport
from grokscope.words.clean import clean


class GridScreen(RunScreen):
    WHERE = "grid"
    CSS_PATH = "../styles/grid.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("grid")
    AUTO_FOCUS = "ChartGrid"

    def compose(self) -> ComposeResult:
        yield Static("", id="heading")
        yield Input(placeholder="show charts with these words in the title; esc closes", id="filter", compact=True)
        yield ChartGrid()
        yield Transport()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.watch_frame(self.frame, self.frame)

    def watch_frame(self, old: Frame, new: Frame) -> None:
        for kind in (ChartGrid, Transport):
            for widget in self.query(kind):
                widget.frame = new
        self._head()

    @on(ChartGrid.Turned)
    def _head(self) -> None:
        if not self.query(ChartGrid):
            return
        grid = self.query_one(ChartGrid)
        page, pages = grid.page
        name, state = clean(self.frame.name, 60), self.frame.state
        charts = f"{len(grid.titles)} charts{self.frame.when}"
        about = f"  page {page} of {pages} · {charts} · {name} · {state.glyph} {state.word}"
        self.query_one("#heading", Static).update(
            Content.assemble((" all", "bold $primary"), (about, "$foreground 65%"))
        )

    @on(Input.Changed, "#filter")
    def _filtering(self, event: Input.Changed) -> None:
        self.query_one(ChartGrid).wanted = event.value

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.query_one(ChartGrid).focus()

    @on(ChartGrid.Chosen)
    def action_open(self) -> None:
        """The quantity under the cursor, on the whole screen."""
        charted = self.query_one(ChartGrid).charted
        if charted:
            self.post_message(ChartOpened(charted))

    def action_move(self, down: int, across: int) -> None:
        self.query_one(ChartGrid).move(down, across)

    def action_turn(self, pages: int) -> None:
        self.query_one(ChartGrid).turn(pages)

    def action_filter(self) -> None:
        self.query_one("#filter").focus()

    def action_close(self) -> None:
        """Clear the filter and leave it; outside of the filter, remove the guide; without a guide, close the screen."""
        entry = self.query_one("#filter", Input)
        if entry.has_focus:
            entry.clear()
            self.query_one(ChartGrid).focus()
        elif self.frame.guide is not None:
            self.post_message(GuideMoved(None))
        else:
            self.dismiss()

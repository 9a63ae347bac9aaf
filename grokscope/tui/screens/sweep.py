"""A sweep as a grid of its cells: how each run stands, when it grokked, and what sets it apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from grokscope.tui.actions import bindings
from grokscope.tui.comparison import difference_in_words, distinguishing
from grokscope.tui.messages import RunOpened, RunOverlaid
from grokscope.tui.summaries import Summary, SweepSummary, summaries
from grokscope.tui.widgets.cell_grid import CellGrid, glyph_of
from grokscope.words.clean import clean

_REFRESH_SECONDS = 5.0
_LEGEND = " ★ grokked (darker: earlier) ☆ lost it · did not ● running ○ waiting ✗ crashed"


class SweepScreen(Screen[None]):
    """The grid of one folder of runs."""

    WHERE = "sweep"
    CSS_PATH = "../styles/runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("sweep")
    AUTO_FOCUS = "CellGrid"

    def __init__(self, folder: Path, runs: Sequence[Summary] = ()) -> None:
        super().__init__()
        self.folder = folder
        self._known = tuple(runs)

    def compose(self) -> ComposeResult:
        yield Static("", id="title", markup=False)
        yield CellGrid()
        yield Static("", id="about", markup=False)
        yield Static(_LEGEND, id="legend", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._show(self._known)
        if not self._known:
            self.look()
        self.set_interval(_REFRESH_SECONDS, self.look)

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Read the heads and tails of all cells, in a thread."""
        found = tuple(summaries(self.folder))
        self.app.call_from_thread(self._show, found)

    def _show(self, runs: tuple[Summary, ...]) -> None:
        self._differences = distinguishing([item.run_state.config for item in runs])
        self.query_one(CellGrid).runs = runs
        title = f" {clean(self.folder.name, 60)}: {SweepSummary(self.folder, runs).words}"
        self.query_one("#title", Static).update(title)
        self._describe()

    @on(CellGrid.Moved)
    def _describe(self) -> None:
        grid = self.query_one(CellGrid)
        if not grid.runs:
            return
        item = grid.runs[grid.at]
        apart = difference_in_words(self._differences, grid.at)
        about = f" {glyph_of(item)} {clean(item.name, 60)}: {item.run_state.standing}"
        self.query_one("#about", Static).update(f"{about}\n   {apart}")

    @on(CellGrid.Chosen)
    def action_open(self) -> None:
        grid = self.query_one(CellGrid)
        if grid.runs:
            self.app.post_message(RunOpened(grid.runs[grid.at].run))

    def action_overlay(self) -> None:
        grid = self.query_one(CellGrid)
        if grid.runs:
            self.app.post_message(RunOverlaid(grid.runs[grid.at].run))

    def action_move(self, down: int, across: int) -> None:
        self.query_one(CellGrid).move(down, across)

    def action_close(self) -> None:
        self.dismiss()

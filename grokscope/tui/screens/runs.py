"""The list of runs and sweeps: open one, filter by words or configuration, compare, overlay up to six runs."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from grokscope.runs.directory import RunDirectory
from grokscope.runs.filtering import Filter
from grokscope.runs.state import summary
from grokscope.tui.actions import bindings
from grokscope.tui.comparison import change_in_words
from grokscope.tui.messages import RunOpened, RunOverlaid
from grokscope.tui.summaries import Summary, SweepSummary, summaries, sweep_summaries
from grokscope.words.clean import clean
from grokscope.words.numbers import count, percent

_COLUMNS = ("", "run", "state", "task", "backend", "lr", "wd", "seed", "step", "test", "onset", "grok")
_REFRESH_SECONDS = 5.0

_Listed = Summary | SweepSummary


class RunsScreen(Screen[None]):
    WHERE = "runs"
    CSS_PATH = "../styles/runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")
    AUTO_FOCUS = "DataTable"

    overlays: reactive[tuple[Path, ...]] = reactive(())
    found: reactive[tuple[_Listed, ...]] = reactive(())

    def __init__(self, folder: Path, overlays: tuple[Path, ...] = (), watched: RunDirectory | None = None) -> None:
        """`watched`: the run that others are compared with."""
        super().__init__()
        self.folder = folder
        self.watched = watched
        self.set_reactive(RunsScreen.overlays, overlays)
        self._shown: list[_Listed] = []

    def compose(self) -> ComposeResult:
        yield Static("", id="title", markup=False)
        yield Input(placeholder="filter: modular lr<1e-3 wd=1 state=finished", id="filter", compact=True)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Static("", id="compared", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(DataTable).add_columns(*_COLUMNS)
        self.look()
        self.set_interval(_REFRESH_SECONDS, self.look)

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Read the heads and tails of all runs, in a thread."""
        found = (*summaries(self.folder), *sweep_summaries(self.folder))
        self.app.call_from_thread(setattr, self, "found", found)

    def watch_found(self) -> None:
        self._fill()

    def watch_overlays(self) -> None:
        self._fill()

    @on(Input.Changed, "#filter")
    def _filtering(self) -> None:
        self._fill()

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.query_one(DataTable).focus()

    def _fill(self) -> None:
        if not self.query(DataTable) or not self.query_one(DataTable).columns:
            return
        chosen = Filter.parse(self.query_one("#filter", Input).value)
        table = self.query_one(DataTable)
        under = self._under_cursor()
        self._shown = [item for item in self.found if item.holds(chosen)]
        table.clear()
        for item in self._shown:
            table.add_row(*self._cells(item))
        names = [item.name for item in self._shown]
        if under is not None and under.name in names:
            table.move_cursor(row=names.index(under.name))
        listed = f" {len(self._shown)} of {len(self.found)} runs and sweeps"
        overlaid = f" · {len(self.overlays)} overlaid" if self.overlays else ""
        self.query_one("#title", Static).update(listed + overlaid)

    def _cells(self, item: _Listed) -> list[Text]:
        if isinstance(item, SweepSummary):
            cells = ["▦", clean(item.name, 60), item.words, *[""] * (len(_COLUMNS) - 3)]
            return [Text(cell) for cell in cells]
        about, started = summary(item.run_state), item.run_state.last.get("started", {})
        onset, grokked = (item.run_state.detected_step(kind) for kind in ("onset", "grokked"))
        cells = [
            "✚" if item.run.path in self.overlays else " ",
            clean(item.name, 60),
            f"{item.state.glyph} {item.run_state.word}",
            clean(started.get("task", ""), 20),
            clean(started.get("backend", ""), 12),
            *(item.setting(name) for name in ("lr", "wd", "seed")),
            count(about["step"]),
            percent(about["test"]),
            "" if onset is None else count(onset),
            "" if grokked is None else count(grokked),
        ]
        return [Text(cell) for cell in cells]

    @on(DataTable.RowHighlighted)
    def _compare(self) -> None:
        """Say what sets the run under the cursor apart from the one that is watched."""
        item, text = self._under_cursor(), ""
        watched = next((each for each in self.found if isinstance(each, Summary) and each.run == self.watched), None)
        if isinstance(item, Summary) and watched is not None and item is not watched:
            change = change_in_words(watched.run_state.config, item.run_state.config)
            text = f" {clean(watched.name, 40)} → {clean(item.name, 40)}: {change or 'the same settings'}"
        self.query_one("#compared", Static).update(text)

    def _under_cursor(self) -> _Listed | None:
        row = self.query_one(DataTable).cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Watch the run under the cursor, or show the grid of the sweep under the cursor."""
        item = self._under_cursor()
        if isinstance(item, SweepSummary):
            from grokscope.tui.screens.sweep import SweepScreen

            self.app.push_screen(SweepScreen(item.folder, item.runs))
        elif item is not None:
            self.app.post_message(RunOpened(item.run))

    def action_overlay(self) -> None:
        item = self._under_cursor()
        if isinstance(item, Summary):
            self.post_message(RunOverlaid(item.run))

    def action_filter(self) -> None:
        self.query_one("#filter").focus()

    def action_move(self, rows: int) -> None:
        table = self.query_one(DataTable)
        table.move_cursor(row=table.cursor_row + rows)

    def action_refresh_runs(self) -> None:
        self.look()

    def action_close(self) -> None:
        """Clear the filter and leave it; outside of the filter, close the screen."""
        entry = self.query_one("#filter", Input)
        if entry.has_focus:
            entry.clear()
            self.query_one(DataTable).focus()
        else:
            self.dismiss()

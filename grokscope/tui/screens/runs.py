"""The list of runs: choose a run, filter by words or configuration, overlay up to six runs."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from grokscope.runs.filtering import Filter
from grokscope.runs.state import summary
from grokscope.tui.actions import bindings
from grokscope.tui.messages import RunOpened, RunOverlaid
from grokscope.tui.summaries import Summary, summaries
from grokscope.words.clean import clean
from grokscope.words.numbers import count, percent

_COLUMNS = ("", "run", "state", "task", "backend", "lr", "wd", "seed", "step", "test", "onset", "grok")
_REFRESH_SECONDS = 5.0


class RunsScreen(Screen[None]):
    WHERE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")
    AUTO_FOCUS = "DataTable"

    overlays: reactive[tuple[Path, ...]] = reactive(())
    found: reactive[tuple[Summary, ...]] = reactive(())

    def __init__(self, folder: Path, overlays: tuple[Path, ...] = ()) -> None:
        super().__init__()
        self.folder = folder
        self.set_reactive(RunsScreen.overlays, overlays)
        self._shown: list[Summary] = []

    def compose(self) -> ComposeResult:
        yield Static("", id="title", markup=False)
        yield Input(placeholder="filter: modular lr<1e-3 wd=1 state=finished", id="filter", compact=True)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(DataTable).add_columns(*_COLUMNS)
        self.look()
        self.set_interval(_REFRESH_SECONDS, self.look)

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Read the heads and tails of all runs, in a thread."""
        found = tuple(summaries(self.folder))
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
        self._shown = [item for item in self.found if chosen.holds(item.name, item.facts)]
        table.clear()
        for item in self._shown:
            table.add_row(*self._cells(item))
        paths = [item.run.path for item in self._shown]
        if under is not None and under.run.path in paths:
            table.move_cursor(row=paths.index(under.run.path))
        listed = f" {len(self._shown)} of {len(self.found)} runs"
        overlaid = f" · {len(self.overlays)} overlaid" if self.overlays else ""
        self.query_one("#title", Static).update(listed + overlaid)

    def _cells(self, item: Summary) -> list[Text]:
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

    def _under_cursor(self) -> Summary | None:
        row = self.query_one(DataTable).cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        item = self._under_cursor()
        if item is not None:
            self.post_message(RunOpened(item.run))
            self.dismiss()

    def action_overlay(self) -> None:
        item = self._under_cursor()
        if item is not None:
            self.post_message(RunOverlaid(item.run))

    def action_filter(self) -> None:
        self.query_one("#filter").focus()

    def action_move(self, rows: int) -> None:
        table = self.query_one(DataTable)
        table.move_cursor(row=table.cursor_row + rows)

    def action_refresh_runs(self) -> None:
        self.look()

    def action_close(self) -> None:
        """Leave the filter; outside of the filter, close the screen."""
        if self.query_one("#filter").has_focus:
            self.query_one(DataTable).focus()
        else:
            self.dismiss()

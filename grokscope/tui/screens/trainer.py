"""The trainer behind a run: what its process uses, and what it printed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from grokscope.gate import Unreadable, read_bytes
from grokscope.runs.directory import RunDirectory
from grokscope.runs.heartbeat import process_of
from grokscope.tui.actions import bindings
from grokscope.tui.trainer import trainer_output
from grokscope.tui.vitals import vitals_in_words
from grokscope.words.clean import clean

_REFRESH_SECONDS = 2.0
_LINES = 500
"""Lines of output that are shown, the last ones"""


class TrainerScreen(ModalScreen[None]):
    """Processor time, memory, device and output of the trainer, read again every two seconds."""

    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("trainer")

    def __init__(self, run: RunDirectory, started: Mapping[str, Any]) -> None:
        """`started`: the run's `started` event, empty before it."""
        super().__init__()
        self._run_directory, self._started = run, started

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "trainer (esc closes)"
            yield Static("", id="vitals")
            yield Static("", id="output")

    def on_mount(self) -> None:
        self.look()
        self.set_interval(_REFRESH_SECONDS, self.look)

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Ask for the process and read its output, in a thread."""
        trainer = {**self._started, **(process_of(self._run_directory.heartbeat) or {})}
        vitals = vitals_in_words(trainer) if trainer else ["no trainer has written to this run yet"]
        self.app.call_from_thread(self._show, "\n".join(vitals), printed_by_trainer(self._run_directory))

    def _show(self, vitals: str, output: str) -> None:
        if self.is_mounted:
            self.query_one("#vitals", Static).update(Content(vitals))
            self.query_one("#output", Static).update(Content(f"\n{output}"))

    def action_leave(self) -> None:
        self.dismiss()


def printed_by_trainer(run: RunDirectory) -> str:
    """The last lines that the trainer of a run printed, or why there are none."""
    try:
        text = read_bytes(trainer_output(run)).decode(errors="replace")
    except Unreadable:
        return "Its output stands where it was started: only a trainer that a TUI started keeps it beside the run."
    lines = [clean(line) for line in text.split("\n")[-_LINES:]]
    return "\n".join(lines).strip() or "It printed nothing. Warnings and errors would stand here."

"""One event as the log holds it, with every field."""

import json
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Static

from grokscope.tui.actions import bindings
from grokscope.tui.view import LogLine
from grokscope.words.clean import clean

_LONGEST = 100_000
"""Characters shown of an event"""


class RecordScreen(ModalScreen[None]):
    """The record of one line of the event log; keys go to the lines before and after it."""

    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("record")

    at: reactive[int] = reactive(0)
    """The line, as an index"""

    def __init__(self, lines: Sequence[LogLine], at: int) -> None:
        super().__init__()
        self._lines = lines
        self.set_reactive(RecordScreen.at, at)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("", id="record")

    def on_mount(self) -> None:
        self.watch_at()

    def watch_at(self) -> None:
        if not self.query("#record"):
            return
        scroll = self.query_one(VerticalScroll)
        scroll.border_title = f"event {self.at + 1:,} of {len(self._lines):,}"
        scroll.border_subtitle = r"\[ ] before and after · esc closes"
        scroll.scroll_home(animate=False)
        self.query_one("#record", Static).update(Content(record_text(self._lines[self.at])))

    def action_turn(self, by: int) -> None:
        self.at = min(max(self.at + by, 0), len(self._lines) - 1)

    def action_leave(self) -> None:
        self.dismiss()


def record_text(line: LogLine) -> str:
    """The event as indented JSON, a field a line, without control characters."""
    text = json.dumps(dict(line.record), indent=2, ensure_ascii=False, default=str)[:_LONGEST]
    return "\n".join(map(clean, text.split("\n")))

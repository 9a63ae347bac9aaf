"""The help: every action with its present keys, from the table of actions."""

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from grokscope.tui.actions import actions_of, keys_of, printed

_SCREENS = {
    "watch": "A run",
    "switch": "The switch of an intervention",
    "field": "The parameters of an intervention",
    "signals": "The signals",
    "events": "The event log",
    "record": "An event of the log",
    "chart": "The full chart",
    "grid": "All charts",
    "trainer": "The trainer",
    "runs": "The runs",
    "sweep": "The grid of a sweep",
    "everywhere": "Everywhere",
}

_GLOSSARY = """
● running  ‖ paused  ✓ finished  ? stale (no heartbeat)  ✗ crashed  ∅ gone  ▶ replay
▲ memorized  ◆ onset of the defect  ★ grokked  ☆ lost it again  ✚ intervention
╞══◇══╡ the step at which the run is expected to grok, with its interval
○ train, a dotted line  × test, a line
│ the guide: all charts show their values at its step. A click on a chart sets it. The mouse drags borders of panels.
The line is the median over the samples of a measurement, and the shade shows the quartiles. A dotted grey line is
below the rounding floor and has no meaning. Every column of a chart shows its smallest and its largest value.
You can change keys in tui.toml in your configuration directory, by the names in brackets:  [keys]  pause = "p"
"""


class HelpScreen(ModalScreen[None]):
    CSS_PATH = "../styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "leave", "Close"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "grokscope: keys (esc closes)"
            yield Static(help_content(self._keymap))

    def action_leave(self) -> None:
        self.dismiss()

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down()

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up()


def help_content(keymap: Mapping[str, str]) -> Content:
    """All actions, by screen."""
    parts: list[Content | tuple[str, str] | str] = []
    for where, title in _SCREENS.items():
        parts.append((f"\n{title}\n", "bold $primary"))
        for action in actions_of(where):
            parts.append((f"  {printed(keys_of(action, keymap)):<14}", "bold"))
            parts.append(action.help)
            parts.append((f"  [{action.name}]\n", "$foreground 45%"))
    parts.append(("\nWhat you see\n", "bold $primary"))
    parts.append(_GLOSSARY.strip())
    return Content.assemble(*parts)

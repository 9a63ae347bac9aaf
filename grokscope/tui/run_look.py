"""The look of a run's state: a word, a glyph and a colour."""

from enum import Enum

from grokscope.runs.state import Signs, condition
from grokscope.tui.view import View


class RunLook(Enum):
    """The state of a run as a word, a glyph and a theme colour. Colour alone never carries the state."""

    WAITING = ("waiting", "○", "foreground-muted")
    RUNNING = ("running", "●", "success")
    PAUSED = ("paused", "‖", "warning")
    FINISHED = ("finished", "✓", "primary")
    STALE = ("stale", "?", "warning")
    CRASHED = ("crashed", "✗", "error")
    UNREADABLE = ("unreadable", "!", "error")
    GONE = ("gone", "∅", "error")
    RECORDED = ("replay", "▶", "secondary")

    def __init__(self, word: str, glyph: str, colour: str) -> None:
        self.word = word
        self.glyph = glyph
        self.colour = colour

    @property
    def listens(self) -> bool:
        """Whether a trainer may read the control inbox."""
        return self in {RunLook.RUNNING, RunLook.PAUSED, RunLook.STALE}


def state(view: View, signs: Signs) -> RunLook:
    """The state of a run to show, as `grokscope.runs.state` decides it."""
    if view.problems and not view.started and not view.events:
        return RunLook.UNREADABLE
    return RunLook[condition(view.phase, signs).upper()]

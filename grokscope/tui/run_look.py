"""How the state of a run looks: a word, a glyph and a colour."""

from enum import Enum

from grokscope.runs.state import Signs, condition
from grokscope.tui.view import View


class RunLook(Enum):
    """What a run is doing, as one word, one glyph and one theme colour: never colour alone."""

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
        """Whether somebody reads the control inbox."""
        return self in {RunLook.RUNNING, RunLook.PAUSED, RunLook.STALE}


def state(view: View, signs: Signs) -> RunLook:
    """The state to show: what `grokscope.runs.state` says of a run."""
    if view.problems and not view.started and not view.events:
        return RunLook.UNREADABLE
    return RunLook[condition(view.phase, signs).upper()]

"""The base of all screens of a run."""

from textual.reactive import reactive
from textual.screen import Screen

from grokscope.tui.frame import Frame


class RunScreen(Screen[None]):
    """A screen that shows frames. The app sets `frame`; the widgets draw what has changed."""

    frame: reactive[Frame] = reactive(Frame, repaint=False)

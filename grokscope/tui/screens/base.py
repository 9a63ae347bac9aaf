"""What all screens of a run share: they are given frames and show them."""

from textual.reactive import reactive
from textual.screen import Screen

from grokscope.tui.frame import Frame


class RunScreen(Screen[None]):
    """The app sets `frame`; a screen hands it to its widgets, which draw what changed."""

    frame: reactive[Frame] = reactive(Frame, repaint=False)

"""What all screens of a run share: they are given moments and show them."""

from textual.reactive import reactive
from textual.screen import Screen

from grokscope.tui.moment import Moment


class RunScreen(Screen[None]):
    """The app sets `moment`; a screen hands it to its widgets, which draw what changed."""

    moment: reactive[Moment] = reactive(Moment, repaint=False)

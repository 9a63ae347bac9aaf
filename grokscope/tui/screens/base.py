"""The base of all screens of a run."""

from textual.reactive import reactive
from textual.screen import Screen

from grokscope.tui.frame import Frame
from grokscope.tui.widgets.base import Drawn


class RunScreen(Screen[None]):
    """A screen that shows frames. The app sets `frame`; the widgets draw what has changed."""

    frame: reactive[Frame] = reactive(Frame, repaint=False)

    @property
    def charted(self) -> str:
        """The last curve of the chart with the focus; empty if the focus is on no chart."""
        return self.focused.charted if isinstance(self.focused, Drawn) else ""

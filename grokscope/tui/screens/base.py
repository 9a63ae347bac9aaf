"""The base of all screens of a run."""

from dataclasses import replace

from textual.binding import ActiveBinding
from textual.reactive import reactive
from textual.screen import Screen

from grokscope.tui.actions import actions_of
from grokscope.tui.frame import Frame
from grokscope.tui.offers import label_now
from grokscope.tui.widgets.base import Drawn


class RunScreen(Screen[None]):
    """A screen that shows frames. The widgets draw what has changed, and the footer offers what the run can obey."""

    WHERE = ""
    """The screen in the table of actions"""

    frame: reactive[Frame] = reactive(Frame, repaint=False)

    _offers: tuple[str, ...] = ()

    def show_frame(self, frame: Frame) -> None:
        """Show another frame. The app calls this."""
        self.frame = frame
        offers = tuple(label_now(action.name, action.label, frame) for action in actions_of(self.WHERE))
        if offers != self._offers:
            self._offers = offers
            self.refresh_bindings()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """As Textual has them, but what the run cannot obey now is not shown."""
        return {key: self._offered(active) for key, active in super().active_bindings.items()}

    def _offered(self, active: ActiveBinding) -> ActiveBinding:
        binding = active.binding
        label = "" if self.is_at(binding.id or "") else label_now(binding.id or "", binding.description, self.frame)
        if label == binding.description:
            return active
        return active._replace(
            binding=replace(binding, show=binding.show and bool(label), description=label or binding.description)
        )

    def is_at(self, action: str) -> bool:
        """Whether the focus is where the action of this name leads."""
        return False

    @property
    def charted(self) -> str:
        """The last curve of the chart with the focus; empty if the focus is on no chart."""
        return self.focused.charted if isinstance(self.focused, Drawn) else ""

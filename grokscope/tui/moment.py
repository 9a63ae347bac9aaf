"""What a screen shows at one moment: everything it needs, frozen."""

from dataclasses import dataclass, field

from grokscope.tui.control import Requests
from grokscope.tui.liveness import State
from grokscope.tui.replay import Player
from grokscope.tui.text import setting
from grokscope.tui.view import View


@dataclass(frozen=True)
class Overlay:
    """Another run drawn on the same chart."""

    name: str
    view: View


@dataclass(frozen=True)
class Moment:
    name: str = ""
    view: View = field(default_factory=View)
    """As known at this moment; in a replay, what was known then."""
    whole: View = field(default_factory=View)
    """Everything that was read."""
    state: State = State.WAITING
    loading: float | None = None
    player: Player | None = None
    requests: Requests = field(default_factory=Requests)
    overlays: tuple[Overlay, ...] = ()
    waiting: str = ""
    """Why there is nothing to see yet."""
    log_scale: bool = True

    @property
    def total(self) -> int | None:
        """Steps the run is to take."""
        steps = setting(self.whole.config, "train.steps", setting(self.whole.config, "steps"))
        return steps if isinstance(steps, int) and steps > 0 else None

    @property
    def horizon(self) -> float:
        """The step at the right edge of the charts: in a replay the end of the recording, else the present."""
        return float(max(self.whole.step if self.player else self.view.step, 1))

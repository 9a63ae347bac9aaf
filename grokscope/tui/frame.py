"""What a screen shows at one moment, frozen, so that it can be drawn while the reader goes on."""

from dataclasses import dataclass, field

from grokscope.settings.values import setting
from grokscope.tui.control import Requests
from grokscope.tui.replay import Player
from grokscope.tui.run_look import RunLook
from grokscope.tui.view import View

_SLOW = ("defect", "test.loss", "signals.weight_norm")


@dataclass(frozen=True)
class Overlay:
    """Another run drawn on the same chart."""

    name: str
    view: View


@dataclass(frozen=True)
class Frame:
    name: str = ""
    view: View = field(default_factory=View)
    """What is known at this moment; in a replay, what was known then."""
    whole: View = field(default_factory=View)
    """Everything that was read."""
    state: RunLook = RunLook.WAITING
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
        """The step at the right edge of the charts: in a replay the end of the recording, else the newest sample.

        Not the step of the run: that moves with every batch, and nothing new would be drawn."""
        if self.player:
            return float(max(self.whole.step, 1))
        newest = [curve.steps[-1] for name in _SLOW if len(curve := self.view.curve(name))]
        return float(max([1.0, *newest] if newest else [1.0, self.view.step]))

    @property
    def present(self) -> float:
        """The step that the newest values stand for: of a replay its own, else the newest sample's."""
        return float(self.view.step) if self.player else self.horizon

"""The transport bar of a replay: state, speed and position. A click moves the replay."""

from textual import events
from textual.message import Message
from textual.strip import Strip

from grokscope.tui.frame import Frame
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.words.durations import duration
from grokscope.words.numbers import count


class Transport(Drawn):
    class Sought(Message):
        """The user wants to move the replay to this fraction of the run."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    def watch_frame(self, old: Frame, new: Frame) -> None:
        if self.display != (new.player is not None):
            self.display = new.player is not None
        if old.player != new.player or (new.player and old.whole.length != new.whole.length):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        player, whole = self.frame.player, self.frame.whole
        if player is None:
            return []
        word = "playing" if player.playing else "stopped"
        left = f" {'▶' if player.playing else '‖'} replay {word} {player.speed:g}x "
        now, end = (duration(at) if whole.elapsed else count(at) for at in (player.seconds, whole.length))
        right = f" {now} of {end} "
        self._bar = (len(left), max(4, width - len(left) - len(right)))
        done = round(self._bar[1] * min(1.0, player.seconds / max(whole.length, 1e-9)))
        done = min(done, self._bar[1] - 1)
        return [
            strip(
                (left, inks["strong"]),
                ("━" * done, inks["series-1"]),
                ("●", inks["strong"]),
                ("━" * (self._bar[1] - done - 1), inks["grid"]),
                (right, inks["muted"]),
            )
        ]

    _bar = (0, 1)

    def on_click(self, event: events.Click) -> None:
        start, length = self._bar
        self.post_message(self.Sought(min(1.0, max(0.0, (event.x - start) / length))))

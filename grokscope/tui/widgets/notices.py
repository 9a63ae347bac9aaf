"""Notices: what a reader should know about what it sees. Nothing is shown where there is nothing to say."""

from textual.strip import Strip

from grokscope.tui.frame import Frame
from grokscope.tui.run_look import RunLook
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.words.clean import clean
from grokscope.words.numbers import count

KEPT_IN_SIGHT = 8
"""Notable events after which a warning is old news"""


def notices(frame: Frame) -> list[str]:
    """Sentences, the most urgent first."""
    said = []
    if frame.state is RunLook.GONE:
        said.append("the run directory has vanished; showing what was read")
    if frame.state is RunLook.CRASHED and frame.whole.events:
        said.append("the trainer is gone without a last word; `grokscope run --resume` goes on from its checkpoint")
    if frame.state is RunLook.STALE:
        said.append("no heartbeat: the trainer, its machine or the connection to its disk hangs")
    if frame.loading is not None:
        said.append(f"reading the log, {frame.loading:.0%}: until then the curves are samples of it")
    said += [text if times == 1 else f"{count(times)} {text}" for text, times in frame.whole.problems.items()]
    warned = [line.text for line in frame.view.notable[-KEPT_IN_SIGHT:] if line.event in {"warned", "diverged"}]
    if warned:
        said.append(f"warning: {clean(warned[-1], 300)}")
    return said


class Notices(Drawn):
    def watch_frame(self, old: Frame, new: Frame) -> None:
        said = notices(new)
        if self.display != bool(said):
            self.display = bool(said)
        if said != notices(old):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        return [strip(("! ", inks["bad"]), (" · ".join(notices(self.frame)), inks["warn"]))]

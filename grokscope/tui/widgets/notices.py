"""Notices: sentences about problems of the run or its log. Without a notice the widget is hidden."""

from textual.strip import Strip

from grokscope.tui.frame import Frame
from grokscope.tui.run_look import RunLook
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.words.clean import clean
from grokscope.words.numbers import count, whole_percent

KEPT_IN_SIGHT = 8
"""Number of newer notable events after which a warning is no longer shown"""


def notices(frame: Frame) -> list[str]:
    """The notices of a frame, the most urgent first."""
    sentences = []
    if frame.state is RunLook.GONE:
        sentences.append("the run directory was removed; showing what was read before")
    if frame.state is RunLook.CRASHED and frame.whole.events:
        ours = frame.view.started.get("origin", "grokscope") == "grokscope"
        goes_on = "`grokscope run --resume` continues" if ours else "the loop that trained it may go on"
        sentences.append(f"the trainer has crashed; {goes_on} from the newest checkpoint")
    if frame.state is RunLook.STALE:
        sentences.append("no heartbeat: the trainer, its machine or the connection to its disk hangs")
    if frame.loading is not None:
        sentences.append(f"reading the log, {whole_percent(frame.loading)} done; the curves are samples until then")
    sentences += [text if times == 1 else f"{count(times)} {text}" for text, times in frame.whole.problems.items()]
    warned = [line.text for line in frame.view.notable[-KEPT_IN_SIGHT:] if line.event in {"warned", "diverged"}]
    if warned:
        sentences.append(f"warning: {clean(warned[-1], 300)}")
    return sentences


class Notices(Drawn):
    def watch_frame(self, old: Frame, new: Frame) -> None:
        sentences = notices(new)
        if self.display != bool(sentences):
            self.display = bool(sentences)
        if sentences != notices(old):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        return [strip(("! ", inks["bad"]), (" · ".join(notices(self.frame)), inks["warn"]))]

"""The answer line: whether and when the run groks, in words."""

from textual.strip import Strip

from grokscope.tui.expected import headline
from grokscope.tui.frame import Frame
from grokscope.tui.widgets.base import Drawn, Inks, strip


class AnswerLine(Drawn):
    def watch_frame(self, old: Frame, new: Frame) -> None:
        if headline(old.view) != headline(new.view):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        """As many pieces as fit; the first one is the most important."""
        line = strip(" ")
        for place, (text, ink) in enumerate(headline(self.frame.view)):
            piece = strip((", " if place else "", inks["muted"]), (text, inks[ink]))
            if line.cell_length + piece.cell_length > width:
                if not place:  # a long reason
                    line = strip(" ", (f"{text[: max(0, width - 2)]}…", inks[ink]))
                break
            line = Strip.join([line, piece])
        return [line]

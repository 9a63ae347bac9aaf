"""The plot of the full chart: a part of the steps, with a cursor. The screen handles the keys."""

from dataclasses import dataclass, field
from textwrap import wrap

from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.raster import Scale
from grokscope.tui.widgets.base import Drawn, Inks
from grokscope.tui.widgets.plot import Curve, Pointers, plot, step_at


@dataclass(frozen=True)
class Picture:
    """Everything that the chart shows."""

    curves: tuple[Curve, ...] = ()
    scale: Scale = field(default_factory=lambda: Scale(0.0, 1.0, 0.0, 1.0))
    pointers: Pointers = field(default_factory=Pointers)
    nothing: str = ""
    """What to say if there are no curves"""


class FullChart(Drawn):
    picture: reactive[Picture] = reactive(Picture, repaint=False)

    def watch_picture(self) -> None:
        self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        picture = self.picture
        if not picture.curves:
            return [Strip([Segment(f" {line}", inks["muted"])]) for line in wrap(picture.nothing, width - 2)]
        return plot(width, height, picture.curves, picture.scale, picture.pointers, inks)

    def step_at(self, x: int) -> float:
        """The step at column `x` of this widget."""
        return step_at(x, self.content_size.width, self.picture.scale)

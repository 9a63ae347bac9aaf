"""Small charts of curves over steps: the commutator defect with its band and marks, accuracy, loss."""

from textwrap import wrap

import numpy as np
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from grokscope.tui.expected import expected
from grokscope.tui.frame import Frame
from grokscope.tui.messages import GuideMoved
from grokscope.tui.raster import Scale, limits
from grokscope.tui.view import View
from grokscope.tui.widgets.base import Drawn, Inks
from grokscope.tui.widgets.marks import marks_of
from grokscope.tui.widgets.plot import Curve, Pointers, nearest_sample, plot, step_at, step_scale
from grokscope.words.numbers import number, percent

_FRAME = 2
"""Cells of a border that a title leaves free"""


class Chart(Drawn, can_focus=True):
    """A chart panel. Subclasses choose the curves and the scale."""

    ALLOW_MAXIMIZE = True

    def curves(self, view: View) -> list[Curve]:
        raise NotImplementedError

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        raise NotImplementedError

    def headline(self, frame: Frame) -> tuple[str, str]:
        """Title and subtitle of the panel."""
        raise NotImplementedError

    def nothing(self, view: View) -> str:
        """Why there is no curve yet."""
        return "nothing measured yet"

    def watch_frame(self, old: Frame, new: Frame) -> None:
        self.entitle(*self.headline(new))
        if self._drawn_from(old) != self._drawn_from(new):
            self.redraw()

    def on_resize(self) -> None:
        self.entitle(*self.headline(self.frame))
        self.redraw()

    def _drawn_from(self, frame: Frame) -> tuple[object, ...]:
        """Everything that the picture depends on. The chart is drawn again only if it changes."""
        seen = tuple((id(curve.series), len(curve.series)) for curve in self.curves(frame.view))
        return (*seen, frame.waiting, *frame.axes, marks_of(frame.view), expected(frame.view))

    def on_mouse_down(self, event: events.MouseEvent) -> None:
        """A click sets the guide of all charts; with the button held, the guide follows the mouse."""
        curves, place = self._drawn_curves, event.get_content_offset(self)
        if curves and place is not None:
            step = step_at(place.x, self.content_size.width, self.scale(self.frame, curves))
            self.post_message(GuideMoved(nearest_sample(curves, step)))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if event.button:
            self.on_mouse_down(event)

    @property
    def _drawn_curves(self) -> list[Curve]:
        return [curve for curve in self.curves(self.frame.view) if len(curve.series)]

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        curves = self._drawn_curves
        if not curves:
            reason = self.frame.waiting or self.nothing(self.frame.view)
            return [Strip([Segment(f" {line}", inks["muted"])]) for line in wrap(reason, width - 2)]
        pointers = Pointers(marks_of(self.frame.view), expected(self.frame.view), self.frame.guide)
        return plot(width, height, curves, self.scale(self.frame, curves), pointers, inks)


class DefectChart(Chart):
    """The commutator defect with its quartile band."""

    @property
    def charted(self) -> str:
        return "defect"

    def curves(self, view: View) -> list[Curve]:
        return [Curve(view.curve("defect"), "series-1", band=True, flagged=True)]

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        whole = frame.whole.curve("defect").rows if frame.player else curves[0].series.rows
        log = frame.wants_log(self.charted)
        return step_scale(frame, curves, *frame.limits(self.charted, limits(whole[:, 1:4].ravel(), log), log), log)

    def headline(self, frame: Frame) -> tuple[str, str]:
        row = frame.shown(frame.view.curve("defect"))
        title = f"1 commutator defect{frame.when}"
        if row is None:
            return title, ""
        _, median, p25, p75, floor, below = row
        value = f"{number(median)} \\[{number(p25)}, {number(p75)}]"
        latest = frame.view.latest.get("measured", {})
        how = {"exact": "exact", "finite-difference": "finite difference"}.get(str(latest.get("estimator")), "")
        low = "  BELOW FLOOR" if below > 0 else ""
        floor_text = f"floor {number(float(floor))}" if np.isfinite(floor) else ""
        scale = frame.axis_words(self.charted, frame.wants_log(self.charted))
        return f"{title}  {value}{low}", " · ".join(filter(None, (how, floor_text, scale)))


def split_curves(view: View, measure: str) -> list[Curve]:
    """A measure of both splits. Without colour, `train` is the dotted curve with `○`, and `test` the other one."""
    return [
        Curve(view.curve(f"train.{measure}"), "series-1", "train", glyph="○", dotted=True),
        Curve(view.curve(f"test.{measure}"), "series-2", "test", glyph="×"),
    ]


class SplitChart(Chart):
    """A chart of both splits."""

    def nothing(self, view: View) -> str:
        how = ": give the probe evaluate={…}, or tell step() the numbers" if view.is_own_loop else ""
        return f"nothing evaluated yet{how}"


class AccuracyChart(SplitChart):
    """Accuracy of both splits, from 0 to 1, by the metric of the run."""

    @property
    def charted(self) -> str:
        return f"test.{self.frame.view.metric}"

    def curves(self, view: View) -> list[Curve]:
        return split_curves(view, view.metric)

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        return step_scale(frame, curves, *frame.limits(self.charted, (-0.02, 1.02), log=False), log=False)

    def headline(self, frame: Frame) -> tuple[str, str]:
        return f"2 accuracy{frame.when}", _pair(frame, frame.view.metric, self.size.width)


class LossChart(SplitChart):
    """Loss of both splits."""

    @property
    def charted(self) -> str:
        return "test.loss"

    def curves(self, view: View) -> list[Curve]:
        return split_curves(view, "loss")

    def scale(self, frame: Frame, curves: list[Curve]) -> Scale:
        shown = np.concatenate([curve.series.values for curve in self.curves(frame.whole)])
        log = frame.wants_log(self.charted)
        return step_scale(frame, curves, *frame.limits(self.charted, limits(shown, log), log), log)

    def headline(self, frame: Frame) -> tuple[str, str]:
        return f"loss{frame.when}", _pair(frame, "loss", self.size.width)


def _pair(frame: Frame, measure: str, width: int) -> str:
    """The values of both splits, with the glyphs and inks of their curves; the text is also the legend.

    `width`: cells of the panel. Names stand where all fits; the glyphs say the same.
    """
    form = number if measure == "loss" else percent
    curves, values = [], []
    for curve in split_curves(frame.view, measure):
        if (row := frame.shown(curve.series)) is not None:
            curves.append(curve)
            values.append(form(row[1]))
    needed = sum(len(f"  {curve.glyph} {curve.name} {value}") for curve, value in zip(curves, values, strict=True))
    names = [f" {curve.name}" if needed + _FRAME <= width else "" for curve in curves]
    return "  ".join(
        f"[${curve.ink}]{curve.glyph}{name} {value}[/]"
        for curve, name, value in zip(curves, names, values, strict=True)
    )

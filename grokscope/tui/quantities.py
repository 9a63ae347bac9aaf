"""What can be charted of a run: its quantities by title, and the curves of each."""

from collections.abc import Sequence

import numpy as np

from grokscope.tui.frame import Frame
from grokscope.tui.raster import limits
from grokscope.tui.view import View
from grokscope.tui.widgets.chart import split_curves
from grokscope.tui.widgets.plot import Curve
from grokscope.tui.widgets.signals import logarithmic, signal_curves, title

ACCURACY = "accuracy"


def quantities(view: View) -> dict[str, tuple[str, ...]]:
    """The quantities that can be charted: from a title to the names of its curves."""
    found: dict[str, tuple[str, ...]] = {"commutator defect": ("defect",)}
    found[ACCURACY] = (f"train.{view.metric}", f"test.{view.metric}")
    found["loss"] = ("train.loss", "test.loss")
    found |= {title(view, name): (name,) for name, _ in signal_curves(view)}
    found["loss of the batch"] = ("trained.loss",)
    return found


def curves_of(view: View, names: Sequence[str], banded: bool = True) -> list[Curve]:
    """The curves of a quantity. `banded`: the defect with its quartiles."""
    if len(names) > 1:
        return split_curves(view, names[0].partition(".")[2])
    (name,) = names
    defect = name == "defect"
    return [Curve(view.curve(name), "series-1", title(view, name), band=defect and banded, flagged=defect)]


def has_log_axis(frame: Frame, names: Sequence[str]) -> bool:
    """Whether a quantity is drawn on a logarithmic axis of values now."""
    return frame.wants_log(names[-1]) and can_be_log(frame.whole, names[-1])


def can_be_log(view: View, curve: str) -> bool:
    """Whether a chart with this last curve can have a logarithmic axis: not of accuracies, nor of signed values."""
    return not curve.endswith(ACCURACY) and logarithmic(view, curve)


def value_limits(curves: Sequence[Curve], left: float, right: float, log: bool) -> tuple[float, float]:
    """Bottom and top of an axis that shows the curves between two steps."""
    values = []
    for curve in curves:
        rows = curve.series.rows
        inside = rows[(rows[:, 0] >= left) & (rows[:, 0] <= right)]
        values.append(inside[:, 1:4].ravel() if curve.band else inside[:, 1])
    return limits(np.concatenate(values) if values else np.empty(0), log)

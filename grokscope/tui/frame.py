"""The content of a screen at one moment. A frame is frozen, so that it can be drawn while the reader continues."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grokscope.settings.values import setting
from grokscope.tui.control import Requests
from grokscope.tui.expected import expected
from grokscope.tui.replay import Player
from grokscope.tui.run_look import RunLook
from grokscope.tui.series import Rows, Series
from grokscope.tui.view import View
from grokscope.words.numbers import count

MOST_AHEAD = 10.0
"""Times the present step that a chart shows at most: a forecast far ahead must not press the curves together"""
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
    """The run as known now; in a replay, the run as known at the step of the replay"""
    whole: View = field(default_factory=View)
    """The whole log read so far"""
    state: RunLook = RunLook.WAITING
    loading: float | None = None
    player: Player | None = None
    requests: Requests = field(default_factory=Requests)
    overlays: tuple[Overlay, ...] = ()
    waiting: str = ""
    """Why there are no events yet; empty if there are events"""
    log_scale: bool = True
    """Whether values have a logarithmic axis, except those of `excepted`"""
    excepted: frozenset[str] = frozenset()
    """Curves whose charts have the other kind of axis, each the last curve of its chart"""
    fixed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Bottom and top of the axes of values that the user has fixed, by the last curve of the chart"""
    log_steps: bool = False
    guide: float | None = None
    """The step whose values the charts show; None: the values are the newest"""

    @property
    def total(self) -> int | None:
        """The step budget; None if the configuration has none."""
        steps = setting(self.whole.config, "train.steps", setting(self.whole.config, "steps"))
        return steps if isinstance(steps, int) and steps > 0 else None

    def wants_log(self, curve: str) -> bool:
        """Whether the chart with this last curve is to have a logarithmic axis of values."""
        return self.log_scale != (curve in self.excepted)

    def limits(self, curve: str, fitting: tuple[float, float], log: bool) -> tuple[float, float]:
        """Bottom and top of the chart with this last curve: those that the user has fixed, else `fitting`.

        A logarithmic axis cannot begin at 0 or below: it begins at the bottom of `fitting` then.
        """
        bottom, top = self.fixed.get(curve, fitting)
        if log and bottom <= 0:
            bottom = fitting[0]
        return (bottom, top) if bottom < top else fitting

    def axis_words(self, curve: str, log: bool) -> str:
        """What sets the axis of values of a chart apart."""
        return f"{'log' if log else 'linear'}{', fixed range' if curve in self.fixed else ''}"

    @property
    def axes(self) -> tuple[object, ...]:
        """Everything that all charts depend on beside their curves and marks."""
        return self.horizon, self.log_scale, self.excepted, self.fixed, self.log_steps, self.guide

    def shown(self, series: Series) -> tuple[float, ...] | None:
        """The sample whose value a chart shows: the one at the guide, else the newest; None for an empty series."""
        return series.at(np.inf if self.guide is None else self.guide)

    @property
    def when(self) -> str:
        """` at 1,200` for a title whose values are those at the guide; empty for the newest values."""
        return "" if self.guide is None else f" at {count(self.guide)}"

    @property
    def guided(self) -> Rows:
        """The steps at which the guide can stand: those of evaluations and measurements, [n]."""
        return np.unique(np.concatenate([self.view.curve(name).steps for name in _SLOW]))

    @property
    def reached(self) -> float:
        """The last step that has a place on the charts: in a replay the last recorded one, else that of the newest
        sample.

        The step of the run is not used: it changes with every batch, and every change would draw the charts again.
        """
        if self.player:
            return float(max(self.whole.step, 1))
        newest = [curve.steps[-1] for name in _SLOW if len(curve := self.view.curve(name))]
        return float(max([1.0, *newest] if newest else [1.0, self.view.step]))

    @property
    def horizon(self) -> float:
        """The step at the right edge of the charts: it leaves room for the expected grok step with its interval."""
        ahead = expected(self.view)
        if ahead is None:
            return self.reached
        last = min(ahead.step if ahead.high is None else ahead.high, self.total or ahead.step)
        return max(self.reached, min(1.02 * last, MOST_AHEAD * max(self.present, 1.0)))

    @property
    def present(self) -> float:
        """The step of the newest values: in a replay the step of the replay, else the step of the newest sample."""
        return float(self.view.step) if self.player else self.reached


def read_range(text: str) -> tuple[float, float] | None:
    """The two ends of a range that a user has written, as `0.1 10`; None for an empty text. Raises `ValueError`."""
    words = text.replace(",", " ").replace(" to ", " ").split()
    if not words:
        return None
    try:
        bottom, top = map(float, words)
    except ValueError:
        bottom = top = np.nan
    if not (bottom < top and np.isfinite([bottom, top]).all()):
        raise ValueError("a range is two numbers, the smaller one first, as in 0.1 10")
    return bottom, top

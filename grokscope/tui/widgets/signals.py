"""The signals panel: a sparkline per signal, with the newest value."""

import numpy as np
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.frame import Frame
from grokscope.tui.raster import Scale, limits, spark
from grokscope.tui.series import Series
from grokscope.tui.view import View
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.words.clean import clean
from grokscope.words.numbers import number

_HIDDEN = ("train.", "test.", "trained.", "defect")
_SIGNED = "cosine"
"""Ending of the names of signals that may be negative, for runs that do not describe their signals"""


def signal_curves(view: View) -> list[tuple[str, Series]]:
    """All signals: first those with rules, then the others by name, then the shares of the blocks."""
    shown = {name: curve for name, curve in view.series.items() if not name.startswith(_HIDDEN) and "." not in name}
    shown |= {name: curve for name, curve in view.series.items() if name.startswith("signals.")}
    blocks = {name: curve for name, curve in view.series.items() if name.startswith("blocks.")}
    known = [curve for name, curve in (shown | blocks).items() if np.isfinite(curve.last)]
    if not known and not shown:
        return []
    return [*sorted(shown.items(), key=lambda item: _place(view, item[0])), *sorted(blocks.items())]


def signal_of(curve: str) -> str:
    """The name of the signal of a curve; for a curve without a signal, the name of the curve."""
    return "test_loss" if curve == "test.loss" else curve.removeprefix("signals.")


def title(view: View, curve: str) -> str:
    """The title of a curve: for `signals.weight_norm`, `weight norm`, with its unit."""
    about = view.signals.get(signal_of(curve))
    if about is not None:
        return clean(f"{about.words} ({about.unit})" if about.unit else about.words, 24)
    origin, _, last = curve.rpartition(".")
    words = last.replace("_", " ")
    return clean(f"share of {words}" if origin == "blocks" else words, 24)


def logarithmic(view: View, curve: str) -> bool:
    """Whether a curve is drawn on a logarithmic axis if the screen has one."""
    about = view.signals.get(signal_of(curve))
    return not curve.endswith(_SIGNED) if about is None else about.log


def _place(view: View, curve: str) -> tuple[bool, str]:
    about = view.signals.get(signal_of(curve))
    return not (about and about.rules), title(view, curve)


def _drawn_from(frame: Frame) -> tuple[object, ...]:
    curves = tuple((name, id(curve), len(curve)) for name, curve in signal_curves(frame.view))
    return (*curves, frame.horizon, frame.log_scale)


class SignalsPanel(Drawn, can_focus=True):
    """As many sparklines as fit in the panel. The arrow keys scroll to the others."""

    first: reactive[int] = reactive(0)

    ALLOW_MAXIMIZE = True

    def watch_frame(self, old: Frame, new: Frame) -> None:
        self._caption()
        if _drawn_from(old) != _drawn_from(new):
            self.redraw()

    def _caption(self) -> None:
        signals = len(signal_curves(self.frame.view))
        self.entitle("3 signals", f"{signals} in all" if signals > self.content_size.height > 0 else "")

    def on_resize(self) -> None:
        self._caption()
        super().on_resize()

    def watch_first(self) -> None:
        self.redraw()

    def on_mouse_scroll_down(self) -> None:
        self.first = min(self.first + 1, max(0, len(signal_curves(self.frame.view)) - 1))

    def on_mouse_scroll_up(self) -> None:
        self.first = max(0, self.first - 1)

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        signals = signal_curves(self.frame.view)
        if not signals:
            return [strip((" no signals yet", inks["muted"]))]
        shown = signals[self.first :] if len(signals) > height else signals
        tall = max(1, min(3, height // len(shown)))
        lines: list[Strip] = []
        for name, curve in shown:
            if len(lines) + tall > height:
                break
            lines += self._row(name, curve, width, tall, inks)
        return lines

    def _row(self, name: str, curve: Series, width: int, tall: int, inks: Inks) -> list[Strip]:
        label = min(24, max(16, width // 4))
        room = width - label - 10
        log = self.frame.log_scale and logarithmic(self.frame.view, name)
        bottom, top = limits(curve.values, log)
        scale = Scale(0.0, self.frame.horizon, bottom, top, log)
        drawn = spark(scale.across(curve.steps), scale.up(curve.values), room, tall)
        ink = inks["spark"]
        lines = []
        for row, text in enumerate(drawn):
            last = row == tall - 1
            name_part = f" {clean(title(self.frame.view, name), label - 2):<{label - 1}}" if last else " " * label
            value = f"{number(curve.last):>9} " if last else " " * 10
            lines.append(strip((name_part, inks["plain"]), (text, ink), (value, inks["strong"])))
        return lines

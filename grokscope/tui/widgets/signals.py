"""The signals panel: a sparkline per signal, with the newest value."""

from typing import ClassVar

import numpy as np
from textual import events
from textual.binding import BindingType
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.actions import bindings
from grokscope.tui.frame import Frame
from grokscope.tui.messages import ChartOpened
from grokscope.tui.raster import Scale, heat, limits, spark
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
    if curve.startswith("blocks."):
        return clean(f"share of {curve.removeprefix('blocks.')}".replace("_", " "), 24)
    return clean(curve.rpartition(".")[2].replace("_", " "), 24)


def logarithmic(view: View, curve: str) -> bool:
    """Whether a curve is drawn on a logarithmic axis if the screen has one."""
    about = view.signals.get(signal_of(curve))
    return not curve.endswith(_SIGNED) if about is None else about.log


def _place(view: View, curve: str) -> tuple[bool, str]:
    about = view.signals.get(signal_of(curve))
    return not (about and about.rules), title(view, curve)


def _drawn_from(frame: Frame) -> tuple[object, ...]:
    curves = tuple((name, id(curve), len(curve)) for name, curve in signal_curves(frame.view))
    return (*curves, *frame.axes)


class SignalsPanel(Drawn, can_focus=True):
    """As many sparklines as fit in the panel, the pinned ones first. The cursor scrolls to the others."""

    at: reactive[int] = reactive(0)
    """The row under the cursor"""
    pinned: reactive[frozenset[str]] = reactive(frozenset[str]())
    """Curves that stay at the top"""

    ALLOW_MAXIMIZE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("signals")

    def watch_frame(self, old: Frame, new: Frame) -> None:
        self._caption()
        if _drawn_from(old) != _drawn_from(new):
            self.redraw()

    def _caption(self) -> None:
        signals = len(signal_curves(self.frame.view))
        hidden = signals > self.content_size.height > 0
        self.entitle(f"3 signals{self.frame.when}", f"{signals} in all" if hidden else "")

    def on_resize(self) -> None:
        self._caption()
        super().on_resize()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def watch_at(self) -> None:
        self.redraw()

    def watch_pinned(self) -> None:
        self.redraw()

    @property
    def rows(self) -> list[tuple[str, Series]]:
        """All signals, the pinned ones first."""
        return sorted(signal_curves(self.frame.view), key=lambda signal: signal[0] not in self.pinned)

    @property
    def charted(self) -> str:
        return self.rows[self.at][0] if self.at < len(self.rows) else ""

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.at = min(max(self.at + by, 0), max(0, len(self.rows) - 1))

    def action_open(self) -> None:
        """Show the signal under the cursor on the full chart."""
        rows = self.rows
        if rows:
            self.post_message(ChartOpened(rows[min(self.at, len(rows) - 1)][0]))

    def action_pin(self) -> None:
        """Pin the signal under the cursor, or no longer."""
        rows = self.rows
        if rows:
            chosen, _ = rows[min(self.at, len(rows) - 1)]
            self.pinned ^= {chosen}
            self.at = [name for name, _ in self.rows].index(chosen)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a click on the row under the cursor opens it."""
        place = event.get_content_offset(self)
        rows = self.rows
        if place is None or not rows:
            return
        first, tall = self._window(self.content_size.height, len(rows))
        row = first + place.y // tall
        if row == self.at:
            self.action_open()
        elif row < len(rows):
            self.at = row

    def _window(self, height: int, signals: int) -> tuple[int, int]:
        """The first visible row, and the lines of each row."""
        tall = max(1, min(3, height // max(1, signals)))
        return max(0, min(self.at, signals - 1) - max(1, height // tall) + 1), tall

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        rows = self.rows
        if not rows:
            return [strip((" no signals yet", inks["muted"]))]
        first, tall = self._window(height, len(rows))
        lines: list[Strip] = []
        for place, (name, curve) in enumerate(rows[first:], start=first):
            if len(lines) + tall > height:
                break
            mark = "▸" if self.has_focus and place == self.at else "▪" if name in self.pinned else " "
            lines += self._row(mark, name, curve, width, tall, inks)
        return lines

    def _row(self, mark: str, name: str, curve: Series, width: int, tall: int, inks: Inks) -> list[Strip]:
        """A signal as a filled curve; the share of a block as a row of heat."""
        label = min(24, max(16, width // 4))
        room = width - label - 10
        log = self.frame.wants_log(name) and logarithmic(self.frame.view, name)
        block = name.startswith("blocks.")
        bottom, top = (0.0, 1.0) if block else limits(curve.values, log)
        first = curve.steps[curve.steps > 0]
        left = float(first[0]) if self.frame.log_steps and len(first) else 0.0
        scale = Scale(left, max(self.frame.horizon, left * 1.01), bottom, top, log and not block, left > 0)
        across, up = scale.across(curve.steps), scale.up(curve.values)
        drawn = [heat(across, up, room)] * tall if block else spark(across, up, room, tall)
        sample = self.frame.shown(curve)
        lines = []
        for row, text in enumerate(drawn):
            last = row == tall - 1
            name_part = f"{clean(title(self.frame.view, name), label - 2):<{label - 1}}" if last else " " * (label - 1)
            value = f"{number(sample[1]):>9} " if last and sample is not None else " " * 10
            lines.append(
                strip(
                    (mark if last else " ", inks["warn"]),
                    (name_part, inks["plain"]),
                    (text, inks["spark"]),
                    (value, inks["strong"]),
                )
            )
        return lines

"""The forecast panel: the answers of the newest forecast, the detections, and the lead."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from rich.style import Style
from textual.strip import Strip

from grokscope.tui.expected import no_forecast
from grokscope.tui.frame import Frame
from grokscope.tui.view import SHOWN_DETECTIONS, Transition, View
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.tui.widgets.marks import EVENT_GLYPHS
from grokscope.words.durations import duration
from grokscope.words.events import EventRecord
from grokscope.words.forecasts import forecast_answers
from grokscope.words.numbers import MISSING, count

_LABEL = 12
_INDENT = _LABEL + 3
PanelLine = tuple[str, str, str]
"""Label, value, and the ink of the value"""


class ForecastPanel(Drawn, can_focus=True):
    ALLOW_MAXIMIZE = True

    def watch_frame(self, old: Frame, new: Frame) -> None:
        self.entitle("4 forecast")
        if list(lines(old.view)) != list(lines(new.view)):
            self.redraw()

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        drawn: list[Strip] = []
        for label, value, ink in lines(self.frame.view):
            style = inks[ink]
            if not label:
                drawn += [strip((f" {part}", style)) for part in wrap(value, width - 1)]
                continue
            glyph = f"{EVENT_GLYPHS.get(label, ' ')} "
            mark = style if label in EVENT_GLYPHS else inks["plain"]
            first, *rest = wrap(value, max(width - _INDENT - 1, 8)) or [""]
            bold = style + Style(bold=True)
            drawn.append(strip(" ", (glyph, mark), (f"{label:<{_LABEL}}", inks["muted"]), (first, bold)))
            drawn += [strip((" " * _INDENT, style), (part, bold)) for part in rest]
        return drawn[:height]


def lines(view: View) -> Iterator[PanelLine]:
    """The lines of the panel, the most important first: until the run groks, the forecast before the detections."""
    newest = view.forecasts[-1] if view.forecasts else None
    expected, detected = list(_expected(view, newest)), list(_detected(view))
    beside = [line for line in expected if line[0] in _BESIDE]
    expected = [line for line in expected if line[0] not in _BESIDE]
    past = newest is None or view.detection("grokked") is not None
    yield from [*detected, *expected] if past else [*expected, *detected]
    yield from beside
    yield from _comparison(view)


_BESIDE = ("rests on", "rivals")
"""Labels of what stands beside the answers"""
_INKS = {"no forecast": "muted", "no interval": "muted", "rests on": "muted", "rivals": "muted", "interval": "plain"}
"""Inks of labels; all other labels are answers, in the ink `strong`"""


def _expected(view: View, newest: EventRecord | None) -> Iterator[PanelLine]:
    if newest is None:
        if view.phase != "finished":
            yield "", no_forecast(view), "muted"
        return
    for label, text in sorted(forecast_answers(newest, view.step, brief=True), key=_place):
        if label in {"no forecast", "no interval"}:
            yield "", f"{label}: {text}", "muted"
        else:
            yield label, text, _INKS.get(label, "strong")


def _place(answer: tuple[str, str]) -> int:
    """Where there is little room, the chance and the step of grokking stand before everything else."""
    first = ("groks", "when", "interval", "no interval")
    return first.index(answer[0]) if answer[0] in first else len(first)


def _detected(view: View) -> Iterator[PanelLine]:
    for name in SHOWN_DETECTIONS:
        found = view.detection(name)
        yield name, _dated(found) if found else MISSING, name if found else "muted"
    lost = view.detection("regressed")
    if lost is not None:
        yield "lost", f"again from step {_dated(lost)}", "regressed"
    yield from _lead(view)


def _comparison(view: View) -> Iterator[PanelLine]:
    """The turn of the test loss, which costs no measurement."""
    turned = view.detection("turned")
    # 0.1.0 recorded the turn only in the result
    turn = _result(view).get("test_loss_turn_step") if turned is None else turned.step
    if isinstance(turn, int) and turn <= view.step:  # a replay must not show what was known later
        yield "", f"for comparison, test loss turned at step {count(turn)}", "muted"


def _result(view: View) -> Mapping[str, Any]:
    result = view.finished.get("result")
    return result if isinstance(result, Mapping) else {}


def _dated(found: Transition) -> str:
    late = f" (known at {count(found.confirmed_at)})" if found.confirmed_at != found.step else ""
    return f"{count(found.step)}{late}"


def _lead(view: View) -> Iterator[PanelLine]:
    onset, grokked = view.detection("onset"), view.detection("grokked")
    if onset is None:
        return
    if grokked is None:
        elapsed = duration(view.seconds_between(onset.step, view.step))
        yield "elapsed", f"{count(view.step - onset.step)} steps, {elapsed}", "strong"
        yield "", "since onset; not grokked yet", "muted"
        return
    seconds = duration(view.seconds_between(onset.step, grokked.step))
    lead = grokked.step - onset.step
    if lead <= 0:
        yield "lead", "none", "strong"
        yield "", f"onset is dated {count(-lead)} steps after grokking", "warn"
        return
    yield "lead", f"{count(lead)} steps, {seconds}", "strong"
    known = grokked.step - onset.confirmed_at
    if known < 0:
        yield "", f"the onset was known {count(-known)} steps after grokking", "warn"
    elif known != lead:
        yield "", f"grokked {count(known)} steps after the onset was known", "muted"

"""Marks: the steps of a run that every chart points out, each kind with a glyph of its own."""

from dataclasses import dataclass

from grokscope.tui.view import View

EVENT_GLYPHS = {
    "memorized": "▲", "onset": "◆", "turned": "▽", "grokked": "★", "regressed": "☆", "fired": "●", "treated": "✚",
}  # fmt: skip
MARK_COLOURS = {
    "memorized": "series-4", "onset": "series-5", "turned": "series-2", "grokked": "series-3", "regressed": "series-6",
    "fired": "series-1", "treated": "series-6",
}  # fmt: skip
"""Variables of the theme"""
FORECAST_GLYPH = "◇"


@dataclass(frozen=True)
class Mark:
    """A marked step: a detection or an intervention."""

    step: float
    kind: str
    text: str = ""


def marks_of(view: View, signal: str = "") -> tuple[Mark, ...]:
    """Detections and interventions as marks, in the order of steps. `signal` adds the detections of its rules."""
    found = [Mark(float(item.step), item.name) for item in view.detected]
    found += [Mark(float(item.step), "fired", item.name) for item in view.fired if item.signal == signal]
    found += [
        Mark(float(item.step), "treated", f"{item.kind} {item.state}")
        for item in view.treated
        if item.step is not None and item.state in {"on", "off", "changed"}
    ]
    return tuple(sorted(found, key=lambda mark: mark.step))

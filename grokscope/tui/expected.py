"""What the newest forecast of a run expects, as charts draw it and as one line says it."""

from dataclasses import dataclass

from grokscope.tui.view import View
from grokscope.words.durations import duration
from grokscope.words.fields import section
from grokscope.words.forecasts import forecast_headline
from grokscope.words.names import state_in_words
from grokscope.words.numbers import count


@dataclass(frozen=True)
class Expected:
    """The expected grok step with its interval. None is an open end; without an interval both ends are the step."""

    step: float
    low: float | None
    high: float | None


def expected(view: View) -> Expected | None:
    """What the newest forecast expects; None without a date, and once the run has grokked or has ended."""
    if not view.forecasts or view.phase == "finished" or view.detection("grokked") is not None:
        return None
    when = section(view.forecasts[-1], "when")
    step, ends = when.get("grok_step"), section(when, "interval")
    if not isinstance(step, int | float):
        return None
    if not ends:
        return Expected(float(step), float(step), float(step))
    low, high = (ends.get(name) for name in ("low", "high"))
    return Expected(
        float(step),
        float(low) if isinstance(low, int | float) else None,
        float(high) if isinstance(high, int | float) else None,
    )


def no_forecast(view: View) -> str:
    """Why a run has no forecast yet. A probe makes none without the number of steps that a forecast is about."""
    if section(view.config, "forecast").get("enabled") is not False:
        return "no forecast yet"
    return "no forecast: give the probe steps=…" if view.is_own_loop else "no forecast: forecast.enabled is false"


def headline(view: View) -> list[tuple[str, str]]:
    """Whether and when the run groks, in pieces with their inks, the most important first."""
    grokked, onset, lost = (view.detection(name) for name in ("grokked", "onset", "regressed"))
    if grokked is not None:
        pieces = [(f"★ grokked at step {count(grokked.step)}", "grokked")]
        if lost is not None:
            pieces.append((f"☆ lost it again at step {count(lost.step)}", "regressed"))
        if onset is not None and onset.step < grokked.step:
            seconds = duration(view.seconds_between(onset.step, grokked.step))
            pieces.append((f"the onset led by {count(grokked.step - onset.step)} steps ({seconds})", "plain"))
        return pieces
    if view.phase == "finished":
        outcome = state_in_words("finished", view.phase_reason or None)
        return [(outcome, "strong"), (f"{count(view.step)} steps", "plain")]
    if not view.forecasts:
        return [(no_forecast(view), "muted")] if view.started else []
    first, *others = forecast_headline(view.forecasts[-1], view.step)
    return [(first, "strong"), *((piece, "plain") for piece in others)]

"""A forecast in words: three questions, each with its answer or the reason why there is none.

The terminal, the panel of the screen and the line of the log say the same, because they all read it here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.fields import section
from grokscope.words.numbers import MISSING, bracketed, count, whole_percent

QUESTIONS = ("generalizes", "reaches", "when")
ALMOST = 0.995
"""A probability above this one, or below 1 minus it, is shown as a bound: the bank cannot tell it from certainty"""

Said = Mapping[str, Any]
"""A forecast event, or a part of one, as its line of JSON has it"""


def refusal_of_all(event: Said) -> str | None:
    """The one reason for which every question is refused; None where there is an answer, or several reasons."""
    reasons = {str(section(event, name).get("abstained") or "") for name in QUESTIONS}
    return clean(reasons.pop()) if len(reasons) == 1 and "" not in reasons else None


def forecast_answers(event: Said, now: float | None = None, *, brief: bool = False) -> Iterator[tuple[str, str]]:
    """A label and a text each.

    `now` is the step from which leads are counted; by default that of the event. `brief`: where there is little room.
    """
    refused = refusal_of_all(event)
    if refused is not None:
        yield "no forecast", refused
        return
    meanings = ("", "") if brief else (", the test metric passes half of its way", ", within the budget")
    for label, name, meaning in zip(("generalizes", "groks"), ("generalizes", "reaches"), meanings, strict=True):
        yield label, _chance(section(event, name), meaning)
    when = section(event, "when")
    if not _is_number(when.get("grok_step")):
        yield "when", _reason(when)
    else:
        condition = "" if brief else ", if it groks"
        yield "when", f"step {count(when['grok_step'])}, in {lead_in_words(event, now)}{condition}"
        ends = section(when, "interval")
        if ends:
            level = "" if brief else f", {whole_percent(ends.get('level'))} of runs that grok"
            yield "interval", f"{count(ends.get('low'))} to {count(ends.get('high'))}{level}"
        elif when.get("no_interval"):
            yield "no interval", clean(when["no_interval"])
    if event.get("basis"):
        yield "rests on", clean(event["basis"], 60)
    rivals = {clean(law, 30): step for law, step in section(event, "rivals").items() if _is_number(step)}
    if rivals:
        yield "rivals", ", ".join(f"{law} {count(step)}" for law, step in rivals.items())


def forecast_line(event: Said) -> str:
    """The forecast in one line, for a log."""
    refused = refusal_of_all(event)
    if refused is not None:
        return f"no forecast: {refused}"
    when, reaches = section(event, "when"), section(event, "reaches")
    chance = f"{_percent(reaches['probability'])} likely to grok within the budget" if _known(reaches) else ""
    if not _is_number(when.get("grok_step")):
        return ", ".join(filter(None, [f"no grok step: {_reason(when)}", chance]))
    ends = section(when, "interval")
    interval = f" {bracketed(ends.get('low'), ends.get('high'), count)}" if ends else ", without an interval"
    date = f"at step {count(when['grok_step'])}{interval}"
    return f"groks {date}, {chance}" if chance else f"if it groks, {date}; whether: {_reason(reaches)}"


def forecast_headline(event: Said, now: float | None = None) -> list[str]:
    """The forecast in pieces, the most important first: a line that has little room leaves out the last ones."""
    refused = refusal_of_all(event)
    if refused is not None:
        return [f"no forecast: {refused}"]
    when, reaches = section(event, "when"), section(event, "reaches")
    dated = _is_number(when.get("grok_step"))
    if _known(reaches):
        whether = (
            f"{_percent(reaches['probability'])} likely to grok" if reaches["probability"] > 0 else "will not grok"
        )
    else:
        whether = f"whether: {_reason(reaches)}"
    if not dated:
        return [whether, f"no grok step: {_reason(when)}"]
    pieces = [whether, f"if so at step {count(when['grok_step'])}"]
    ends = section(when, "interval")
    if ends:
        pieces[-1] += f" ({count(ends.get('low'))} to {count(ends.get('high'))})"
    return [*pieces, f"in {lead_in_words(event, now)}"]


def lead_in_words(event: Said, now: float | None = None) -> str:
    """Steps, and where the pace is known the time, to the grok step."""
    when = section(event, "when")
    grok_step, steps, seconds = (when.get(name) for name in ("grok_step", "lead_steps", "lead_seconds"))
    if not _is_number(grok_step):
        return MISSING
    since = event.get("step") if now is None else now
    left = max(0.0, float(grok_step) - float(since if _is_number(since) else 0))
    if not _is_number(steps) or not _is_number(seconds) or steps <= 0:
        return f"{count(left)} steps"
    return f"{count(left)} steps ({duration(seconds * left / steps)})"


def _chance(chance: Said, meaning: str) -> str:
    if not _known(chance):
        return _reason(chance)
    probability = chance["probability"]
    if probability >= 1:
        return "yes, it has"
    if probability <= 0:
        return "no"
    base = chance.get("base_rate")
    beside = f" (bank: {whole_percent(base)})" if _is_number(base) else ""
    return f"{_percent(probability)}{beside}{meaning}"


def _percent(probability: float) -> str:
    if 0 < probability < 1 - ALMOST:
        return "under 1 %"
    return "over 99 %" if ALMOST < probability < 1 else whole_percent(probability)


def _reason(answer: Said) -> str:
    return clean(answer["abstained"]) if answer.get("abstained") else MISSING


def _known(chance: Said) -> bool:
    return _is_number(chance.get("probability"))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

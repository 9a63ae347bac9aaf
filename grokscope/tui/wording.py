"""Events in a few words, for the log."""

from collections.abc import Callable, Mapping
from typing import Any

from grokscope.words.clean import clean
from grokscope.words.numbers import MISSING, assigned, count, number, percent

Event = Mapping[str, Any]


def step_of(event: Event) -> int | None:
    step = event.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def whole(value: Any) -> int:
    return value if isinstance(value, int) else -1


def rule_words(rule: Mapping[str, Any]) -> str:
    """A detection rule with its parameters."""
    parameters = {key: value for key, value in rule.items() if key != "name"}
    return clean(rule.get("name", "")) + (f" ({assigned(parameters)})" if parameters else "")


def describe(event: Event) -> str:
    """An event in a few words, for the log."""
    say = _WORDS.get(str(event["event"]))
    try:
        return say(event) if say else clean({k: v for k, v in event.items() if k not in _ENVELOPE}, 160)
    except (TypeError, AttributeError, ValueError, KeyError):
        return clean(dict(event), 160)


_ENVELOPE = {"v", "run", "seq", "time", "event", "step"}


def _scores(event: Event) -> str:
    splits = {key: scores for key, scores in event.items() if isinstance(scores, Mapping) and "accuracy" in scores}
    return " · ".join(
        f"{clean(split, 20)} {percent(scores['accuracy'])} loss {number(scores.get('loss'))}"
        for split, scores in splits.items()
    )


def _spread(event: Event) -> str:
    defect = event["defect"]
    below = " (below the rounding floor)" if event.get("below_floor") else ""
    spread = f"[{number(defect['p25'])}, {number(defect['p75'])}]"
    return f"defect {number(defect['median'])} {spread}{below} · commutator {number(event.get('commutator_norm'))}"


def _born(event: Event) -> str:
    again = f"resumed from step {event['resumed_from']:,}" if event.get("resumed_from") is not None else "started"
    return f"{again}: {clean(event['task'], 30)} on {clean(event['backend'], 20)} {clean(event['device'], 20)}"


def _projection(event: Event) -> str:
    probability = event.get("probability")
    chance = f"{probability:.0%} to grok: " if isinstance(probability, int | float) else ""
    if event.get("abstained"):
        return f"{chance}no forecast: {clean(event['abstained'])}"
    step = event.get("grok_step")
    when = count(step) if isinstance(step, int | float) else MISSING
    return f"{chance}grokking at step {when} by {clean(event.get('law'))}"


def _treatment(event: Event) -> str:
    if event.get("state") == "applied":
        dose = (
            f", {number(event.get('relative_norm'))} of the {clean(event.get('target'))}" if event.get("target") else ""
        )
        return f"{clean(event['kind'], 24)} applied{dose}"
    parameters = event.get("parameters") or {}
    reason = f": {clean(event['reason'])}" if event.get("reason") else ""
    return f"{clean(event['kind'], 24)} {clean(event['state'], 24)} {assigned(parameters)}".rstrip() + reason


def _reason(event: Event) -> str:
    return clean(event.get("reason", ""))


def _file(event: Event) -> str:
    return f"{clean(event.get('path'), 80)} ({number(event.get('bytes'))} bytes)"


def _transition(event: Event) -> str:
    rule = event.get("rule")
    return f"at step {event.get('step'):,}, confirmed at {event.get('confirmed_at'):,} · " + (
        rule_words(rule) if isinstance(rule, Mapping) else clean(rule)
    )


_WORDS: dict[str, Callable[[Event], str]] = {
    "started": _born,
    "trained": lambda event: f"loss {number(event.get('loss'))} · gradient norm {number(event.get('gradient_norm'))}",
    "evaluated": _scores,
    "measured": _spread,
    "observed": lambda event: " · ".join(f"{clean(key, 24)} {number(item)}" for key, item in event["signals"].items()),
    "memorized": _transition,
    "onset": _transition,
    "turned": _transition,
    "grokked": _transition,
    "regressed": _transition,
    "fired": lambda event: f"{clean(event.get('signal'), 40)} {_transition(event)}",
    "forecast": _projection,
    "intervened": _treatment,
    "snapshot": _file,
    "checkpoint": _file,
    "paused": _reason,
    "resumed": _reason,
    "diverged": _reason,
    "warned": _reason,
    "finished": lambda event: f"{clean(event.get('status'), 24)} after {number(event.get('steps'))} steps",
}

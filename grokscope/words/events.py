"""Words for the events of a run, the same in the progress display, in `show`, and in the event log of the TUI.

An event is the dictionary in its line of JSON. A log may come from anywhere, so these functions raise nothing: an
unexpected value is shown as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.fields import section
from grokscope.words.forecasts import forecast_line
from grokscope.words.names import EVENTS, state_in_words
from grokscope.words.numbers import assigned, bracketed, count, number, percent

EventRecord = Mapping[str, Any]
"""An event: the dictionary in its line of JSON"""

LONGEST_UNKNOWN = 160
"""Characters shown of an event of unknown kind"""
_ENVELOPE = frozenset({"v", "run", "seq", "time", "event", "step"})


def event_in_words(event: EventRecord) -> str:
    """The kind of the event, its step, and its details."""
    kind, about = clean(event.get("event", ""), 24), event_details(event)
    if kind == "started":
        return f"{clean(event.get('run', ''), 100)}: {about}"
    if kind == "forecast":
        return about if about.startswith("no forecast") else f"forecast: {about}"
    if kind == "finished":
        return f"{_ending(event)}, {about}"
    if kind == "intervened":
        return f"{_treatment(event)} at step {count(event.get('step'))}{_dose(event)}"
    if kind == "fired":
        kind = f"{_signal(event.get('signal'))} fired"
    return f"{EVENTS.get(kind, kind)} at step {count(event.get('step'))}" + (f": {about}" if about else "")


def event_details(event: EventRecord) -> str:
    """The details of the event, without its kind and step, which a log shows in separate columns."""
    words = _DETAILS.get(str(event.get("event")))
    try:
        return words(event) if words else clean(_fields(event), LONGEST_UNKNOWN)
    except (TypeError, AttributeError, ValueError, KeyError):
        return clean(_fields(event), LONGEST_UNKNOWN)


def rule_in_words(rule: object) -> str:
    """A detection rule with its parameters."""
    if not isinstance(rule, Mapping):
        return clean(rule)
    parameters = {key: value for key, value in rule.items() if key != "name"}
    return clean(rule.get("name", "")) + (f" ({assigned(parameters)})" if parameters else "")


def _fields(event: EventRecord) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in _ENVELOPE}


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)


def _started(event: EventRecord) -> str:
    config = event.get("config", {})
    settings = {
        "lr": section(config, "optimizer").get("lr"),
        "wd": section(config, "optimizer").get("wd"),
        "seed": section(config, "train").get("seed"),
    }
    where = " ".join(clean(event[key], 20) for key in ("backend", "device", "precision") if event.get(key))
    return _joined(
        [
            clean(event.get("task", "?"), 30) + (f" on {where}" if where else ""),
            assigned(settings),
            f"{count(event['parameters'])} parameters" if event.get("parameters") else "",
            f"resumed from step {count(event['resumed_from'])}" if event.get("resumed_from") is not None else "",
        ]
    )


def _trained(event: EventRecord) -> str:
    speed = event.get("steps_per_second")
    return _joined(
        [
            f"loss {number(event.get('loss'))}",
            f"gradient norm {number(event.get('gradient_norm'))}",
            f"{number(speed, 3)} steps/s" if speed else "",
        ]
    )


def _evaluated(event: EventRecord) -> str:
    splits = {key: scores for key, scores in event.items() if isinstance(scores, Mapping) and "accuracy" in scores}
    return _joined([f"{clean(split, 20)} {_scores(scores)}" for split, scores in splits.items()])


def _scores(scores: EventRecord) -> str:
    accuracy, whole = scores.get("accuracy"), scores.get("sequence_accuracy")
    examples = "" if whole is None or whole == accuracy else f"whole examples {percent(whole)}"
    loss = f"loss {number(scores.get('loss'))}"
    return f"{percent(accuracy)} ({_joined([examples, loss])})"


def _measured(event: EventRecord) -> str:
    defect = event["defect"]
    below = " below its rounding floor" if event.get("below_floor") else ""
    return f"defect {number(defect['median'])} {bracketed(defect['p25'], defect['p75'])}{below}"


def _observed(event: EventRecord) -> str:
    return _joined([f"{_signal(name)} {number(value)}" for name, value in event["signals"].items()])


def _signal(name: object) -> str:
    return clean(name, 40).replace("_", " ")


def _detected(event: EventRecord) -> str:
    step, confirmed = event.get("step"), event.get("confirmed_at", event.get("step"))
    return _joined(
        [
            number(event["value"]) if event.get("value") is not None else "",
            f"confirmed at step {count(confirmed)}" if confirmed != step else "",
            f"rule {rule_in_words(event.get('rule'))}",
        ]
    )


def _intervened(event: EventRecord) -> str:
    return _treatment(event) + _dose(event)


def _treatment(event: EventRecord) -> str:
    return f"{clean(event.get('kind'), 24)} {clean(event.get('state'), 24)}"


def _dose(event: EventRecord) -> str:
    """The words after kind and state: the dose, the parameters, the source and the reason."""
    if event.get("state") == "applied":
        target = event.get("target")
        return f", {number(event.get('relative_norm'))} of the {clean(target)}" if target else ""
    parameters = assigned(event.get("parameters") or {})
    source = f"({clean(event['source'], 24)})" if event.get("source") else ""
    reason = f": {clean(event['reason'])}" if event.get("reason") else ""
    return "".join(f" {part}" for part in (parameters, source) if part) + reason


def _file(event: EventRecord) -> str:
    return f"{clean(event.get('path'), 80)} ({count(event.get('bytes'))} bytes)"


def _reason(event: EventRecord) -> str:
    return clean(event.get("reason", ""))


def _finished(event: EventRecord) -> str:
    result = event.get("result") or {}
    lead = result.get("lead_steps")
    return _joined(
        [
            f"step {count(event.get('steps'))} after {duration(event.get('seconds'))}",
            *(f"{split} {percent(result[split])}" for split in ("train", "test") if result.get(split) is not None),
            _lead(lead) if lead is not None else "",
        ]
    )


def _lead(steps: int) -> str:
    if not steps:
        return "onset came at the grok step"
    return f"onset {'preceded' if steps > 0 else 'followed'} grokking by {count(abs(steps))} steps"


def _ending(event: EventRecord) -> str:
    result = event.get("result") or {}
    return state_in_words(
        "finished",
        clean(event.get("status", ""), 24),
        grokked=result.get("grokked_step") is not None,
        regressed=result.get("regressed_step") is not None,
    )


def _paced(event: EventRecord) -> str:
    return f"every {count(event['every'])} steps from here on ({percent(event['overhead'])} of the loop's time so far)"


_DETAILS: Mapping[str, Callable[[EventRecord], str]] = {
    "started": _started,
    "trained": _trained,
    "evaluated": _evaluated,
    "measured": _measured,
    "observed": _observed,
    "memorized": _detected,
    "onset": _detected,
    "turned": _detected,
    "grokked": _detected,
    "regressed": _detected,
    "fired": _detected,
    "forecast": forecast_line,
    "intervened": _intervened,
    "snapshot": _file,
    "checkpoint": _file,
    "paused": _reason,
    "resumed": _reason,
    "diverged": _reason,
    "warned": _reason,
    "paced": _paced,
    "finished": _finished,
}

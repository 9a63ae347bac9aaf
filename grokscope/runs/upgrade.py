"""What version 0.1.0 wrote (schema v 1), as today's readers expect it: the one place that knows how it differed.

Its `started` named the task and left the rest to the task's plugin; the three tasks that it came with stand here as
they were.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from grokscope.contract.models import ModelSpec
from grokscope.contract.tasks import GrokCriterion
from grokscope.events import SCHEMA_VERSION
from grokscope.words.fields import section

if TYPE_CHECKING:
    from grokscope.contract.parameters import Layout

CHANGED = frozenset({"started", "forecast"})
"""Kinds of event that are not what they were, but for the number of the schema."""

_SUSTAINED = "sustained-0.98"


def _criteria(metric: Any, strict: GrokCriterion, *firsts: float) -> dict[str, GrokCriterion]:
    sustained = GrokCriterion(metric, 0.98, consecutive=3)
    single = {f"first-{threshold:.2f}": GrokCriterion(metric, threshold) for threshold in firsts}
    return {_SUSTAINED: sustained, "strict": strict, **single}


_TASKS: Mapping[str, tuple[str, Mapping[str, GrokCriterion]]] = {
    "dyck": (
        "accuracy",
        _criteria("accuracy", GrokCriterion("accuracy", 0.99, consecutive=10, report="last"), 0.99, 0.95),
    ),
    "modular": (
        "accuracy",
        _criteria("accuracy", GrokCriterion("accuracy", 0.98, consecutive=3, report="last"), 0.90, 0.95, 0.99),
    ),
    "scan": (
        "sequence_accuracy",
        _criteria(
            "sequence_accuracy", GrokCriterion("sequence_accuracy", 0.98, consecutive=5, report="last"), 0.99, 0.95
        ),
    ),
}
"""Headline metric and criteria, by task; `sustained-0.98` was the default of each"""


def upgraded(event: dict[str, Any]) -> dict[str, Any]:
    """An event of an older log as this version records it; one of a newer log as it is."""
    version = event.get("v", 1)
    if not isinstance(version, int) or version >= SCHEMA_VERSION:
        return event
    if event["event"] == "started":
        event = _started(event)
    elif event["event"] == "forecast":
        event = _forecast(event)
    return {**event, "v": SCHEMA_VERSION}


def _started(event: dict[str, Any]) -> dict[str, Any]:
    metric, criteria, default = _judged(str(event.get("task")))
    config = event.get("config")
    detect = section(config, "detect") if isinstance(config, Mapping) else {}
    rules = {
        "memorized": {"name": "train-accuracy", "threshold": detect.get("memorization", 0.99)},
        "onset": {"name": detect.get("onset", "persistent")},
    }
    criterion = detect.get("grokking") or default
    if isinstance(criterion, str) and criterion in criteria:
        rules["grokked"] = {"name": criterion}
    told = {"origin": "grokscope", "metric": metric, "criteria": criteria, "rules": rules}
    return {**event, **{name: value for name, value in told.items() if name not in event}}


_WHEN = ("grok_step", "interval", "no_interval", "lead_steps", "lead_seconds", "law", "abstained")


def _forecast(event: dict[str, Any]) -> dict[str, Any]:
    """One probability and one grok step, as answers to the questions of today."""
    probability, why = event.get("probability"), event.get("abstained")
    unasked = "version 0.1.0 did not ask this"
    candidates = event.get("candidates")
    rivals = candidates if isinstance(candidates, Mapping) else {}
    said = {
        "generalizes": {"probability": None, "abstained": unasked, "refusal": None},
        "reaches": {"probability": probability, "abstained": None if probability is not None else why or unasked},
        "when": {name: event.get(name) for name in _WHEN},
        "rivals": {law: step for law, step in rivals.items() if law != event.get("law")},
        "basis": event.get("law"),
    }
    kept = {name: value for name, value in event.items() if name not in {*_WHEN, "probability", "candidates", "stage"}}
    return {**kept, **{name: value for name, value in said.items() if name not in event}}


def _judged(task: str) -> tuple[str, dict[str, Any], str]:
    """Metric, criteria and default criterion of a task as they were; of somebody else's task nothing is known."""
    if task not in _TASKS:
        return "accuracy", {}, ""
    return _known_task(task)


@cache
def _known_task(task: str) -> tuple[str, dict[str, Any], str]:
    metric, criteria = _TASKS[task]
    return metric, {name: asdict(criterion) for name, criterion in criteria.items()}, _SUSTAINED


def layout_of(about: Mapping[str, Any]) -> "Layout":
    """The layout of the model in a snapshot or checkpoint, which named the model's specification once.

    Raises `KeyError`, `TypeError`, `ValueError` where it does not say.
    """
    from grokscope.contract.parameters import Layout, layout  # a log needs no layout

    if about.get("v", 1) == 1:
        return layout(ModelSpec(**about["model"]))
    return Layout.from_json(about["layout"])

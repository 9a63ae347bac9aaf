"""What every known rule says of a recorded run, and where its time went: from the log alone.

A run acts on one rule of each kind. Which rule one chooses decides the lead time one reports, so a reader gets them
all, side by side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from grokscope.contract.tasks import GrokCriterion
from grokscope.runs.directory import NoSuchRun
from grokscope.warning.detectors import (
    DefectRecord,
    Detected,
    Grokking,
    Memorization,
    OnsetRule,
    TestLossTurn,
    onset_rule,
)

Kind = Literal["memorized", "onset", "test-loss-turn", "grokked"]
ONSET_RULES = ("persistent", "paper", "paper-slow")

Record = Mapping[str, Any]
"""An event as its line of JSON has it."""


@dataclass(frozen=True)
class Finding:
    """One rule on one run. Steps are None where it never came true."""

    kind: Kind
    rule: str
    step: int | None
    confirmed_at: int | None
    value: float | None
    """The signal at `step`"""
    lead_steps: int | None
    """From here to the grok step by the default criterion; negative where it came later"""
    default: bool
    """Whether this is the rule of its kind that the run acted on"""


@dataclass(frozen=True)
class Cost:
    """Wall time by what it was spent on, seconds, all processes of the run together."""

    total: float
    training: float
    evaluation: float
    measurement: float

    @property
    def other(self) -> float:
        """Checkpoints, pauses, starting up."""
        return max(0.0, self.total - self.training - self.evaluation - self.measurement)


@dataclass
class _Rules:
    memorization: Memorization
    onsets: dict[str, OnsetRule]
    turn: TestLossTurn
    grokkings: dict[str, Grokking]


def findings_of(events: Iterable[Record]) -> list[Finding]:
    """Every rule's finding on a run's log, by the metric, criteria and rules that the run was started with.

    Raises `NoSuchRun` where the log does not begin with `started`.
    """
    log = list(events)
    if not log or log[0].get("event") != "started":
        raise NoSuchRun("there is nothing to look at: the log does not begin with `started`")
    started, rules = log[0], log[0]["rules"]
    return review(
        log,
        {name: GrokCriterion(**criterion) for name, criterion in started["criteria"].items()},
        criterion=rules.get("grokked", {}).get("name", ""),
        onset=rules["onset"]["name"],
        metric=started["metric"],
        memorization=rules["memorized"]["threshold"],
    )


def review(
    events: Iterable[Record],
    criteria: Mapping[str, GrokCriterion],
    *,
    criterion: str,
    onset: str = "persistent",
    metric: str = "accuracy",
    memorization: float = 0.99,
) -> list[Finding]:
    """Every rule's finding, in the order memorization, onset, test-loss turn, grokking.

    `criterion` and `onset` name the rules that the run acted on; `metric` is the task's headline metric.
    """
    rules = _Rules(
        Memorization(memorization),
        {name: onset_rule(name) for name in ONSET_RULES},
        TestLossTurn(),
        {name: Grokking(name, criterion) for name, criterion in criteria.items()},
    )
    seen = (pair for event in events for pair in _seen(rules, event, metric))
    found = {key: detected for key, detected in seen if detected is not None}
    grokked = found.get(("grokked", criterion))
    defaults = {"memorized": "train-accuracy", "onset": onset, "test-loss-turn": "test-loss-turn", "grokked": criterion}
    keys: list[tuple[Kind, str]] = [
        ("memorized", "train-accuracy"),
        *(("onset", name) for name in ONSET_RULES),
        ("test-loss-turn", "test-loss-turn"),
        *(("grokked", name) for name in criteria),
    ]
    return [_finding(kind, rule, found.get((kind, rule)), grokked, defaults[kind] == rule) for kind, rule in keys]


def cost(events: Iterable[Record]) -> Cost:
    """Where the wall time went. Training time is steps over the speed that was recorded for them."""
    spent = {"training": 0.0, "evaluation": 0.0, "measurement": 0.0}
    total, process_began, last_time, last_step = 0.0, None, 0.0, 0
    for event in events:
        match event:
            case {"event": "started"}:
                if process_began is not None:
                    total += last_time - process_began
                process_began, last_step = _seconds(event["time"]), event["step"]
            case {"event": "trained", "steps_per_second": float(speed)} if speed > 0:
                spent["training"] += (event["step"] - last_step) / speed
                last_step = event["step"]
            case {"event": "evaluated", "seconds": float(seconds)}:
                spent["evaluation"] += seconds
            case {"event": "measured", "seconds": float(seconds)}:
                spent["measurement"] += seconds
        last_time = _seconds(event["time"])
    if process_began is not None:
        total += last_time - process_began
    return Cost(total, **spent)


def shares(cost: Cost) -> dict[str, float]:
    """Fractions of the wall time."""
    total = max(cost.total, cost.training + cost.evaluation + cost.measurement, 1e-9)
    return {name: getattr(cost, name) / total for name in ("training", "evaluation", "measurement", "other")}


def _seen(rules: _Rules, event: Record, metric: str) -> list[tuple[tuple[Kind, str], Detected | None]]:
    if event["event"] == "measured":
        return _seen_measured(rules, event)
    if event["event"] == "evaluated":
        return _seen_evaluated(rules, event, metric)
    return []


def _seen_measured(rules: _Rules, event: Record) -> list[tuple[tuple[Kind, str], Detected | None]]:
    defect = event["defect"]
    if defect["median"] is None:
        return []
    samples = [sample for sample in defect["samples"] if sample is not None]
    record = DefectRecord(event["step"], defect["median"], samples, event["below_floor"])
    return [(("onset", name), rule.update(record)) for name, rule in rules.onsets.items()]


def _seen_evaluated(rules: _Rules, event: Record, metric: str) -> list[tuple[tuple[Kind, str], Detected | None]]:
    step, test = event["step"], event.get("test", {})
    found: list[tuple[tuple[Kind, str], Detected | None]] = []
    trained = event.get("train", {}).get(metric)
    if trained is not None:
        found.append((("memorized", "train-accuracy"), rules.memorization.update(step, trained)))
    if test.get("loss") is not None:
        found.append((("test-loss-turn", "test-loss-turn"), rules.turn.update(step, test["loss"])))
    if test.get(metric) is not None:
        found += [(("grokked", name), rule.update(step, dict(test))) for name, rule in rules.grokkings.items()]
    return found


def _finding(kind: Kind, rule: str, detected: Detected | None, grokked: Detected | None, default: bool) -> Finding:
    if detected is None:
        return Finding(kind, rule, None, None, None, None, default)
    lead = None if grokked is None else grokked.step - detected.step
    return Finding(kind, rule, detected.step, detected.confirmed_at, detected.value, lead, default)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()

"""The one fold of detections: a run's records in order, and what its rules find in them.

A run that is training, one that is resumed, a log that is read and a table of somebody else's numbers go through this
fold, so that all are told the same. It takes events as the log has them (what is not finite is null) or rows of numbers
by name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import wraps
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import RuleShape, SignalDescription, SignalRule
from grokscope.contract.tasks import GrokCriterion
from grokscope.geometry.commutator import CLEAR_OF_FLOOR
from grokscope.settings.signals import MEASURING, installed_descriptions, signals_of
from grokscope.warning.rules import Detected, Grokking, Regression, RuleFold, SignalRecord, fresh
from grokscope.warning.trajectory import Fact, Trajectory, cells_of
from grokscope.words.fields import section

DetectionKind = Literal["memorized", "onset", "turned", "grokked", "regressed", "fired"]
"""What a rule finds: the name of the event that says so"""

MEMORIZED = "memorized"
MEMORIZATION_RULE = "train-accuracy"
ONSET = "onset"
TURN_RULE = "test-loss-turn"
GROKKED = "grokked"
MEMORIZATION = 0.99
"""Training accuracy that counts as memorized where a run does not say, as in `detect.memorization`"""

ONSETS: tuple[RuleShape, ...] = ("persistent", "paper", "paper-slow")
"""Shapes of rules that find onset: `detect.onset` names the one that a run acts on"""


@dataclass(frozen=True)
class WatchedRule:
    """One rule, and the number that it looks at."""

    key: str
    """What the rule is called where rules are compared: `onset-paper`"""
    kind: DetectionKind
    number: str
    rule: RuleFold
    acted: bool = False
    """Whether the run acts on it"""
    floor: str = ""
    """The number that holds the size of the rounding error"""


class Detections:
    """A set of fresh rules, and what they have found in the records so far."""

    def __init__(self, watched: Sequence[WatchedRule], metric: str = "accuracy") -> None:
        """`metric`: which of a split's scores is its accuracy."""
        self.watched = watched
        self.found: dict[str, Detected] = {}
        self._metric = metric
        self._recorded: set[str] = set()
        self._open: dict[str, list[WatchedRule]] = {}
        """By number, the rules that have not answered: each answers once"""
        for each in watched:
            self._open.setdefault(each.number, []).append(each)
        self._asked = frozenset({*self._open, *(each.floor for each in watched)})

    @property
    def numbers(self) -> frozenset[str]:
        """Those of the rules' numbers that were recorded at all."""
        return frozenset(self._recorded)

    def see(self, event: Mapping[str, Any], clock: "Clock | None" = None) -> list[tuple[WatchedRule, Detected]]:
        """What this event settles, at the time of the `clock` that has seen it."""
        if event["event"] == "observed":
            return self.see_signals(event["step"], event["signals"], clock)
        if event["event"] not in {"evaluated", "measured"}:
            return []
        numbers = _numbers_of(event, self._metric)
        return self.see_row(event["step"], numbers, None if clock is None else clock.seconds)

    def see_signals(
        self, step: int, signals: Mapping[str, float | None], clock: "Clock | None" = None
    ) -> list[tuple[WatchedRule, Detected]]:
        """The same of an `observed` event."""
        asked = self._asked
        numbers = {name: float(value) for name, value in signals.items() if value is not None and name in asked}
        return self.see_row(step, numbers, None if clock is None else clock.seconds) if numbers else []

    def see_row(
        self, step: int, numbers: Mapping[str, float], seconds: float | None = None
    ) -> list[tuple[WatchedRule, Detected]]:
        """What the finite `numbers`, recorded at `step`, settle; a number and its floor come together."""
        news = []
        for name, value in numbers.items():
            rules = self._open.get(name)
            if rules is None:
                continue
            self._recorded.add(name)
            for watched in rules:
                floor = numbers.get(watched.floor)
                below = floor is not None and not value >= CLEAR_OF_FLOOR * floor
                detected = watched.rule.update(SignalRecord(step, value, below, seconds))
                if detected is not None:
                    news.append((watched, detected))
        for watched, detected in news:
            self.found[watched.key] = detected
            self._open[watched.number] = [each for each in self._open[watched.number] if each is not watched]
        return sorted(news, key=lambda pair: _rank(pair[0]))

    def see_columns(self, columns: Mapping[str, Floats]) -> Iterator[tuple[WatchedRule, Detected]]:
        """What whole columns [n] settle, `step` among them, in the order in which it could be known. A number that a
        record lacks is NaN. Equal to `see_row` of every row, and sooner: a rule is asked until it answers."""
        self._recorded |= self._open.keys() & columns.keys()
        news = [(each, found) for each in self.watched if (found := _first_in(each, columns)) is not None]
        for watched, detected in sorted(news, key=lambda pair: (pair[1].confirmed_at, _rank(pair[0]))):
            self.found[watched.key] = detected
            yield watched, detected


def _first_in(watched: WatchedRule, columns: Mapping[str, Floats]) -> Detected | None:
    """What a fresh rule finds in its column."""
    if watched.number not in columns:
        return None
    values = columns[watched.number]
    seen = np.isfinite(values)
    floors = columns.get(watched.floor, np.full(len(values), np.nan))
    below = np.isfinite(floors) & ~(values >= CLEAR_OF_FLOOR * floors)
    records = map(SignalRecord, map(int, columns["step"][seen]), values[seen].tolist(), below[seen].tolist())
    return next(filter(None, map(watched.rule.update, records)), None)


_ORDER: tuple[DetectionKind, ...] = ("memorized", "onset", "turned", "fired", "grokked", "regressed")


def _rank(watched: WatchedRule) -> tuple[int, str]:
    """In which order rules are told that are settled by the same record: the same in every process."""
    return _ORDER.index(watched.kind), watched.key


class Clock:
    """How long a run has been running, by the time stamps of its events; time between its processes does not count.

    A stamp is read when it is asked for: reading those of a million events takes a second.
    """

    def __init__(self) -> None:
        self._before = 0.0
        """Seconds of the processes before this one"""
        self._began: float | None = None
        self._newest: object = None

    def see(self, event: Mapping[str, Any]) -> None:
        """The next event."""
        if self._began is None or event["event"] == "started":
            began = _timestamp(event.get("time"))
            if began is not None:
                self._before, self._began = self.seconds or self._before, began
        self._newest = event.get("time")

    @property
    def seconds(self) -> float | None:
        """At the newest event; None where it bears no time."""
        now = _timestamp(self._newest)
        return None if now is None or self._began is None else self._before + max(0.0, now - self._began)


def _timestamp(stamp: object) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None


# --- which rules look at which run ------------------------------------------------------------------------------------


def rules_of_run(started: Mapping[str, Any]) -> list[WatchedRule]:
    """Every rule that has something to look at in a run, fresh; those that the run acts on are marked.

    `started`: the run's first event, with its metric, criteria, rules and signals.
    """
    acted = started["rules"]
    memorized = acted.get(MEMORIZED, {})
    threshold = float(memorized.get("threshold", MEMORIZATION))
    rules = [_memorization(threshold)]
    measuring = MEASURING.get(section(started["config"], "measure").get("estimator", ""), "")
    signals = signals_of(started)
    for signal in signals.values():
        if signal.name == measuring:
            rules += _onsets(signal, acted.get("onset", {}).get("name", "persistent"))
        rules += [
            _watched(signal, rule) for rule in signal.rules if signal.name != measuring or rule.shape not in ONSETS
        ]
    chosen = acted.get(GROKKED, {}).get("name")
    for name, criterion in started["criteria"].items():
        known = {each.name: criterion[each.name] for each in fields(GrokCriterion) if each.name in criterion}
        rules += _groks(name, GrokCriterion(**known), f"test.{criterion['metric']}", acted=name == chosen)
    return _counting_steps(rules, adaptive_cadence(section(started["config"], "measure")))


def adaptive_cadence(measure: Mapping[str, Any]) -> int | None:
    """Steps between records, at least, of a run that may change them to keep an overhead; None of one that does not.

    `measure`: that section of its settings.
    """
    every = measure.get("every")
    return every if isinstance(every, int) and measure.get("max_overhead") is not None else None


def _counting_steps(rules: list[WatchedRule], every: int | None) -> list[WatchedRule]:
    """The same rules; where records may come farther apart, they count steps and not records."""
    if every is not None:
        for each in rules:
            each.rule.count_steps(every)
    return rules


def rules_of_table(trajectories: Iterable[Trajectory], memorization: float = MEMORIZATION) -> list[WatchedRule]:
    """Every rule that can be asked of a table of numbers, fresh: of the signals that are installed, and of those that
    the runs describe."""
    signals = described(trajectories).values()
    return [_memorization(memorization), *(_watched(each, rule) for each in signals for rule in each.rules)]


def described(trajectories: Iterable[Trajectory]) -> dict[str, SignalDescription]:
    """The signals that are installed, and those that the runs describe, by name and sorted by it."""
    signals = installed_descriptions()
    for trajectory in trajectories:
        signals |= {name: signal for name, signal in trajectory.signals.items() if name not in signals}
    return dict(sorted(signals.items()))


def rule_numbers(trajectories: Iterable[Trajectory] = ()) -> dict[str, str]:
    """Every rule that can be asked of these runs, and the number that it looks at."""
    return {each.key: each.number for each in rules_of_table(trajectories)}


_Result = TypeVar("_Result")


def _once_a_run(function: Callable[[Trajectory], _Result]) -> Callable[[Trajectory], _Result]:
    """A function of a run that is computed once for each: tables, claims and scores ask again for every rule."""
    known: WeakKeyDictionary[Trajectory, _Result] = WeakKeyDictionary()

    @wraps(function)
    def result(trajectory: Trajectory) -> _Result:
        if trajectory not in known:
            known[trajectory] = function(trajectory)
        return known[trajectory]

    return result


@_once_a_run
def own_rule_numbers(trajectory: Trajectory) -> Mapping[str, str]:
    """`rule_numbers` of one run."""
    return rule_numbers([trajectory])


@_once_a_run
def detections(trajectory: Trajectory) -> Mapping[str, Detected | None]:
    """What every rule says of a run, recomputed from its columns; None where it never fired, or had nothing to look at.

    `grokked` is as the run has it.
    """
    measure = {name: trajectory.facts.get(f"measure.{name}") for name in ("every", "max_overhead")}
    rules = rules_of_table([trajectory], memorization_of(trajectory.facts))
    fold = Detections(_counting_steps(rules, adaptive_cadence(measure)))
    settled = {watched.key: detected for watched, detected in fold.see_columns(trajectory.columns)}
    found: dict[str, Detected | None] = {each.key: settled.get(each.key) for each in fold.watched}
    return found | {GROKKED: _grokked(trajectory)}


def memorization_of(facts: Mapping[str, Fact]) -> float:
    """Training accuracy that counts as memorized in a run with these settings."""
    threshold = facts.get("detect.memorization", MEMORIZATION)
    return float(threshold) if isinstance(threshold, int | float) else MEMORIZATION


def rows_of(trajectory: Trajectory) -> Iterator[tuple[int, dict[str, float]]]:
    """The rows of a trajectory in order: its step, and the numbers that were recorded there."""
    names = [name for name in trajectory.columns if name != "step"]
    table = np.column_stack([trajectory.columns[name] for name in names]) if names else np.empty((0, 0))
    finite = np.isfinite(table)
    for step, values, known in zip(trajectory.columns["step"].tolist(), table.tolist(), finite.tolist(), strict=True):
        yield int(step), {name: value for name, value, there in zip(names, values, known, strict=True) if there}


def _grokked(trajectory: Trajectory) -> Detected | None:
    if trajectory.grok_step is None or trajectory.grok_known_at is None:
        return None
    steps, values = trajectory.signal("test_accuracy")
    before = int(np.searchsorted(steps, trajectory.grok_step, "right"))
    value = float(values[before - 1]) if before else float("nan")
    return Detected(trajectory.grok_step, value, trajectory.grok_known_at, {"name": GROKKED})


def _memorization(threshold: float) -> WatchedRule:
    rule = fresh(SignalRule(MEMORIZATION_RULE, "above", threshold=threshold))
    return WatchedRule(MEMORIZED, "memorized", "train_accuracy", rule, acted=True)


def _watched(signal: SignalDescription, rule: SignalRule) -> WatchedRule:
    kind: DetectionKind = "turned" if rule.name == TURN_RULE else "fired"
    return WatchedRule(rule.name, kind, signal.name, fresh(_named(rule)), acted=kind == "turned", floor=signal.floor)


def _onsets(signal: SignalDescription, acted: str) -> list[WatchedRule]:
    """The rules that may find onset in the number that a run measures."""
    named = {rule.shape: rule for rule in signal.rules if rule.shape in ONSETS}
    rules = []
    for shape in ONSETS:
        rule = SignalRule(shape, shape, consecutive=named[shape].consecutive if shape in named else 3)
        key = named[shape].name if shape in named else f"{signal.name}-{shape}"
        rules.append(WatchedRule(key, "onset", signal.name, fresh(rule), acted=shape == acted, floor=signal.floor))
    return rules


def _named(rule: SignalRule) -> SignalRule:
    """A rule that finds onset says so by its shape, in whatever number it looks for it."""
    return replace(rule, name=rule.shape) if rule.shape in ONSETS else rule


def _groks(name: str, criterion: GrokCriterion, number: str, *, acted: bool) -> list[WatchedRule]:
    rules = [WatchedRule(f"{GROKKED}:{name}", "grokked", number, Grokking(name, criterion), acted)]
    if acted:
        rules.append(WatchedRule("regressed", "regressed", number, Regression(name, criterion), acted))
    return rules


def _numbers_of(event: Mapping[str, Any], metric: str) -> dict[str, float]:
    """The finite numbers of an event by name: those of a row, and every score of the test split."""
    numbers = cells_of(event, metric)
    if event["event"] == "evaluated":
        scores = section(event, "test").items()
        numbers |= {f"test.{name}": float(value) for name, value in scores if isinstance(value, int | float)}
    return numbers

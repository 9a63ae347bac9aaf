"""What every known rule says of a recorded run, and where its time went: from the log alone.

A run acts on one rule of each kind. Which rule one chooses decides the lead time one reports, so a reader gets them
all, side by side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from grokscope.runs.directory import NoSuchRun
from grokscope.runs.lines import LogEvent, as_dictionaries
from grokscope.runs.treatments import TreatmentFold
from grokscope.warning.detection import DetectionKind, Detections, WatchedRule, rules_of_run
from grokscope.warning.rules import Detected
from grokscope.words.events import EventRecord
from grokscope.words.numbers import count, number
from grokscope.words.table import Column, Table


@dataclass(frozen=True)
class Finding:
    """One rule on one run. Steps are None where it never came true."""

    kind: DetectionKind
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
class TimeSpent:
    """Wall time by what it was spent on, seconds, all processes of the run together."""

    total: float
    training: float
    evaluation: float
    measurement: float

    @property
    def other(self) -> float:
        """Checkpoints, pauses, starting up."""
        return max(0.0, self.total - self.training - self.evaluation - self.measurement)


class Review:
    """One pass over a run's events in order: what its rules find, where its time went, what was done to it.

    The events themselves are not kept: a log may be larger than memory.
    """

    def __init__(self, events: Iterable[EventRecord] = ()) -> None:
        self.time = TimeFold()
        self.treatments = TreatmentFold()
        self.defects: list[float | None] = []
        """The medians that were measured, in order"""
        self._detections: Detections | None = None
        for event in events:
            self.see(event)

    def see_batch(self, batch: Sequence[LogEvent]) -> None:
        """The next events. No dictionaries are made of `trained` and `observed` events, which most are: they take time.
        Raises as `see`."""
        detections = self._detections
        kinds = [None if detections is None else getattr(each, "event", None) for each in batch]
        others = as_dictionaries(
            [each for each, kind in zip(batch, kinds, strict=True) if kind not in _READ_AS_THEY_ARE]
        )
        for each, kind in zip(batch, kinds, strict=True):
            if kind == "trained":
                self.time.see_trained(each.step, each.steps_per_second, each.time)
            elif kind == "observed" and detections is not None:
                detections.see_signals(each.step, each.signals)
                self.time.newest = each.time
            else:
                self.see(next(others))

    def see(self, event: EventRecord) -> None:
        """The next event. Raises `NoSuchRun` where the first one is not `started`."""
        if self._detections is None:
            if event["event"] != "started":
                raise NoSuchRun("there is nothing to look at: the log does not begin with `started`")
            self._detections = Detections(rules_of_run(event), event["metric"])
        self._detections.see(event)
        self.time.see(event)
        kind = event["event"]
        if kind == "intervened":
            self.treatments.see(event)
        elif kind == "measured":
            self.defects.append(event["defect"]["median"])

    @property
    def findings(self) -> list[Finding]:
        """Every rule's finding, by the metric, criteria and rules that the run was started with; those of signals where
        the run recorded them. Raises `NoSuchRun` where there was no event."""
        fold = self._detections
        if fold is None:
            raise NoSuchRun("there is nothing to look at: the log is empty")
        acted = next((each.key for each in fold.watched if each.acted and each.kind == "grokked"), "")
        order = sorted(fold.watched, key=lambda each: _ORDER.index(each.kind))
        told = [each for each in order if each.kind != "fired" or each.number in fold.numbers]
        return [_finding(each, fold.found.get(each.key), fold.found.get(acted)) for each in told]


_READ_AS_THEY_ARE = frozenset({"trained", "observed"})
_ORDER: tuple[DetectionKind, ...] = ("memorized", "onset", "turned", "grokked", "regressed", "fired")


_TIMED = {"evaluated": "evaluation", "measured": "measurement"}


class TimeFold:
    """Where the wall time goes, event by event. Training time is steps over the speed that was recorded for them."""

    def __init__(self) -> None:
        self._spent = {"training": 0.0, "evaluation": 0.0, "measurement": 0.0}
        self._ended = 0.0
        """Seconds of the processes before this one"""
        self._began: str | None = None
        self.newest = ""
        """The time of the newest event, as the log has it"""
        self._last_step = 0

    def see(self, event: EventRecord) -> None:
        """The next event."""
        kind = event["event"]
        if kind == "trained":
            self.see_trained(event["step"], event["steps_per_second"], event["time"])
        elif kind in _TIMED:
            self._spent[_TIMED[kind]] += event["seconds"]
        elif kind == "started":
            self._ended = self._total
            self._began, self._last_step = event["time"], event["step"]
        self.newest = event["time"]

    def see_trained(self, step: int, steps_per_second: float | None, time: str) -> None:
        """The next event, which is `trained`."""
        if steps_per_second is not None and steps_per_second > 0:
            self._spent["training"] += (step - self._last_step) / steps_per_second
            self._last_step = step
        self.newest = time

    @property
    def spent(self) -> TimeSpent:
        """Up to the newest event; in total at least the sum of the parts."""
        return TimeSpent(max(self._total, sum(self._spent.values())), **self._spent)

    @property
    def _total(self) -> float:
        """By the stamps of the events; a clock that was set back takes no time away."""
        now = 0.0 if self._began is None else _seconds(self.newest) - _seconds(self._began)
        return self._ended + max(0.0, now)


def time_shares(cost: TimeSpent) -> dict[str, float]:
    """Fractions of the wall time."""
    total = max(cost.total, 1e-9)
    return {name: getattr(cost, name) / total for name in ("training", "evaluation", "measurement", "other")}


def _finding(watched: WatchedRule, detected: Detected | None, grokked: Detected | None) -> Finding:
    name = watched.rule.name
    if detected is None:
        return Finding(watched.kind, name, None, None, None, None, watched.acted)
    lead = None if grokked is None else grokked.step - detected.step
    return Finding(watched.kind, name, detected.step, detected.confirmed_at, detected.value, lead, watched.acted)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def findings_table(findings: Iterable[Finding]) -> Table:
    """A row a rule: what it found, and how far ahead of grokking."""
    return Table(
        "detections",
        "Detections",
        (
            Column("found"),
            Column("acted on", lambda default: "*" if default else "", rank=4),
            Column("rule", narrowest=12),
            Column("step", count),
            Column("confirmed", count, rank=1),
            Column("lead", count, "steps", rank=2),
            Column("value", number, rank=3),
        ),
        tuple(
            (each.kind, each.default, each.rule, each.step, each.confirmed_at, each.lead_steps, each.value)
            for each in findings
        ),
        (
            "acted on: the rules whose findings the run records and acts on.",
            "lead: steps to the grok step by the rule that the run acts on.",
        ),
    )

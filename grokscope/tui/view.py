"""The view: a run as far as its log was read. It is frozen, so that screens can use it while the reader continues."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from grokscope.contract.signals import SignalDescription
from grokscope.runs.log import decode
from grokscope.runs.state import Phase
from grokscope.tui.series import Rows, Series
from grokscope.words.clean import clean
from grokscope.words.events import event_details
from grokscope.words.numbers import count


def step_of(event: Mapping[str, Any]) -> int | None:
    """The step of an event; None for an event without a step."""
    step = event.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def whole(value: Any) -> int:
    """The value if it is an integer, else -1."""
    return value if isinstance(value, int) else -1


NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


KEPT_NOTABLE = 2000
"""Log lines kept of all irregular kinds of events together"""
KEPT_REGULAR = 200
"""Log lines kept of each regular kind of event"""


SHOWN_DETECTIONS = ("memorized", "onset", "grokked")


@dataclass(frozen=True, eq=False)
class LogLine:
    """One line of the event log. It is parsed and worded only when it is shown."""

    source: Mapping[str, Any] | bytes
    times: int = 1
    """Number of events that the line stands for; `source` is the newest of them"""

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The event as the log holds it."""
        return (decode(self.source) or {"event": "unreadable"}) if isinstance(self.source, bytes) else self.source

    @property
    def seq(self) -> int:
        return whole(self.record.get("seq"))

    @property
    def time(self) -> str:
        return clean(self.record.get("time", ""), 40)

    @property
    def event(self) -> str:
        return clean(self.record["event"], 24)

    @property
    def step(self) -> int | None:
        return step_of(self.record)

    @property
    def confirmed_at(self) -> int | None:
        """The step at which a detection was confirmed; None for other events."""
        confirmed = self.record.get("confirmed_at")
        return confirmed if isinstance(confirmed, int) else None

    @cached_property
    def text(self) -> str:
        return event_details(self.record) + (f" · {count(self.times)}x" if self.times > 1 else "")

    @property
    def treatment(self) -> tuple[str, str] | None:
        """Kind and state of an intervention; None for other events."""
        about = (clean(self.record.get(name, ""), 24) for name in ("kind", "state"))
        return (next(about), next(about)) if self.event == "intervened" else None


@dataclass(frozen=True)
class Transition:
    """A detection: `step` is its date, `confirmed_at` the step at which the rule was sure."""

    name: str
    step: int
    confirmed_at: int
    rule: str
    value: float | None
    elapsed: float
    """Seconds of training at the confirmation"""
    signal: str = ""
    """Signal of the rule; empty for the rules of the run itself"""


@dataclass(frozen=True)
class Treated:
    """One event of the trainer about an intervention."""

    seq: int
    step: int | None
    kind: str
    state: str
    parameters: Mapping[str, Any]
    source: str
    reason: str
    norm: float | None
    dose: float | None = None
    """Norm of the change, relative to the norm of what was changed"""
    times: int = 0
    """Number of `applied` events since the intervention was switched on; only the last event is kept"""


@dataclass(frozen=True)
class View:
    """A run as far as its log was read. `fold` makes the next view."""

    run: str = ""
    events: int = 0
    """Number of events read so far; also the `seq` of the next event"""
    started: Mapping[str, Any] = field(default_factory=_nothing)
    signals: Mapping[str, SignalDescription] = field(default_factory=dict)
    """Descriptions of the signals that the run records"""
    step: int = 0
    phase: Phase = "waiting"
    """State according to the log alone: waiting, running, paused, finished"""
    phase_reason: str = ""
    finished: Mapping[str, Any] = field(default_factory=_nothing)
    latest: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    """The newest event of every regular kind"""
    series: Mapping[str, Series] = field(default_factory=_nothing)
    clock: Series = field(default_factory=Series.empty)
    """(step, seconds of training so far); the time between the sessions of a resumed run does not count"""
    clock_origin: float | None = None
    elapsed: float = 0.0
    detected: tuple[Transition, ...] = ()
    fired: tuple[Transition, ...] = ()
    """Detections of the rules of signals, one per rule"""
    forecasts: tuple[Mapping[str, Any], ...] = ()
    treated: tuple[Treated, ...] = ()
    snapshots: tuple[int, ...] = ()
    notable: tuple[LogLine, ...] = ()
    regular: Mapping[str, tuple[LogLine, ...]] = field(default_factory=_nothing)
    problems: Mapping[str, int] = field(default_factory=_nothing)
    """Problems of the log, with the number of times; each is shown as a notice"""

    @property
    def config(self) -> Mapping[str, Any]:
        config = self.started.get("config")
        return config if isinstance(config, Mapping) else NOTHING

    @property
    def is_own_loop(self) -> bool:
        """Whether a probe in somebody's own loop records the run."""
        return self.started.get("origin") == "own loop"

    @property
    def metric(self) -> str:
        """The name of the score that the run uses as its accuracy."""
        return str(self.started.get("metric", "accuracy"))

    @property
    def offers(self) -> tuple[str, ...]:
        """Kinds of intervention that the run's trainer offers."""
        offered = self.started.get("interventions")
        return tuple(str(kind) for kind in offered) if isinstance(offered, list | tuple) else ()

    def defaults(self, kind: str) -> Mapping[str, Any]:
        """Default parameters of an intervention, as the run's trainer offers it."""
        offered = self.started.get("intervention_parameters")
        parameters = offered.get(kind) if isinstance(offered, Mapping) else None
        return parameters if isinstance(parameters, Mapping) else NOTHING

    def detection(self, name: str) -> Transition | None:
        return next((found for found in self.detected if found.name == name), None)

    @property
    def played(self) -> Rows:
        """When a replay reaches each step of the clock, in seconds of training; a run without times, as one that was
        imported, takes a second for each step. [n]"""
        return self.clock.values if self.elapsed else self.clock.steps

    @property
    def length(self) -> float:
        """Seconds of training that a replay of the run covers; 0 where there is nothing to replay."""
        return self.elapsed or (float(self.clock.steps[-1]) if len(self.clock) else 0.0)

    def seconds_between(self, start: float, end: float) -> float | None:
        """Seconds of training from one step to another; None if the clock does not know the later one."""
        first, last = self.clock.at(start), self.clock.at(end)
        return max(0.0, last[1] - (first[1] if first else 0.0)) if last else None

    def curve(self, name: str) -> Series:
        return self.series.get(name) or Series.empty()

    @property
    def log(self) -> list[LogLine]:
        """All kept log lines, in the order of their events."""
        lines = [*self.notable, *(line for lines in self.regular.values() for line in lines)]
        return sorted(lines, key=lambda line: line.seq)

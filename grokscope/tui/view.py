"""What is known of a run at one frame: frozen, so that a screen can hold it while the reader goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from grokscope.contract.signals import SignalDescription
from grokscope.runs.log import decode
from grokscope.runs.state import Phase
from grokscope.tui.series import Series
from grokscope.words.clean import clean
from grokscope.words.events import event_details


def step_of(event: Mapping[str, Any]) -> int | None:
    """The step of an event; None where it has none."""
    step = event.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def whole(value: Any) -> int:
    """A whole number; -1 for anything else."""
    return value if isinstance(value, int) else -1


NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


KEPT_NOTABLE = 2000
"""Log lines kept of events that say something new (everything but the regular ones)."""
KEPT_REGULAR = 200
"""Log lines kept of each kind of event that comes at a regular interval."""


SHOWN_DETECTIONS = ("memorized", "onset", "grokked")


@dataclass(frozen=True, eq=False)
class LogLine:
    """One event as the log shows it; parsed and put into words only when somebody looks."""

    source: Mapping[str, Any] | bytes
    times: int = 1
    """How many events it stands for; the newest of them is its source"""

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        return (decode(self.source) or {"event": "unreadable"}) if isinstance(self.source, bytes) else self.source

    @property
    def seq(self) -> int:
        return whole(self._fields.get("seq"))

    @property
    def time(self) -> str:
        return clean(self._fields.get("time", ""), 40)

    @property
    def event(self) -> str:
        return clean(self._fields["event"], 24)

    @property
    def step(self) -> int | None:
        return step_of(self._fields)

    @property
    def confirmed_at(self) -> int | None:
        """For a detection the step at which it was known."""
        confirmed = self._fields.get("confirmed_at")
        return confirmed if isinstance(confirmed, int) else None

    @cached_property
    def text(self) -> str:
        return event_details(self._fields) + (f" · {self.times:,}x" if self.times > 1 else "")

    @property
    def treatment(self) -> tuple[str, str] | None:
        """Kind and state, where it is about an intervention."""
        about = (clean(self._fields.get(name, ""), 24) for name in ("kind", "state"))
        return (next(about), next(about)) if self.event == "intervened" else None


@dataclass(frozen=True)
class Transition:
    """A transition, the step it is dated at and the step at which the rule could say so."""

    name: str
    step: int
    confirmed_at: int
    rule: str
    value: float | None
    elapsed: float
    """Seconds of the run when it was confirmed."""
    signal: str = ""
    """What it was found in, where it is a rule of a signal."""


@dataclass(frozen=True)
class Treated:
    """One answer of the trainer about an intervention."""

    seq: int
    step: int | None
    kind: str
    state: str
    parameters: Mapping[str, Any]
    source: str
    reason: str
    norm: float | None
    dose: float | None = None
    """The norm as a share of what was changed."""
    times: int = 0
    """Of `applied`: how often it was recorded since it was switched on; only the last one is kept."""


@dataclass(frozen=True)
class View:
    """A run as far as its log was read. `fold` makes the next one."""

    run: str = ""
    events: int = 0
    """Lines understood so far; also the `seq` expected next."""
    started: Mapping[str, Any] = field(default_factory=_nothing)
    signals: Mapping[str, SignalDescription] = field(default_factory=dict)
    """What the run says of the signals that it looks at."""
    step: int = 0
    phase: Phase = "waiting"
    """What the log itself says: waiting, running, paused, finished."""
    phase_reason: str = ""
    finished: Mapping[str, Any] = field(default_factory=_nothing)
    latest: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    """The newest event of every regular kind."""
    series: Mapping[str, Series] = field(default_factory=_nothing)
    clock: Series = field(default_factory=Series.empty)
    """(step, seconds of training so far); time between the sessions of a resumed run does not count."""
    clock_origin: float | None = None
    elapsed: float = 0.0
    detected: tuple[Transition, ...] = ()
    fired: tuple[Transition, ...] = ()
    """Rules of signals, by the name of the rule."""
    forecasts: tuple[Mapping[str, Any], ...] = ()
    treated: tuple[Treated, ...] = ()
    snapshots: tuple[int, ...] = ()
    notable: tuple[LogLine, ...] = ()
    regular: Mapping[str, tuple[LogLine, ...]] = field(default_factory=_nothing)
    problems: Mapping[str, int] = field(default_factory=_nothing)
    """What could not be shown as recorded, and how often; each is a notice."""

    @property
    def config(self) -> Mapping[str, Any]:
        config = self.started.get("config")
        return config if isinstance(config, Mapping) else NOTHING

    @property
    def metric(self) -> str:
        """The headline metric that the run itself names: which of the scores of a split is its accuracy."""
        return str(self.started.get("metric", "accuracy"))

    @property
    def offers(self) -> tuple[str, ...]:
        """Kinds of intervention that this run's trainer takes."""
        offered = self.started.get("interventions")
        return tuple(str(kind) for kind in offered) if isinstance(offered, list | tuple) else ()

    def defaults(self, kind: str) -> Mapping[str, Any]:
        """Parameters of an intervention as its trainer offers it."""
        offered = self.started.get("intervention_parameters")
        parameters = offered.get(kind) if isinstance(offered, Mapping) else None
        return parameters if isinstance(parameters, Mapping) else NOTHING

    def detection(self, name: str) -> Transition | None:
        return next((found for found in self.detected if found.name == name), None)

    def curve(self, name: str) -> Series:
        return self.series.get(name) or Series.empty()

    @property
    def log(self) -> list[LogLine]:
        """All kept log lines in the order they were written."""
        lines = [*self.notable, *(line for lines in self.regular.values() for line in lines)]
        return sorted(lines, key=lambda line: line.seq)

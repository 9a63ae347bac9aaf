"""What is looked at along a run: the splits, and the signals that the run asks for. None of it touches training.

An observer says what is to be seen at the session's parameters. When, and what becomes of it, is the trainer's
business. A signal that fails is named once and left out from then on: it takes neither the run nor other signals down.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Session, StepOutcome, Unavailable
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import Layout, initial_parameters
from grokscope.contract.signals import Cost, Measuring, Number, Signal, SignalDescription, SignalSpec, Subject, Vantage
from grokscope.contract.tasks import TaskData
from grokscope.events import Evaluated, Measured, Observed, Warned
from grokscope.runs.snapshots import read_snapshot, snapshot_file
from grokscope.settings.config import ConfigError, RunConfig
from grokscope.settings.signals import MEASURING, AskedSignal, asked_signals, installed_signals
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.vantage import Foreseen, LiveVantage, WatchedRun
from grokscope.warning.trajectory import cells_of


class NotForThisRun(ConfigError):
    """A signal that a run cannot have, as its `open` says."""


@dataclass(frozen=True)
class OpenSignal:
    """A signal of this run."""

    spec: SignalSpec
    signal: Signal
    measuring: bool = False
    """Whether it fills the `measured` event"""


def open_signals(config: RunConfig, data: TaskData, layout: Layout) -> list[OpenSignal]:
    """The signals of a run: what its estimator measures, those that it asks for, and those that every run looks at.

    One that every run looks at, and that this one cannot have, is left out. Raises `ConfigError` where one that was
    asked for cannot be had.
    """
    subject = Subject(str(config.task["name"]), data.facts, ("train", *data.splits), layout)
    asked = asked_signals(config.observe.signals, config.snapshot.every)
    measuring = MEASURING.get(config.measure.estimator)
    if measuring is None:
        return opened_signals(subject, asked)
    [signal] = asked_signals([measuring], config.snapshot.every)
    settings = config.measure.model_dump(include=set(signal.spec.parameters.model_fields))
    return opened_signals(subject, asked, AskedSignal(signal.spec, signal.spec.parameters(**settings)))


def opened_signals(
    subject: Subject, asked: Iterable[AskedSignal], measuring: AskedSignal | None = None
) -> list[OpenSignal]:
    """What is measured, what is asked for, and what every run looks at, as far as the subject can have it.

    Raises `ConfigError` where what was asked for cannot be had.
    """
    wanted = {each.spec.name: each for each in asked}
    opened = [] if measuring is None else [_opened(measuring, subject, measuring=True)]
    for spec in installed_signals():
        if spec.open is None or (measuring is not None and spec.name == measuring.spec.name):
            continue
        if spec.name in wanted:
            opened.append(_opened(wanted[spec.name], subject))
        elif spec.default:
            with suppress(NotForThisRun):
                opened.append(_opened(AskedSignal(spec, spec.parameters()), subject))
    return opened


def _opened(asked: AskedSignal, subject: Subject, *, measuring: bool = False) -> OpenSignal:
    assert asked.spec.open is not None
    try:
        return OpenSignal(asked.spec, asked.spec.open(asked.parameters, subject), measuring)
    except ValueError as problem:
        raise NotForThisRun(f"signal {asked.spec.name} cannot be had: {problem}") from None
    except Exception as problem:  # somebody else's plugin: whatever it raises, the run has not begun
        raise ConfigError(f"signal {asked.spec.name} cannot be had: {problem}") from None


def descriptions(opened: Iterable[OpenSignal]) -> dict[str, SignalDescription]:
    """What readers get to know of a run's signals: of those opened, and of those that are on record anyway."""
    specs = [*(each.spec for each in opened), *(spec for spec in installed_signals() if spec.open is None)]
    return {spec.name: spec.description for spec in sorted(specs, key=lambda spec: spec.name)}


class SignalObserver:
    """All signals of one run, whoever trains it: `_vantage` says how it is looked at."""

    def __init__(self, opened: Iterable[OpenSignal], metric: str, *, blocks: bool) -> None:
        """`metric`: which of a split's scores is its accuracy. `blocks`: whether to measure blocks and layers too."""
        self._opened = list(opened)
        self._metric = metric
        self._blocks = blocks
        self._series: dict[str, tuple[list[float], list[float]]] = {}
        self._moment: Vantage | None = None

    def see(self, event: Mapping[str, Any]) -> None:
        """An event as the log has it, as it is recorded or again when the run is resumed."""
        if event["event"] == "warned" and event.get("signal"):
            self._opened = [each for each in self._opened if each.spec.name != event["signal"]]
        for name, value in cells_of(event, self._metric).items():
            steps, values = self._series.setdefault(name, ([], []))
            steps.append(event["step"])
            values.append(value)

    def measured(self, step: int, outcome: StepOutcome | None) -> Iterator[Measured | Observed | Warned]:
        """The commutator, and what else looks at gradients. `outcome` is that of the step before, here and below."""
        vantage = self._at(step, outcome)
        for each in [each for each in self._opened if each.measuring]:
            started = time.perf_counter()
            assert isinstance(each.signal, Measuring)
            try:
                fields = each.signal.measured(vantage, blocks=self._blocks)
            except Exception as problem:
                yield _failed(each, step, problem)
            else:
                yield Measured.model_validate({**fields, "step": step, "seconds": time.perf_counter() - started})
        yield from self._observed(vantage, "gradients")

    def looked_at(self, step: int, outcome: StepOutcome | None) -> Iterator[Observed | Warned]:
        """The signals that come with an evaluation."""
        yield from self._observed(self._at(step, outcome), "free", "evaluation")

    def snapshotted(self, step: int, outcome: StepOutcome | None) -> Iterator[Observed | Warned]:
        """The signals that look at snapshots, the one of this step among them."""
        yield from self._observed(self._at(step, outcome), "snapshot")

    def recorded(self, step: int, outcome: StepOutcome | None) -> Iterator[Observed | Warned]:
        """The signals that look at the records so far, those of this step among them: the last of a step."""
        yield from self._observed(self._at(step, outcome), "recorded")

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `Vantage.series`."""
        if any(each.spec.cost == "recorded" and each.spec.owns(name) for each in self._opened):
            return np.empty(0), np.empty(0)
        steps, values = self._series.get(name, ([], []))
        return np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64)

    def _vantage(self, step: int, outcome: StepOutcome | None) -> Vantage:
        raise NotImplementedError

    def _at(self, step: int, outcome: StepOutcome | None) -> Vantage:
        if self._moment is None or self._moment.step != step:
            self._moment = self._vantage(step, outcome)
        return self._moment

    def _observed(self, vantage: Vantage, *costs: Cost) -> Iterator[Observed | Warned]:
        numbers: dict[str, Number] = {}
        for each in [each for each in self._opened if each.spec.cost in costs and not each.measuring]:
            try:
                with np.errstate(all="ignore"):  # what is not finite is recorded as such: nobody needs to be warned
                    numbers |= self._checked(each, each.signal.observe(vantage))
            except Exception as problem:
                yield _failed(each, vantage.step, problem)
        if numbers:
            yield Observed(step=vantage.step, signals=numbers)

    def _checked(self, one: OpenSignal, numbers: Mapping[str, Number]) -> dict[str, Number]:
        """The numbers, as they can be recorded. Raises `ValueError` for one that is another signal's."""
        others = {each.spec.name for each in self._opened if each is not one}
        for name in numbers:
            if name in others or not one.spec.owns(name):
                raise ValueError(f"it recorded {name!r}, which is not its own")
        return {name: None if value is None else float(value) for name, value in numbers.items()}


class Observer(SignalObserver):
    """All observations of one run of ours, on one session.

    Preparing the splits takes time and memory: make one when training is about to begin.
    """

    def __init__(
        self,
        config: RunConfig,
        data: TaskData,
        packers: Mapping[str, Packer],
        session: Session,
        layout: Layout,
        opened: Iterable[OpenSignal],
        snapshots: Path,
        metric: str,
    ) -> None:
        """`packers`: the training set as `train`, and every other split. `snapshots`: the folder that holds them.
        `metric`: the task's."""
        super().__init__(opened, metric, blocks=config.measure.blocks)
        self._watched = WatchedRun(
            config=config,
            session=session,
            layout=layout,
            train=packers["train"],
            splits={name: PreparedSplit(packer, session) for name, packer in packers.items()},
            facts=data.facts,
            start=initial_parameters(config.model_of(data.model), config.train.seed),
            series=self.series,
            taken=partial(snapshots_between, snapshots, config.snapshot.every),
            details=any(each.spec.details for each in self._opened),
            shared=sum(each.spec.cost == "gradients" for each in self._opened) > 1,
        )

    def measured(
        self, step: int, outcome: StepOutcome | None, foreseen: Foreseen | None = None
    ) -> Iterator[Measured | Observed | Warned]:
        self._moment = LiveVantage(self._watched, step, outcome, foreseen)
        for event in super().measured(step, outcome):
            if foreseen is not None and isinstance(event, Measured):
                event = event.model_copy(update={"seconds": event.seconds + foreseen.seconds})
            yield event

    def evaluated(self, step: int, outcome: StepOutcome | None) -> Iterator[Evaluated | Observed | Warned]:
        """Every split scored whole, and the signals that come with an evaluation."""
        started = time.perf_counter()
        vantage = self._at(step, outcome)
        scores = {name: vantage.scores(name) for name in self._watched.splits}
        yield Evaluated(step=step, seconds=time.perf_counter() - started, **scores)
        yield from self.looked_at(step, outcome)

    def again(self, step: int) -> Iterator[Observed | Warned]:
        """All signals, at a step of which nothing is left but parameters and records."""
        vantage = self._at(step, None)
        yield from self._observed(vantage, "free", "evaluation", "gradients", "snapshot")
        yield from self._observed(vantage, "recorded")

    def _vantage(self, step: int, outcome: StepOutcome | None) -> LiveVantage:
        return LiveVantage(self._watched, step, outcome)

    def _at(self, step: int, outcome: StepOutcome | None) -> LiveVantage:
        vantage = super()._at(step, outcome)
        assert isinstance(vantage, LiveVantage)
        return vantage


def snapshots_between(folder: Path, every: int, after: int, before: int) -> Iterator[tuple[int, FloatArray]]:
    """The snapshots that were taken every so many steps, at the steps between, both ends left out; none where `every`
    is 0."""
    if every:
        for step in range((after // every + 1) * every, before, every):
            yield step, read_snapshot(snapshot_file(folder, step)).parameters


def _failed(one: OpenSignal, step: int, problem: Exception) -> Warned:
    """Raises `Unavailable` again: a device that lacks a precision lacks it for the whole run."""
    if isinstance(problem, Unavailable):
        raise problem
    name = one.spec.name
    what = str(problem) or type(problem).__name__
    return Warned(step=step, signal=name, reason=f"signal {name} failed, and is left out from here on: {what}")

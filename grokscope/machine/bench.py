"""Times a step, an evaluation and each signal on this machine, beside one gradient and a plain implementation.

Everything is timed in the same process, in rounds that visit each operation once, so that a machine whose speed drifts
does so for all of them. Medians are reported.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from grokscope.contract.backends import BackendSpec, Session, Unavailable
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.signals import SignalSpec, Subject
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.settings.config import RunConfig
from grokscope.settings.signals import installed_signals
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.launch import available_backend, loaded_data
from grokscope.training.run_size import check_model
from grokscope.training.vantage import LiveVantage, WatchedRun
from grokscope.words.numbers import count, fixed, number
from grokscope.words.table import Column, Table

WARM_UP_STEPS = 3
LEAST_ROUNDS = 3
QUICK_MILLISECONDS = 300.0
"""An operation shorter than this is called several times per round"""
MOST_CALLS = 10
SNAPSHOTS = 4
"""Number of snapshots for signals that need snapshots"""
PLAIN_TWINS = {
    "step": "plain step",
    "evaluation": "plain evaluation",
    "signal defect": "plain finite difference",
    "signal finite_difference_defect": "plain finite difference",
}

Ready = Callable[[int], Callable[[], object]]
"""Prepares one call and returns it; only the returned call is timed"""


@dataclass(frozen=True)
class OperationCost:
    """The cost of one operation."""

    operation: str
    milliseconds: float
    gradients: float
    """Cost in units of one gradient of a training batch"""
    of_plain: float | None
    """Cost as a fraction of the plain implementation; None without one"""
    calls: int


@dataclass(frozen=True)
class Bench:
    """The costs of one configuration on one device."""

    backend: str
    device: str
    details: dict[str, str]
    parameters: int
    costs: list[OperationCost]

    def to_dict(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "device": self.device,
            "details": self.details,
            "parameters": self.parameters,
            "costs": [vars(cost) for cost in self.costs],
        }

    def table(self) -> Table:
        """One row per operation."""
        return Table(
            "bench",
            "What operations cost",
            (
                Column("operation"),
                Column("ms", number),
                Column("gradients", fixed(2)),
                Column("of the plain way", fixed(2)),
                Column("calls", count),
            ),
            tuple(
                (each.operation, each.milliseconds, each.gradients, each.of_plain, each.calls) for each in self.costs
            ),
        )


class Benched(NamedTuple):
    """What a bench times, by name, each ready to be called."""

    spec: BackendSpec
    session: Session
    parameters: int
    ready: dict[str, Ready]


def time_operations(config: RunConfig, task: TaskSpec, options: Any, *, seconds: float) -> Bench:
    """Time all operations for about `seconds` seconds together, in at least three rounds.

    Raises `Unavailable`, `ConfigError`.
    """
    spec, session, parameters, ready = operations_of(config, task, options)
    timings = _timed(ready, session.synchronize, seconds)
    return Bench(spec.name, session.device, dict(spec.details()), parameters, _costs(timings))


def operations_of(config: RunConfig, task: TaskSpec, options: Any) -> Benched:
    """The step, the evaluation, each signal and their plain twins, on the backend of `config`.

    Raises `Unavailable`, `ConfigError`.
    """
    spec, device = available_backend(config)
    data = loaded_data(task, options, config.train.seed)
    model = config.model_of(data.model)
    check_model(config, model, len(data.train))
    parameters = initial_parameters(model, config.train.seed)
    section = config.backend
    session = spec.open(model, parameters, device=device, precision=section.precision, threads=section.threads)
    train = Packer(data.train, model)
    test = PreparedSplit(Packer(data.splits["test"], model), session)

    def rows(index: int) -> Any:
        random = generator(config.train.seed, "batch", index)
        return random.integers(len(data.train), size=config.train.batch_size)

    def prepared(index: int) -> Any:
        return session.prepare(train.batch(rows(index)))

    operations: dict[str, Callable[[int], object]] = {
        "gradient": lambda index: session.gradient(session.parameters, prepared(index))[1],
        "step": lambda index: session.step(prepared(index), config.optimizer_at(0)),
        "evaluation": lambda index: test.scores(session.parameters),
    }
    with suppress(Unavailable):  # the framework has modules and optimizers of its own for some settings only
        if spec.plain is not None:
            plain = spec.plain(model, parameters, device=session.device, optimizer=config.optimizer_at(0))
            operations["plain step"] = lambda index: plain.step(data.train.take(rows(index)))
            operations["plain evaluation"] = lambda index: plain.accuracy(data.splits["test"])
            operations["plain finite difference"] = lambda index: plain.finite_difference(
                *(data.train.take(rows(each)) for each in (2 * index, 2 * index + 1))
            )
    for index in range(WARM_UP_STEPS):
        operations["step"](index)
    ready: dict[str, Ready] = {name: _at_once(call) for name, call in operations.items()}
    ready |= _signals(config, data, session, train)
    return Benched(spec, session, len(parameters), ready)


def _at_once(call: Callable[[int], object]) -> Ready:
    return lambda index: lambda: call(index)


def _signals(config: RunConfig, data: TaskData, session: Session, train: Packer) -> dict[str, Ready]:
    """Every signal that a run of this task can have, opened anew for each call.

    The signal sees a measurement of one pair of batches, the predictions of an evaluation, and a few snapshots.
    """
    model, one = config.model_of(data.model), {"samples": 1, "baseline_samples": 1}
    where, start = layout(model), initial_parameters(model, config.train.seed)
    moved = [start + step * generator(step, "analysis").standard_normal(len(start)) / 100 for step in range(SNAPSHOTS)]
    splits = {name: Packer(split, model) for name, split in data.splits.items()}
    watched = WatchedRun(
        config=config.model_copy(update={"measure": config.measure.model_copy(update=one)}),
        session=session,
        layout=where,
        train=train,
        splits={name: PreparedSplit(each, session) for name, each in {"train": train, **splits}.items()},
        facts=data.facts,
        start=start,
        series=lambda name: (np.empty(0), np.empty(0)),
        taken=lambda after, before: iter(list(enumerate(moved))[after + 1 :]),
        details=True,
        shared=False,
    )
    outcome = session.step(session.prepare(train.batch(np.arange(1))), config.optimizer_at(0))
    evaluated = LiveVantage(watched, SNAPSHOTS, outcome)
    subject = Subject(str(config.task["name"]), data.facts, tuple(watched.splits), where)

    def ready(spec: SignalSpec, index: int) -> Callable[[], object]:
        assert spec.open is not None
        signal = spec.open(spec.parameters(), subject)
        vantage = evaluated if spec.cost == "evaluation" else LiveVantage(watched, SNAPSHOTS + index, outcome)
        return lambda: signal.observe(vantage)

    found: dict[str, Ready] = {}
    for spec in installed_signals():
        if spec.open is not None and spec.cost != "recorded":
            with suppress(Exception):  # the task cannot have the signal, or a plugin is broken
                ready(spec, 0)()
                found[f"signal {spec.name}"] = partial(ready, spec)
    return found


def _timed(operations: dict[str, Ready], synchronize: Callable[[], None], seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each call, after a first round to warm up.

    A quick operation is called several times per round, so that its median rests on more than three calls even if
    another operation takes seconds.
    """
    timings: dict[str, list[float]] = {operation: [] for operation in operations}
    calls = dict.fromkeys(operations, 1)
    index, rounds, ends = 0, 0, time.perf_counter() + seconds
    while rounds <= LEAST_ROUNDS or time.perf_counter() < ends:
        for turn in range(MOST_CALLS):
            for operation, call in operations.items():
                if turn < calls[operation]:
                    timings[operation].append(_milliseconds(operation, call, synchronize, index))
            index += 1
        if rounds == 0:
            for operation, measured in timings.items():
                calls[operation] = int(np.clip(QUICK_MILLISECONDS / measured[-1], 1, MOST_CALLS))
                measured.clear()
        rounds += 1
    return timings


def _milliseconds(operation: str, ready: Ready, synchronize: Callable[[], None], index: int) -> float:
    call = ready(index)
    synchronize()
    started = time.perf_counter()
    result = call()
    if operation == "gradient":
        float(result[:1].sum())  # type: ignore[index]  # a lazy backend computes only when a value is read
    synchronize()
    return 1e3 * (time.perf_counter() - started)


def _costs(timings: dict[str, list[float]]) -> list[OperationCost]:
    medians = {operation: float(np.median(measured)) for operation, measured in timings.items()}
    costs = []
    for operation, milliseconds in medians.items():
        twin = medians.get(PLAIN_TWINS.get(operation, ""))
        costs.append(
            OperationCost(
                operation,
                milliseconds,
                milliseconds / medians["gradient"],
                None if twin is None else milliseconds / twin,
                len(timings[operation]),
            )
        )
    return costs

"""Replicas: cells with models of one shape train in one process as one batched model.

Each cell keeps its own trainer and run directory, and its events are those of the cell alone. A trainer asks for its
steps; the steps of all trainers of one shape are one batched computation of the backend. On a GPU so are the brackets
of a measurement that is due in all of them. What an intervention does with a gradient or with parameters, evaluations
and other signals happen cell by cell, as alone. A cell that ends leaves, and the others go on.
"""

import resource
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from grokscope import registry
from grokscope.contract.backends import BackendSpec, StepOutcome, Together
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.rectangles import Rectangle
from grokscope.contract.streams import generator
from grokscope.interventions.step import taken
from grokscope.settings.config import ConfigError, RunConfig, resolve
from grokscope.settings.values import dotted
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import read_standing
from grokscope.training.interruption import Interrupted, Interruption
from grokscope.training.launch import available_backend, continuation, launched, loaded_data, resumed_config
from grokscope.training.loop import AskedStep, Trainer
from grokscope.training.vantage import Foreseen

REPLICAS = 64
"""Default number of cells that train as one"""
_MEASURED, _STEPS = 8, 5
"""Cells and steps of the measurement of `gain`"""
BRACKETS_TOGETHER = frozenset({"cuda", "mps", "gpu"})
"""Devices on which the brackets of many runs are one computation. On a CPU one after the other takes about as long (1.2
times at width 32, 1.0 times at 64), and can be interrupted"""
_FILES = 8
"""Files that a replica may have open at a time"""
_PAUSE = "a replica cannot pause alone, and the others would wait; stop it, and resume it later"

Failed = Callable[[Cell, Exception], None]
"""Called with a cell that failed, and why"""


def shared_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that cells must share to train as one, by dotted key; all other settings may differ."""
    keys = ("train.batch_size", "optimizer.name", "optimizer.decay")
    settings = dotted(config.model_dump())
    return {key: value for key, value in settings.items() if key in keys or key.startswith(("model.", "backend."))}


def batchable_groups(cells: Iterable[Cell], most: int) -> list[list[Cell]]:
    """The cells in groups that can train as one, at most so many cells each. Groups and cells keep their order."""
    by_settings: dict[str, list[Cell]] = {}
    for cell in cells:
        by_settings.setdefault(repr((cell.task, shared_settings(cell.config))), []).append(cell)
    return [group[at : at + most] for group in by_settings.values() for at in range(0, len(group), most)]


def check_backend(cells: Iterable[Cell]) -> None:
    """Raises `ConfigError` if a cell's backend cannot train replicas, `Unavailable`."""
    for cell in {cell.config.backend.name: cell for cell in cells}.values():
        _together(available_backend(cell.config)[0])


def gain(cells: Sequence[Cell], most: int, threads: int) -> float | None:
    """How many times as fast cells step as one than one after the other, on a few cells like the largest group.

    On a CPU the time is CPU time, so other programs do not change the answer. None without two cells of one shape.
    """
    group = max(batchable_groups(cells, most), key=len)[:_MEASURED]
    runs = [_Measured(cell, threads) for cell in group]
    alike = [run for run in runs if run.model == runs[0].model]
    if len(alike) < 2:
        return None
    rectangle = Rectangle.of(alike[0].model, len(alike[0].rows), [run.examples for run in alike])
    together = _together(alike[0].spec)([run.session for run in alike], rectangle)
    batches, optimizers = [run.examples.take(run.rows) for run in alike], [run.optimizer for run in alike]
    plain = [None] * len(alike)
    clock = time.process_time if alike[0].session.device == "cpu" else time.perf_counter

    def seconds(step: Callable[[], object]) -> float:
        step()
        began = clock()
        for _ in range(_STEPS):
            step()
        alike[0].session.synchronize()
        return clock() - began

    alone = seconds(lambda: [run.step() for run in alike])
    return alone / seconds(lambda: [float(each.loss) for each in together.step(batches, optimizers, plain)])


class _Measured:
    """One cell, to be timed."""

    def __init__(self, cell: Cell, threads: int) -> None:
        task, config = registry.get("tasks", cell.task), cell.config
        _, options = resolve(task, cell.settings, preset=cell.preset)
        data = loaded_data(task, options, config.train.seed)
        self.examples, self.model = data.train, config.model_of(data.model)
        self.optimizer = config.optimizer_at(0)
        self.rows = generator(config.train.seed, "batch", 0).integers(len(self.examples), size=config.train.batch_size)
        self.spec, device = available_backend(config)
        start = initial_parameters(self.model, config.train.seed)
        self.session = self.spec.open(
            self.model, start, device=device, precision=config.backend.precision, threads=threads
        )
        self._packer = Packer(self.examples, self.model)

    def step(self) -> float:
        batch = self.session.prepare(self._packer.batch(self.rows))
        return float(self.session.step(batch, self.optimizer).loss)


def train_together(cells: Sequence[Cell], threads: int, interruption: Interruption, failed: Failed) -> None:
    """Train cells to their ends, each with a checkpoint if `interruption` was asked.

    Finished cells are skipped, and begun cells go on. A failed cell does not stop the others.
    """
    _open_files(_FILES * len(cells))
    with ExitStack() as stack:
        members: list[_Replica] = []
        for cell in cells:
            try:
                replica = _begun(cell, threads, interruption)
            except Interrupted:
                break
            except Exception as problem:
                failed(cell, problem)
                continue
            if replica is not None:
                stack.callback(replica.leave)
                members.append(replica)
        _train(members, failed)


class _Replica:
    """A cell, its trainer, and the step that the trainer asks for."""

    asked: AskedStep

    def __init__(self, cell: Cell, trainer: Trainer, opened: ExitStack) -> None:
        self.cell = cell
        self.trainer = trainer
        self.leave = opened.close
        self._steps = trainer.steps()
        trainer.recorder.control.impossible |= {"pause": _PAUSE, "step": _PAUSE}

    @property
    def shape(self) -> tuple[Any, ...]:
        """Equal for replicas whose steps can be one computation."""
        session, optimizer = self.trainer.session, self.asked.optimizer
        return type(session), session.device, self.trainer.model, len(self.asked.rows), optimizer.name, optimizer.decay

    def goes_on(self, outcome: StepOutcome | None) -> bool:
        """Take in the outcome of the step, None at the beginning; whether the trainer asks for another step."""
        try:
            self.asked = self._steps.send(outcome)  # type: ignore[arg-type]
        except StopIteration:
            return False
        return True


class _Shape:
    """The replicas of one shape."""

    def __init__(self) -> None:
        self._members: list[_Replica] = []
        self._together: Together | None = None

    def outcomes(self, members: list[_Replica]) -> Sequence[StepOutcome]:
        """One step of each member."""
        if len(members) == 1:
            asked = members[0].asked
            return [taken(members[0].trainer.session, asked.batch(), asked.optimizer, asked.treat)]
        if self._together is None or members != self._members:
            self._members, self._together = members, _joined([member.trainer for member in members])
        batches = [member.trainer.data.train.take(member.asked.rows) for member in members]
        optimizers = [member.asked.optimizer for member in members]
        outcomes = self._together.step(batches, optimizers, [member.asked.treat for member in members])
        self._foresee(self._together, members)
        return outcomes

    def _foresee(self, together: Together, members: list[_Replica]) -> None:
        """Compute the brackets that every member is about to look at, if all are."""
        trainers, asked = [member.trainer for member in members], [member.asked.probed for member in members]
        session = trainers[0].session
        if session.device not in BRACKETS_TOGETHER:
            return
        pairs = [probed() for probed in asked if probed is not None]
        if len(pairs) < len(members):
            return
        began, found = time.perf_counter(), []
        for pair in zip(*pairs, strict=False):
            batches_a, batches_b = (
                [trainer.data.train.take(rows) for trainer, rows in zip(trainers, side, strict=True)]
                for side in zip(*pair, strict=True)
            )
            found.append(together.brackets(batches_a, batches_b))
        session.synchronize()
        seconds = (time.perf_counter() - began) / len(members)
        for trainer, brackets in zip(trainers, zip(*found, strict=True), strict=True):
            trainer.foreseen = Foreseen(brackets, seconds)


def _begun(cell: Cell, threads: int, interruption: Interruption) -> _Replica | None:
    """The cell with an open run directory; None if its run is over. Raises what `launched` raises."""
    task, settings = registry.get("tasks", cell.task), {"backend.threads": threads}
    again = read_standing(cell).state == "diverged"
    if again:
        task, config, options = resumed_config(cell.directory, settings)
    else:
        config, options = resolve(task, {**cell.settings, **settings}, preset=cell.preset)
    left = "resume" if again else continuation(cell.directory, config)
    if left == "over":
        return None
    opened = ExitStack()
    trainer = opened.enter_context(
        launched(cell.directory, config, task, options, resume=left == "resume", interruption=interruption)
    )
    return _Replica(cell, trainer, opened)


def _train(members: list[_Replica], failed: Failed) -> None:
    """Step all members, those of one shape at once, until each has left."""
    shapes: dict[tuple[Any, ...], _Shape] = {}
    members = [member for member in members if _went_on(member, None, failed)]
    while members:
        by_shape: dict[tuple[Any, ...], list[_Replica]] = {}
        for member in members:
            by_shape.setdefault(member.shape, []).append(member)
        members = []
        for key, alike in by_shape.items():
            outcomes = shapes.setdefault(key, _Shape()).outcomes(alike)
            both = zip(alike, outcomes, strict=True)
            members += [member for member, outcome in both if _went_on(member, outcome, failed)]


def _went_on(member: _Replica, outcome: StepOutcome | None, failed: Failed) -> bool:
    """Whether the member asks for another step; one that does not has left."""
    try:
        goes_on = member.goes_on(outcome)
    except Exception as problem:
        failed(member.cell, problem)
        goes_on = False
    if not goes_on:
        member.leave()
    return goes_on


def _joined(trainers: Sequence[Trainer]) -> Together:
    first = trainers[0]
    spec, _ = available_backend(first.config)
    rectangle = Rectangle.of(first.model, first.config.train.batch_size, [each.data.train for each in trainers])
    return _together(spec)([each.session for each in trainers], rectangle)


def _together(spec: BackendSpec) -> Callable[..., Together]:
    if spec.together is None:
        raise ConfigError(f"the backend {spec.name} trains no replicas; choose --engine local")
    return spec.together


def _open_files(wanted: int) -> None:
    """Let this process open so many files, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + soft if hard == resource.RLIM_INFINITY else min(hard, wanted + soft)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

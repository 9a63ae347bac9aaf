"""Estimates how long runs take on this machine, from a short timing of each kind of run. Nothing is recorded.

A training step, an evaluation of all splits and one sample of the defect are timed. The time of other signals, of
snapshots and of starting a process is not included.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grokscope.contract.examples import Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.geometry import commutator
from grokscope.settings.config import RunConfig
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.launch import available_backend

ENOUGH_SECONDS = 0.3
"""An operation is repeated for this long, or for the following number of times"""
_MOST_CALLS = 20


@dataclass(frozen=True)
class Speed:
    """The time of each part of a run, in seconds."""

    step: float
    evaluation: float
    sample: float

    def seconds(self, config: RunConfig) -> float:
        """Seconds of a whole run that uses its whole budget of steps."""
        steps, measure = config.train.steps, config.measure
        total = steps * self.step + (1 + steps // config.evaluate.every) * self.evaluation
        if measure.estimator != "off":
            total += (measure.baseline_samples + steps // measure.every * measure.samples) * self.sample
        return total


class Stopwatch:
    """Times each kind of run once."""

    def __init__(self, threads: int | None = None) -> None:
        """`threads`: for runs without `backend.threads`; None: the backend's choice."""
        self._threads = threads
        self._shapes: dict[tuple[str, str], tuple[ModelSpec, int]] = {}
        self.speeds: dict[tuple[Any, ...], Speed] = {}
        """By kind of run: task, model, size of the data, batch size, backend and estimator"""

    def seconds(self, config: RunConfig, task: TaskSpec) -> float:
        """Seconds of a whole run of `task` that uses its whole budget of steps.

        Raises `Unavailable` if the backend does not work here, and any error from loading the task's data.
        """
        asked = (task.name, json.dumps(config.task))
        if asked not in self._shapes:
            data = _data(config, task)
            self._shapes[asked] = data.model, len(data.train) + sum(map(len, data.splits.values()))
        model, examples = self._shapes[asked]
        model, estimator = config.model_of(model), config.measure.estimator
        kind = (task.name, model, examples, config.train.batch_size, config.backend, estimator)
        if kind not in self.speeds:
            self.speeds[kind] = self._timed(config, _data(config, task), model)
        return self.speeds[kind].seconds(config)

    def _timed(self, config: RunConfig, data: TaskData, model: ModelSpec) -> Speed:
        spec, device = available_backend(config)
        parameters = initial_parameters(model, config.train.seed)
        packers = {name: Packer(each, model) for name, each in {"train": data.train, **data.splits}.items()}
        section = config.backend
        threads = section.threads or self._threads
        session = spec.open(model, parameters, device=device, precision=section.precision, threads=threads)
        prepared = [PreparedSplit(packer, session) for packer in packers.values()]
        train = packers["train"]

        def batch(index: int) -> Any:
            random = generator(config.train.seed, "probe", index)
            return session.prepare(train.batch(random.integers(len(train.examples), size=config.train.batch_size)))

        def sample(index: int) -> None:
            measure = commutator.finite_difference if config.measure.estimator != "exact" else commutator.exact
            measure(session, session.parameters, batch(2 * index), batch(2 * index + 1), precision=session.precision)

        def evaluate(index: int) -> None:
            for split in prepared:
                split.scores(session.parameters)

        return Speed(
            step=_median(lambda index: session.step(batch(index), config.optimizer_at(0)), session.synchronize),
            evaluation=_median(evaluate, session.synchronize),
            sample=0.0 if config.measure.estimator == "off" else _median(sample, session.synchronize),
        )


def _data(config: RunConfig, task: TaskSpec) -> TaskData:
    options = {key: value for key, value in config.task.items() if key != "name"}
    return task.load(task.options.model_validate(options), config.train.seed)


def _median(call: Callable[[int], object], synchronize: Callable[[], None]) -> float:
    """Median seconds of a call, after a first call to warm up."""
    call(0)
    synchronize()
    taken: list[float] = []
    while not taken or (sum(taken) < ENOUGH_SECONDS and len(taken) < _MOST_CALLS):
        started = time.perf_counter()
        call(1 + len(taken))
        synchronize()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))

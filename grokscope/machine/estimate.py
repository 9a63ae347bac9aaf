"""How long runs will take on this machine, from a short timing of one of each kind. Nothing is recorded.

What is timed is most of a run: a training step, an evaluation of all splits, one sample of the defect. Signals beside
the defect, snapshots and the start of a process are left out.
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
"""An operation is repeated until it has taken so long, or so often:"""
_MOST_CALLS = 20


@dataclass(frozen=True)
class Speed:
    """What the parts of a run take, seconds."""

    step: float
    evaluation: float
    sample: float

    def seconds(self, config: RunConfig) -> float:
        """The whole of a run that uses up its budget of steps."""
        steps, measure = config.train.steps, config.measure
        total = steps * self.step + (1 + steps // config.evaluate.every) * self.evaluation
        if measure.estimator != "off":
            total += (measure.baseline_samples + steps // measure.every * measure.samples) * self.sample
        return total


class Stopwatch:
    """Times one run of each kind, and remembers what it took."""

    def __init__(self, threads: int | None = None) -> None:
        """`threads`: of a run whose `backend.threads` does not say; None: the backend's choice."""
        self._threads = threads
        self._shapes: dict[tuple[str, str], tuple[ModelSpec, int]] = {}
        self.speeds: dict[tuple[Any, ...], Speed] = {}
        """Of each kind: runs of one task, model, size of data, batch size, backend and estimator"""

    def seconds(self, config: RunConfig, task: TaskSpec) -> float:
        """The whole of a run of `task`, if it uses up its budget of steps.

        Raises `Unavailable` where its backend cannot work here, and what loading the task's data raises.
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
            step=_median(lambda index: session.step(batch(index), config.adamw), session.synchronize),
            evaluation=_median(evaluate, session.synchronize),
            sample=0.0 if config.measure.estimator == "off" else _median(sample, session.synchronize),
        )


def _data(config: RunConfig, task: TaskSpec) -> TaskData:
    options = {key: value for key, value in config.task.items() if key != "name"}
    return task.load(task.options.model_validate(options), config.train.seed)


def _median(call: Callable[[int], object], synchronize: Callable[[], None]) -> float:
    """Seconds of a call; the first one warms up."""
    call(0)
    synchronize()
    taken: list[float] = []
    while not taken or (sum(taken) < ENOUGH_SECONDS and len(taken) < _MOST_CALLS):
        started = time.perf_counter()
        call(1 + len(taken))
        synchronize()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))

"""Somebody's own loop as the signals see it: what `grokscope.training.vantage` is to ours.

Whatever needs a task is not offered: a probe sees a loss and never what is predicted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Array, FloatArray, Precision
from grokscope.contract.backends import Landscape, Prepared, StepOutcome
from grokscope.contract.own_models import OwnModel
from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Answers, NotOffered, Number
from grokscope.contract.streams import generator
from grokscope.own.batches import BatchSource
from grokscope.training.observation import OpenSignal, SignalObserver, snapshots_between
from grokscope.training.vantage import RememberedLandscape

NOISES = 2**63
"""Numbers from which a batch's own randomness may begin"""


@dataclass(frozen=True)
class ProbedRun:
    """What stays the same of a loop while it is looked at."""

    model: OwnModel
    source: BatchSource
    seed: int
    """Of the probe's own stream"""
    pairs: int
    baseline_pairs: int
    """Pairs of batches of a measurement, and of the one at step 0"""
    snapshots: Path
    snapshot_every: int
    facts: Mapping[str, Any]
    start: Callable[[], FloatArray]
    """The parameters at step 0, [size]. Raises `NotOffered`"""
    decay_time: Callable[[], Number]
    """See `Vantage.decay_time`, now"""

    def pair(self, step: int, index: int) -> tuple[Prepared, Prepared]:
        """Batches A and B of pair `index` at a step."""
        random = generator(self.seed, "probe", step, index)
        a, b = self.source.pair(random)
        noise_a, noise_b = (int(noise) for noise in random.integers(NOISES, size=2))
        return self.model.prepare(a, noise_a), self.model.prepare(b, noise_b)


class OwnVantage:
    """See `grokscope.contract.signals.Vantage`. It holds for one block of `OwnModel.looking`."""

    def __init__(
        self,
        probed: ProbedRun,
        step: int,
        outcome: StepOutcome | None,
        series: Callable[[str], tuple[NDArray[np.float64], NDArray[np.float64]]],
    ) -> None:
        self._probed = probed
        self.step = step
        self.outcome = outcome
        self.series = series
        self._drawn: dict[int, tuple[Prepared, Prepared]] = {}
        self._taken = partial(snapshots_between, probed.snapshots, probed.snapshot_every)

    @property
    def decay_time(self) -> Number:
        return self._probed.decay_time()

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._probed.facts

    # --- parameters -------------------------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        return self._probed.model.layout

    @property
    def theta(self) -> Array:
        return self._probed.model.theta

    @cached_property
    def parameters(self) -> FloatArray:
        return _to_read(self._probed.model.tonumpy(self.theta))

    @property
    def start(self) -> FloatArray:
        return _to_read(self._probed.start())

    def tensors(self) -> Mapping[str, FloatArray]:
        return self.layout.unflatten(self.parameters)

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> Array:
        return self._probed.model.asarray(values, precision)

    def tonumpy(self, array: Array) -> FloatArray:
        return self._probed.model.tonumpy(array)

    def concatenate(self, pieces: Sequence[Array]) -> Array:
        return self._probed.model.concatenate(pieces)

    def snapshots(self, after: int = -1) -> Iterator[tuple[int, FloatArray]]:
        yield from self._taken(after, self.step)
        every = self._probed.snapshot_every
        if every and self.step % every == 0 and self.step > after:
            yield self.step, self.parameters

    # --- gradients --------------------------------------------------------------------------------------------------

    @property
    def precision(self) -> Precision:
        return self._probed.model.precision

    @property
    def pairs(self) -> int:
        return self._probed.baseline_pairs if self.step == 0 else self._probed.pairs

    @property
    def point(self) -> Array:
        return self.theta

    @cached_property
    def landscape(self) -> Landscape[Any]:
        return RememberedLandscape(self._probed.model, self.point)

    def draw(self, index: int) -> tuple[Prepared, Prepared]:
        if index not in self._drawn:
            self._drawn[index] = self._probed.pair(self.step, index)
        return self._drawn[index]

    def example(self, index: int) -> Prepared:
        seed = self._probed.seed
        batch = self._probed.source.example(index, generator(seed, "analysis"))
        noise = int(generator(seed, "analysis", index=index + 1).integers(NOISES))
        return self._probed.model.prepare(batch, noise)

    # --- what only a task knows -------------------------------------------------------------------------------------

    def answers(self, split: str) -> Iterator[Answers]:
        raise NotOffered("a probe in somebody's own loop does not see predictions")


class OwnObserver(SignalObserver):
    """All signals of somebody's own loop."""

    def __init__(self, opened: Sequence[OpenSignal], metric: str, probed: ProbedRun, *, blocks: bool) -> None:
        super().__init__(opened, metric, blocks=blocks)
        self._probed = probed

    def forget(self) -> None:
        """The moment is over: the model will not stand there again."""
        self._moment = None

    def _vantage(self, step: int, outcome: StepOutcome | None) -> OwnVantage:
        return OwnVantage(self._probed, step, outcome, self.series)


def _to_read(values: FloatArray) -> FloatArray:
    view = values.view()
    view.flags.writeable = False
    return view

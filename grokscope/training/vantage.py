"""A run as its signals see it while it trains: every member is computed when it is first asked for, and once.

Batches A and B are drawn as the paper draws them, with replacement from the training set and of the training batch's
size, but from the probe's own stream: looking more often, less or not at all leaves every training batch as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Array, FloatArray, Precision
from grokscope.contract.backends import Bracket, Landscape, Prediction, Prepared, Session, StepOutcome
from grokscope.contract.examples import Ints, Packer
from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Answers, NotOffered
from grokscope.contract.streams import generator
from grokscope.events import Scores
from grokscope.geometry import commutator
from grokscope.settings.config import RunConfig
from grokscope.training.evaluation import PreparedSplit


@dataclass(frozen=True)
class WatchedRun:
    """What stays the same of a run while it is looked at."""

    config: RunConfig
    session: Session
    layout: Layout
    train: Packer
    splits: Mapping[str, PreparedSplit]
    facts: Mapping[str, Any]
    start: FloatArray
    """The parameters at step 0, [size]"""
    series: Callable[[str], tuple[NDArray[np.float64], NDArray[np.float64]]]
    """See `Vantage.series`"""
    taken: Callable[[int, int], Iterator[tuple[int, FloatArray]]]
    """`taken(after, before)`: the snapshots on schedule at steps between, both ends left out"""
    details: bool
    """Whether a signal of the run needs logits or representations"""
    shared: bool
    """Whether more than one signal looks at gradients, so that they are worth remembering"""


class Foreseen(NamedTuple):
    """What somebody computed of a moment for many runs at once."""

    brackets: Sequence[Bracket]
    """Of the first pairs of batches, in the run's own precision, at its parameters then"""
    seconds: float
    """This run's part of the time"""


def probe_rows(config: RunConfig, examples: int, step: int, index: int) -> tuple[Ints, Ints]:
    """The examples of batches A and B of a pair, [rows] each"""
    random = generator(config.train.seed, "probe", step, index)
    a, b = (random.integers(examples, size=config.train.batch_size) for _ in range(2))
    return a, b


class LiveVantage:
    """See `grokscope.contract.signals.Vantage`: the moment after `step` optimizer steps."""

    def __init__(
        self, watched: WatchedRun, step: int, outcome: StepOutcome | None, foreseen: Foreseen | None = None
    ) -> None:
        self._watched = watched
        self._foreseen = foreseen
        self.step = step
        self.outcome = outcome
        self._drawn: dict[int, tuple[Prepared, Prepared]] = {}
        self._predictions: dict[str, list[Prediction]] = {}

    @property
    def decay_time(self) -> float:
        return self._watched.config.decay_time(self.step)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self._watched.facts

    # --- parameters -------------------------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        return self._watched.layout

    @cached_property
    def theta(self) -> Array:
        return self._watched.session.parameters

    @cached_property
    def parameters(self) -> FloatArray:
        return _read_only(self._watched.session.tonumpy(self.theta))

    @property
    def start(self) -> FloatArray:
        return _read_only(self._watched.start)

    def tensors(self) -> Mapping[str, FloatArray]:
        return self.layout.unflatten(self.parameters)

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> Array:
        return self._watched.session.asarray(values, precision)

    def tonumpy(self, array: Array) -> FloatArray:
        return self._watched.session.tonumpy(array)

    def concatenate(self, pieces: Sequence[Array]) -> Array:
        return self._watched.session.concatenate(pieces)

    def snapshots(self, after: int = -1) -> Iterator[tuple[int, FloatArray]]:
        yield from self._watched.taken(after, self.step)
        every = self._watched.config.snapshot.every
        if every and self.step % every == 0 and self.step > after:
            yield self.step, self.parameters

    # --- gradients --------------------------------------------------------------------------------------------------

    @property
    def precision(self) -> Precision:
        asked = self._watched.config.measure.precision
        return self._watched.session.precision if asked == "run" else asked

    @property
    def pairs(self) -> int:
        section = self._watched.config.measure
        return section.baseline_samples if self.step == 0 else section.samples

    @cached_property
    def point(self) -> Array:
        session = self._watched.session
        if self.precision == session.precision:
            return self.theta
        return session.asarray(session.tonumpy(self.theta), self.precision)

    @cached_property
    def landscape(self) -> Landscape[Any]:
        session, foreseen = self._watched.session, self._foreseen
        if foreseen is None or self.precision != session.precision:
            return RememberedLandscape(session, self.point) if self._watched.shared else session
        known = ((self.draw(index), bracket) for index, bracket in enumerate(foreseen.brackets))
        return RememberedLandscape(session, self.point, known)

    def draw(self, index: int) -> tuple[Prepared, Prepared]:
        if index not in self._drawn:
            train, session = self._watched.train, self._watched.session
            a, b = probe_rows(self._watched.config, len(train.examples), self.step, index)
            self._drawn[index] = session.prepare(train.batch(a)), session.prepare(train.batch(b))
        return self._drawn[index]

    def example(self, index: int) -> Prepared:
        train, session = self._watched.train, self._watched.session
        if index >= len(train.examples):
            raise NotOffered(f"there are {len(train.examples)} training examples, and no number {index}")
        order = generator(self._watched.config.train.seed, "analysis").permutation(len(train.examples))
        return session.prepare(train.batch(order[index : index + 1]))

    # --- what the run records anyway --------------------------------------------------------------------------------

    def scores(self, split: str) -> Scores:
        """The scores of a split. Its predictions are kept where a signal looks at them."""
        prepared = self._watched.splits[split]
        return prepared.scored(self._predicted(split))

    def answers(self, split: str) -> Iterator[Answers]:
        if split not in self._watched.splits:
            raise NotOffered(f"this run evaluates {', '.join(self._watched.splits)}, and no {split!r}")
        return self._watched.splits[split].answers(self._predicted(split))

    def _predicted(self, split: str) -> list[Prediction]:
        if split not in self._predictions:
            prepared = self._watched.splits[split]
            self._predictions[split] = list(prepared.predictions(self.theta, details=self._watched.details))
        return self._predictions[split]

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._watched.series(name)


class RememberedLandscape:
    """A landscape that computes nothing twice at one point, however many signals ask.

    The gradients in a bracket are not given to those who ask for a gradient alone: where a backend fuses the bracket
    their last bits may differ, and a number must not depend on who else is looking.
    """

    def __init__(
        self,
        landscape: Landscape[Any],
        point: Array,
        known: Iterable[tuple[tuple[Prepared, Prepared], Bracket]] = (),
    ) -> None:
        """`known`: brackets of pairs of batches at `point`."""
        self._landscape = landscape
        self._point = point
        self._gradients: dict[int, tuple[Array, Array]] = {}
        self._brackets: dict[tuple[int, int], Bracket] = {}
        self._kept: list[Prepared] = []
        """Batches that were asked about: while they live, their ids are theirs"""
        for (batch_a, batch_b), bracket in known:
            self._keep(batch_a, batch_b, bracket)

    def gradient(self, theta: Array, batch: Prepared) -> tuple[Array, Array]:
        if theta is not self._point:
            return self._landscape.gradient(theta, batch)
        if id(batch) not in self._gradients:
            self._kept.append(batch)
            self._gradients[id(batch)] = self._landscape.gradient(theta, batch)
        return self._gradients[id(batch)]

    def hessian_vector_product(self, theta: Array, batch: Prepared, vector: Array) -> Array:
        return self._landscape.hessian_vector_product(theta, batch, vector)

    def bracket(self, theta: Array, batch_a: Prepared, batch_b: Prepared) -> Bracket:
        if theta is not self._point:
            return commutator.bracket(self._landscape, theta, batch_a, batch_b)
        key = id(batch_a), id(batch_b)
        if key not in self._brackets:
            self._keep(batch_a, batch_b, commutator.bracket(self._landscape, theta, batch_a, batch_b))
        return self._brackets[key]

    def _keep(self, batch_a: Prepared, batch_b: Prepared, bracket: Bracket) -> None:
        self._kept += [batch_a, batch_b]
        self._brackets[id(batch_a), id(batch_b)] = bracket


def _read_only(values: FloatArray) -> FloatArray:
    view = values.view()
    view.flags.writeable = False
    return view

"""Measures the commutator defect along a run, without disturbing it.

Batches A and B are drawn as the paper draws them, with replacement from the training set and of the training batch's
size, but from the probe's own stream: measuring more, less or not at all leaves every training batch as it was.
"""

import time
from collections.abc import Sequence

import numpy as np

from grokscope.contract.arrays import Precision
from grokscope.contract.backends import Session
from grokscope.contract.examples import Batch, Packer
from grokscope.contract.parameters import Layout
from grokscope.contract.streams import generator
from grokscope.events import Measured, Spread
from grokscope.geometry import commutator
from grokscope.geometry.commutator import Commutator, CommutatorSample
from grokscope.settings.config import RunConfig


class Probe:
    """The measurement that a configuration asks for, on one session."""

    def __init__(self, config: RunConfig, train: Packer, session: Session, layout: Layout) -> None:
        self.config = config
        self._train = train
        self._session = session
        self._groups = layout.groups()
        asked = config.measure.precision
        self.precision: Precision = session.precision if asked == "run" else asked

    def measure(self, step: int) -> Measured:
        """The defect at the session's parameters, which are those after `step` optimizer steps."""
        started = time.perf_counter()
        section = self.config.measure
        estimator = self._estimator
        samples = [self._sample(step, index, estimator) for index in range(self._count(step))]
        measured = Commutator(samples, estimator, self.precision)
        low, median, high = measured.quartiles()
        return Measured(
            step=step,
            defect=Spread(median=median, p25=low, p75=high, samples=[sample.defect for sample in measured.samples]),
            commutator_norm=measured.median(lambda sample: sample.commutator_norm),
            relative_commutator=measured.median(lambda sample: sample.relative_commutator),
            gradient_norm=_median_gradient_norm(measured.samples),
            gradient_cosine=measured.median(lambda sample: sample.gradient_cosine),
            estimator=measured.estimator,
            precision=self.precision,
            eta=measured.median(lambda sample: sample.eta),
            floor=measured.floor,
            below_floor=measured.below_floor,
            seconds=time.perf_counter() - started,
            blocks=self._shares(measured.samples) if section.blocks else None,
        )

    def finite_differences(self, step: int) -> dict[str, float | None]:
        """The defect in the published form and its rounding floor as signals: medians over the batches of `measure`."""
        samples = [self._sample(step, index, "finite-difference") for index in range(self._count(step))]
        measured = Commutator(samples, "finite-difference", self.precision)
        return {"finite_difference_defect": measured.quartiles()[1], "finite_difference_floor": measured.floor}

    def _count(self, step: int) -> int:
        section = self.config.measure
        return section.baseline_samples if step == 0 else section.samples

    @property
    def _estimator(self) -> commutator.Estimator:
        estimator = self.config.measure.estimator
        if estimator == "off":
            raise ValueError("this run measures nothing")
        return estimator

    def _sample(self, step: int, index: int, estimator: commutator.Estimator) -> CommutatorSample:
        session = self._session
        theta = session.parameters
        if self.precision != session.precision:
            theta = session.asarray(session.tonumpy(theta), self.precision)
        random = generator(self.config.train.seed, "probe", step, index)
        batch_a, batch_b = (session.prepare(self._draw(random)) for _ in "ab")
        if estimator == "exact":
            return commutator.exact(session, theta, batch_a, batch_b, precision=self.precision)
        return commutator.finite_difference(
            session, theta, batch_a, batch_b, precision=self.precision, eta=self.config.measure.eta
        )

    def _draw(self, random: np.random.Generator) -> Batch:
        return self._train.batch(random.integers(len(self._train.examples), size=self.config.train.batch_size))

    def _shares(self, samples: Sequence[CommutatorSample]) -> dict[str, float | None]:
        each = [commutator.shares(sample.commutator, self._groups) for sample in samples]
        return {group: float(np.median([shares[group] for shares in each])) for group in self._groups}


def _median_gradient_norm(samples: Sequence[CommutatorSample]) -> float:
    return float(np.median([norm for sample in samples for norm in (sample.gradient_norm_a, sample.gradient_norm_b)]))

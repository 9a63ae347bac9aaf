"""`defect`: the commutator defect by Hessian-vector products, and what one measurement of it shows beside.

Both estimators measure the same way: the median over pairs of batches, with quartiles and a rounding floor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from grokscope.contract.arrays import Array
from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage, Work
from grokscope.geometry.commutator import Commutator, CommutatorSample, Estimator, block_shares, exact

PAPER = "arXiv 2602.16967"


class CommutatorSignal:
    """Medians over the pairs of batches of a measurement, by one estimator."""

    def __init__(
        self,
        name: str,
        floor: str,
        estimator: Estimator,
        sample: Callable[[Vantage, Array, Any, Any], CommutatorSample],
    ) -> None:
        self._name = name
        self._floor = floor
        self._estimator = estimator
        self._sample = sample

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        measurement = self._measurement(vantage)
        return {self._name: measurement.quartiles()[1], self._floor: measurement.floor}

    def measured(self, vantage: Vantage, *, blocks: bool) -> Mapping[str, Any]:
        measurement = self._measurement(vantage)
        low, median, high = measurement.quartiles()
        samples = measurement.samples
        return {
            "defect": {
                "median": median, "p25": low, "p75": high, "samples": [sample.defect for sample in samples],
            },
            "commutator_norm": measurement.median(lambda sample: sample.commutator_norm),
            "relative_commutator": measurement.median(lambda sample: sample.relative_commutator),
            "gradient_norm": _median_gradient_norm(samples),
            "gradient_cosine": measurement.median(lambda sample: sample.gradient_cosine),
            "estimator": self._estimator,
            "precision": vantage.precision,
            "eta": measurement.median(lambda sample: sample.eta),
            "floor": measurement.floor,
            "below_floor": measurement.below_floor,
            "blocks": _median_shares(samples, vantage.layout.groups()) if blocks else None,
        }  # fmt: skip

    def _measurement(self, vantage: Vantage) -> Commutator:
        pairs = (vantage.draw(index) for index in range(vantage.pairs))
        samples = [self._sample(vantage, vantage.point, batch_a, batch_b) for batch_a, batch_b in pairs]
        return Commutator(samples, self._estimator, vantage.precision)


def _median_gradient_norm(samples: Sequence[CommutatorSample]) -> float:
    return float(np.median([norm for sample in samples for norm in (sample.gradient_norm_a, sample.gradient_norm_b)]))


def _median_shares(
    samples: Sequence[CommutatorSample], groups: Mapping[str, Sequence[tuple[int, int]]]
) -> dict[str, float]:
    each = [block_shares(sample.commutator, groups) for sample in samples]
    return {group: float(np.median([shares[group] for shares in each])) for group in groups}


def _exact(vantage: Vantage, theta: Array, batch_a: Any, batch_b: Any) -> CommutatorSample:
    return exact(vantage.landscape, theta, batch_a, batch_b, precision=vantage.precision)


SPEC = SignalSpec(
    name="defect",
    words="defect",
    summary="Commutator defect in the limit of small steps, ‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖).",
    source=f"{PAPER}, in the limit η → 0",
    cost="gradients",
    open=lambda parameters, subject: CommutatorSignal("defect", "defect_floor", "exact", _exact),
    rules=(
        SignalRule("onset", "persistent", "defect onset", consecutive=3),
        SignalRule("onset-paper", "paper", "defect onset, paper's rule"),
        SignalRule("onset-paper-slow", "paper-slow", "defect onset, paper's slow rule"),
    ),
    log=True,
    floor="defect_floor",
    work=lambda parameters, pairs: Work(gradients=2 * pairs, products=2 * pairs),
)

COMMUTATOR_NORM = SignalSpec(
    name="commutator_norm",
    words="commutator norm",
    summary="Length of the commutator of two gradient steps, ‖H_B g_A − H_A g_B‖, as every measurement records it.",
    source=PAPER,
    cost="recorded",
    rules=(SignalRule("commutator-norm-rise", "rises", "commutator norm rose", factor=10.0, consecutive=3),),
    log=True,
)

RELATIVE_COMMUTATOR = SignalSpec(
    name="relative_commutator",
    words="relative commutator",
    summary="The commutator's length over that of its two parts, ‖H_B g_A − H_A g_B‖ / (‖H_B g_A‖ + ‖H_A g_B‖), in "
    "[0, 1], as every measurement by the exact estimator records it.",
    cost="recorded",
    rules=(SignalRule("relative-commutator-fall", "falls", "relative commutator fell", factor=0.5, consecutive=3),),
)

PROBE_GRADIENT_NORM = SignalSpec(
    name="probe_gradient_norm",
    words="gradient norm (probe)",
    summary="Length of the gradients of the batches that a measurement draws, ‖g_A‖ and ‖g_B‖, median.",
    cost="recorded",
    log=True,
)

GRADIENT_COSINE = SignalSpec(
    name="gradient_cosine",
    words="gradient cosine",
    summary="Cosine of the gradients of the two batches that a measurement draws.",
    cost="recorded",
)

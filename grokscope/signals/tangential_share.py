"""`tangential_share`: how much of the weights' length could shrink without the training losses noticing.

On the zero-loss manifold decay moves the weights along it alone, so this is the rate at which they can shrink there.
The paper's tangent space is the null space of the Jacobian of logits. A session gives no such Jacobian, but the
gradient of one example's loss is a combination of the rows that belong to the example: K examples span K directions.
Of the thousands that all examples span a few dozen leave most out: the number is near 1, and its changes count.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Prepared
from grokscope.contract.signals import NotOffered, Number, SignalSpec, Subject, Vantage, Work
from grokscope.geometry.commutator import EPSILON

NEGLIGIBLE = 100
"""Directions whose Gram eigenvalue is below so many epsilon of the largest are rounding"""


class TangentialShareParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(
        32, ge=1, description="training examples whose losses must not change, at most, the same all along"
    )


def normal_share(gradients: Sequence[FloatArray], point: FloatArray, epsilon: float) -> float:
    """The share of ‖point‖² [size] in the span of K `gradients` [size], in [0, 1].

    ‖G⁺G θ‖² by the K x K Gram matrix of unit rows, whose eigenvalues below `NEGLIGIBLE` epsilon of the largest are left
    out.
    """
    rows = np.asarray(gradients, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    if not len(rows):
        return 0.0
    eigenvalues, vectors = np.linalg.eigh(rows @ rows.T)
    along: NDArray[np.float64] = vectors.T @ (rows @ point)
    kept = eigenvalues > NEGLIGIBLE * epsilon * eigenvalues[-1]
    return float(min(1.0, (along[kept] ** 2 / eigenvalues[kept]).sum() / (point @ point)))


class TangentialShare:
    """‖P_T θ‖² / ‖θ‖², P_T = I − G⁺G, G the gradients of K examples' losses."""

    def __init__(self, examples: int) -> None:
        self._examples = examples

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        point = np.asarray(vantage.tonumpy(vantage.point), dtype=np.float64)
        if not point.any():
            return {"tangential_share": None}
        gradients = [
            vantage.tonumpy(vantage.landscape.gradient(vantage.point, batch)[1]) for batch in self._batches(vantage)
        ]
        if not gradients:
            raise NotOffered("there is no training example to be had alone")
        return {"tangential_share": 1 - normal_share(gradients, point, EPSILON[vantage.precision])}

    def _batches(self, vantage: Vantage) -> Iterator[Prepared]:
        with suppress(NotOffered):  # a training set may be smaller
            for index in range(self._examples):
                yield vantage.example(index)


def _open(parameters: TangentialShareParameters, subject: Subject) -> TangentialShare:
    return TangentialShare(parameters.examples)


SPEC = SignalSpec(
    name="tangential_share",
    words="tangential share",
    summary="‖P_T θ‖² / ‖θ‖² with P_T = I − G⁺G, G the gradients of the losses of some training examples: the share of "
    "the squared weight norm that can shrink without these losses changing, to first order.",
    source="arXiv 2511.01938, there with the Jacobian of logits in place of G",
    cost="gradients",
    open=_open,
    parameters=TangentialShareParameters,
    higher=True,
    work=lambda parameters, pairs: Work(gradients=parameters.examples),
)

"""`transverse_share`: how much of the commutator points out of the directions in which the weights have moved."""

from collections.abc import Iterator, Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.arrays import Array, FloatArray
from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage, Work
from grokscope.geometry.commutator import exact
from grokscope.geometry.subspaces import Projector, invariance, trajectory_basis

FEWEST_FOR_SUBSPACE = 4
"""As the published code: fewer span a subspace of little meaning"""


class SubspaceParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    components: int = Field(2, ge=1, description="principal directions of each weight matrix's trajectory")


class SubspaceSoFar:
    """The execution subspace of a run so far: principal components of its snapshots, of each weight matrix.

    All snapshots are kept in memory: the subspace of a longer trajectory is not that of a shorter one, extended.
    """

    def __init__(self, layout: Layout, components: int) -> None:
        self._layout = layout
        self._components = components
        self._snapshots: list[FloatArray] = []
        self._seen = -1

    def projector(self, vantage: Vantage) -> Projector | None:
        """On the subspace of the snapshots so far; None where they are fewer than four."""
        for step, parameters in vantage.snapshots(after=self._seen):
            self._snapshots.append(parameters)
            self._seen = step
        if len(self._snapshots) < FEWEST_FOR_SUBSPACE:
            return None
        return Projector(trajectory_basis(self._snapshots, self._layout, self._components), vantage)


def commutators(vantage: Vantage) -> Iterator[Array]:
    """H_B g_A − H_A g_B of each pair of batches of a measurement, [size]"""
    for index in range(vantage.pairs):
        yield exact(vantage.landscape, vantage.point, *vantage.draw(index), precision=vantage.precision).commutator


class TransverseShare:
    """The median over pairs of ‖(1 − P_B) δ‖ / ‖δ‖"""

    def __init__(self, trajectory: SubspaceSoFar) -> None:
        self._trajectory = trajectory

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        projector = self._trajectory.projector(vantage)
        if projector is None:
            return {}
        return {"transverse_share": float(np.median([invariance(each, projector) for each in commutators(vantage)]))}


def subspace_of(parameters: SubspaceParameters, subject: Subject) -> SubspaceSoFar:
    """Raises `ValueError` where the run has no model to look at."""
    if subject.layout is None:
        raise ValueError("it needs a model")
    return SubspaceSoFar(subject.layout, parameters.components)


def _open(parameters: SubspaceParameters, subject: Subject) -> TransverseShare:
    return TransverseShare(subspace_of(parameters, subject))


SPEC = SignalSpec(
    name="transverse_share",
    words="transverse share",
    summary="‖(1 − P_B) δ‖ / ‖δ‖, the part of the commutator δ outside of the span B of the principal components of "
    "the weight trajectory so far, median over the pairs of batches.",
    source="arXiv 2602.16746",
    cost="snapshot",
    open=_open,
    parameters=SubspaceParameters,
    work=lambda parameters, pairs: Work(gradients=2 * pairs, products=2 * pairs),
)

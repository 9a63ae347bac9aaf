"""`exec_random`: how much more of the commutator lies where the weights have moved than lies anywhere by chance."""

from collections.abc import Mapping
from math import sqrt

import numpy as np

from grokscope.contract.arrays import Array
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage, Work
from grokscope.geometry.commutator import dot, norm
from grokscope.geometry.subspaces import Projector
from grokscope.signals.transverse_share import SubspaceParameters, SubspaceSoFar, commutators, subspace_of


def share_over_chance(commutator: Array, projector: Projector) -> tuple[float, float]:
    """‖P_B δ‖ over what random directions have, twice: as many in each block, and as many in the whole space.

    √(Σ_b (K_b / P_b) ‖δ_b‖²) is the root mean square length of the projection on K_b random directions of the P_b
    dimensions of each block b; √(K / P) ‖δ‖ is the published null. A commutator that lies in the blocks at all exceeds
    the second one without pointing anywhere in particular.
    """
    subspace = projector.subspace
    inside = float(np.linalg.norm(projector.coefficients(commutator)))
    by_block = sum(
        len(block.vectors) / block.vectors.shape[1]
        * sum(dot(commutator[start:stop], commutator[start:stop]) for start, stop in block.slices)
        for block in subspace.blocks
    )  # fmt: skip
    anywhere = sqrt(subspace.dimension / subspace.size) * norm(commutator)
    return inside / sqrt(by_block) if by_block else np.nan, inside / anywhere if anywhere else np.nan


class ExecRandom:
    """Medians over pairs, by the fair null and by the published one."""

    def __init__(self, trajectory: SubspaceSoFar) -> None:
        self._trajectory = trajectory

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        projector = self._trajectory.projector(vantage)
        if projector is None:
            return {}
        ratios = np.array([share_over_chance(each, projector) for each in commutators(vantage)])
        fair, published = np.median(ratios, axis=0)
        return {"exec_random": float(fair), "exec_random_published": float(published)}


def _open(parameters: SubspaceParameters, subject: Subject) -> ExecRandom:
    return ExecRandom(subspace_of(parameters, subject))


SPEC = SignalSpec(
    name="exec_random",
    words="exec/random",
    summary="‖P_B δ‖ / √(Σ_b (K_b/P_b) ‖δ_b‖²), the part of the commutator δ in the execution subspace B over that in "
    "as many random directions of the same matrices b; beside it the published ratio, over √(K/P) ‖δ‖.",
    source="arXiv 2602.16746",
    cost="snapshot",
    open=_open,
    parameters=SubspaceParameters,
    log=True,
    work=lambda parameters, pairs: Work(gradients=2 * pairs, products=2 * pairs),
)

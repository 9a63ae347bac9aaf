"""`converse_alignment`: whether the weights have just moved along the commutator."""

from collections.abc import Mapping
from math import pi, sqrt

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.arrays import FloatArray
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage, Work
from grokscope.geometry.commutator import dot, norm
from grokscope.signals.transverse_share import commutators


class ConverseAlignmentParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    decay_time: float = Field(0.1, gt=0, description="how far back the movement starts, at least, in decay time")


class ConverseAlignment:
    """The mean over pairs of |cos(θ_t − θ_s, δ)|, s the newest snapshot that is at least 0.1 of decay time old."""

    def __init__(self, decay_time: float) -> None:
        self._decay_time = decay_time
        self._snapshots: list[tuple[int, FloatArray]] = []
        """The newest that is old enough, and those that are not yet"""
        self._seen = -1

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        start = self._start(vantage)
        if start is None:
            return {}
        moved = vantage.asarray(vantage.parameters - start)
        lengths = [(each, norm(each) * norm(moved)) for each in commutators(vantage)]
        cosines = [abs(dot(moved, each)) / length if length else np.nan for each, length in lengths]
        mean = float(np.mean(cosines))
        return {"converse_alignment": mean, "converse_alignment_over_chance": mean / sqrt(2 / (pi * len(start)))}

    def _start(self, vantage: Vantage) -> FloatArray | None:
        if not vantage.decay_time:
            return None
        latest = vantage.step * (1 - self._decay_time / vantage.decay_time)
        for step, parameters in vantage.snapshots(after=self._seen):
            self._snapshots.append((step, parameters))
            self._seen = step
            self._forget_before(latest)
        self._forget_before(latest)
        return self._snapshots[0][1] if self._snapshots and self._snapshots[0][0] <= latest else None

    def _forget_before(self, latest: float) -> None:
        while len(self._snapshots) > 1 and self._snapshots[1][0] <= latest:
            del self._snapshots[0]


def _open(parameters: ConverseAlignmentParameters, subject: Subject) -> ConverseAlignment:
    if subject.layout is None:
        raise ValueError("it needs a model")
    return ConverseAlignment(parameters.decay_time)


SPEC = SignalSpec(
    name="converse_alignment",
    words="converse alignment",
    summary="Mean over pairs of batches of |cos(θ_t − θ_s, δ)| of the last movement of the weights, 0.1 of decay time "
    "long, with the commutator δ; beside it the same over √(2/(πP)), what a random δ has.",
    source="arXiv 2602.16746",
    cost="snapshot",
    open=_open,
    parameters=ConverseAlignmentParameters,
    log=True,
    work=lambda parameters, pairs: Work(gradients=2 * pairs, products=2 * pairs),
)

"""`step_alignment`: whether the weights move towards the origin, which is all that decay does to them."""

from collections import deque
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.arrays import FloatArray
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.geometry.commutator import dot, norm


class StepAlignmentParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(1, ge=1, description="snapshots back from which the movement is taken")


class StepAlignment:
    """cos(θ_t − θ_s, −θ_s) of two snapshots s before t."""

    def __init__(self, window: int) -> None:
        self._snapshots: deque[FloatArray] = deque(maxlen=window + 1)
        self._seen = -1

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        for step, parameters in vantage.snapshots(after=self._seen):
            self._snapshots.append(parameters)
            self._seen = step
        if len(self._snapshots) <= self._snapshots.maxlen - 1:  # type: ignore[operator]
            return {}
        start = self._snapshots[0]
        moved = self._snapshots[-1] - start
        lengths = norm(moved) * norm(start)
        return {"step_alignment": -dot(moved, start) / lengths if lengths else None}


def _open(parameters: StepAlignmentParameters, subject: Subject) -> StepAlignment:
    return StepAlignment(parameters.window)


SPEC = SignalSpec(
    name="step_alignment",
    words="alignment of movement and decay",
    summary="cos(Δθ, −θ) of the movement Δθ between snapshots: 1 where the weights only shrink.",
    source="arXiv 2511.01938",
    cost="snapshot",
    open=_open,
    parameters=StepAlignmentParameters,
    higher=True,
)

"""`grokfast`: amplify the slow part of the gradient, which is a moving average of the gradients so far."""

from pydantic import Field

from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, StepInProgress
from grokscope.interventions.basis import Parameters

_BYTES = 8
"""Largest size of a number"""


class GrokfastParameters(Parameters):
    alpha: float = Field(0.98, ge=0, lt=1, description="decay of the moving average per step")
    lamb: float = Field(2.0, ge=0, description="λ: factor of the moving average that is added")


class Grokfast(Intervention):
    """h ← α h + (1 − α) g, then g ← g + λ h. The first gradient starts the average.

    Source: Grokfast-EMA, arXiv 2405.20233, algorithm 2. The average holds clipped gradients.
    """

    def __init__(self, parameters: GrokfastParameters) -> None:
        self._alpha = parameters.alpha
        self._lamb = parameters.lamb

    def before_update(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        earlier = self.kept["average"] if self.kept else gradient
        average = self._alpha * earlier + (1 - self._alpha) * gradient
        self.kept = {"average": average}
        delta = self._lamb * average
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")


def _memory(parameters: GrokfastParameters, plan: Plan) -> int:
    return _BYTES * plan.layout.size


SPEC = InterventionSpec(
    name="grokfast",
    summary="Add a moving average of the gradients to the gradient, which amplifies its slow part.",
    parameters=GrokfastParameters,
    control="A plain learning rate that is 1 + λ times as large, with lr · wd as it was (`grokfast-lr` of `grokscope "
    "intervene`).",
    open=lambda parameters, on: Grokfast(parameters),
    published="Grokfast-EMA with alpha=0.98 and lamb=2. The published loop does not clip gradients; here the average "
    "uses gradients clipped by optimizer.clip.",
    memory=_memory,
)

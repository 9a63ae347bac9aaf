"""`embedding-lr`: a separate learning rate for the embedding."""

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, StepInProgress, SwitchedOn
from grokscope.interventions.basis import Parameters


class EmbeddingLRParameters(Parameters):
    ratio: float = Field(10.0, ge=0, description="learning rate of the embedding, in units of optimizer.lr")


class EmbeddingLR(Intervention):
    """θ_E ← θ_E + (ratio − 1) Δθ_E, where Δθ_E is the update of AdamW, decay included: lr_E = ratio · lr.

    Source: arXiv 2505.15624, the fixed ratio.
    """

    def __init__(self, on: SwitchedOn, ratio: float) -> None:
        self._share: Array = on.session.asarray(on.layout.on_block("embedding", ratio - 1, 0))
        self._before: Array = None

    def before_update(self, step: StepInProgress) -> Change | None:
        self._before = step.session.parameters * 1
        return None

    def after_update(self, step: StepInProgress) -> Change | None:
        update = step.session.parameters - self._before
        delta = self._share * update
        step.displace(delta)
        return Change(delta, update, "update")


def _objection(parameters: EmbeddingLRParameters, plan: Plan) -> str | None:
    return None if "embedding" in plan.layout.groups() else "the model names no tensor as its embedding"


SPEC = InterventionSpec(
    name="embedding-lr",
    summary="Train the embedding with a separate learning rate, a multiple of that of the other parameters.",
    parameters=EmbeddingLRParameters,
    open=lambda parameters, on: EmbeddingLR(on, parameters.ratio),
    objection=_objection,
)

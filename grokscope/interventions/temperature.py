"""`temperature`: divide the logits in the training loss."""

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import norm
from grokscope.interventions.basis import Parameters


class TemperatureParameters(Parameters):
    value: float = Field(2.0, gt=0, description="T: above 1 the loss needs larger logits, below 1 smaller logits")
    length_only: bool = Field(
        False, description="the control: the gradient of the loss without T, as long as that of the loss with T"
    )


class Temperature(Intervention):
    """g ← ∇ L(logits / T). Source: arXiv 2606.18465.

    The head is linear, so that logits / T are the logits of the parameters D θ, where D divides the head by T; the
    gradient is D ∇L(D θ). This costs a second gradient per step. The recorded loss uses the logits without T.
    """

    def __init__(self, on: SwitchedOn, parameters: TemperatureParameters) -> None:
        self._scale: Array = on.session.asarray(on.layout.on_block("head", 1 / parameters.value, 1))
        self._length_only = parameters.length_only

    def on_gradient(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        _, tempered = step.session.gradient(self._scale * step.session.parameters, step.batch)
        step.gradient = self._scale * tempered
        if self._length_only:
            own = norm(gradient)
            step.gradient = (norm(step.gradient) / own) * gradient if own else gradient
        return Change(step.gradient - gradient, gradient, "gradient")


def _open(parameters: TemperatureParameters, on: SwitchedOn) -> Temperature:
    objection = _objection(parameters, on)
    if objection is not None:
        raise ValueError(objection)
    return Temperature(on, parameters)


def _objection(parameters: TemperatureParameters, plan: Plan | SwitchedOn) -> str | None:
    if plan.model is not None and plan.model.residual == "spherical":
        return "the logits of a spherical model are cosines, whatever the length of its head; set model.cosine_scale"
    return None if "head" in plan.layout.groups() else "the model names no tensor as its head"


SPEC = InterventionSpec(
    name="temperature",
    summary="Train on the loss of logits / T, so that T sets how large the logits must become.",
    parameters=TemperatureParameters,
    open=_open,
    control="`length_only=true` changes the length of the gradient as much, and keeps its direction.",
    objection=_objection,
)

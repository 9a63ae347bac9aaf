"""`rescale`: the control of `project`, which shortens the gradient as much but keeps its direction."""

from pydantic import Field

from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import norm
from grokscope.geometry.subspaces import Projector
from grokscope.interventions.basis import BasisParameters, basis_facts, basis_memory, basis_objection, opened_basis


class RescaleParameters(BasisParameters):
    strength: float = Field(0.5, ge=0, le=1, description="strength of the projection that it is a control of")


class Rescale(Intervention):
    """g ← g ‖g − strength g_perp‖ / ‖g‖."""

    def __init__(self, basis: Projector, strength: float) -> None:
        self._basis = basis
        self._strength = strength
        self.facts = basis_facts(basis)

    def before_update(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        length = norm(gradient)
        if length == 0:
            return None
        delta = (norm(gradient - self._strength * self._basis.off(gradient)) / length - 1) * gradient
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")


def _open(parameters: RescaleParameters, on: SwitchedOn) -> Rescale:
    basis = opened_basis(parameters, on)
    if basis is None:
        raise ValueError(
            "rescale needs the subspace of the projection that it is a control of: give basis=own, random or a run"
        )
    return Rescale(basis, parameters.strength)


SPEC = InterventionSpec(
    name="rescale",
    summary="Shorten every gradient as much as `project` does, but keep its direction: the control of `project`.",
    parameters=RescaleParameters,
    open=_open,
    objection=basis_objection,
    memory=basis_memory,
)

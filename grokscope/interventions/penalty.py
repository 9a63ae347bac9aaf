"""`penalty`: pull the parameters back to where they were at switching on, in all directions off the subspace."""

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.contract.parameters import Layout
from grokscope.geometry.subspaces import Projector
from grokscope.interventions.basis import BasisParameters, basis_facts, basis_memory, basis_objection, opened_basis
from grokscope.interventions.project import Project


class PenaltyParameters(BasisParameters):
    weight: float = Field(
        0.01,
        ge=0,
        description="λ of the penalty λ/2 ‖P_perp (θ − θ_on)‖². On modular `small`, which groks at 2,300, "
        "0.1 from step 500 on keeps test accuracy at chance beyond step 3,000, and 0.0001 has almost no effect",
    )
    published: bool = Field(
        False, description="as published: `project` in every tenth step, which is no penalty; weight is not used"
    )
    strength: float = Field(0.5, ge=0, le=1, description="strength of the published form, as in `project`")
    every: int = Field(10, ge=1, lt=2**63, description="steps between acts of the published form")


class Penalty(Intervention):
    """g ← g + λ P_perp (θ − θ_on), before clipping: the gradient of a loss with a quadratic penalty."""

    def __init__(self, basis: Projector, weight: float, anchor: Array) -> None:
        self._basis = basis
        self._weight = weight
        self._anchor = anchor
        self.facts = basis_facts(basis)

    def on_gradient(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        delta = self._weight * self._basis.off(step.session.parameters - self._anchor)
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")


class PublishedPenalty(Project):
    """`project` in every `every`-th step."""

    def __init__(self, basis: Projector, strength: float, every: int, layout: Layout) -> None:
        super().__init__(basis, strength, "gradient", layout)
        self.every = every


def _open(parameters: PenaltyParameters, on: SwitchedOn) -> Intervention:
    basis = opened_basis(parameters, on)
    if basis is None:
        raise ValueError("penalty needs a subspace: give basis=own, random or a run")
    if parameters.published:
        return PublishedPenalty(basis, parameters.strength, parameters.every, on.layout)
    return Penalty(basis, parameters.weight, on.session.asarray(on.parameters))


SPEC = InterventionSpec(
    name="penalty",
    summary="Add a quadratic penalty on the distance from the parameters at switching on, off the execution subspace.",
    parameters=PenaltyParameters,
    open=_open,
    control="`basis=random` pulls back in all directions off a random subspace.",
    published="published=true is what was published under this name: not a penalty, but `project` with strength 0.5 in "
    "every tenth step.",
    objection=basis_objection,
    memory=basis_memory,
)

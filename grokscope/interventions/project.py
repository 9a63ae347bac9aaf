"""`project`: weaken the part of the gradient, or of the update, that lies off the subspace."""

from typing import Literal

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.contract.optimizers import decaying
from grokscope.contract.parameters import Layout
from grokscope.geometry.subspaces import Projector
from grokscope.interventions.basis import BasisParameters, basis_facts, basis_memory, basis_objection, opened_basis


class ProjectParameters(BasisParameters):
    strength: float = Field(0.5, ge=0, le=1, description="share of the part off the subspace that is removed")
    at: Literal["gradient", "update"] = Field(
        "gradient",
        description="gradient: after clipping, before Adam, as published; Adam divides by the size of the gradient, "
        "and so undoes most of the effect if strength is below 1. update: Adam's update, without weight decay",
    )
    published: bool = Field(False, description="as published, which is at=gradient")


class Project(Intervention):
    """g ← g − strength g_perp, or the same of the update."""

    def __init__(self, basis: Projector, strength: float, at: Literal["gradient", "update"], layout: Layout) -> None:
        self._basis = basis
        self._layout = layout
        self._strength = strength
        self._at = at
        self._before: Array = None
        self.facts = basis_facts(basis)

    def before_update(self, step: StepInProgress) -> Change | None:
        if self._at == "update":
            self._before = step.session.parameters * 1
            return None
        gradient = step.gradient
        delta = -self._strength * self._basis.off(gradient)
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")

    def after_update(self, step: StepInProgress) -> Change | None:
        if self._at == "gradient":
            return None
        update = step.session.parameters - self._decayed(step)
        delta = -self._strength * self._basis.off(update)
        step.displace(delta)
        return Change(delta, update, "update")

    def _decayed(self, step: StepInProgress) -> Array:
        """What decay alone makes of the parameters."""
        lost = step.optimizer.lr * step.optimizer.wd
        if step.optimizer.decay == "all":
            return (1 - lost) * self._before
        acts = step.session.asarray(decaying(self._layout, step.optimizer.decay))
        return self._before - lost * (acts * self._before)


def _open(parameters: ProjectParameters, on: SwitchedOn) -> Project:
    basis = opened_basis(parameters, on)
    if basis is None:
        raise ValueError("project needs a subspace: give basis=own, random or a run")
    return Project(basis, parameters.strength, "gradient" if parameters.published else parameters.at, on.layout)


SPEC = InterventionSpec(
    name="project",
    summary="Weaken the part of every gradient, or of every update, that lies off the execution subspace.",
    parameters=ProjectParameters,
    open=_open,
    control="`basis=random` weakens the part off a random subspace; `rescale` shortens the gradient as much.",
    published="The default is the published form. Almost the whole gradient lies off the subspace, and Adam divides by "
    "the size of the gradient. So the published form hardly weakens the part off the subspace, and strengthens the "
    "part in the subspace. at=update weakens the update itself.",
    objection=basis_objection,
    memory=basis_memory,
)

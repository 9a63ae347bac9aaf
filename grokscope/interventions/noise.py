"""`noise`: at regular steps, a random displacement of the parameters off the subspace."""

import numpy as np
from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import norm
from grokscope.geometry.subspaces import Projector
from grokscope.interventions.basis import (
    OptionalBasisParameters,
    basis_facts,
    basis_memory,
    basis_objection,
    opened_basis,
)


class NoiseParameters(OptionalBasisParameters):
    epsilon: float = Field(0.1, ge=0, description="length of each displacement")
    relative: float | None = Field(None, ge=0, description="instead of epsilon: share of the norm of all parameters")
    every: int = Field(50, ge=1, lt=2**63, description="steps")
    published: bool = Field(
        False,
        description="as published: between gradient and update, so that the gradient is from the point before",
    )


class Noise(Intervention):
    """θ ← θ + epsilon ξ_perp / ‖ξ_perp‖ with ξ isotropic Gaussian."""

    def __init__(self, basis: Projector | None, parameters: NoiseParameters) -> None:
        self._basis = basis
        self._parameters = parameters
        self.every = parameters.every
        self.facts = basis_facts(basis)

    def displace(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        draw = step.random.standard_normal(len(theta), dtype=np.float32)
        noise: Array = step.session.asarray(draw)
        if self._basis is not None:
            noise = self._basis.off(noise)
        relative = self._parameters.relative
        length = self._parameters.epsilon if relative is None else relative * norm(theta)
        delta = (length / norm(noise)) * noise
        step.displace(delta)
        return Change(delta, theta, "parameters")

    def after_update(self, step: StepInProgress) -> Change | None:
        return self.displace(step)


class PublishedNoise(Noise):
    """`noise`, between gradient and update."""

    def before_update(self, step: StepInProgress) -> Change | None:
        return self.displace(step)

    def after_update(self, step: StepInProgress) -> Change | None:
        return None


def _open(parameters: NoiseParameters, on: SwitchedOn) -> Noise:
    kind = PublishedNoise if parameters.published else Noise
    return kind(opened_basis(parameters, on), parameters)


SPEC = InterventionSpec(
    name="noise",
    summary="Add isotropic Gaussian noise of a given length to the parameters, at regular steps.",
    parameters=NoiseParameters,
    open=_open,
    control="`basis=random` and `basis=none`: noise of equal length, off a random subspace or in all directions.",
    published="published=true adds the noise between gradient and update, so that the optimizer uses the gradient of "
    "the point before the noise. The default adds it after the update. Published with basis=RUN; the default "
    "basis=none differs by sqrt(dimension / parameters), about 1 %.",
    objection=basis_objection,
    memory=basis_memory,
)

"""`orthograd`: remove the part of the gradient that only scales the parameters."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import dot, norm
from grokscope.interventions.basis import Parameters
from grokscope.interventions.step import random_vector


class OrthogradParameters(Parameters):
    direction: Literal["radial", "random"] = Field(
        "radial", description="random: the control, which removes as long a part in a random direction"
    )
    published: bool = Field(
        False, description="as in the published code: tensor by tensor, and each gradient keeps its norm"
    )


class Orthograd(Intervention):
    """g ← g − (θ·g / θ·θ) θ.

    Source: ⊥Grad, arXiv 2501.04697, equation 12.
    """

    def __init__(self, direction: Literal["radial", "random"] = "radial") -> None:
        self._direction = direction

    def before_update(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        delta = self._off(step.session.parameters, gradient) - gradient
        if self._direction == "random":
            delta = random_vector(step, norm(delta))
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")

    def _off(self, theta: Array, gradient: Array) -> Array:
        """`gradient` without its part along `theta`; unchanged if all parameters are zero."""
        squared = dot(theta, theta)
        return gradient - (dot(theta, gradient) / squared) * theta if squared else gradient


class PublishedOrthograd(Orthograd):
    """`orthograd` for each tensor separately; each gradient keeps its norm."""

    def __init__(self, on: SwitchedOn, direction: Literal["radial", "random"]) -> None:
        super().__init__(direction)
        self._tensors: Sequence[tuple[int, int]] = [(each.offset, each.stop) for each in on.layout]
        self._session = on.session

    def _off(self, theta: Array, gradient: Array) -> Array:
        return self._session.concatenate(
            [self._alone(theta[start:stop], gradient[start:stop]) for start, stop in self._tensors]
        )

    def _alone(self, theta: Array, gradient: Array) -> Array:
        rest = super()._off(theta, gradient)
        length = norm(rest)
        return (norm(gradient) / length) * rest if length else rest


def _open(parameters: OrthogradParameters, on: SwitchedOn) -> Orthograd:
    return PublishedOrthograd(on, parameters.direction) if parameters.published else Orthograd(parameters.direction)


SPEC = InterventionSpec(
    name="orthograd",
    summary="Project every gradient orthogonally to the parameters, so that no gradient only scales them.",
    parameters=OrthogradParameters,
    open=_open,
    control="`direction=random` removes as long a part of the gradient in a random direction.",
    published="published=true projects each tensor separately and restores its norm, as the published code does; the "
    "paper's formula, the default, is for the vector of all parameters.",
)

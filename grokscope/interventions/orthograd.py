"""`orthograd`: take the part of the gradient away that only scales the parameters."""

from collections.abc import Sequence

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import dot, norm
from grokscope.interventions.basis import Parameters


class OrthogradParameters(Parameters):
    published: bool = Field(
        False, description="as in the published code: tensor by tensor, and each as long as it was before"
    )


class Orthograd(Intervention):
    """g ← g − (θ·g / θ·θ) θ.

    Source: ⊥Grad, arXiv 2501.04697, equation 12.
    """

    def before_update(self, step: StepInProgress) -> Change | None:
        gradient = step.gradient
        delta = self._off(step.session.parameters, gradient) - gradient
        step.gradient = gradient + delta
        return Change(delta, gradient, "gradient")

    def _off(self, theta: Array, gradient: Array) -> Array:
        """`gradient` without its part along `theta`; as it is where the parameters are all zero."""
        squared = dot(theta, theta)
        return gradient - (dot(theta, gradient) / squared) * theta if squared else gradient


class PublishedOrthograd(Orthograd):
    """The same for each tensor alone, which keeps its length."""

    def __init__(self, on: SwitchedOn) -> None:
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


SPEC = InterventionSpec(
    name="orthograd",
    summary="Project every gradient orthogonally to the parameters: no step lengthens them for its own sake.",
    parameters=OrthogradParameters,
    open=lambda parameters, on: PublishedOrthograd(on) if parameters.published else Orthograd(),
    published="published=true projects each tensor alone and gives it back its length, as the published code does; the "
    "paper's formula, the default, is for the vector of all parameters.",
)

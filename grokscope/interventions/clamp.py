"""`clamp`: keep the norm of the parameters constant."""

from typing import Literal

import numpy as np
from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import norm
from grokscope.interventions.basis import Parameters
from grokscope.interventions.step import random_vector


class ClampParameters(Parameters):
    ratio: float = Field(1.0, gt=0, description="ρ: the length that is held, in units of the reference length")
    norm: float | None = Field(
        None, gt=0, description="reference length ‖θ_c‖; by default the length when it is switched on"
    )
    direction: Literal["radial", "random"] = Field(
        "radial", description="random: the control, which moves as far in a random direction and holds no norm"
    )


class Clamp(Intervention):
    """θ ← ρ ‖θ_c‖ θ / ‖θ‖ after every update.

    Source: arXiv 2606.13753, where ‖θ_c‖ is the length at which runs of the same setting grok.
    """

    def __init__(self, length: float, direction: Literal["radial", "random"]) -> None:
        self._length = length
        self._direction = direction
        self.facts = {"held_norm": length}

    def after_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        length = norm(theta)
        if length == 0:
            return None
        if self._direction == "radial":
            delta = (self._length / length - 1) * theta
        else:
            delta = self._as_far(step, theta, length)
        step.displace(delta)
        return Change(delta, theta, "parameters")

    def _as_far(self, step: StepInProgress, theta: Array, length: float) -> Array:
        """As far as the norm has moved since the last act, which is what holding it would undo."""
        before = float(self.kept["norm"].sum()) if self.kept else self._length
        delta = random_vector(step, abs(length - before))
        self.kept = {"norm": step.session.asarray(np.array([norm(theta + delta)]))}
        return delta


def _open(parameters: ClampParameters, on: SwitchedOn) -> Clamp:
    reference = norm(on.session.asarray(on.parameters)) if parameters.norm is None else parameters.norm
    if reference == 0:
        raise ValueError("clamp needs a norm, but all parameters are zero; give norm")
    return Clamp(parameters.ratio * reference, parameters.direction)


SPEC = InterventionSpec(
    name="clamp",
    summary="Rescale the parameters after every update, so that their norm stays constant.",
    parameters=ClampParameters,
    open=_open,
    control="`direction=random` moves the parameters as far in a random direction.",
)

"""`kick`: displace the parameters along the commutator of two gradient steps, off the subspace."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.interventions import Change, Intervention, InterventionSpec, Plan, StepInProgress, SwitchedOn
from grokscope.geometry.commutator import PAPER_ETA, CommutatorSample, exact, finite_difference, norm
from grokscope.geometry.subspaces import Projector
from grokscope.interventions.basis import (
    OptionalBasisParameters,
    basis_facts,
    basis_memory,
    basis_objection,
    opened_basis,
)


class KickParameters(OptionalBasisParameters):
    alpha: float = Field(10.0, ge=0, description="length in units of ‖eta g_A‖, a plain gradient step with eta=1e-3")
    relative: float | None = Field(None, ge=0, description="instead of alpha: share of the norm of all parameters")
    direction: Literal["commutator", "random"] = Field("commutator", description="random: the control, of equal length")
    samples: int = Field(
        9, ge=1, le=10_000, description="pairs of batches; the kick uses the commutator with the median defect"
    )
    every: int = Field(0, ge=0, lt=2**63, description="steps between kicks; 0: a single kick")
    published: bool = Field(
        False,
        description="as published: finite differences, between gradient and update; the optimizer then steps along an "
        "unclipped gradient of another batch at a displaced point, and later batches come in another order",
    )


class Kick(Intervention):
    """θ ← θ + length δ_perp / ‖δ_perp‖ with δ = H_B g_A − H_A g_B."""

    def __init__(self, basis: Projector | None, parameters: KickParameters) -> None:
        self._basis = basis
        self._parameters = parameters
        self.every = max(1, parameters.every)
        self.once = not parameters.every
        self.facts = basis_facts(basis)

    def after_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        samples = [self.sample(step, theta)[0] for _ in range(self._parameters.samples)]
        return self.kicked(step, theta, samples, samples[0].gradient_norm_a * PAPER_ETA)

    def sample(self, step: StepInProgress, theta: Array) -> tuple[CommutatorSample, Any, Any]:
        """A commutator, and its two batches."""
        batch_a, batch_b = step.draw(), step.draw()
        return exact(step.session, theta, batch_a, batch_b, precision=step.session.precision), batch_a, batch_b

    def kicked(self, step: StepInProgress, theta: Array, samples: list[CommutatorSample], unit: float) -> Change | None:
        """Displace along the commutator with the median defect. None if the commutator has no direction."""
        middle = int(np.argsort([sample.defect for sample in samples])[len(samples) // 2])
        direction = samples[middle].commutator
        if self._parameters.direction == "random":
            draw = step.random.standard_normal(len(theta), dtype=np.float32)
            direction = step.session.asarray(draw)
        if self._basis is not None:
            direction = self._basis.off(direction)
        size = norm(direction)
        if not size > 0:
            return None
        relative = self._parameters.relative
        length = self._parameters.alpha * unit if relative is None else relative * norm(theta)
        delta = (length / size) * direction
        step.displace(delta)
        return Change(delta, theta, "parameters")


class PublishedKick(Kick):
    """Kicks between gradient and update, and leaves in the gradient what the author's routine leaves in `p.grad`."""

    reorders_batches = True

    def before_update(self, step: StepInProgress) -> Change | None:
        theta = step.session.parameters * 1
        drawn = [self.sample(step, theta) for _ in range(self._parameters.samples + 1)]
        last, batch_a, batch_b = drawn[-1]
        assert last.eta is not None
        after_b = theta - last.eta * step.session.gradient(theta, batch_b)[1]
        step.gradient = step.session.gradient(after_b, batch_a)[1]
        return self.kicked(step, theta, [sample for sample, _, _ in drawn[:-1]], last.gradient_norm_a * last.eta)

    def after_update(self, step: StepInProgress) -> Change | None:
        return None

    def sample(self, step: StepInProgress, theta: Array) -> tuple[CommutatorSample, Any, Any]:
        batch_a, batch_b = step.draw(), step.draw()
        precision = step.session.precision
        return finite_difference(step.session, theta, batch_a, batch_b, precision=precision), batch_a, batch_b


def _memory(parameters: KickParameters, plan: Plan) -> int:
    """Bytes for the commutators of all samples, which are compared before one is used."""
    return basis_memory(parameters, plan) + 8 * parameters.samples * plan.layout.size


def _open(parameters: KickParameters, on: SwitchedOn) -> Kick:
    kind = PublishedKick if parameters.published else Kick
    return kind(opened_basis(parameters, on), parameters)


SPEC = InterventionSpec(
    name="kick",
    summary="Displace the parameters once along the commutator of two gradient steps, off the execution subspace.",
    parameters=KickParameters,
    open=_open,
    control="`direction=random` kicks as far in a random direction.",
    published="published=true kicks between gradient and update, along a float32 finite difference (mostly rounding "
    "once the model has memorized). Its measurement leaves the optimizer an unclipped gradient of another batch at a "
    "displaced point, and draws 20 batches from the stream of training batches, so that all later batches differ from "
    "the baseline. The default kicks after the update along the exact commutator, has its own stream, and does not "
    "change the gradient. Published with basis=RUN. Both kicks are tiny, about 1e-6 of the parameters' norm on Dyck; "
    "see relative.",
    objection=basis_objection,
    memory=_memory,
)

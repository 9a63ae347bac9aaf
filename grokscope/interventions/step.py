"""One optimizer step under interventions.

Interventions act at three points of a step: on the gradient of the loss, on the clipped gradient, and on the updated
parameters. Each intervention draws from its own stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np

from grokscope.contract.arrays import Array
from grokscope.contract.backends import Prepared, Session, StepOutcome
from grokscope.contract.interventions import Change, Intervention, StepInProgress
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.streams import generator
from grokscope.geometry.commutator import norm

TreatmentSource = Literal["flag", "control", "schedule"]
"""What switched the intervention"""


@dataclass(frozen=True)
class Active:
    """An intervention that is on."""

    kind: str
    intervention: Intervention
    since: int
    """Number of steps taken before it was switched on"""
    parameters: Mapping[str, Any]
    source: TreatmentSource

    def acts_in(self, number: int) -> bool:
        """Whether it acts in the step after `number` steps."""
        return (number - self.since) % self.intervention.every == 0


@dataclass(frozen=True)
class Acted:
    """The change by one intervention in one step."""

    active: Active
    number: int
    changes: tuple[Change, ...]


def stepped(
    session: Session,
    acting: Sequence[Active],
    batch: Prepared,
    optimizer: Optimizer,
    number: int,
    seed: int,
    draw: Callable[[np.random.Generator], Prepared],
) -> tuple[StepOutcome, list[Acted]]:
    """The step after `number` steps, under the interventions in `acting`. Returns its outcome and all changes.

    The norms of the changes are not read yet. Clipping uses the formula of every backend's `step`. If no intervention
    acts on the gradient, the backend's `step` itself is called.
    """
    progress = _Step(number, session, batch, optimizer, draw)
    randoms = [generator(seed, "intervention", number, _number_of(it.kind)) for it in acting]
    changes: list[list[Change]] = [[] for _ in acting]

    def all_act(point: Callable[[Intervention, StepInProgress], Change | None]) -> None:
        for active, random, made in zip(acting, randoms, changes, strict=True):
            progress.random = random
            change = point(active.intervention, progress)
            if change is not None:
                made.append(change)

    if any(_touches_gradient(active.intervention) for active in acting):
        loss, progress.gradient = session.gradient(session.parameters, batch)
        all_act(lambda intervention, step: intervention.on_gradient(step))
        length = norm(progress.gradient)
        factor = 1.0 if optimizer.clip is None else min(1.0, optimizer.clip / (length + 1e-6))
        if factor != 1.0:
            progress.gradient = factor * progress.gradient
        all_act(lambda intervention, step: intervention.before_update(step))
        session.step_along(progress.gradient, optimizer._replace(clip=None))
        outcome = StepOutcome(loss, length)
    else:
        outcome = session.step(batch, optimizer)
    progress.gradient = None
    all_act(lambda intervention, step: intervention.after_update(step))
    return outcome, [Acted(it, number, tuple(made)) for it, made in zip(acting, changes, strict=True)]


@dataclass
class _Step:
    """A `StepInProgress`. `random` is the generator of the intervention that acts."""

    number: int
    session: Session
    batch: Prepared
    optimizer: Optimizer
    _draw: Callable[[np.random.Generator], Prepared]
    gradient: Array = None
    random: np.random.Generator = None  # type: ignore[assignment]

    def draw(self) -> Prepared:
        return self._draw(self.random)

    def displace(self, delta: Array) -> None:
        self.session.displace(delta)


def random_vector(step: StepInProgress, length: float) -> Array:
    """A vector [size] of this length in a random direction: the control of a change that is as long."""
    draw = step.random.standard_normal(len(step.session.parameters), dtype=np.float32)
    return step.session.asarray(draw * (length / float(np.linalg.norm(draw))))


def _touches_gradient(intervention: Intervention) -> bool:
    kind = type(intervention)
    return kind.on_gradient is not Intervention.on_gradient or kind.before_update is not Intervention.before_update


def _number_of(kind: str) -> int:
    """The index of an intervention's draws in the stream. It does not depend on other installed interventions."""
    return int.from_bytes(blake2b(kind.encode(), digest_size=4).digest(), "little")

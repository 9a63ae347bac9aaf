"""One optimizer step under interventions.

Interventions act at three points of a step: on the gradient of the loss, on the clipped gradient, and on the updated
parameters. Each intervention draws from its own stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np

from grokscope.contract.arrays import Array, Scalar
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


class TreatedStep:
    """The step after `number` steps, under the interventions in `acting`.

    The norms of the changes are not read yet. Clipping uses the formula of every backend's `step`.
    """

    def __init__(
        self,
        session: Session,
        acting: Sequence[Active],
        batch: Callable[[], Prepared],
        optimizer: Optimizer,
        number: int,
        seed: int,
        draw: Callable[[np.random.Generator], Prepared],
    ) -> None:
        """`batch` prepares the training batch where it is needed; `draw` prepares another from a generator."""
        self._acting = acting
        self._progress = _Step(number, session, optimizer, batch, draw)
        self._randoms = [generator(seed, "intervention", number, _number_of(it.kind)) for it in acting]
        self._changes: list[list[Change]] = [[] for _ in acting]
        self._length: Scalar | None = None

    @property
    def touches_gradient(self) -> bool:
        """Whether the step needs `treat` between gradient and update, and an update that does not clip."""
        return any(_touches_gradient(active.intervention) for active in self._acting)

    def treat(self, gradient: Array) -> Array:
        """What the optimizer is to use instead of the gradient [size] of the batch's loss; clipped."""
        progress = self._progress
        progress.gradient = gradient
        self._all_act(lambda intervention, step: intervention.on_gradient(step))
        self._length = norm(progress.gradient)
        clip = progress.optimizer.clip
        factor = 1.0 if clip is None else min(1.0, clip / (self._length + 1e-6))
        if factor != 1.0:
            progress.gradient = factor * progress.gradient
        self._all_act(lambda intervention, step: intervention.before_update(step))
        return progress.gradient

    def ended(self, outcome: StepOutcome) -> tuple[StepOutcome, list[Acted]]:
        """After the update with this outcome: the outcome of the whole step, and all changes."""
        self._progress.gradient = None
        self._all_act(lambda intervention, step: intervention.after_update(step))
        if self._length is not None:
            outcome = StepOutcome(outcome.loss, self._length)
        changes = zip(self._acting, self._changes, strict=True)
        return outcome, [Acted(it, self._progress.number, tuple(made)) for it, made in changes]

    def _all_act(self, point: Callable[[Intervention, StepInProgress], Change | None]) -> None:
        for active, random, made in zip(self._acting, self._randoms, self._changes, strict=True):
            self._progress.random = random
            change = point(active.intervention, self._progress)
            if change is not None:
                made.append(change)


def taken(
    session: Session, batch: Prepared, optimizer: Optimizer, treat: Callable[[Array], Array] | None = None
) -> StepOutcome:
    """One optimizer step; with `treat`, along what it makes of the gradient, which is not clipped after it."""
    if treat is None:
        return session.step(batch, optimizer)
    loss, gradient = session.gradient(session.parameters, batch)
    return StepOutcome(loss, session.step_along(treat(gradient), optimizer._replace(clip=None)))


def stepped(
    session: Session,
    acting: Sequence[Active],
    batch: Prepared,
    optimizer: Optimizer,
    number: int,
    seed: int,
    draw: Callable[[np.random.Generator], Prepared],
) -> tuple[StepOutcome, list[Acted]]:
    """A whole `TreatedStep`. Returns its outcome and all changes."""
    step = TreatedStep(session, acting, lambda: batch, optimizer, number, seed, draw)
    return step.ended(taken(session, batch, optimizer, step.treat if step.touches_gradient else None))


@dataclass
class _Step:
    """A `StepInProgress`. `random` is the generator of the intervention that acts."""

    number: int
    session: Session
    optimizer: Optimizer
    _batch: Callable[[], Prepared]
    _draw: Callable[[np.random.Generator], Prepared]
    gradient: Array = None
    random: np.random.Generator = None  # type: ignore[assignment]

    @property
    def batch(self) -> Prepared:
        return self._batch()

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

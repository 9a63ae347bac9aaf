"""The interface of interventions. An intervention changes the gradient or the parameters of a run during training.

Interventions are found through the entry point `grokscope.interventions`; each entry names an `InterventionSpec`.
Reading a spec must import nothing heavy; only `open` may.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel

from grokscope.contract.arrays import Array, FloatArray
from grokscope.contract.backends import Prepared, Session
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.parameters import Layout


class Change(NamedTuple):
    """The change of a vector [size] by an intervention. Its norm is ‖delta‖, its relative norm ‖delta‖ / ‖of‖."""

    delta: Array
    of: Array
    """The vector before the change"""
    target: Literal["gradient", "update", "parameters"]
    """What vector that was; `update`: what the optimizer has made of the gradient, without its weight decay"""


class StepInProgress(Protocol):
    """One optimizer step, as an intervention sees it."""

    number: int
    """Number of steps taken before this step"""
    session: Session
    optimizer: Optimizer
    random: np.random.Generator
    """A generator for this intervention and this step. Its draws do not affect other draws"""
    gradient: Array
    """[size]. An intervention replaces it, and never changes it in place. After the update there is no gradient"""

    @property
    def batch(self) -> Prepared:
        """The training batch of this step"""

    def draw(self) -> Prepared:
        """A batch like the training batches, from `random`."""

    def displace(self, delta: Array) -> None:
        """Add `delta` [size] to the parameters."""


class Intervention:
    """An intervention that is on. A subclass overrides one or more points of a step at which it acts.

    A resumed run opens the intervention again, so its state must follow from its parameters and from `SwitchedOn`, or
    be `kept`. The methods of a step return the change, or None without a change.
    """

    every: int = 1
    """Steps between two acts; the first act is in the step after switching on. With 1, acts are recorded together with
    the loss; otherwise every act is recorded."""
    once: bool = False
    """Whether it is switched off after its first act"""
    reorders_batches: bool = False
    """Whether it draws from the stream of the training batches, so that later batches come in another order"""
    facts: Mapping[str, Any] = {}
    """Fields of the `intervened` event beside the parameters; equal when the intervention is opened again"""

    @cached_property
    def kept(self) -> dict[str, Array]:
        """Vectors that it remembers from one step to the next, flat arrays of the session by name: a moving average of
        gradients, say. Empty when it is opened; checkpoints hold them, and a resumed run puts them back. To be
        replaced, never changed in place."""
        return {}

    def on_gradient(self, step: StepInProgress) -> Change | None:
        """Acts on the gradient of the batch's loss, before clipping."""

    def before_update(self, step: StepInProgress) -> Change | None:
        """Acts on the clipped gradient, before the optimizer's update."""

    def after_update(self, step: StepInProgress) -> Change | None:
        """Acts on the parameters, after the update."""


@dataclass(frozen=True)
class Plan:
    """Where and when an intervention will be switched on, as far as it is known before a run."""

    run: Path
    """The run's directory"""
    snapshot_every: int
    """Steps between snapshots; 0: no snapshots"""
    step: int | None
    """The step; None if the intervention waits for a detection"""
    layout: Layout
    """Layout of the model that will be trained"""
    model: ModelSpec | None = None
    """The model that will be trained; None if it is somebody's own"""


@dataclass(frozen=True)
class SwitchedOn:
    """The run at the moment when an intervention is switched on."""

    run: Path
    """The run's directory, with its snapshots"""
    snapshot_every: int
    """Steps between snapshots; 0: no snapshots"""
    step: int
    """Steps taken"""
    seed: int
    session: Session
    layout: Layout
    parameters: FloatArray
    """[size]"""
    model: ModelSpec | None = None
    """None if it is somebody's own"""


@dataclass(frozen=True)
class InterventionSpec:
    """An intervention by name. Reading it imports nothing heavy."""

    name: str
    summary: str
    """One sentence: what the intervention changes, and how"""
    parameters: type[BaseModel]
    """A pydantic model that forbids unknown keys, every field with a default and a description"""
    open: Callable[[Any, SwitchedOn], Intervention]
    """`open(parameters, switched_on)`. Raises `ValueError` with one sentence if the intervention is impossible."""
    published: str = ""
    """How the published intervention of this name differs from the default; empty without a published one"""
    control: str = ""
    """What its matched control does, in one sentence; empty without one. A control differs from its intervention in
    nothing but the tested idea"""
    objection: Callable[[Any, Plan], str | None] = lambda parameters, plan: None
    """`objection(parameters, plan)`: why the intervention will be impossible, as far as it is known before the run."""

    memory: Callable[[Any, Plan], int] = lambda parameters, plan: 0
    """`memory(parameters, plan)`: bytes that it takes beside a few vectors of the model's size, while it is opened or
    acts, `kept` among them. More than there are is refused before anything is allocated"""

    def defaults(self) -> dict[str, Any]:
        """Every parameter and its default; parameters shared with other interventions come last."""
        common = getattr(self.parameters.__base__, "model_fields", {})
        values = self.parameters().model_dump(mode="json")
        return dict(sorted(values.items(), key=lambda item: item[0] in common))

"""What an intervention must offer: something done to a run while it trains, to a gradient or to the parameters.

Interventions are found through the entry point `grokscope.interventions`, each naming an `InterventionSpec`. Reading a
spec must import nothing heavy; only `open` may.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel

from grokscope.contract.arrays import Array, FloatArray
from grokscope.contract.backends import AdamW, Prepared, Session
from grokscope.contract.parameters import Layout


class Change(NamedTuple):
    """What an intervention did to a vector [size]: its dose is ‖delta‖, and ‖delta‖ / ‖of‖."""

    delta: Array
    of: Array
    """The vector as it was"""
    target: Literal["gradient", "update", "parameters"]
    """What vector that was; `update`: what the optimizer has made of the gradient, without its weight decay"""


class StepInProgress(Protocol):
    """One optimizer step, as an intervention sees it."""

    number: int
    """Steps taken before this one"""
    session: Session
    batch: Prepared
    """The training batch of this step"""
    optimizer: AdamW
    random: np.random.Generator
    """The intervention's own, new at every step: what it draws changes nobody else's draws"""
    gradient: Array
    """[size]. To be replaced, never changed in place; there is none after the update"""

    def draw(self) -> Prepared:
        """A batch like the training batches, from `random`."""

    def displace(self, delta: Array) -> None:
        """Add `delta` [size] to the parameters."""


class Intervention:
    """What is done while it is on. A subclass overrides the points of a step at which it acts, one or more.

    What it needs to remember follows from its parameters and from `SwitchedOn`, since a run that is resumed opens it
    again, or it is `kept`. It returns what it did, and None where it did nothing.
    """

    every: int = 1
    """It acts in every so manieth step, first in the one after it was switched on. What acts in every step is recorded
    when the loss is, what acts more rarely every time."""
    once: bool = False
    """It is switched off when it has acted"""
    reorders_batches: bool = False
    """It draws from the stream of the training batches, which come in another order once it has acted"""
    facts: Mapping[str, Any] = {}
    """What the record of its being switched on says beside its parameters; equal when it is opened again"""

    @cached_property
    def kept(self) -> dict[str, Array]:
        """Vectors that it remembers from one step to the next, flat arrays of the session by name: a moving average of
        gradients, say. Empty when it is opened; checkpoints hold them, and a resumed run puts them back. To be
        replaced, never changed in place."""
        return {}

    def on_gradient(self, step: StepInProgress) -> Change | None:
        """With the gradient of the batch's loss, before it is clipped."""

    def before_update(self, step: StepInProgress) -> Change | None:
        """With the clipped gradient, before the optimizer's update."""

    def after_update(self, step: StepInProgress) -> Change | None:
        """When the parameters have been updated."""


@dataclass(frozen=True)
class Plan:
    """Where and when an intervention is to be switched on, as far as that is known before a run."""

    run: Path
    """The run's directory"""
    snapshot_every: int
    """Steps; 0: there are none"""
    step: int | None
    """None where it waits for a detection"""
    layout: Layout
    """Of the model that will be trained"""


@dataclass(frozen=True)
class SwitchedOn:
    """The run at the moment at which an intervention is switched on."""

    run: Path
    """The run's directory, with its snapshots"""
    snapshot_every: int
    """Steps; 0: there are none"""
    step: int
    """Steps taken"""
    seed: int
    session: Session
    layout: Layout
    parameters: FloatArray
    """[size]"""


@dataclass(frozen=True)
class InterventionSpec:
    """An intervention by name. Reading it imports nothing heavy."""

    name: str
    summary: str
    """What it does, and to what, in a sentence"""
    parameters: type[BaseModel]
    """A pydantic model that forbids unknown keys, every field with a default and a description"""
    open: Callable[[Any, SwitchedOn], Intervention]
    """`open(parameters, switched_on)`. Raises `ValueError` with a sentence for a person where it cannot be."""
    published: str = ""
    """Where something was published under this name: how the published one differs from the default"""
    objection: Callable[[Any, Plan], str | None] = lambda parameters, plan: None
    """`objection(parameters, plan)`: why it will not be possible, known before the run; None where nothing is."""

    memory: Callable[[Any, Plan], int] = lambda parameters, plan: 0
    """`memory(parameters, plan)`: bytes that it takes beside a few vectors of the model's size, while it is opened or
    acts, `kept` among them. More than there are is refused before anything is allocated"""

    def defaults(self) -> dict[str, Any]:
        """Every parameter and its default, its own before those it has in common with others."""
        common = getattr(self.parameters.__base__, "model_fields", {})
        values = self.parameters().model_dump(mode="json")
        return dict(sorted(values.items(), key=lambda item: item[0] in common))

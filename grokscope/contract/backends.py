"""The interface of backends.

A backend runs one model, and knows nothing of defects, onsets or runs. It works on flat vectors: all parameters
of a model in one array of its own kind, laid out by `grokscope.contract.parameters`. The core does its mathematics on
those vectors with the operations of `grokscope.contract.arrays.Vector`, so each formula exists once.

Backends are found through the entry point `grokscope.backends`, each naming a `BackendSpec`. Reading a spec must import
nothing heavy; only `open` may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Array, FloatArray, Precision, Scalar, Vectors
from grokscope.contract.examples import Batch, Examples
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.rectangles import Rectangle

if TYPE_CHECKING:
    from grokscope.contract.own_models import Adoption

Prepared = Any
"""A batch on the device, in the backend's own form"""

PreparedT = TypeVar("PreparedT", contravariant=True)


class Unavailable(Exception):
    """This machine lacks a backend, device or precision. The message says what to install or choose."""


def how_to_install(extra: str) -> str:
    """The command that installs an extra of grokscope, from a clone and beside a wheel: no index has the package."""
    return f"pip install '.[{extra}]' in a clone of grokscope, or 'grokscope[{extra}]' where its wheel is installed"


class StepOutcome(NamedTuple):
    """The loss and the gradient norm of one optimizer step."""

    loss: Scalar
    """Nats"""
    gradient_norm: Scalar
    """Before clipping."""


class Prediction(NamedTuple):
    """The predictions for every read of a batch, in NumPy. A read is a node whose output has a label."""

    losses: FloatArray
    """Cross-entropy, nats, [reads]; of StableMax where the model's loss is that"""
    classes: NDArray[np.int64]
    """Most likely class, [reads]"""
    logits: FloatArray | None = None
    """[reads, classes]; None unless asked for"""
    representations: FloatArray | None = None
    """[reads, width]: input of the read-out, after the last norm; None unless asked for.
    logits = representations @ head.weight.T + head.bias, except in a spherical model"""


class TrainingState(NamedTuple):
    """Everything that an optimizer step depends on, except its batch. The form is the same for every backend."""

    step: int
    """Optimizer steps taken: t of the bias correction"""
    parameters: FloatArray
    """[size]"""
    first_moment: FloatArray
    """[size]"""
    second_moment: FloatArray
    """[size]"""


class Bracket(NamedTuple):
    """The parts of the commutator of two gradient steps at one point, flat vectors [size]."""

    gradient_a: Array
    gradient_b: Array
    hvp_b_on_grad_a: Array
    """H_B g_A"""
    hvp_a_on_grad_b: Array
    """H_A g_B"""


class Landscape(Protocol[PreparedT]):
    """A loss as a function of flat parameter vectors. The geometry needs no other interface of a model.

    `theta` and `vector` are flat arrays [size] of one dtype; results have that dtype. No call changes any state.
    """

    def gradient(self, theta: Array, batch: PreparedT) -> tuple[Scalar, Array]:
        """Loss (nats) and its gradient [size] at `theta`."""

    def hessian_vector_product(self, theta: Array, batch: PreparedT, vector: Array) -> Array:
        """The exact product of the loss's Hessian at `theta` with `vector`, [size]."""


@runtime_checkable
class BracketLandscape(Protocol):
    """A landscape that computes a whole bracket at once, with shared work for its four parts."""

    def bracket(self, theta: Array, batch_a: Any, batch_b: Any) -> Bracket:
        """The same numbers as two gradients and two Hessian-vector products."""


class Session(Landscape[Any], Vectors, Protocol):
    """One model, one optimizer state, one device."""

    @property
    def device(self) -> str:
        """`cpu`, `cuda`, `mps`, `gpu`."""

    @property
    def precision(self) -> Precision: ...

    @property
    def parameters(self) -> Array:
        """The current parameters, [size]. A step may change them in place; `session.parameters * 1` is a copy."""

    def prepare(self, batch: Batch) -> Prepared:
        """A packed batch, on the device."""

    def predict(self, theta: Array, batch: Prepared, *, details: bool = False) -> Prediction:
        """Losses and most likely classes of every read; with `details` also logits and representations."""

    def step(self, batch: Prepared, optimizer: Optimizer) -> StepOutcome:
        """One optimizer step on the session's parameters. Deterministic on a CPU."""

    def step_along(self, gradient: Array, optimizer: Optimizer) -> Scalar:
        """One optimizer step with a given gradient [size]. Returns the norm of the gradient before clipping."""

    def displace(self, delta: Array) -> None:
        """Add `delta` [size] to the parameters. This is no step: the state of the optimizer does not change."""

    def state(self) -> TrainingState:
        """A copy of the parameters and the optimizer's state."""

    def restore(self, state: TrainingState) -> None:
        """Continue from `state`. Raises `ValueError` if sizes differ."""

    def synchronize(self) -> None:
        """Wait until the device has finished all work (for timing)."""


class Together(Protocol):
    """Sessions of one model on one device, whose steps are one batched computation.

    Each session stays usable by itself: it shares its parameters and moments with this object, in both directions.
    """

    def step(
        self,
        batches: Sequence[Examples],
        optimizers: Sequence[Optimizer],
        treats: Sequence[Callable[[Array], Array] | None],
    ) -> Sequence[StepOutcome]:
        """One optimizer step of each session [sessions], equal to `Session.step` on that batch up to rounding.

        The optimizers have one `name` and one `decay`; their numbers may differ. Where a session has one of `treats`,
        the step goes along what it makes of the gradient [size], and does not clip. It may displace its session.
        """

    def brackets(self, batches_a: Sequence[Examples], batches_b: Sequence[Examples]) -> Sequence[Bracket]:
        """The bracket of each session where it stands [sessions], equal to its own up to rounding. No state changes."""


class PlainRun(Protocol):
    """The same training as a plain script: padded, eager, without shared work. `bench` compares with it."""

    def step(self, examples: Examples) -> float:
        """One optimizer step on a batch, with duplicates and padding. Returns the loss in nats."""

    def accuracy(self, examples: Examples) -> float:
        """Fraction of labels predicted; every example is computed."""

    def finite_difference(self, batch_a: Examples, batch_b: Examples) -> float:
        """The commutator defect of two batches in the paper's form (arXiv 2602.16967), from four gradients.

        The parameters stay as they are.
        """


@dataclass(frozen=True)
class Device:
    """One place where a backend can compute."""

    name: str
    description: str
    precisions: tuple[Precision, ...]


@dataclass(frozen=True)
class BackendSpec:
    """A backend by name. Reading it imports no framework."""

    name: str
    summary: str
    install: str
    """The command that installs it; for an extra of grokscope `how_to_install`"""
    devices: Callable[[], Sequence[Device]]
    """The devices of this machine, best first. Imports the framework. Raises `Unavailable` if the import fails."""
    open: "Callable[..., Session]"
    """`open(model, parameters, *, device="auto", precision="float32", threads=None) -> Session`: a session on `model`
    starting at `parameters` [size] with zero moments. Raises `Unavailable`."""
    details: Callable[[], Mapping[str, str]]
    """Versions and other facts about speed or correctness (threads, BLAS), for `doctor` and the event log"""
    preference: Callable[[], int] = lambda: 1
    """How well the backend suits this machine: 2 if it is made for the machine, 1 if it works well, 0 if it works
    slowly. `--backend auto` tries the highest number first. Imports no framework."""
    plain: "Callable[..., PlainRun] | None" = None
    """`plain(model, parameters, *, device, optimizer) -> PlainRun`; None without a plain implementation. Raises
    `Unavailable` for a model or an optimizer that the framework's own modules lack"""
    together: "Callable[[Sequence[Any], Rectangle], Together] | None" = None
    """`together(sessions, rectangle) -> Together`: joins sessions that `open` made; None if the backend cannot"""
    adoption: "Adoption | None" = None
    """How models that are not ours are looked at, where the framework has such."""

"""What a backend must offer.

A backend knows how to run one model, and nothing of defects, onsets or runs. It works on flat vectors: all parameters
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

if TYPE_CHECKING:
    from grokscope.contract.own_models import Adoption

Prepared = Any
"""A batch on the device, in whatever form the backend likes best."""

PreparedT = TypeVar("PreparedT", contravariant=True)


class Unavailable(Exception):
    """A backend, device or precision that this machine does not have. The message says what to install or choose."""


class AdamW(NamedTuple):
    """Decoupled weight decay on every parameter, bias correction on (Loshchilov & Hutter 2019).

    m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g²,
    theta = (1 - lr wd) theta - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)
    """

    lr: float
    wd: float
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-8
    clip: float | None = 1.0
    """Largest norm of the gradient: g is scaled by min(1, clip / (norm + 1e-6)) first. None: no clipping."""


class StepOutcome(NamedTuple):
    """What one optimizer step saw."""

    loss: Scalar
    """Nats"""
    gradient_norm: Scalar
    """Before clipping."""


class Prediction(NamedTuple):
    """The answer to every read of a batch, in NumPy."""

    losses: FloatArray
    """Cross-entropy, nats, [reads]"""
    classes: NDArray[np.int64]
    """Most likely class, [reads]"""
    logits: FloatArray | None = None
    """[reads, classes]; None unless asked for"""
    representations: FloatArray | None = None
    """What the read-out is applied to, behind the last norm, [reads, width]; None unless asked for.
    logits = representations @ head.weight.T + head.bias"""


class TrainingState(NamedTuple):
    """Everything an optimizer step depends on beside its batch; the same for every backend."""

    step: int
    """Optimizer steps taken: the t of the bias correction."""
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
    """A loss over flat parameter vectors: all that the geometry needs, and all a user's own model must offer.

    `theta` and `vector` are flat arrays [size] of one dtype; results have that dtype. No call changes any state.
    """

    def gradient(self, theta: Array, batch: PreparedT) -> tuple[Scalar, Array]:
        """Loss (nats) and its gradient [size] at `theta`."""

    def hessian_vector_product(self, theta: Array, batch: PreparedT, vector: Array) -> Array:
        """The exact product of the loss's Hessian at `theta` with `vector`, [size]."""


@runtime_checkable
class BracketLandscape(Protocol):
    """A landscape that computes a whole bracket at once, sharing what its four parts share."""

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
        """The current parameters, [size]. The next step may change them in place: who keeps them keeps
        `session.parameters * 1`."""

    def prepare(self, batch: Batch) -> Prepared:
        """A packed batch, on the device."""

    def predict(self, theta: Array, batch: Prepared, *, details: bool = False) -> Prediction:
        """Losses and most likely classes of every read; with `details` also logits and representations."""

    def step(self, batch: Prepared, optimizer: AdamW) -> StepOutcome:
        """One optimizer step on the session's parameters. Deterministic on a CPU."""

    def step_along(self, gradient: Array, optimizer: AdamW) -> Scalar:
        """One optimizer step with this gradient [size] instead of a batch's; returns its norm before clipping."""

    def displace(self, delta: Array) -> None:
        """Add `delta` [size] to the parameters. Counts as no step: the optimizer's state stays as it is."""

    def state(self) -> TrainingState:
        """A copy of the parameters and the optimizer's state."""

    def restore(self, state: TrainingState) -> None:
        """Continue from `state`. Raises `ValueError` where sizes differ."""

    def synchronize(self) -> None:
        """Wait until the device has done all that was asked of it (for timing)."""


class PlainRun(Protocol):
    """The same training as a script would write it: padded, eager, everything computed. For comparison in `bench`."""

    def step(self, examples: Examples) -> float:
        """One optimizer step on a batch, duplicates and padding and all; its loss, nats."""

    def accuracy(self, examples: Examples) -> float:
        """Fraction of labels predicted, every example computed."""

    def finite_difference(self, batch_a: Examples, batch_b: Examples) -> float:
        """The commutator defect of two batches in the paper's form (arXiv 2602.16967): four gradients. Changes
        nothing."""


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
    """The command that makes it work: `pip install 'grokscope[torch]'`."""
    devices: Callable[[], Sequence[Device]]
    """The devices of this machine, best first. Imports the framework; raises `Unavailable` where it cannot."""
    open: "Callable[..., Session]"
    """`open(model, parameters, *, device="auto", precision="float32", threads=None) -> Session`: a session on `model`
    starting at `parameters` [size] with zero moments. Raises `Unavailable`."""
    details: Callable[[], Mapping[str, str]]
    """Versions and what else matters for speed or correctness (threads, BLAS), for `doctor` and the event log."""
    preference: Callable[[], int] = lambda: 1
    """How well this machine suits the backend, for `--backend auto`, which tries the highest first: 2 where it is the
    machine's own, 1 where it works well, 0 where it merely works. Imports no framework."""
    plain: "Callable[..., PlainRun] | None" = None
    """`plain(model, parameters, *, device, optimizer) -> PlainRun`, where the framework has a usual way to write it."""
    adoption: "Adoption | None" = None
    """How models that are not ours are looked at, where the framework has such."""

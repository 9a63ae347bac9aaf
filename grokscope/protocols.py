"""What a backend, a task and an intervention must offer. Read this first.

A backend knows how to run one model, and nothing of defects, onsets or runs. It works on flat vectors: all parameters
of a model in one array of its own kind, laid out by `grokscope.parameters`. The core does its mathematics on those
vectors with operators alone (`+ - * /`, slices and `sum`), so each formula exists once.

A task is data, a model specification and presets, and nothing of training.

An intervention is something done to a run while it trains: to a gradient, or to the parameters.

Plugins are found through the entry points `grokscope.backends`, `grokscope.tasks` and `grokscope.interventions`, each
naming a `BackendSpec`, a `TaskSpec` or an `InterventionSpec`. Reading a spec must import nothing heavy; only `open` and
`load` may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from grokscope.examples import Batch, Examples
from grokscope.models import ModelSpec
from grokscope.parameters import Layout

Precision = Literal["float32", "float64"]
Array = Any
"""A backend's own one-dimensional array: `torch.Tensor`, `mlx.core.array`, `numpy.ndarray`."""
Prepared = Any
"""A batch on the device, in whatever form the backend likes best."""

FloatArray = NDArray[np.float32] | NDArray[np.float64]
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
    """What one optimizer step saw. Scalars of the backend: reading them (`float(…)`) may wait for the device."""

    loss: Array
    gradient_norm: Array
    """Before clipping."""


class Prediction(NamedTuple):
    """The answer to every read of a batch, in NumPy."""

    losses: FloatArray
    """Cross-entropy, nats, [reads]"""
    classes: NDArray[np.int64]
    """Most likely class, [reads]"""


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

    def gradient(self, theta: Array, batch: PreparedT) -> tuple[Array, Array]:
        """Loss (nats) and its gradient [size] at `theta`."""

    def hessian_vector_product(self, theta: Array, batch: PreparedT, vector: Array) -> Array:
        """The exact product of the loss's Hessian at `theta` with `vector`, [size]."""


@runtime_checkable
class BracketLandscape(Protocol):
    """A landscape that computes a whole bracket at once, sharing what its four parts share."""

    def bracket(self, theta: Array, batch_a: Any, batch_b: Any) -> Bracket:
        """The same numbers as two gradients and two Hessian-vector products."""


class Session(Landscape[Any], Protocol):
    """One model, one optimizer state, one device."""

    @property
    def device(self) -> str:
        """`cpu`, `cuda`, `mps`, `gpu`."""

    @property
    def precision(self) -> Precision: ...

    @property
    def parameters(self) -> Array:
        """The current parameters, [size]. Never changed in place by the caller."""

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> Array:
        """NumPy to a flat array on the device, in the session's precision unless another is asked for.
        Raises `Unavailable` where the device lacks the precision."""

    def tonumpy(self, array: Array) -> FloatArray:
        """A flat array, copied to NumPy."""

    def prepare(self, batch: Batch) -> Prepared:
        """A packed batch, on the device."""

    def predict(self, theta: Array, batch: Prepared) -> Prediction:
        """Losses and most likely classes of every read."""

    def step(self, batch: Prepared, optimizer: AdamW) -> StepOutcome:
        """One optimizer step on the session's parameters. Deterministic on a CPU."""

    def step_along(self, gradient: Array, optimizer: AdamW) -> Array:
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


@dataclass(frozen=True)
class GrokCriterion:
    """What counts as having grokked, as a rule on evaluations.

    The metric of the test split is at least `threshold` for `consecutive` evaluations in a row; the step reported is
    that of the first of them, or of the last.
    """

    metric: Literal["accuracy", "sequence_accuracy"]
    threshold: float
    consecutive: int = 1
    report: Literal["first", "last"] = "first"


@dataclass(frozen=True)
class TaskData:
    """A task made concrete by its options and a seed."""

    train: Examples
    splits: Mapping[str, Examples]
    """What is evaluated beside the training set, by name; `test` first."""
    model: ModelSpec
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    """What a reader of results should know: overlaps, sizes, digests."""


@dataclass(frozen=True)
class TaskSpec:
    """A task by name. Reading it imports nothing heavy."""

    name: str
    summary: str
    source: str
    """Where data and protocol come from, with licence where it is not ours."""
    options: type[BaseModel]
    """The `[task]` section of a configuration: a pydantic model that forbids unknown keys, every field with a
    default and a description."""
    presets: Mapping[str, Mapping[str, Any]]
    """Settings by preset name, dotted keys as in `--set`: `{"quick": {"optimizer.lr": 1e-3}}`. `paper` is the
    default and must exist."""
    load: Callable[[Any, int], TaskData]
    """`load(options, seed)`: data and model. Raises `ValueError` with a sentence for a person."""
    metric: Literal["accuracy", "sequence_accuracy"]
    """The headline metric."""
    criteria: Mapping[str, GrokCriterion]
    """What "generalized" means, by name."""
    default_criterion: str
    """The name in `criteria` that a run stops on and reports."""
    vocabulary: Mapping[str, Sequence[str]]
    """Token names by side (`source`, `target`, `classes`), index = token."""
    export: Callable[[str, Path], list[Path]] | None = None
    """`export(split, folder)`: write the data set's own files, byte for byte; None where there are none."""


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

    What it needs to remember must follow from its parameters and from `SwitchedOn`: a run that is resumed opens it
    again. It returns what it did, and None where it did nothing.
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

    def defaults(self) -> dict[str, Any]:
        """Every parameter and its default, its own before those it has in common with others."""
        common = getattr(self.parameters.__base__, "model_fields", {})
        values = self.parameters().model_dump(mode="json")
        return dict(sorted(values.items(), key=lambda item: item[0] in common))

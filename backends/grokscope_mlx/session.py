"""One model, one optimizer state, one device, in MLX."""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Bracket, Device, Prediction, StepOutcome, TrainingState, Unavailable
from grokscope.contract.examples import Batch
from grokscope.contract.memory import comfortable, free_bytes
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import (
    Decaying,
    Moving,
    Optimizer,
    OptimizerName,
    StepNumbers,
    UpdateRule,
    step_numbers,
)
from grokscope.contract.parameters import layout
from grokscope.contract.plans import EXACT, FEW_SHAPES, ForwardPlan, forward_plan, graph_numbers, on_device
from grokscope.contract.transformer import Transformer
from grokscope_mlx import operations
from grokscope_mlx.vectors import DTYPES, MLXVectors


class Moves(NamedTuple):
    """The steps of one kind of optimizer."""

    step: Callable[[Moving, StepNumbers, ForwardPlan], tuple[Moving, mx.array, mx.array]]
    """The loss beside what has moved, and the norm of the gradient before clipping"""
    descent: Callable[[Moving, StepNumbers, mx.array], tuple[Moving, mx.array]]
    """The same along a gradient [size]"""


class MLXSession(MLXVectors):
    """See `grokscope.contract.backends.Session`. Deterministic on a CPU.

    Opening a session makes its device MLX's default: plain arithmetic on its vectors happens there. `threads` is not
    MLX's to set: it computes on one thread, beside those that the linear algebra library took when it was loaded.
    """

    moving: Moving

    def __init__(
        self, model: ModelSpec, parameters: FloatArray, *, device: str, precision: Precision, threads: int | None
    ) -> None:
        self.device = _chosen(device, precision)
        self.precision = precision
        mx.set_default_device(mx.gpu if self.device == "gpu" else mx.cpu)
        self._layout = layout(model)
        self._model = model
        self._transformer = Transformer(model, operations)
        self._compiles = compiles(self.device)
        self._moves: dict[tuple[OptimizerName, Decaying], Moves] = {}
        self.restore(TrainingState(0, parameters, np.zeros_like(parameters), np.zeros_like(parameters)))

    @property
    def parameters(self) -> mx.array:
        theta: mx.array = self.moving.theta
        return theta

    def prepare(self, batch: Batch) -> ForwardPlan:
        return on_device(forward_plan(batch, self._model, FEW_SHAPES if self._compiles else EXACT), self.placed)

    def gradient(self, theta: mx.array, batch: ForwardPlan) -> tuple[mx.array, mx.array]:
        loss, gradient = mx.value_and_grad(self.loss)(theta, batch)
        _start(loss, gradient)
        return loss, gradient

    def hessian_vector_product(self, theta: mx.array, batch: ForwardPlan, vector: mx.array) -> mx.array:
        return self._gradient_and_product(theta, batch, vector)[1]

    def bracket(
        self, theta: mx.array, batch_a: ForwardPlan, batch_b: ForwardPlan, *, together: bool | None = None
    ) -> Bracket:
        """With `together` one graph: the derivatives of g_B(θ_B)·[g_A] + g_A(θ_A)·[g_B], brackets held fixed, are
        H_B g_A by θ_B and H_A g_B by θ_A, and neither gradient is computed twice. Without, one graph after the other,
        and g_A is computed twice; the bits are the same. None: together where both graphs fit comfortably."""
        if together is None:
            numbers = sum(graph_numbers(batch, self._model) for batch in (batch_a, batch_b))
            together = comfortable(numbers * theta.itemsize, self.free_bytes())
        if not together:
            _, gradient_a = self.gradient(theta, batch_a)
            gradient_b, product_b = self._gradient_and_product(theta, batch_b, gradient_a)
            _, product_a = self._gradient_and_product(theta, batch_a, gradient_b)
            return Bracket(gradient_a, gradient_b, product_b, product_a)

        def along(point_a: mx.array, point_b: mx.array) -> tuple[mx.array, mx.array, mx.array]:
            gradient_a, gradient_b = mx.grad(self.loss)(point_a, batch_a), mx.grad(self.loss)(point_b, batch_b)
            both = gradient_b @ mx.stop_gradient(gradient_a) + gradient_a @ mx.stop_gradient(gradient_b)
            return both, gradient_a, gradient_b

        (_, gradient_a, gradient_b), (product_a, product_b) = mx.value_and_grad(along, argnums=(0, 1))(theta, theta)
        _start(gradient_a, gradient_b, product_b, product_a)
        return Bracket(gradient_a, gradient_b, product_b, product_a)

    def free_bytes(self) -> int | None:
        """Bytes that are free, of the memory that processor and GPU share. None if unknown."""
        return free_bytes()

    def predict(self, theta: mx.array, batch: ForwardPlan, *, details: bool = False) -> Prediction:
        losses, logits, representations = self._transformer.forward(theta, batch)
        classes = mx.argmax(logits, axis=1)
        count = mx.sum(batch.weights > 0)
        mx.eval(losses, classes, count)
        own = slice(int(count))  # the reads behind them are padding
        prediction = Prediction(self.tonumpy(losses)[own], np.array(classes).astype(np.int64)[own])
        if not details:
            return prediction
        representations = operations.take(representations, batch.reads)
        return prediction._replace(logits=self.tonumpy(logits)[own], representations=self.tonumpy(representations)[own])

    def step(self, batch: ForwardPlan, optimizer: Optimizer) -> StepOutcome:
        state, loss, norm = self.by(optimizer).step(self.moving, self._numbers(optimizer), batch)
        self._advance(state, loss, norm)
        return StepOutcome(loss, norm)

    def step_along(self, gradient: mx.array, optimizer: Optimizer) -> mx.array:
        state, norm = self.by(optimizer).descent(self.moving, self._numbers(optimizer), gradient)
        self._advance(state, norm)
        return norm

    def displace(self, delta: mx.array) -> None:
        self.moving = self.moving._replace(theta=self.moving.theta + delta)

    def state(self) -> TrainingState:
        return TrainingState(self.taken, *(self.tonumpy(vector) for vector in self.moving))

    def restore(self, state: TrainingState) -> None:
        for vector in state[1:]:
            if vector.shape != (self._layout.size,):
                raise ValueError(f"the model has {self._layout.size} parameters, not {vector.shape}")
        self.taken = state.step
        self.moving = Moving(*(self.asarray(vector) for vector in state[1:]))

    def synchronize(self) -> None:
        mx.synchronize()

    def _gradient_and_product(self, theta: mx.array, batch: ForwardPlan, vector: mx.array) -> tuple[mx.array, mx.array]:
        """Reverse over reverse: forward-mode does not pass the scatter that an embedding's gradient is."""

        def along(point: mx.array) -> tuple[mx.array, mx.array]:
            gradient: mx.array = mx.grad(self.loss)(point, batch)
            return gradient @ vector, gradient

        (_, gradient), product = mx.value_and_grad(along)(theta)
        _start(gradient, product)
        return gradient, product

    def loss(self, theta: mx.array, batch: ForwardPlan) -> mx.array:
        """Of a batch at `theta`, nats."""
        losses = self._transformer.forward(theta, batch).losses
        loss: mx.array = losses @ batch.weights.astype(losses.dtype)
        return loss

    def placed(self, values: NDArray[Any]) -> mx.array:
        """A part of a plan on the device."""
        if values.dtype == np.float64:
            return mx.array(values, dtype=mx.float32 if self.device == "gpu" else mx.float64)
        return mx.array(values if values.dtype == np.bool_ else values.astype(np.int32))

    def by(self, optimizer: Optimizer) -> Moves:
        """The steps of an optimizer of this kind, compiled where that gains something."""
        kind = optimizer.name, optimizer.decay
        if kind not in self._moves:
            rule = UpdateRule(*kind, self._layout, asarray=self.asarray, concatenate=self.concatenate, sqrt=mx.sqrt)

            def descent(moving: Moving, numbers: StepNumbers, gradient: mx.array) -> tuple[Moving, mx.array]:
                norm = mx.sqrt(_sum(gradient * gradient))
                return rule.moved(moving, numbers, gradient * mx.minimum(numbers.clip / (norm + 1e-6), 1.0)), norm

            def step(moving: Moving, numbers: StepNumbers, batch: ForwardPlan) -> tuple[Moving, mx.array, mx.array]:
                loss, gradient = mx.value_and_grad(self.loss)(moving.theta, batch)
                moved, norm = descent(moving, numbers, gradient)
                return moved, loss, norm

            self._moves[kind] = Moves(mx.compile(step), mx.compile(descent)) if self._compiles else Moves(step, descent)
        return self._moves[kind]

    def _numbers(self, optimizer: Optimizer) -> StepNumbers:
        """Those of the next step; arrays, for a Python number that changes would have a compiled step traced again."""
        numbers = step_numbers(optimizer, self.taken + 1)
        return StepNumbers(*(mx.array(number, dtype=DTYPES[self.precision]) for number in numbers))

    def _advance(self, moved: Moving, *seen: mx.array) -> None:
        """Start the one evaluation of a step; nobody waits for it here."""
        _start(*moved, *seen)
        self.moving = moved
        self.taken += 1


def _sum(vector: mx.array) -> mx.array:
    """The sum of [size], row by row: in one go a CPU adds 270,000 float32 squares with an error of 4e-4."""
    length = math.isqrt(vector.size)
    rows = vector.size // length
    whole = vector[: rows * length].reshape(rows, length)
    return mx.sum(mx.sum(whole, axis=1)) + mx.sum(vector[rows * length :])


def _start(*arrays: mx.array) -> None:
    """Begin to evaluate, and do not wait."""
    mx.async_eval(*arrays)  # type: ignore[no-untyped-call]


def compiles(device: str) -> bool:
    """Whether steps are compiled: on a GPU. On a CPU MLX calls a C++ compiler for seconds and gains nothing."""
    return device == "gpu"


def devices() -> Sequence[Device]:
    """The devices MLX sees, best first."""
    found = []
    if mx.is_available(mx.gpu):
        found.append(Device("gpu", str(mx.device_info(mx.gpu).get("device_name", "GPU")), ("float32",)))
    found.append(Device("cpu", linear_algebra(), ("float32", "float64")))
    return found


def details() -> Mapping[str, str]:
    """Versions and what else matters for speed."""
    return {
        "mlx": version("mlx"),
        "metal": "yes" if mx.metal.is_available() else "no",
        "linear algebra on the CPU": linear_algebra(),
        "compiled steps": "yes" if compiles(devices()[0].name) else "no (they would gain nothing on a CPU)",
    }


def linear_algebra(maps: Path = Path("/proc/self/maps")) -> str:
    """The BLAS that matrix products on the CPU go to: the wheel's, or one put before it with LD_PRELOAD."""
    if not maps.exists():
        return "Accelerate"
    libraries = {Path(line.split()[-1]).name: line.split()[-1] for line in maps.read_text().splitlines() if "/" in line}
    for name, path in libraries.items():
        if name.startswith(("libopenblas", "libmkl_rt", "libblis")) and "numpy" not in path:
            return f"{name} (preloaded)"
    if any(name.startswith("libblas") and "mlx" in path for name, path in libraries.items()):
        return "reference BLAS of the wheel (3 to 6 times slower than OpenBLAS: LD_PRELOAD=libopenblas.so.0)"
    return "unknown"


def _chosen(wanted: str, precision: Precision) -> str:
    """A device name. Raises `Unavailable`."""
    there = {device.name: device for device in devices()}
    if wanted == "auto":
        return next(name for name, device in there.items() if precision in device.precisions)
    if wanted not in there:
        raise Unavailable(f"MLX has no device {wanted!r} here (it has: {', '.join(there)}); choose one with --device")
    if precision not in there[wanted].precisions:
        raise Unavailable(f"{wanted} has no {precision}: use --precision float32, or --device cpu")
    return wanted

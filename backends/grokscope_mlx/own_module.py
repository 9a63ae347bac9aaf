"""Anybody's module of MLX with its loss as a landscape: pure functions of a flat vector, and the module as it was.

MLX's arrays never change, so that putting the same arrays back puts everything back.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import mlx.nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from grokscope.contract.backends import Bracket
from grokscope.contract.own_batches import mapped, rows_in
from grokscope.contract.own_models import CannotProbe, ModelMode, OwnLoss, OwnScores
from grokscope.contract.parameters import Block, Layout, Parameter
from grokscope_mlx.vectors import DTYPES, MLXVectors

nn: Any = mlx.nn
Module = Any
"""An `mlx.nn.Module`: that package does not say what it hands on"""

_HALF = (mx.float16, mx.bfloat16)
_BLOCKS: tuple[tuple[tuple[type, ...], Block], ...] = (
    ((nn.Embedding,), "embedding"),
    ((nn.MultiHeadAttention,), "attention"),
    ((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.BatchNorm, nn.InstanceNorm), "norm"),
)


@dataclass(frozen=True)
class NoisyBatch:
    """A batch, and where the random numbers of a forward pass on it begin."""

    content: Any
    noise: int


class OwnModule(MLXVectors):
    """See `grokscope.contract.own_models.OwnModel`."""

    backend = "mlx"

    def __init__(self, module: Module, loss: OwnLoss, *, mode: ModelMode, upcast: bool) -> None:
        """Raises `CannotProbe`."""
        self._module, self._loss, self._mode, self._upcast = module, loss, mode, upcast
        named: list[tuple[str, mx.array]] = list(tree_flatten(module.trainable_parameters()))  # type: ignore[arg-type]
        _check(named, upcast=upcast)
        self._names = [name for name, _ in named]
        self._dtypes = [array.dtype for _, array in named]
        self.precision = "float64" if mx.float64 in self._dtypes else "float32"
        self.layout = _layout(module, named)
        self._theta: mx.array | None = None
        self._again: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return type(self._module).__name__

    @property
    def device(self) -> str:  # type: ignore[override]  # whatever MLX computes on now
        return "gpu" if mx.default_device().type == mx.DeviceType.gpu else "cpu"

    @property
    def theta(self) -> mx.array:
        if self._theta is None:
            named: dict[str, mx.array] = dict(tree_flatten(self._module.parameters()))
            wide = DTYPES[self.precision]
            theta: mx.array = mx.concatenate([named[name].reshape(-1).astype(wide) for name in self._names])
            mx.eval(theta)
            self._theta = theta
        return self._theta

    @contextmanager
    def looking(self) -> Iterator[None]:
        with undisturbed(self._module) as again:
            self._again, self._theta = again, None
            try:
                yield
            finally:
                self._theta = None

    # --- vectors ----------------------------------------------------------------------------------------------------

    # --- the landscape ----------------------------------------------------------------------------------------------

    def gradient(self, theta: mx.array, batch: NoisyBatch) -> tuple[mx.array, mx.array]:
        loss, gradient = mx.value_and_grad(self._value)(theta, batch)
        mx.eval(loss, gradient)
        return loss, gradient

    def hessian_vector_product(self, theta: mx.array, batch: NoisyBatch, vector: mx.array) -> mx.array:
        def along(point: mx.array) -> mx.array:
            gradient: mx.array = mx.grad(self._value)(point, batch)
            return (gradient * vector).sum()

        product: mx.array = mx.grad(along)(theta)
        mx.eval(product)
        return product

    def bracket(self, theta: mx.array, batch_a: NoisyBatch, batch_b: NoisyBatch) -> Bracket:
        """One graph; see `grokscope_mlx.session.MLXSession.bracket`."""

        def along(point_a: mx.array, point_b: mx.array) -> tuple[mx.array, mx.array, mx.array]:
            gradient_a, gradient_b = mx.grad(self._value)(point_a, batch_a), mx.grad(self._value)(point_b, batch_b)
            both = gradient_b * mx.stop_gradient(gradient_a) + gradient_a * mx.stop_gradient(gradient_b)
            return both.sum(), gradient_a, gradient_b

        (_, gradient_a, gradient_b), (product_a, product_b) = mx.value_and_grad(along, argnums=(0, 1))(theta, theta)
        mx.eval(gradient_a, gradient_b, product_a, product_b)
        return Bracket(gradient_a, gradient_b, product_b, product_a)

    def _value(self, theta: mx.array, batch: NoisyBatch) -> mx.array:
        """The loss at `theta` [size]: the same every time, whatever was computed before."""
        self._again()
        if self._mode != "as-is":
            self._module.train(self._mode == "train")
        self._stand_at(theta)
        draw_from(batch.noise)
        return _scalar(self._loss(self._module, batch.content))

    def _stand_at(self, theta: mx.array) -> None:
        pieces = []
        for parameter, dtype in zip(self.layout, self._dtypes, strict=True):
            piece = theta[parameter.offset : parameter.stop].reshape(parameter.shape)
            pieces.append(piece if self._upcast else piece.astype(dtype))
        self._module.update(tree_unflatten(list(zip(self._names, pieces, strict=True))))

    # --- batches ----------------------------------------------------------------------------------------------------

    def prepare(self, batch: Any, noise: int) -> NoisyBatch:
        return NoisyBatch(mapped(batch, mx.array, self._taken_in), noise)

    def _taken_in(self, values: Any) -> mx.array:
        array = mx.array(values)
        return array.astype(mx.float32) if self._upcast and array.dtype in _HALF else array

    def taken(self, tensors: Any, rows: Any) -> Any:
        index = mx.array(np.asarray(rows))
        return mapped(tensors, mx.array, lambda tensor: mx.array(tensor)[index])

    def collated(self, examples: Sequence[Any]) -> Any:
        first = examples[0]
        if isinstance(first, Mapping):
            return {key: self.collated([example[key] for example in examples]) for key in first}
        if isinstance(first, tuple | list):
            return tuple(self.collated(column) for column in zip(*examples, strict=True))
        if isinstance(first, mx.array):
            return mx.stack(list(examples))
        return mx.array(np.stack([np.asarray(example) for example in examples]))

    def scores(self, batch: NoisyBatch) -> OwnScores:
        def scored(module: Module) -> OwnScores:
            draw_from(batch.noise)
            loss = _scalar(self._loss(module, batch.content))
            return OwnScores(float(loss), _accuracy(module, batch.content), rows_in(batch.content))

        scores: OwnScores = self.evaluated(scored)
        return scores

    def evaluated(self, function: Callable[[Module], Any]) -> Any:
        self._again()
        self._module.eval()
        return function(self._module)

    def synchronize(self) -> None:
        mx.synchronize()

    def check(self, batch: NoisyBatch) -> None:
        loss, _ = self.gradient(self.theta, batch)
        if loss.dtype in _HALF:
            kind = str(loss.dtype).removeprefix("mlx.core.")
            raise CannotProbe(f"the loss computes in {kind}: give the probe a loss that computes in float32")


@contextmanager
def undisturbed(module: Module) -> Iterator[Callable[[], None]]:
    """Leave arrays, attributes and modes of all submodules, and every random stream, as they are.

    Yields what takes the module back to where it was when the block began, to be looked at again.
    """
    kept = [each for submodule in module.modules() for each in _contents(submodule)]
    attributes = [(vars(submodule), dict(vars(submodule))) for submodule in module.modules()]
    python, numpy, streams = random.getstate(), np.random.get_state(), cast(Any, mx.random.state)
    high, low = (int(part) for part in np.array(streams[0]))

    def again() -> None:
        for container, content in [*kept, *attributes]:
            if isinstance(container, dict):
                dict.clear(container)
                dict.update(container, content)  # a module's own `update` does something else
            else:
                container[:] = content

    try:
        yield again
    finally:
        again()
        random.setstate(python)
        np.random.set_state(numpy)
        mx.random.seed((high << 32) | low)  # there is no other way to set it


def _contents(container: Any) -> Iterator[tuple[Any, Any]]:
    """A module's dictionaries and lists, without the modules in it, and a copy of what each holds."""
    yield container, list(container) if isinstance(container, list) else dict(container)
    for value in container if isinstance(container, list) else container.values():
        if isinstance(value, dict | list) and not isinstance(value, nn.Module):
            yield from _contents(value)


def draw_from(noise: int) -> None:
    """Set every random stream to the beginning that belongs to a number below 2⁶³. Only where they are put back."""
    random.seed(noise)
    np.random.seed(noise % 2**32)
    mx.random.seed(noise)


def _check(named: Sequence[tuple[str, mx.array]], *, upcast: bool) -> None:
    """Raises `CannotProbe` for parameters in which a defect would be wrong."""
    if not named:
        raise CannotProbe("no parameter of the model is trainable: there is nothing to measure")
    for name, array in named:
        kind = str(array.dtype).removeprefix("mlx.core.")
        if array.dtype in _HALF and not upcast:
            raise CannotProbe(
                f"{name} is {kind}: a defect measured in it would be rounding; probe a float32 copy (upcast=True)"
            )
        if array.dtype not in (mx.float32, mx.float64, *_HALF):
            raise CannotProbe(f"{name} is {kind}: a probe measures in float32 or float64")


def _scalar(value: Any) -> mx.array:
    if not isinstance(value, mx.array):
        raise CannotProbe(f"loss(model, batch) returned a {type(value).__name__}; it must return a scalar array")
    if value.size != 1:
        raise CannotProbe(
            f"loss(model, batch) returned an array of shape {value.shape}; it must return a scalar that depends on the "
            "model's parameters"
        )
    return value.reshape(())


def _accuracy(module: Module, content: Any) -> float | None:
    """Where a batch is a pair of arrays, the labels are whole numbers, and the model adds the axis of classes."""
    if not (isinstance(content, tuple | list) and len(content) == 2 and isinstance(content[1], mx.array)):
        return None
    inputs, labels = content
    if not mx.issubdtype(labels.dtype, mx.integer) or not isinstance(inputs, mx.array):
        return None
    output = module(inputs)
    if not (isinstance(output, mx.array) and output.shape[:-1] == labels.shape):
        return None
    return float((mx.argmax(output, axis=-1) == labels).mean())


def _layout(module: Module, named: Sequence[tuple[str, mx.array]]) -> Layout:
    blocks: dict[str, Block] = {}
    for where, each in module.named_modules():
        for kinds, block in _BLOCKS:
            if isinstance(each, kinds):
                blocks[f"{where}." if where else ""] = block
    parameters, offset = [], 0
    for name, array in named:
        block = next((block for prefix, block in blocks.items() if name.startswith(prefix)), "other")
        parameters.append(Parameter(name, tuple(array.shape), offset, block))
        offset = parameters[-1].stop
    return Layout(tuple(parameters))

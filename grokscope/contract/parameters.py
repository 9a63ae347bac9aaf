"""The place of every parameter of a model in one flat vector, and the initial values.

Names and layouts are those of `torch.nn.Transformer*`; order is that of the list below. Initial values come from NumPy,
never from a backend, so that every backend starts from the same numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.models import ModelSpec
from grokscope.contract.streams import generator

Block = Literal["embedding", "attention", "mlp", "norm", "head", "other"]
"""The role of a tensor; `other` if it is unknown, as in a user's own model"""


@dataclass(frozen=True)
class Parameter:
    """One named tensor: `vector[offset:stop].reshape(shape)`."""

    name: str
    shape: tuple[int, ...]
    offset: int
    block: Block = "other"
    stack: str = ""
    """`encoder`, `decoder`, or `` outside the layers."""
    layer: int | None = None
    initial: Literal["normal", "uniform", "zeros", "ones"] = "zeros"
    scale: float = 0.0
    """Standard deviation of `normal`, bound of `uniform`."""

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def stop(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class Layout:
    """All parameters of a model, in the order in which they stand in the flat vector."""

    parameters: tuple[Parameter, ...]

    @cached_property
    def size(self) -> int:
        """Length of the flat vector: the model's parameter count."""
        return sum(parameter.size for parameter in self.parameters)

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def groups(self) -> dict[str, list[tuple[int, int]]]:
        """Slices of the flat vector by block and, inside the layers, by layer: `attention`, `encoder.0`, …"""
        slices: dict[str, list[tuple[int, int]]] = {}
        for parameter in self.parameters:
            keys: list[str] = [parameter.block]
            if parameter.layer is not None:
                keys.append(f"{parameter.stack}.{parameter.layer}")
            for key in keys:
                slices.setdefault(key, []).append((parameter.offset, parameter.stop))
        return {key: _merged(pieces) for key, pieces in slices.items()}

    def on_block(self, block: Block, inside: float, outside: float) -> NDArray[np.float64]:
        """A vector [size] that is `inside` on the tensors of a block and `outside` elsewhere."""
        vector = np.full(self.size, outside, dtype=np.float64)
        for start, stop in self.groups()[block]:
            vector[start:stop] = inside
        return vector

    def flatten(self, tensors: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float32]:
        """The vector [size] of named tensors. Raises `ValueError` if a name or a shape does not fit."""
        missing = self.by_name.keys() - tensors.keys()
        unknown = tensors.keys() - self.by_name.keys()
        if missing or unknown:
            raise ValueError(f"parameters do not fit the model: missing {sorted(missing)}, unknown {sorted(unknown)}")
        vector = np.empty(self.size, dtype=np.float32)
        for parameter in self.parameters:
            tensor = tensors[parameter.name]
            if tensor.shape != parameter.shape:
                raise ValueError(f"{parameter.name} is {tensor.shape}, the model has {parameter.shape}")
            vector[parameter.offset : parameter.stop] = tensor.ravel()
        return vector

    def fits(self, other: "Layout") -> bool:
        """Whether both have the same tensors in the same places."""
        return [(each.name, each.shape) for each in self] == [(each.name, each.shape) for each in other]

    def to_json(self) -> list[dict[str, Any]]:
        """The layout as stored in a file of tensors, without the initial values."""
        return [
            {"name": p.name, "shape": p.shape, "offset": p.offset, "block": p.block, "stack": p.stack, "layer": p.layer}
            for p in self
        ]

    @classmethod
    def from_json(cls, tensors: Iterable[Mapping[str, Any]]) -> "Layout":
        """The inverse of `to_json`. Raises `ValueError` if there is a gap between tensors."""
        parameters = tuple(Parameter(**{**tensor, "shape": tuple(map(int, tensor["shape"]))}) for tensor in tensors)
        offset = 0
        for parameter in parameters:
            if parameter.offset != offset or min(parameter.shape, default=0) < 0:
                raise ValueError(f"{parameter.name} does not directly follow the tensor before it")
            offset = parameter.stop
        return cls(parameters)

    def unflatten(self, vector: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
        """Named views of one vector [size]."""
        return {p.name: vector[p.offset : p.stop].reshape(p.shape) for p in self.parameters}


def layout(model: ModelSpec) -> Layout:
    """The parameters of `model`.

    Scales are PyTorch's defaults for the modules the paper builds: embeddings N(0, 1); linear layers uniform within
    1/sqrt(fan_in); attention input projections Xavier; `nn.Transformer` (encoder-decoder) Xavier for all its matrices.
    """
    if model.shape == "encoder-decoder":
        return _Writer(model, xavier=True).encoder_decoder()
    return _Writer(model, xavier=False).single_stack()


def initial_parameters(model: ModelSpec, seed: int) -> NDArray[np.float32]:
    """The flat vector at step 0, [size]; the same for every backend."""
    where = layout(model)
    vector = np.empty(where.size, dtype=np.float32)
    random = generator(seed, "initialization")
    for parameter in where:
        vector[parameter.offset : parameter.stop] = _INITIAL[parameter.initial](random, parameter)
    if model.identical_layers:
        for parameter in where:
            if parameter.layer:
                first = where.by_name[parameter.name.replace(f".{parameter.layer}.", ".0.", 1)]
                vector[parameter.offset : parameter.stop] = vector[first.offset : first.stop]
    return vector


_INITIAL: dict[str, Callable[[np.random.Generator, Parameter], NDArray[np.float64]]] = {
    "normal": lambda random, p: random.normal(0.0, p.scale, p.size),
    "uniform": lambda random, p: random.uniform(-p.scale, p.scale, p.size),
    "zeros": lambda random, p: np.zeros(p.size),
    "ones": lambda random, p: np.ones(p.size),
}


def _merged(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(pieces):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


class _Writer:
    """Lists the parameters of a model in order, keeping the running offset."""

    def __init__(self, model: ModelSpec, *, xavier: bool) -> None:
        self.model = model
        self.xavier = xavier
        self.written: list[Parameter] = []
        self.offset = 0

    def single_stack(self) -> Layout:
        self.embedding("tok_emb", self.model.vocabulary, 1.0)
        self.embedding("pos_emb", self.model.context, self.model.position_std)
        for layer in range(self.model.layers):
            self.layer("encoder", f"encoder.layers.{layer}", layer, cross=False)
        self.read_out()
        return Layout(tuple(self.written))

    def encoder_decoder(self) -> Layout:
        self.embedding("src_tok_emb", self.model.vocabulary, 1.0)
        self.embedding("src_pos_emb", self.model.context, self.model.position_std)
        self.embedding("tgt_tok_emb", self.model.target_vocabulary, 1.0)
        self.embedding("tgt_pos_emb", self.model.target_context, self.model.position_std)
        for stack, cross in (("encoder", False), ("decoder", True)):
            for layer in range(self.model.layers):
                self.layer(stack, f"transformer.{stack}.layers.{layer}", layer, cross=cross)
            self.norm(f"transformer.{stack}.norm", "", None)
        self.read_out()
        return Layout(tuple(self.written))

    def layer(self, stack: str, prefix: str, layer: int, *, cross: bool) -> None:
        width, hidden = self.model.width, self.model.feed_forward
        for attention in ("self_attn", "multihead_attn") if cross else ("self_attn",):
            self.attention(f"{prefix}.{attention}", stack, layer)
        self.linear(f"{prefix}.linear1", hidden, width, "mlp", stack, layer)
        self.linear(f"{prefix}.linear2", width, hidden, "mlp", stack, layer)
        for number in (1, 2, 3) if cross else (1, 2):
            self.norm(f"{prefix}.norm{number}", stack, layer)

    def attention(self, prefix: str, stack: str, layer: int) -> None:
        width = self.model.width
        out_bound = _xavier(width, width) if self.xavier else 1 / sqrt(width)
        self.add(f"{prefix}.in_proj_weight", (3 * width, width), "attention", "uniform", _xavier(width, 3 * width),
                 stack, layer)  # fmt: skip
        self.add(f"{prefix}.in_proj_bias", (3 * width,), "attention", "zeros", 0.0, stack, layer)
        self.add(f"{prefix}.out_proj.weight", (width, width), "attention", "uniform", out_bound, stack, layer)
        self.add(f"{prefix}.out_proj.bias", (width,), "attention", "zeros", 0.0, stack, layer)

    def linear(self, prefix: str, out: int, into: int, block: Block, stack: str = "", layer: int | None = None) -> None:
        inside_transformer = self.xavier and layer is not None
        bound = _xavier(into, out) if inside_transformer else 1 / sqrt(into)
        self.add(f"{prefix}.weight", (out, into), block, "uniform", bound, stack, layer)
        self.add(f"{prefix}.bias", (out,), block, "uniform", 1 / sqrt(into), stack, layer)

    def embedding(self, name: str, rows: int, std: float) -> None:
        self.add(f"{name}.weight", (rows, self.model.width), "embedding", "normal", std)

    def norm(self, prefix: str, stack: str, layer: int | None) -> None:
        self.add(f"{prefix}.weight", (self.model.width,), "norm", "ones", 0.0, stack, layer)
        self.add(f"{prefix}.bias", (self.model.width,), "norm", "zeros", 0.0, stack, layer)

    def read_out(self) -> None:
        self.norm("ln", "", None)
        self.linear("head", self.model.classes, self.model.width, "head")

    def add(
        self,
        name: str,
        shape: tuple[int, ...],
        block: Block,
        initial: Literal["normal", "uniform", "zeros", "ones"],
        scale: float,
        stack: str = "",
        layer: int | None = None,
    ) -> None:
        self.written.append(Parameter(name, shape, self.offset, block, stack, layer, initial, scale))
        self.offset += prod(shape)


def _xavier(fan_in: int, fan_out: int) -> float:
    return sqrt(6 / (fan_in + fan_out))

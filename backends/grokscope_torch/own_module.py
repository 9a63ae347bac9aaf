"""Anybody's module with its loss as a landscape: the live parameters are looked at, and left as they are.

The module computes with its own parameters, and one graph a batch serves the gradient and the Hessian-vector product:
that works with whatever a module does with them, and is cheaper than two separate passes.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from grokscope.contract.backends import Bracket
from grokscope.contract.own_batches import mapped, rows_in
from grokscope.contract.own_models import CannotProbe, ModelMode, OwnLoss, OwnScores
from grokscope.contract.parameters import Block, Layout, Parameter
from grokscope_torch.refusals import check_loss, check_module, check_parameters, scalar, unchanged
from grokscope_torch.stillness import draw_from, twice_differentiable, undisturbed
from grokscope_torch.vectors import DTYPES, TorchVectors

_BLOCKS: tuple[tuple[tuple[type[nn.Module], ...], Block], ...] = (
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    ((nn.MultiheadAttention,), "attention"),
    ((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase), "norm"),
)


@dataclass(frozen=True)
class NoisyBatch:
    """A batch on the device, and where the random numbers of a forward pass on it begin."""

    content: Any
    noise: int


class OwnModule(TorchVectors):
    """See `grokscope.contract.own_models.OwnModel`."""

    backend = "torch"

    def __init__(self, module: nn.Module, loss: OwnLoss, *, mode: ModelMode, upcast: bool) -> None:
        """Raises `CannotProbe`."""
        self._original = uncompiled(module)
        check_module(self._original)
        self._upcast = upcast
        self._module = _in_float32(self._original) if upcast else self._original
        self._loss = loss
        self._mode = mode
        named = [(name, p) for name, p in self._module.named_parameters() if p.requires_grad]
        check_parameters(named)
        self._parameters = [parameter for _, parameter in named]
        self._where = self._parameters[0].device
        widest = max((p.dtype for p in self._parameters), key=lambda dtype: dtype.itemsize)
        self.precision = "float64" if widest == torch.float64 else "float32"
        self.layout = _layout(self._module, named)
        self._theta: Tensor | None = None
        self._again: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return type(self._original).__name__

    @property
    def theta(self) -> Tensor:
        if self._theta is None:
            self._theta = self._flat([parameter.detach() for parameter in self._parameters])
        return self._theta

    @contextmanager
    def looking(self) -> Iterator[None]:
        self._check_still_known()
        if self._upcast:
            _copy_state(self._original, self._module)
        with undisturbed(self._module) as again, twice_differentiable(self._module):
            self._again, self._theta = again, None
            try:
                yield
            finally:
                self._theta = None

    def _check_still_known(self) -> None:
        """Raises `CannotProbe` where a parameter was replaced, added or unfrozen; one that is frozen just counts 0."""
        now = set(map(id, self._module.parameters()))
        names = {name for name, parameter in self._original.named_parameters() if parameter.requires_grad}
        if not now.issuperset(map(id, self._parameters)) or not names <= {each.name for each in self.layout}:
            raise CannotProbe("the model has other parameters than when the probe began: end it, and begin another one")

    # --- vectors ----------------------------------------------------------------------------------------------------

    def _flat(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([tensor.reshape(-1).to(DTYPES[self.precision]) for tensor in tensors])

    def _pieces(self, vector: Tensor) -> list[Tensor]:
        """A flat vector as tensors in the shapes and precisions of the parameters."""
        pieces = torch.split(vector, [parameter.numel() for parameter in self._parameters])
        return [
            piece.view(parameter.shape).to(parameter.dtype)
            for piece, parameter in zip(pieces, self._parameters, strict=True)
        ]

    # --- the landscape ----------------------------------------------------------------------------------------------

    def gradient(self, theta: Tensor, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        with self._standing_at(theta):
            loss = self._value(batch)
            return loss.detach(), self._flat(self._derivatives([loss], None, graph=False)).detach()

    def hessian_vector_product(self, theta: Tensor, batch: NoisyBatch, vector: Tensor) -> Tensor:
        with self._standing_at(theta):
            gradient = self._derivatives([self._value(batch)], None, graph=True)
            return self._product(gradient, vector)

    def bracket(self, theta: Tensor, batch_a: NoisyBatch, batch_b: NoisyBatch) -> Bracket:
        with self._standing_at(theta):
            graph_a = self._derivatives([self._value(batch_a)], None, graph=True)
            graph_b = self._derivatives([self._value(batch_b)], None, graph=True)
            gradient_a, gradient_b = self._flat(graph_a).detach(), self._flat(graph_b).detach()
            return Bracket(
                gradient_a, gradient_b, self._product(graph_b, gradient_a), self._product(graph_a, gradient_b)
            )

    def _value(self, batch: NoisyBatch) -> Tensor:
        return scalar(self._raw_loss(batch))

    def _raw_loss(self, batch: NoisyBatch) -> Any:
        """What the user's loss returns for a batch: the same every time, whatever was computed before."""
        self._again()
        if self._mode != "as-is":
            self._module.train(self._mode == "train")
        draw_from(batch.noise)
        return self._loss(self._module, batch.content)

    def _product(self, gradient: Sequence[Tensor], vector: Tensor) -> Tensor:
        curved = [(g, v) for g, v in zip(gradient, self._pieces(vector), strict=True) if g.requires_grad]
        if not curved:
            return torch.zeros_like(vector)
        return self._flat(self._derivatives([g for g, _ in curved], [v for _, v in curved], graph=False)).detach()

    def _derivatives(self, outputs: list[Tensor], along: list[Tensor] | None, *, graph: bool) -> list[Tensor]:
        """The derivative by every parameter, 0 by those on which the outputs do not depend."""
        free = [parameter for parameter in self._parameters if parameter.requires_grad]
        found = dict(
            zip(
                map(id, free),
                torch.autograd.grad(outputs, free, grad_outputs=along, create_graph=graph, allow_unused=True),
                strict=True,
            )
        )
        derivatives = [found.get(id(parameter)) for parameter in self._parameters]
        return [
            torch.zeros_like(parameter) if each is None else (each.to_dense() if each.is_sparse else each)
            for each, parameter in zip(derivatives, self._parameters, strict=True)
        ]

    @contextmanager
    def _standing_at(self, theta: Tensor) -> Iterator[None]:
        """The module at `theta` [size]. Where that is not where it stands, its parameters lend their places."""
        if theta is self._theta:
            yield
            return
        kept = [parameter.data for parameter in self._parameters]
        try:
            for parameter, piece in zip(self._parameters, self._pieces(theta), strict=True):
                parameter.data = piece
            yield
        finally:
            for parameter, data in zip(self._parameters, kept, strict=True):
                parameter.data = data

    # --- batches ----------------------------------------------------------------------------------------------------

    def prepare(self, batch: Any, noise: int) -> NoisyBatch:
        return NoisyBatch(mapped(batch, Tensor, self._on_device), noise)

    def _on_device(self, values: Any) -> Tensor:
        tensor = torch.as_tensor(values)
        wide = self._upcast and tensor.dtype in {torch.float16, torch.bfloat16}
        return tensor.to(self._where, torch.float32) if wide else tensor.to(self._where)

    def taken(self, tensors: Any, rows: Any) -> Any:
        index = torch.as_tensor(np.asarray(rows))
        return mapped(tensors, Tensor, lambda tensor: torch.as_tensor(tensor)[index])

    def collated(self, examples: Sequence[Any]) -> Any:
        return default_collate(list(examples))

    def scores(self, batch: NoisyBatch) -> OwnScores:
        def scored(module: nn.Module) -> OwnScores:
            draw_from(batch.noise)
            loss = scalar(self._loss(module, batch.content), differentiable=False)
            return OwnScores(float(loss), self._accuracy(batch.content), rows_in(batch.content))

        scores: OwnScores = self.evaluated(scored)
        return scores

    def evaluated(self, function: Callable[[nn.Module], Any]) -> Any:
        with torch.no_grad():
            self._again()
            self._module.eval()
            return function(self._module)

    def _accuracy(self, content: Any) -> float | None:
        if not (isinstance(content, tuple | list) and len(content) == 2 and isinstance(content[1], Tensor)):
            return None
        inputs, labels = content
        if labels.is_floating_point() or labels.is_complex() or not isinstance(inputs, Tensor):
            return None
        output = self._module(inputs)
        if not (isinstance(output, Tensor) and output.shape[:-1] == labels.shape):
            return None
        return float((output.argmax(dim=-1) == labels).double().mean())

    def synchronize(self) -> None:
        if self._where.type == "cuda":
            torch.cuda.synchronize()
        elif self._where.type == "mps":
            torch.mps.synchronize()

    def check(self, batch: NoisyBatch) -> None:
        with unchanged(self._module):
            check_loss(lambda: self._raw_loss(batch))


def uncompiled(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` was given."""
    original = getattr(module, "_orig_mod", module)
    return original if isinstance(original, nn.Module) else module


def _in_float32(module: nn.Module) -> nn.Module:
    """A copy whose floating-point numbers are float32. Raises `CannotProbe` where the module cannot be copied."""
    try:
        return copy.deepcopy(module).float()
    except Exception as problem:  # a module may hold anything
        raise CannotProbe(f"the model cannot be copied ({problem}), so that there is no upcast=True for it") from None


def _copy_state(source: nn.Module, target: nn.Module) -> None:
    with torch.no_grad():
        for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
            ours.data.copy_(theirs.data)
        for own, other in zip(target.buffers(), source.buffers(), strict=True):
            own.copy_(other)
    for one, another in zip(target.modules(), source.modules(), strict=True):
        one.training = another.training


def _layout(module: nn.Module, named: Sequence[tuple[str, nn.Parameter]]) -> Layout:
    blocks = _blocks(module)
    parameters, offset = [], 0
    for name, tensor in named:
        parameters.append(Parameter(name, tuple(tensor.shape), offset, blocks.get(id(tensor), "other")))
        offset = parameters[-1].stop
    return Layout(tuple(parameters))


def _blocks(module: nn.Module) -> dict[int, Block]:
    """What parameters are for, as far as the classes of PyTorch's own modules say."""
    return {
        id(parameter): block
        for each in module.modules()
        for kinds, block in _BLOCKS
        if isinstance(each, kinds)
        for parameter in each.parameters()
    }

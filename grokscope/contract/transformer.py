"""The forward pass, once: from one flat vector of parameters to one cross-entropy a read.

A backend names the operations (`Operations`); it can differentiate each of them twice. What is computed, in which order
and on which rows stands here and in `plans`.
"""

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any, NamedTuple, Protocol

from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.contract.plans import Attention, ForwardPlan, Stack

Tensor = Any
"""An array of a backend, of any number of dimensions. It has `+ * /`, indices and slices, and `shape`."""

FEW_KEYS = 4
"""Attention to so few keys is quicker as products of numbers than as products of tiny matrices: 3 times on a CPU."""


class Operations(Protocol):
    """What the forward pass asks of a backend, each differentiable twice."""

    def split(self, vector: Tensor, sizes: Sequence[int]) -> Sequence[Tensor]:
        """[sum of sizes] -> one [size] each"""

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor: ...

    def permute(self, x: Tensor, axes: Sequence[int]) -> Tensor: ...

    def unstack(self, x: Tensor, axis: int) -> Sequence[Tensor]:
        """[…, n, …] -> n times […, …]"""

    def take(self, x: Tensor, rows: Tensor) -> Tensor:
        """[n, d], [m] -> [m, d]"""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x weightᵀ + bias; [n, into], [out, into], [out] -> [n, out]"""

    def layer_norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Along the last axis, with `LAYER_NORM_EPSILON`."""

    def gelu(self, x: Tensor) -> Tensor:
        """x Φ(x), the exact one."""

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the last two axes."""

    def unit(self, x: Tensor) -> Tensor:
        """x / ‖x‖ along the last axis."""

    def stable_log(self, x: Tensor) -> Tensor:
        """log(1 + x) for x ≥ 0, else −log(1 − x): odd, and its derivative at 0 is 1."""

    def sum(self, x: Tensor, axis: int) -> Tensor: ...

    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        """−∞ where `hidden`."""

    def softmax(self, x: Tensor, axis: int) -> Tensor: ...

    def log_sum_exp(self, x: Tensor) -> Tensor:
        """log Σ exp along the last axis; entries may be −∞."""

    def softplus(self, x: Tensor) -> Tensor:
        """log(1 + exp(x)), every digit of it where x is far below 0."""

    def pick(self, x: Tensor, columns: Tensor) -> Tensor:
        """One entry of each row; [n, d], [n] -> [n]"""


class ForwardPass(NamedTuple):
    """What a forward pass says."""

    losses: Tensor
    """Cross-entropy of each read, nats, [reads]"""
    logits: Tensor
    """[reads, classes]"""
    representations: Tensor
    """What the read-out is applied to; of each *row* that is read, [rows, width]: `take` those of a read"""


SoftmaxAttention = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""Queries [blocks, heads, queries, head width], keys and values [blocks, heads, keys, head width], and what is hidden
[blocks, 1, queries, keys] or None -> what is read [blocks, heads, queries, head width]. Queries are not scaled yet"""


class Transformer:
    """One pre-norm transformer on one backend; holds no parameters."""

    def __init__(self, model: ModelSpec, operations: Operations, fused: SoftmaxAttention | None = None) -> None:
        """`fused`: the backend's own attention, for passes that nobody differentiates."""
        self.model = model
        self.operations = operations
        self._attention = fused or self._composed
        self._pieces = _pieces(model)

    def forward(self, theta: Tensor, plan: ForwardPlan) -> ForwardPass:
        """All that can be said of a batch at `theta` [size]."""
        operations = self.operations
        weights = self._unpacked(theta)
        if plan.target is None:
            nodes = self._embedded(weights, "", plan.source)
            nodes = self._through(weights, "encoder", nodes, plan.source, None)
        else:
            memory = self._embedded(weights, "src_", plan.source)
            memory = self._through(weights, "transformer.encoder", memory, plan.source, None)
            memory = self._norm(weights, "transformer.encoder.norm", memory)
            nodes = self._embedded(weights, "tgt_", plan.target)
            nodes = self._through(weights, "transformer.decoder", nodes, plan.target, memory)
        representations, outputs = self._read_out(weights, nodes, plan)
        logits = operations.take(outputs, plan.reads)
        scores = operations.stable_log(logits) if self.model.loss == "stablemax" else logits
        return ForwardPass(cross_entropy(operations, scores, plan.labels, plan.is_label), logits, representations)

    def _read_out(self, weights: dict[str, Tensor], nodes: Tensor, plan: ForwardPlan) -> tuple[Tensor, Tensor]:
        """Representations and logits of every node, [nodes, width] and [nodes, classes]"""
        operations = self.operations
        if self.model.residual == "spherical":
            directions = operations.permute(operations.unit(weights["head.weight"]), (1, 0))
            return nodes, self.model.cosine_scale * operations.matmul(nodes, directions)
        if plan.target is not None:
            nodes = self._norm(weights, "transformer.decoder.norm", nodes)
        nodes = self._norm(weights, "ln", nodes)
        return nodes, self._linear(weights, "head", nodes)

    def _unpacked(self, theta: Tensor) -> dict[str, Tensor]:
        names, shapes, sizes = self._pieces
        parts = self.operations.split(theta, sizes)
        return {
            name: self.operations.reshape(part, shape) for name, shape, part in zip(names, shapes, parts, strict=True)
        }

    def _embedded(self, weights: dict[str, Tensor], side: str, stack: Stack) -> Tensor:
        """[letters, width]"""
        tokens = self.operations.take(weights[f"{side}tok_emb.weight"], stack.tokens)
        return self._summed(tokens, self.operations.take(weights[f"{side}pos_emb.weight"], stack.positions))

    def _summed(self, stream: Tensor, change: Tensor) -> Tensor:
        """The residual stream after a sum."""
        total = stream + change
        return self.operations.unit(total) if self.model.residual == "spherical" else total

    def _through(
        self, weights: dict[str, Tensor], prefix: str, nodes: Tensor, stack: Stack, memory: Tensor | None
    ) -> Tensor:
        """All layers of a stack; letters in, the nodes that are read out."""
        for layer, attention in enumerate(stack.layers):
            name = f"{prefix}.layers.{layer}"
            normed = self._norm(weights, f"{name}.norm1", nodes)
            mixed = self._attended(weights, f"{name}.self_attn", normed, normed, attention)
            if attention.rows is not None:
                nodes = self.operations.take(nodes, attention.rows)
            nodes = self._summed(nodes, mixed)
            last_norm = "norm2"
            if memory is not None:
                normed = self._norm(weights, f"{name}.norm2", nodes)
                mixed = self._attended(weights, f"{name}.multihead_attn", normed, memory, stack.cross[layer])
                nodes = self._summed(nodes, mixed)
                last_norm = "norm3"
            inner = self._linear(weights, f"{name}.linear1", self._norm(weights, f"{name}.{last_norm}", nodes))
            nodes = self._summed(nodes, self._linear(weights, f"{name}.linear2", self.operations.gelu(inner)))
        return nodes

    def _attended(
        self, weights: dict[str, Tensor], name: str, asking: Tensor, asked: Tensor, attention: Attention
    ) -> Tensor:
        """[rows, width] of those who ask and of those who are asked -> [blocks * queries, width]"""
        rows = attention.rows
        few = rows is not None and len(rows) < len(asking)
        query = self.operations.take(asking, rows) if few else asking
        uniform = self.model.attention == "uniform"  # scores of 0, and a softmax of 1 / n
        query = 0 * query if uniform else self._linear(weights, f"{name}.query", query)
        if rows is not None and not few:
            query = self.operations.take(query, rows)
        key_value = self._linear(weights, f"{name}.key_value", asked)
        if attention.keys is not None:
            key_value = self.operations.take(key_value, attention.keys)
        mixed = self._mixed(query, key_value, attention)
        return self._linear(weights, f"{name}.out_proj", self.operations.reshape(mixed, (-1, self.model.width)))

    def _mixed(self, query: Tensor, key_value: Tensor, attention: Attention) -> Tensor:
        """Softmax attention inside blocks; [blocks * queries, width] and [blocks * keys, 2 width] ->
        [blocks, queries, heads, head width]"""
        operations, blocks = self.operations, attention.blocks
        heads, head_width = self.model.heads, self.model.head_width
        query = operations.reshape(query, (blocks, -1, heads, head_width))
        key_value = operations.reshape(key_value, (blocks, -1, 2, heads, head_width))
        key, value = operations.unstack(key_value, 2)
        if key.shape[1] <= FEW_KEYS and attention.hidden is None:
            scores = operations.sum((query / sqrt(head_width))[:, :, None] * key[:, None], -1)
            shares = operations.softmax(scores, 2)
            return operations.sum(shares[..., None] * value[:, None], 2)
        query, key, value = (operations.permute(each, (0, 2, 1, 3)) for each in (query, key, value))
        return operations.permute(self._attention(query, key, value, attention.hidden), (0, 2, 1, 3))

    def _composed(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        operations = self.operations
        scores = operations.matmul(query / sqrt(self.model.head_width), operations.permute(key, (0, 1, 3, 2)))
        if hidden is not None:
            scores = operations.hide(scores, hidden)
        return operations.matmul(operations.softmax(scores, -1), value)

    def _linear(self, weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
        return self.operations.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def _norm(self, weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
        return self.operations.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def cross_entropy(operations: Operations, logits: Tensor, labels: Tensor, is_label: Tensor) -> Tensor:
    """-log softmax(logits)[label] for each row, nats; [rows, classes], [rows], [rows, classes] -> [rows].

    Written as softplus(logsumexp over the other classes − logit of the label). It is the same function, but its
    derivatives never subtract a probability from 1, so that float32 keeps its relative accuracy when a memorized
    batch has a loss of 1e-6, where log-softmax keeps none.
    """
    others = operations.log_sum_exp(operations.hide(logits, is_label))
    return operations.softplus(others - operations.pick(logits, labels))


def _pieces(model: ModelSpec) -> tuple[list[str], list[tuple[int, ...]], list[int]]:
    """Names, shapes and sizes of the pieces of the flat vector: the parameters in their order, the projections of
    queries cut from those of keys and values."""
    names, shapes = [], []
    for parameter in layout(model):
        attention, _, kind = parameter.name.rpartition(".in_proj_")
        rest = parameter.shape[1:]
        if attention:
            names += [f"{attention}.query.{kind}", f"{attention}.key_value.{kind}"]
            shapes += [(model.width, *rest), (2 * model.width, *rest)]
        else:
            names.append(parameter.name)
            shapes.append(parameter.shape)
    return names, shapes, [prod(shape) for shape in shapes]

"""The forward pass of a packed batch, from one flat parameter vector to one cross-entropy a read.

Everything here can be differentiated twice: attention and norms are plain operations, because the fused ones of
`mlx.core.fast` have no second derivative on a GPU.
"""

from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from grokscope.contract.examples import Batch, Ints, Stream
from grokscope.contract.models import LAYER_NORM_EPSILON, ModelSpec
from grokscope.contract.parameters import Layout
from grokscope_mlx.buckets import LENGTH
from grokscope_mlx.functions import gelu, log_sum_exp, softmax, softplus


class PreparedStream(NamedTuple):
    """One side of a batch on the device; see `grokscope.contract.examples.Stream`. `mx.compile` looks into tuples."""

    tokens: mx.array
    positions: mx.array
    rectangle: mx.array
    """Flattened, [sequences * length]"""
    home: mx.array
    sequences: int
    length: int
    dense: bool
    hidden_keys: mx.array | None
    """True where a key is not attended to, [sequences, 1, 1, length]; None where all are."""


class PreparedBatch(NamedTuple):
    """A packed batch on the device."""

    source: PreparedStream
    target: PreparedStream | None
    memory: PreparedStream | None
    """The source as each target sequence sees it; None without a target"""
    outputs: mx.array | None
    """None where every node is read"""
    outputs_rectangle: mx.array | None
    """Which of the outputs stands where, any where nobody reads, flattened; None where every node is read"""
    reads: mx.array | None
    """None where every read node is read once"""
    labels: mx.array
    is_label: mx.array
    """[reads, classes]"""
    weights: mx.array


class Transformer:
    """One pre-norm transformer; holds no parameters."""

    def __init__(self, model: ModelSpec, layout: Layout, weight_dtype: mx.Dtype) -> None:
        self.model = model
        self._names = [parameter.name for parameter in layout]
        self._shapes = [parameter.shape for parameter in layout]
        self._offsets = [parameter.offset for parameter in layout][1:]
        self._weight_dtype = weight_dtype
        longest = max(model.context, model.target_context) + LENGTH  # a rectangle may be rounded up
        self._future = mx.array(np.triu(np.ones((longest, longest), dtype=bool), 1))

    def prepare(self, batch: Batch) -> PreparedBatch:
        """Move a batch to the device."""
        every_node = np.array_equal(batch.outputs, np.arange(len(batch.last.tokens)))
        every_read = np.array_equal(batch.reads, np.arange(len(batch.outputs)))
        output_of_node = np.zeros(len(batch.last.tokens), dtype=np.int64)
        output_of_node[batch.outputs] = np.arange(len(batch.outputs))
        return PreparedBatch(
            source=self._stream(batch.source),
            target=None if batch.target is None else self._stream(batch.target),
            memory=None if batch.source_of_target is None else self._memory(batch.source, batch.source_of_target),
            outputs=None if every_node else _indices(batch.outputs),
            outputs_rectangle=None if every_node else _indices(output_of_node[batch.last.rectangle.ravel()]),
            reads=None if every_read else _indices(batch.reads),
            labels=_indices(batch.labels),
            is_label=mx.array(batch.labels[:, None] == np.arange(self.model.classes)),
            weights=mx.array(batch.weights, dtype=self._weight_dtype),
        )

    def losses(self, theta: mx.array, batch: PreparedBatch) -> tuple[mx.array, mx.array, mx.array]:
        """Cross-entropy of each read, nats, [reads]; logits of each read, [reads, classes]; and what the logits of each
        read node are made of, [read nodes, width]."""
        logits, representations = self._read_out(theta, batch)
        logits = of_reads(logits, batch)
        return cross_entropy(logits, batch.labels, batch.is_label), logits, representations

    def _stream(self, stream: Stream) -> PreparedStream:
        sequences, length = stream.rectangle.shape
        hidden = None
        if stream.masked:
            hidden = mx.array((np.arange(length) >= stream.key_lengths[:, None])[:, None, None, :])
        return PreparedStream(
            tokens=_indices(stream.tokens),
            positions=_indices(stream.positions),
            rectangle=_indices(stream.rectangle.ravel()),
            home=_indices(stream.home),
            sequences=sequences,
            length=length,
            dense=stream.dense,
            hidden_keys=hidden,
        )

    def _memory(self, source: Stream, source_of_target: Ints) -> PreparedStream:
        rows = replace(
            source, rectangle=source.rectangle[source_of_target], key_lengths=source.key_lengths[source_of_target]
        )
        seen = self._stream(rows)
        return seen._replace(hidden_keys=None) if self.model.source_padding_attended else seen

    def _read_out(self, theta: mx.array, batch: PreparedBatch) -> tuple[mx.array, mx.array]:
        """Logits [read nodes, classes] and representations [read nodes, width]."""
        pieces = mx.split(theta, self._offsets)
        weights = {
            name: piece.reshape(shape) for name, piece, shape in zip(self._names, pieces, self._shapes, strict=True)
        }
        if batch.target is None:
            nodes = self._embedded(weights, "tok_emb", "pos_emb", batch.source)
            nodes = self._stack(weights, "encoder", nodes, batch.source, batch.outputs, causal=self.model.causal)
        else:
            memory = self._embedded(weights, "src_tok_emb", "src_pos_emb", batch.source)
            memory = self._stack(weights, "transformer.encoder", memory, batch.source, None, causal=False)
            memory = _normed(weights, "transformer.encoder.norm", memory)
            nodes = self._embedded(weights, "tgt_tok_emb", "tgt_pos_emb", batch.target)
            nodes = self._stack(weights, "transformer.decoder", nodes, batch.target, batch.outputs, causal=True,
                                memory=memory, batch=batch)  # fmt: skip
            nodes = _normed(weights, "transformer.decoder.norm", nodes)
        representations = _normed(weights, "ln", nodes)
        return _linear(weights, "head", representations), representations

    def _embedded(self, weights: dict[str, mx.array], tokens: str, positions: str, stream: PreparedStream) -> mx.array:
        return weights[f"{tokens}.weight"][stream.tokens] + weights[f"{positions}.weight"][stream.positions]

    def _stack(
        self,
        weights: dict[str, mx.array],
        prefix: str,
        nodes: mx.array,
        stream: PreparedStream,
        outputs: mx.array | None,
        *,
        causal: bool,
        memory: mx.array | None = None,
        batch: PreparedBatch | None = None,
    ) -> mx.array:
        """All layers of a stack; the last computes the nodes `outputs` alone."""
        hidden = self._future[: stream.length, : stream.length] if causal else stream.hidden_keys
        home = stream.home
        for layer in range(self.model.layers):
            name = f"{prefix}.layers.{layer}"
            mixed = self._self_attention(weights, f"{name}.self_attn", _normed(weights, f"{name}.norm1", nodes), stream,
                                         hidden)  # fmt: skip
            if layer == self.model.layers - 1 and outputs is not None:
                nodes, home = nodes[outputs], home[outputs]
            if not (stream.dense and home is stream.home):
                mixed = mixed[home]
            nodes = nodes + _linear(weights, f"{name}.self_attn.out_proj", mixed)
            feed_forward_norm = "norm2"
            if memory is not None and batch is not None:
                queries = _normed(weights, f"{name}.norm2", nodes)
                mixed = self._cross_attention(weights, f"{name}.multihead_attn", queries, memory, batch, home)
                nodes = nodes + _linear(weights, f"{name}.multihead_attn.out_proj", mixed)
                feed_forward_norm = "norm3"
            inner = _linear(weights, f"{name}.linear1", _normed(weights, f"{name}.{feed_forward_norm}", nodes))
            nodes = nodes + _linear(weights, f"{name}.linear2", gelu(inner))
        return nodes

    def _self_attention(
        self, weights: dict[str, mx.array], name: str, nodes: mx.array, stream: PreparedStream, hidden: mx.array | None
    ) -> mx.array:
        """[nodes, width] -> [sequences * length, width]"""
        mixed = _affine(nodes, weights[f"{name}.in_proj_weight"], weights[f"{name}.in_proj_bias"])
        query, key, value = self._heads(mixed, stream, 3)
        return self._attended(query, key, value, hidden)

    def _cross_attention(
        self,
        weights: dict[str, mx.array],
        name: str,
        nodes: mx.array,
        memory: mx.array,
        batch: PreparedBatch,
        home: mx.array,
    ) -> mx.array:
        """[nodes, width], [source nodes, width] -> [nodes, width]"""
        target, source = batch.target, batch.memory
        assert target is not None
        assert source is not None
        width = self.model.width
        weight, bias = weights[f"{name}.in_proj_weight"], weights[f"{name}.in_proj_bias"]
        query = _affine(nodes, weight[:width], bias[:width])
        key, value = self._heads(_affine(memory, weight[width:], bias[width:]), source, 2)
        if home is target.home or batch.outputs_rectangle is None:
            (spread,) = self._heads(query, target, 1)
        else:  # only the nodes that are read are left
            (spread,) = self._split(query[batch.outputs_rectangle], target, 1)
        return self._attended(spread, key, value, source.hidden_keys)[home]

    def _heads(self, nodes: mx.array, stream: PreparedStream, parts: int) -> list[mx.array]:
        """[nodes, parts * width] -> `parts` times [sequences, heads, length, head width]"""
        return self._split(nodes if stream.dense else nodes[stream.rectangle], stream, parts)

    def _split(self, flat: mx.array, stream: PreparedStream, parts: int) -> list[mx.array]:
        shape = (stream.sequences, stream.length, self.model.heads, self.model.head_width)
        return [part.reshape(shape).transpose(0, 2, 1, 3) for part in mx.split(flat, parts, axis=1)]

    def _attended(self, query: mx.array, key: mx.array, value: mx.array, hidden: mx.array | None) -> mx.array:
        """Softmax attention; [sequences, heads, length, head width] each -> [sequences * length, width]"""
        scores = (query / sqrt(self.model.head_width)) @ key.swapaxes(-1, -2)
        if hidden is not None:
            scores = mx.where(hidden, -mx.inf, scores)
        mixed = softmax(scores) @ value
        return mixed.transpose(0, 2, 1, 3).reshape(-1, self.model.width)


def of_reads(values: mx.array, batch: PreparedBatch) -> mx.array:
    """What belongs to each read, of what belongs to each read node. [read nodes, …] -> [reads, …]"""
    return values if batch.reads is None else values[batch.reads]


def cross_entropy(logits: mx.array, labels: mx.array, is_label: mx.array) -> mx.array:
    """-log softmax(logits)[label] for each row, nats; [rows, classes], [rows], [rows, classes] -> [rows].

    Written as softplus(logsumexp over the other classes − logit of the label). It is the same function, but its
    derivatives never subtract a probability from 1, so that float32 keeps its relative accuracy when a memorized
    batch has a loss of 1e-6, where log-softmax keeps none.
    """
    others = mx.where(is_label, -mx.inf, logits)
    return softplus(log_sum_exp(others) - mx.take_along_axis(logits, labels[:, None], axis=1)[:, 0])


def _indices(values: Any) -> mx.array:
    return mx.array(values, dtype=mx.int32)


def _linear(weights: dict[str, mx.array], name: str, nodes: mx.array) -> mx.array:
    return _affine(nodes, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _affine(nodes: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
    return mx.addmm(bias, nodes, weight.T)


def _normed(weights: dict[str, mx.array], name: str, nodes: mx.array) -> mx.array:
    centred = nodes - mx.mean(nodes, axis=-1, keepdims=True)
    scale = mx.rsqrt(mx.mean(centred * centred, axis=-1, keepdims=True) + LAYER_NORM_EPSILON)
    return centred * scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]

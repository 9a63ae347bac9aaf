"""The forward pass of a packed batch, from one flat parameter vector to one cross-entropy a read.

Everything here can be differentiated twice: attention is plain matrix products, because fused kernels have no double
backward (pytorch/pytorch#116350).
"""

from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from grokscope.contract.examples import Batch, Ints, Stream
from grokscope.contract.models import LAYER_NORM_EPSILON, ModelSpec
from grokscope.contract.parameters import Layout


@dataclass(frozen=True)
class PreparedStream:
    """One side of a batch on the device; see `grokscope.contract.examples.Stream`."""

    tokens: Tensor
    positions: Tensor
    rectangle: Tensor
    """Flattened, [sequences * length]"""
    home: Tensor
    sequences: int
    length: int
    dense: bool
    hidden_keys: Tensor | None
    """True where a key is not attended to, [sequences, 1, 1, length]; None where all are."""


@dataclass(frozen=True)
class PreparedBatch:
    """A packed batch on the device."""

    source: PreparedStream
    target: PreparedStream | None
    memory: PreparedStream | None
    """The source as each target sequence sees it; None without a target"""
    outputs: Tensor | None
    """None where every node is read"""
    reads: Tensor | None
    """None where every read node is read once"""
    labels: Tensor
    weights: Tensor


class Transformer:
    """One pre-norm transformer; holds no parameters."""

    def __init__(self, model: ModelSpec, layout: Layout, device: torch.device) -> None:
        self.model = model
        self.device = device
        self._names = [parameter.name for parameter in layout]
        self._shapes = [parameter.shape for parameter in layout]
        self._sizes = [parameter.size for parameter in layout]
        longest = max(model.context, model.target_context)
        self._future = torch.ones(longest, longest, dtype=torch.bool, device=device).triu(1)

    def prepare(self, batch: Batch) -> PreparedBatch:
        """Move a batch to the device."""
        last = batch.last
        every_node = len(batch.outputs) == len(last.tokens)
        every_read = len(batch.reads) == len(batch.outputs) and bool((batch.reads[1:] > batch.reads[:-1]).all())
        return PreparedBatch(
            source=self._stream(batch.source),
            target=None if batch.target is None else self._stream(batch.target),
            memory=None if batch.source_of_target is None else self._memory(batch.source, batch.source_of_target),
            outputs=None if every_node else self._tensor(batch.outputs),
            reads=None if every_read else self._tensor(batch.reads),
            labels=self._tensor(batch.labels),
            weights=torch.from_numpy(batch.weights).to(self.device, torch.float32 if self._lacks_double else None),
        )

    def losses(self, theta: Tensor, batch: PreparedBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropy of each read, nats, [reads]; logits of each read, [reads, classes]; and what the logits of each
        read node are made of, [read nodes, width]."""
        logits, representations = self._read_out(theta, batch)
        logits = of_reads(logits, batch)
        return cross_entropy(logits, batch.labels), logits, representations

    @property
    def _lacks_double(self) -> bool:
        return self.device.type == "mps"

    def _tensor(self, values: object) -> Tensor:
        return torch.as_tensor(values, device=self.device)

    def _stream(self, stream: Stream) -> PreparedStream:
        sequences, length = stream.rectangle.shape
        hidden = None
        if stream.masked:
            keys = torch.arange(length, device=self.device)
            hidden = (keys >= self._tensor(stream.key_lengths)[:, None])[:, None, None, :]
        return PreparedStream(
            tokens=self._tensor(stream.tokens),
            positions=self._tensor(stream.positions),
            rectangle=self._tensor(stream.rectangle.ravel()),
            home=self._tensor(stream.home),
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
        return replace(seen, hidden_keys=None) if self.model.source_padding_attended else seen

    def _read_out(self, theta: Tensor, batch: PreparedBatch) -> tuple[Tensor, Tensor]:
        """Logits [read nodes, classes] and representations [read nodes, width]."""
        pieces = torch.split_with_sizes(theta, self._sizes)
        weights = {
            name: piece.view(shape) for name, piece, shape in zip(self._names, pieces, self._shapes, strict=True)
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

    def _embedded(self, weights: dict[str, Tensor], tokens: str, positions: str, stream: PreparedStream) -> Tensor:
        token = functional.embedding(stream.tokens, weights[f"{tokens}.weight"])
        return token + functional.embedding(stream.positions, weights[f"{positions}.weight"])

    def _stack(
        self,
        weights: dict[str, Tensor],
        prefix: str,
        nodes: Tensor,
        stream: PreparedStream,
        outputs: Tensor | None,
        *,
        causal: bool,
        memory: Tensor | None = None,
        batch: PreparedBatch | None = None,
    ) -> Tensor:
        """All layers of a stack; the last computes the nodes `outputs` alone."""
        hidden = self._future[: stream.length, : stream.length] if causal else stream.hidden_keys
        home = stream.home
        for layer in range(self.model.layers):
            name = f"{prefix}.layers.{layer}"
            mixed = self._self_attention(weights, f"{name}.self_attn", _normed(weights, f"{name}.norm1", nodes), stream,
                                         hidden)  # fmt: skip
            if layer == self.model.layers - 1 and outputs is not None:
                nodes, home = functional.embedding(outputs, nodes), home[outputs]
            if not (stream.dense and home is stream.home):
                mixed = functional.embedding(home, mixed)
            nodes = nodes + _linear(weights, f"{name}.self_attn.out_proj", mixed)
            feed_forward_norm = "norm2"
            if memory is not None and batch is not None:
                queries = _normed(weights, f"{name}.norm2", nodes)
                mixed = self._cross_attention(weights, f"{name}.multihead_attn", queries, memory, batch, home)
                nodes = nodes + _linear(weights, f"{name}.multihead_attn.out_proj", mixed)
                feed_forward_norm = "norm3"
            inner = _linear(weights, f"{name}.linear1", _normed(weights, f"{name}.{feed_forward_norm}", nodes))
            nodes = nodes + _linear(weights, f"{name}.linear2", functional.gelu(inner))
        return nodes

    def _self_attention(
        self, weights: dict[str, Tensor], name: str, nodes: Tensor, stream: PreparedStream, hidden: Tensor | None
    ) -> Tensor:
        """[nodes, width] -> [sequences * length, width]"""
        mixed = functional.linear(nodes, weights[f"{name}.in_proj_weight"], weights[f"{name}.in_proj_bias"])
        query, key, value = self._heads(mixed, stream, 3).unbind()
        return self._attended(query, key, value, hidden)

    def _cross_attention(
        self, weights: dict[str, Tensor], name: str, nodes: Tensor, memory: Tensor, batch: PreparedBatch, home: Tensor
    ) -> Tensor:
        """[nodes, width], [source nodes, width] -> [nodes, width]"""
        target, source = batch.target, batch.memory
        assert target is not None
        assert source is not None
        width = self.model.width
        weight, bias = weights[f"{name}.in_proj_weight"], weights[f"{name}.in_proj_bias"]
        query = functional.linear(nodes, weight[:width], bias[:width])
        key, value = self._heads(functional.linear(memory, weight[width:], bias[width:]), source, 2).unbind()
        if len(nodes) == len(target.tokens):
            spread = self._heads(query, target, 1)[0]
        else:  # only the nodes that are read are left: put each back at its home
            flat = query.new_zeros(target.sequences * target.length, width).index_copy(0, home, query)
            spread = self._split(flat, target, 1)[0]
        return functional.embedding(home, self._attended(spread, key, value, source.hidden_keys))

    def _heads(self, nodes: Tensor, stream: PreparedStream, parts: int) -> Tensor:
        """[nodes, parts * width] -> [parts, sequences, heads, length, head width]"""
        return self._split(nodes if stream.dense else functional.embedding(stream.rectangle, nodes), stream, parts)

    def _split(self, flat: Tensor, stream: PreparedStream, parts: int) -> Tensor:
        shape = (stream.sequences, stream.length, parts, self.model.heads, self.model.head_width)
        return flat.view(shape).permute(2, 0, 3, 1, 4)

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        """Softmax attention; [sequences, heads, length, head width] each -> [sequences * length, width]"""
        scores = (query / sqrt(self.model.head_width)) @ key.transpose(-1, -2)
        if hidden is not None:
            scores = scores.masked_fill(hidden, float("-inf"))
        mixed = torch.softmax(scores, dim=-1) @ value
        return mixed.transpose(1, 2).reshape(-1, self.model.width)


def of_reads(values: Tensor, batch: PreparedBatch) -> Tensor:
    """What belongs to each read, of what belongs to each read node. [read nodes, …] -> [reads, …]"""
    return values if batch.reads is None else functional.embedding(batch.reads, values)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label] for each row, nats; [rows, classes], [rows] -> [rows].

    Written as softplus(logsumexp over the other classes − logit of the label). It is the same function, but its
    derivatives never subtract a probability from 1, so that float32 keeps its relative accuracy when a memorized
    batch has a loss of 1e-6, where log-softmax keeps none.
    """
    label = labels[:, None]
    others = logits.scatter(1, label, float("-inf"))
    return functional.softplus(torch.logsumexp(others, dim=1) - logits.gather(1, label)[:, 0], threshold=40)


def _linear(weights: dict[str, Tensor], name: str, nodes: Tensor) -> Tensor:
    return functional.linear(nodes, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normed(weights: dict[str, Tensor], name: str, nodes: Tensor) -> Tensor:
    weight = weights[f"{name}.weight"]
    return functional.layer_norm(nodes, weight.shape, weight, weights[f"{name}.bias"], LAYER_NORM_EPSILON)

"""Examples of a task, and batches of them packed so that nothing is computed twice.

A batch is a multiset of examples. Its loss, gradient and Hessian do not change when
 - padding is left out: tokens stand in one list of *nodes*, and a rectangle of indices says which node stands where;
 - equal work is done once: equal sequences, and in a causal model equal *prefixes*, share their nodes;
 - equal (node, label) pairs are read once, with a weight.
The plan is made here, in NumPy; a backend replays it with gathers (and gets the adjoint for free).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.models import ModelSpec

IGNORED = -100
"""Stands at positions without a label; their outputs are not used"""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """A list of examples, padded at the end to rectangles.

    Padding is ignored, except in a model with `source_padding_attended`, which sees the padding token (0). `labels`
    belong to the stream that is read out: the target in an encoder-decoder, else the source. Raises `ValueError` if
    shapes or lengths contradict each other.
    """

    source: Ints
    """Tokens, [examples, source length]."""
    source_lengths: Ints
    """[examples], each at least 1."""
    labels: Ints
    """Classes, `IGNORED` where nothing is read, [examples, length of the stream that is read out]."""
    target: Ints | None = None
    """Decoder inputs, [examples, target length]."""
    target_lengths: Ints | None = None

    def __post_init__(self) -> None:
        read = self.source if self.target is None else self.target
        lengths = self.source_lengths if self.target_lengths is None else self.target_lengths
        if (self.target is None) != (self.target_lengths is None):
            raise ValueError("target and target_lengths come together")
        if self.labels.shape != read.shape:
            raise ValueError(f"labels {self.labels.shape} do not stand beside tokens {read.shape}")
        if not len(self.source) == len(self.source_lengths) == len(read) == len(lengths):
            raise ValueError("every example has a source, a length and labels")
        for tokens, extent in ((self.source, self.source_lengths), (read, lengths)):
            if len(self) and (extent.min() < 1 or extent.max() > tokens.shape[1]):
                raise ValueError("lengths lie between 1 and the width of the rectangle")
        if (self.labels != IGNORED)[np.arange(read.shape[1]) >= lengths[:, None]].any():
            raise ValueError("labels beyond the end of a sequence are IGNORED")

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Ints) -> "Examples":
        """The examples `rows`, in that order."""
        return Examples(
            self.source[rows],
            self.source_lengths[rows],
            self.labels[rows],
            None if self.target is None else self.target[rows],
            None if self.target_lengths is None else self.target_lengths[rows],
        )


@dataclass(frozen=True)
class Stream:
    """The tokens of one side of a batch, each computed once.

    Node i carries `tokens[i]` at `positions[i]`. Sequence r has node `rectangle[r, t]` at position t, and node i is
    first stands at `home[i]` of the flattened rectangle. Entries of the rectangle beyond the end of a sequence are 0;
    their value does not matter, because no node attends to them and no label reads them.

    Sequences are sorted by their tokens (targets: first by their sources), and nodes by their homes. So sequences that
    share a prefix are neighbours, and all descendants of a node follow the node without a gap.
    """

    tokens: Ints
    """[nodes]"""
    positions: Ints
    """[nodes]"""
    rectangle: Ints
    """[sequences, length]"""
    home: Ints
    """[nodes], indices into the flattened rectangle, ascending"""
    key_lengths: Ints
    """[sequences]: positions from here on are not attended to"""

    @cached_property
    def dense(self) -> bool:
        """Whether the rectangle holds all nodes in order, without shared nodes, so that a reshape replaces a gather."""
        return self.rectangle.size == len(self.tokens) and bool(
            (self.rectangle.ravel() == np.arange(len(self.tokens))).all()
        )


@dataclass(frozen=True)
class Batch:
    """A packed batch: what a backend computes on.

    loss = sum over m of weights[m] * cross_entropy(logits of node outputs[reads[m]], labels[m])
    """

    source: Stream
    target: Stream | None
    source_of_target: Ints | None
    """[target sequences]: the source sequence of each target sequence; None without a target"""
    outputs: Ints
    """[read nodes]: nodes of the last stream that have a label, ascending"""
    reads: Ints
    """[reads]: indices into `outputs`"""
    labels: Ints
    """[reads]"""
    weights: NDArray[np.float64]
    """[reads], sum 1: the mean over the labels of the multiset of examples"""

    @property
    def last(self) -> Stream:
        """The stream that is read out."""
        return self.source if self.target is None else self.target


CACHED_NODES = 2048
"""Nodes of a chunk whose numbers fit a processor's cache"""


class Packer:
    """Packs batches of one set of examples for one model. It finds the shared work once, for all batches."""

    def __init__(self, examples: Examples, model: ModelSpec) -> None:
        self.examples = examples
        self.model = model
        self._check()
        columns = [_blank(examples.source, examples.source_lengths), examples.source_lengths[:, None]]
        source_ids = _row_ids(np.hstack(columns))
        if examples.target is None or examples.target_lengths is None:
            sequence_ids = source_ids
        else:
            columns = [source_ids[:, None], _blank(examples.target, examples.target_lengths)]
            sequence_ids = _row_ids(np.hstack([*columns, examples.target_lengths[:, None]]))
        self._source = self._shared(examples.source, examples.source_lengths, source_ids, source=True)
        if examples.target is None or examples.target_lengths is None:
            self._last = self._source
        else:
            self._last = self._shared(examples.target, examples.target_lengths, source_ids, source=False)
        self._source_ids = source_ids
        self._example_ids = _row_ids(np.hstack([sequence_ids[:, None], examples.labels]))
        self._representatives = np.unique(self._example_ids, return_index=True)[1]
        self._multiplicities = np.bincount(self._example_ids)
        self._reads = self._shared_reads()

    def batch(self, rows: Ints) -> Batch:
        """The multiset `rows` of examples (repetitions allowed), packed. [rows] -> Batch"""
        ids = np.bincount(self._example_ids[rows], minlength=len(self._representatives))
        present = np.flatnonzero(ids)
        return self._pack(self._representatives[present], ids[present])

    def whole(self, nodes_per_chunk: int = CACHED_NODES) -> "Evaluation":
        """All examples, every distinct one once, in chunks of about so many nodes."""
        return Evaluation(list(self._chunks(nodes_per_chunk)), len(self.examples))

    def _check(self) -> None:
        examples, model = self.examples, self.model
        if (examples.target is None) != (model.shape != "encoder-decoder"):
            raise ValueError(f"examples {'with' if examples.target is not None else 'without'} targets do not fit "
                             f"a model of shape {model.shape}")  # fmt: skip
        sides = [("source", examples.source, examples.source_lengths, model.vocabulary, model.context)]
        if examples.target is not None and examples.target_lengths is not None:
            sides.append(("target", examples.target, examples.target_lengths,
                          model.target_vocabulary, model.target_context))  # fmt: skip
        for side, padded, lengths, vocabulary, context in sides:
            tokens = _blank(padded, lengths)
            if len(tokens) and (lengths.max() > context or tokens.max() >= vocabulary or tokens.min() < 0):
                raise ValueError(f"{side} does not fit the model: longest {lengths.max()} of {context}, "
                                 f"tokens {tokens.min()} to {tokens.max()} of {vocabulary}")  # fmt: skip
        labels = examples.labels[examples.labels != IGNORED]
        if len(labels) and not 0 <= labels.min() <= labels.max() < model.classes:
            raise ValueError(f"labels {labels.min()} to {labels.max()} do not fit {model.classes} classes")

    def _shared(self, tokens: Ints, lengths: Ints, source_ids: Ints, *, source: bool) -> "_SharedNodes":
        """Number the nodes of a stream over all examples, equal work having equal numbers."""
        key_lengths = lengths
        padding_is_computed = source and self.model.source_padding_attended
        if padding_is_computed:
            tokens = _widened(_blank(tokens, lengths), self.model.context)
            lengths = np.full_like(lengths, self.model.context)
        causal = self.model.causal and not (source and self.model.shape == "encoder-decoder")
        # A decoder's node is a function of its prefix (and of the source it reads); an encoder's of the whole sequence.
        alone = self.model.shape == "decoder"
        parent = np.zeros_like(source_ids) if alone else source_ids
        nodes = np.full(tokens.shape, -1)
        numbered = 0
        for position in range(tokens.shape[1]):
            alive = np.flatnonzero(lengths > position)
            if not len(alive):
                break
            pairs = parent[alive] * (tokens.max() + 1) + (tokens[alive, position] if causal else 0)
            distinct, number = np.unique(pairs, return_inverse=True)
            nodes[alive, position] = numbered + number
            if causal:
                parent = parent.copy()
                parent[alive] = numbered + number
            numbered += len(distinct)
        return _SharedNodes(tokens, lengths, key_lengths, nodes, numbered)

    def _shared_reads(self) -> "_SharedReads":
        labels, nodes = self.examples.labels, self._last.nodes
        read = labels != IGNORED
        pairs = nodes[read] * np.int64(self.model.classes) + labels[read]
        distinct, number = np.unique(pairs, return_inverse=True)
        numbers = np.full(labels.shape, -1)
        numbers[read] = number
        return _SharedReads(numbers, distinct // self.model.classes, distinct % self.model.classes)

    def _pack(self, rows: Ints, counts: Ints) -> Batch:
        """Distinct examples `rows` in the order of their ids, the i-th of them `counts[i]` times."""
        reads = self._reads.numbers[rows]
        seen = reads >= 0
        weights = np.bincount(reads[seen], weights=np.repeat(counts, seen.sum(axis=1)),
                              minlength=len(self._reads.nodes))  # fmt: skip
        present = np.flatnonzero(weights)
        source_of_target = None
        if self._last is self._source:
            last, number = self._stream(self._last, rows)
            source, target = last, None
        else:
            _, first, source_of_target = np.unique(self._source_ids[rows], return_index=True, return_inverse=True)
            source, _ = self._stream(self._source, rows[first])
            target, number = self._stream(self._last, rows)
            last = target
        outputs, place = np.unique(number[self._reads.nodes[present]], return_inverse=True)
        return Batch(
            source, target, source_of_target, outputs, place, self._reads.labels[present],
            weights[present] / weights.sum(),
        )  # fmt: skip

    def _stream(self, shared: "_SharedNodes", rows: Ints) -> tuple[Stream, Ints]:
        """The nodes of the sequences `rows`, and where each shared node went (by its number over all examples)."""
        lengths = shared.lengths[rows]
        width = int(lengths.max())
        nodes = shared.nodes[rows, :width]
        alive = nodes >= 0
        places = np.flatnonzero(alive)
        home_of = np.full(shared.count, -1)
        home_of[nodes[alive][::-1]] = places[::-1]  # the first place where a node stands
        present = np.flatnonzero(home_of >= 0)
        present = present[np.argsort(home_of[present])]
        home = home_of[present]
        number = np.zeros(shared.count, dtype=np.int64)
        number[present] = np.arange(len(present))
        rectangle = np.where(alive, number[nodes], 0)
        row, position = np.divmod(home, width)
        tokens = shared.tokens[rows][row, position]
        return Stream(tokens, position, rectangle, home, shared.key_lengths[rows]), number

    def _chunks(self, nodes_per_chunk: int) -> Iterator["Chunk"]:
        order = self._representatives  # where neighbours share prefixes
        if self.model.shape != "decoder":  # equal lengths waste no rectangle
            order = order[np.argsort(self._last.lengths[order], kind="stable")]
        size = np.cumsum(self._last.lengths[order])
        for piece in np.split(order, np.flatnonzero(np.diff(size // nodes_per_chunk)) + 1):
            if not len(piece):
                continue
            piece = piece[np.argsort(self._example_ids[piece])]
            batch = self._pack(piece, self._multiplicities[self._example_ids[piece]])
            numbers = self._reads.numbers[piece]
            place = np.unique(numbers[numbers >= 0], return_inverse=True)[1]
            read_of = np.full(numbers.shape, -1)
            read_of[numbers >= 0] = place
            yield Chunk(batch, read_of, self._multiplicities[self._example_ids[piece]])


@dataclass(frozen=True)
class Chunk:
    """Distinct examples of an evaluation, packed, with the indices to score each example."""

    batch: Batch
    read_of: Ints
    """[examples, length]: the read of the batch for each label; -1 without a label"""
    counts: Ints
    """[examples]: number of times that each example occurs"""


@dataclass(frozen=True)
class Evaluation:
    """A whole set of examples, packed in chunks."""

    chunks: list[Chunk]
    examples: int


@dataclass(frozen=True)
class _SharedNodes:
    tokens: Ints
    lengths: Ints
    key_lengths: Ints
    nodes: Ints
    count: int


@dataclass(frozen=True)
class _SharedReads:
    numbers: Ints
    nodes: Ints
    labels: Ints


def _blank(tokens: Ints, lengths: Ints) -> Ints:
    """Padding (beyond `lengths`) set to 0."""
    return np.where(np.arange(tokens.shape[1]) < lengths[:, None], tokens, 0)


def _widened(tokens: Ints, width: int) -> Ints:
    return np.pad(tokens, ((0, 0), (0, width - tokens.shape[1])))


def _row_ids(table: Ints) -> Ints:
    """Equal rows get equal numbers, 0, 1, …"""
    return np.unique(table, axis=0, return_inverse=True)[1].ravel()

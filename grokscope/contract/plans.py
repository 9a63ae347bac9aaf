"""The rows that a forward pass gathers, and the attention between nodes: index tables of a packed batch, in NumPy.

Nodes stand so that all that descend from a node follow it without a gap (see `Stream`). So each key is seen by one
*interval* of nodes: a key of an encoder by its sequence, a key of a causal stream by its descendants, a key of the
memory by the targets that read its source. Attention cuts the nodes that ask, in their order, into blocks of equal
length, and gathers for each block the keys that somebody in it sees. There is no rectangle of sequences, so neither
padding nor a shared prefix is computed again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.examples import Batch, Ints, Stream
from grokscope.contract.models import ModelSpec

QUERIES_PER_BLOCK = 32
"""Where sequences differ in length or share nodes. Longer blocks have more pairs that do not see each other, shorter
ones more keys from before the block; between 16 and 64 a step takes equally long"""

KEPT_BY_BACKWARD = 1.25
"""Numbers that the graph of a gradient keeps, per number counted by `graph_numbers`: 1.13 (SCAN) to 1.40 (Dyck)"""

T = TypeVar("T")


class Multiples(NamedTuple):
    """Sizes of a plan are rounded up to these multiples. The filling is not attended to and has no weight."""

    blocks: int = 1
    keys: int = 1
    letters: int = 1
    reads: int = 1


EXACT = Multiples()
FEW_SHAPES = Multiples(blocks=8, keys=16, letters=64, reads=256)
"""For a backend that compiles a step anew for every shape"""


class Attention(NamedTuple):
    """The attention of one layer. Arrays are NumPy arrays here, and a backend's arrays after `on_device`."""

    rows: Any
    """[blocks * queries]: rows of the layer's input that ask, block by block; None where all do, in their order"""
    blocks: int
    keys: Any
    """[blocks * keys]: rows of the table of keys, block by block; None where all are keys, in their order"""
    hidden: Any
    """True where a query does not see a key, [blocks, 1, queries, keys]; None where all in a block see each other"""


class Stack(NamedTuple):
    """One encoder or decoder. Its first layer projects each distinct (token, position) once: a *letter*."""

    tokens: Any
    """[letters]"""
    positions: Any
    """[letters]"""
    layers: tuple[Attention, ...]
    """The first takes letters, the others nodes; the last answers for the nodes that are read alone"""
    cross: tuple[Attention, ...]
    """To the memory, in each layer of a decoder; empty elsewhere"""


class ForwardPlan(NamedTuple):
    """Everything that a forward pass needs, except the parameters."""

    source: Stack
    target: Stack | None
    reads: Any
    """[reads]: rows of what the last layer answers"""
    labels: Any
    """[reads]"""
    is_label: Any
    """[reads, classes]"""
    weights: Any
    """[reads], sum 1"""


def forward_plan(batch: Batch, model: ModelSpec, multiples: Multiples = EXACT) -> ForwardPlan:
    """The plan of a packed batch. The batch's own reads come first, and they alone have weight."""
    read = batch.outputs
    if batch.target is None:
        source, target = _stack(batch.source, model, read, multiples, causal=model.causal), None
    else:
        source = _stack(batch.source, model, np.arange(len(batch.source.tokens)), multiples, causal=False)
        cross = _cross(batch, model, multiples)
        target = _stack(batch.target, model, read, multiples, causal=True)._replace(cross=cross)
    size = _rounded(len(batch.reads), multiples.reads)
    reads, labels, weights = (_filled(part, size) for part in (batch.reads, batch.labels, batch.weights))
    return ForwardPlan(source, target, reads, labels, labels[:, None] == np.arange(model.classes), weights)


def on_device(value: T, place: Callable[[NDArray[Any]], Any]) -> T:
    """The plan with every array on a device. An array that occurs twice is placed once."""
    done: dict[int, Any] = {}

    def each(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            if id(part) not in done:
                done[id(part)] = place(part)
            return done[id(part)]
        if isinstance(part, tuple):
            parts = [each(inner) for inner in part]
            return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
        return part

    moved: T = each(value)
    return moved


def graph_numbers(plan: ForwardPlan, model: ModelSpec) -> int:
    """Numbers that a forward pass and its backward pass keep for a Hessian-vector product, roughly: right to a fifth
    for what PyTorch keeps with the models of all three tasks."""
    kept, memory = 3 * model.classes * len(plan.reads), 0
    for stack in (plan.source, plan.target):
        if stack is None:
            continue
        rows = len(stack.tokens)
        for layer, attention in enumerate(stack.layers):
            queries = len(attention.rows) if attention.rows is not None else rows
            kept += _attention_numbers(attention, rows, queries, rows, model)
            if stack.cross:
                kept += _attention_numbers(stack.cross[layer], queries, queries, memory, model)
            kept += (4 * model.width + 2 * model.feed_forward) * queries
            rows = queries
        memory = rows
    return round(KEPT_BY_BACKWARD * kept)


def _attention_numbers(attention: Attention, asking: int, queries: int, asked: int, model: ModelSpec) -> int:
    keys = len(attention.keys) if attention.keys is not None else asked
    pairs = queries * (keys // attention.blocks)
    return model.width * (2 * asking + 4 * queries + 2 * asked + 4 * keys) + 2 * model.heads * pairs


# --- blocks -----------------------------------------------------------------------------------------------------------


class _Cut(NamedTuple):
    """Queries, in blocks of equal length."""

    blocks: int
    queries: int
    asking: int
    """Number of queries that are nodes; the others are filling"""
    alike: bool
    """Whether there is one block per sequence, and all sequences are alike"""

    @property
    def size(self) -> int:
        return self.blocks * self.queries


@dataclass(frozen=True)
class _Seen:
    """The nodes that see each key: from `begin` to `end` (exclusive), [keys] each. Equal values mean no nodes."""

    begin: Ints
    end: Ints

    def among(self, asking: Ints) -> "_Seen":
        """The same where only the nodes `asking` (ascending) ask, by their place among them."""
        return _Seen(np.searchsorted(asking, self.begin), np.searchsorted(asking, self.end))


def _cut(stream: Stream, asking: Ints, multiples: Multiples) -> _Cut:
    """One block per sequence if all sequences are alike, else blocks of about `QUERIES_PER_BLOCK` nodes."""
    count, sequences = len(asking), len(stream.rectangle)
    if stream.dense:
        each = np.bincount(stream.home[asking] // stream.rectangle.shape[1], minlength=sequences)
        if (each == each[0]).all():
            return _Cut(_rounded(sequences, multiples.blocks), int(each[0]), count, alike=True)
    queries = QUERIES_PER_BLOCK
    if multiples is EXACT:  # then blocks may be a little longer or shorter, so that the last is almost full
        queries = -(-count // max(1, round(count / queries)))
    return _Cut(_rounded(-(-count // queries), multiples.blocks), queries, count, alike=False)


def _blocks(seen: _Seen, cut: _Cut, multiples: Multiples) -> tuple[Ints, NDArray[np.bool_] | None]:
    """Keys of each block [blocks, keys], and what is hidden [blocks, 1, queries, keys]."""
    first = seen.begin // cut.queries
    met = np.where(seen.begin < seen.end, (seen.end - 1) // cut.queries - first + 1, 0)
    key, turn = _repeated(met)
    block = first[key] + turn
    order = np.argsort(block, kind="stable")
    key, block = key[order], block[order]
    counts = np.bincount(block, minlength=cut.blocks)
    _, place = _repeated(counts)
    width = int(counts.max())
    if not cut.alike or (counts[counts > 0] < width).any():
        width = _rounded(width, multiples.keys)
    keys, begin, end = np.zeros((3, cut.blocks, width), dtype=np.int64)
    keys[block, place], begin[block, place], end[block, place] = key, seen.begin[key], seen.end[key]
    query = np.arange(cut.size).reshape(cut.blocks, cut.queries, 1)
    hidden = (query < begin[:, None]) | (query >= end[:, None])
    hidden &= query < cut.asking  # the filling sees all: a softmax over nothing is no number
    return keys, hidden[:, None] if hidden.any() else None


def _repeated(counts: Ints) -> tuple[Ints, Ints]:
    """Each index repeated by its count, 0 0 1 1 1 …, and the number of the repetition, 0 1 0 1 2 …"""
    number = np.repeat(np.arange(len(counts)), counts)
    return number, np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)


# --- stacks -----------------------------------------------------------------------------------------------------------


def _stack(stream: Stream, model: ModelSpec, read: Ints, multiples: Multiples, *, causal: bool) -> Stack:
    """`read`: the nodes that are answered for, ascending."""
    width = stream.rectangle.shape[1]
    letters, letter = np.unique(stream.tokens * width + stream.positions, return_inverse=True)
    letters = _filled(letters, _rounded(len(letters), multiples.letters))
    seen = _descendants(stream) if causal else _sequence(stream)
    first, *others = _layers(stream, model, read, seen, multiples)
    size = _cut(stream, np.arange(len(stream.tokens)), multiples).size
    layers = _of_letters(first, _filled(letter, size)), *(_in_order(layer, size) for layer in others)
    return Stack(letters // width, letters % width, layers, ())


def _cross(batch: Batch, model: ModelSpec, multiples: Multiples) -> tuple[Attention, ...]:
    """Attention of the target's nodes to the source's, in each layer."""
    assert batch.target is not None
    size = _cut(batch.source, np.arange(len(batch.source.tokens)), multiples).size
    layers = _layers(batch.target, model, batch.outputs, _readers(batch), multiples)
    return tuple(_in_order(layer, size)._replace(rows=None) for layer in layers)


def _layers(stream: Stream, model: ModelSpec, read: Ints, seen: _Seen, multiples: Multiples) -> list[Attention]:
    """Attention of the nodes of `stream` to keys that are `seen` by them; in the last layer, of those that are read.
    Rows and keys are nodes, all of them said."""
    every = np.arange(len(stream.tokens))
    last = _asked(stream, read, seen, multiples)
    before = last if len(read) == len(every) or model.layers == 1 else _asked(stream, every, seen, multiples)
    return [*(model.layers - 1) * [before], last]


def _asked(stream: Stream, asking: Ints, seen: _Seen, multiples: Multiples) -> Attention:
    """The nodes `asking` (ascending) of `stream`. Where all ask, the filling has rows of its own, behind them."""
    cut = _cut(stream, asking, multiples)
    if len(asking) == len(stream.tokens):
        rows = np.arange(cut.size)
    else:
        rows, seen = _filled(asking, cut.size), seen.among(asking)
    keys, hidden = _blocks(seen, cut, multiples)
    return Attention(rows, cut.blocks, keys.ravel(), hidden)


def _filled(values: NDArray[Any], size: int) -> NDArray[Any]:
    """`values`, then zeros, [size]"""
    filled = np.zeros(size, dtype=values.dtype)
    filled[: len(values)] = values
    return filled


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _of_letters(attention: Attention, letter: Ints) -> Attention:
    """The same with rows and keys in a table of letters; `letter` of each node."""
    return attention._replace(rows=letter[attention.rows], keys=letter[attention.keys])


def _in_order(attention: Attention, size: int) -> Attention:
    """The same in a table of `size` rows, nothing said of rows or keys that are the whole table."""
    return attention._replace(rows=_unless_whole(attention.rows, size), keys=_unless_whole(attention.keys, size))


def _unless_whole(rows: Ints, size: int) -> Ints | None:
    return None if len(rows) == size and bool((rows == np.arange(size)).all()) else rows


# --- who sees whom ----------------------------------------------------------------------------------------------------


def _rows(stream: Stream) -> tuple[Ints, Ints]:
    """The sequence in which each node is at home [nodes], and the first node of each sequence [sequences + 1]."""
    row = stream.home // stream.rectangle.shape[1]
    return row, np.searchsorted(row, np.arange(len(stream.rectangle) + 1))


def _sequence(stream: Stream) -> _Seen:
    """Every node of a sequence sees the keys of the sequence."""
    row, first = _rows(stream)
    begin = first[row]
    return _Seen(begin, np.where(stream.positions < stream.key_lengths[row], first[row + 1], begin))


def _descendants(stream: Stream) -> _Seen:
    """A node is seen by itself and by all that begin as its own sequence does up to it: they follow it, up to the next
    sequence that does not share it."""
    count, width = stream.rectangle.shape
    row, first = _rows(stream)
    own = first[1:] > first[:-1]
    shared = np.where(own, np.append(stream.positions, 0)[first[:-1]], stream.key_lengths)
    sequence = np.arange(count)[:, None]
    leaving = np.where(shared[:, None] <= np.arange(width), sequence, count)
    next_leaving = np.minimum.accumulate(np.vstack([leaving[1:], np.full(width, count)])[::-1])[::-1]
    return _Seen(np.arange(len(row)), first[next_leaving[row, stream.positions]])


def _readers(batch: Batch) -> _Seen:
    """All nodes of the targets that read a source see all of it."""
    assert batch.target is not None
    row, _ = _rows(batch.source)
    _, first_node = _rows(batch.target)
    assert batch.source_of_target is not None
    first_target = np.searchsorted(batch.source_of_target, np.arange(len(batch.source.rectangle) + 1))
    return _Seen(first_node[first_target[row]], first_node[first_target[row + 1]])

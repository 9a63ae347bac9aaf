"""Packed batches against plain padded ones: the same loss for any model, with nothing computed twice.

The model of these tests is the most sensitive one there is: the value of a node is a hash of everything that it may
attend to. Where a packed batch hands it one wrong token, position or neighbour, the loss differs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from contract_made import (
    CLASSES,
    LONGEST,
    MODELS,
    NOTHING,
    VOCABULARY,
    Value,
    attended,
    loss,
    memory,
    plain_reads,
    tasks,
)
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.examples import IGNORED, Batch, Examples, Packer, Stream
from grokscope.contract.models import ModelSpec
from grokscope.testing.tasks import row_bytes
from grokscope_dyck import SPEC as DYCK
from grokscope_modular import SPEC as MODULAR


def sequence(stream: Stream, row: int, length: int) -> list[int]:
    """The tokens of a packed sequence, looked up as a backend looks them up."""
    return [int(token) for token in stream.tokens[stream.rectangle[row, :length]]]


def packed_memory(model: ModelSpec, stream: Stream, row: int) -> Value:
    length = int(stream.key_lengths[row])
    tokens = sequence(stream, row, length)
    if not model.source_padding_attended:
        return memory(model, tokens)
    assert stream.rectangle.shape[1] == model.context
    beyond = stream.rectangle[row, length:]
    assert (stream.tokens[beyond] == 0).all(), "padding stands as the padding token"
    assert (stream.positions[beyond] == np.arange(length, model.context)).all()
    return memory(model, tokens)


def packed_values(model: ModelSpec, batch: Batch) -> dict[int, Value]:
    """The value of every node that is read, from what stands around its home."""
    stream = batch.last
    values: dict[int, Value] = {}
    for node in batch.outputs:
        row, position = divmod(int(stream.home[node]), stream.rectangle.shape[1])
        tokens = sequence(stream, row, max(position + 1, int(stream.key_lengths[row])))
        context = NOTHING
        if batch.source_of_target is not None:
            context = packed_memory(model, batch.source, int(batch.source_of_target[row]))
        values[int(node)] = (attended(model, tokens, position, source=batch.target is None), context)
    return values


def packed_reads(model: ModelSpec, batch: Batch) -> list[tuple[Value, int]]:
    values = packed_values(model, batch)
    return [
        (values[int(batch.outputs[read])], int(label)) for read, label in zip(batch.reads, batch.labels, strict=True)
    ]


def streams(batch: Batch) -> Iterator[Stream]:
    yield batch.source
    if batch.target is not None:
        yield batch.target


@given(tasks(), st.data())
def test_a_packed_batch_has_the_loss_of_the_plain_one(task: tuple[ModelSpec, Examples], data: st.DataObject) -> None:
    """Σ weight · loss equals the mean over the labels of the multiset, and so for each (value, label) alone."""
    model, examples = task
    drawn = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=20))
    batch = Packer(examples, model).batch(np.array(drawn))
    plain = [read for row in drawn for read in plain_reads(model, examples, row)]
    packed = packed_reads(model, batch)
    expected = np.mean([loss(*read) for read in plain])
    assert sum(w * loss(*read) for w, read in zip(batch.weights, packed, strict=True)) == pytest.approx(expected)
    shares = {read: count / len(plain) for read, count in Counter(plain).items()}
    assert len(set(packed)) == len(packed), "an equal (value, label) is read once"
    assert dict(zip(packed, batch.weights, strict=True)) == pytest.approx(shares)


@given(tasks(), st.data())
def test_a_rectangle_and_its_nodes_find_each_other(task: tuple[ModelSpec, Examples], data: st.DataObject) -> None:
    model, examples = task
    drawn = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=20))
    batch = Packer(examples, model).batch(np.array(drawn))
    for stream in streams(batch):
        count, width = len(stream.tokens), stream.rectangle.shape[1]
        assert (stream.rectangle.ravel()[stream.home] == np.arange(count)).all()
        assert (stream.positions == stream.home % width).all()
        assert ((stream.rectangle >= 0) & (stream.rectangle < count)).all()
        alive = np.arange(width) < stream.key_lengths[:, None]
        assert (stream.positions[stream.rectangle] == np.arange(width))[alive].all()
        padding_is_computed = stream is batch.source and model.source_padding_attended
        if not padding_is_computed:
            assert (stream.rectangle[~alive] == 0).all()
            assert set(stream.rectangle[alive]) == set(range(count)), "no node stands nowhere"
            assert stream.key_lengths.max() == width
        if stream.dense:
            assert (stream.rectangle == np.arange(count).reshape(stream.rectangle.shape)).all()
    assert (np.diff(batch.outputs) > 0).all()
    assert set(batch.reads) == set(range(len(batch.outputs)))
    assert batch.weights.sum() == pytest.approx(1)
    if batch.source_of_target is not None:
        assert set(batch.source_of_target) == set(range(len(batch.source.rectangle)))


@given(tasks(), st.data())
def test_nothing_is_computed_twice(task: tuple[ModelSpec, Examples], data: st.DataObject) -> None:
    """As many nodes as the batch has distinct values, in either stream."""
    model, examples = task
    drawn = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=20))
    batch = Packer(examples, model).batch(np.array(drawn))
    sources = {tuple(examples.source[row, : examples.source_lengths[row]].tolist()) for row in drawn}
    if model.shape == "encoder":
        distinct = sum(map(len, sources))
    elif model.shape == "decoder":
        distinct = len({text[:stop] for text in sources for stop in range(1, len(text) + 1)})
    else:
        assert examples.target is not None
        assert examples.target_lengths is not None
        assert len(batch.source.rectangle) == len(sources)
        assert len(batch.source.tokens) == (
            len(sources) * model.context if model.source_padding_attended else sum(map(len, sources))
        )
        distinct = len(
            {
                (tuple(examples.source[row, : examples.source_lengths[row]]), tuple(examples.target[row, :stop]))
                for row in drawn
                for stop in range(1, int(examples.target_lengths[row]) + 1)
            }
        )
    assert len(batch.last.tokens) == distinct


@given(tasks(), st.integers(1, 30))
def test_chunks_hold_every_example_once_with_its_count(task: tuple[ModelSpec, Examples], nodes: int) -> None:
    """Scoring the distinct examples one by one gives the reads of all of them, whatever the size of a chunk."""
    model, examples = task
    packer = Packer(examples, model)
    expected = Counter(tuple(plain_reads(model, examples, row)) for row in range(len(examples)))
    found: Counter[tuple[tuple[Value, int], ...]] = Counter()
    for chunk in packer._chunks(nodes):
        reads = packed_reads(model, chunk.batch)
        assert (chunk.read_of >= 0).any(axis=1).all()
        for numbers, count in zip(chunk.read_of, chunk.counts, strict=True):
            found[tuple(reads[number] for number in numbers if number >= 0)] += int(count)
        labels = [read for row in chunk.read_of for read in row if read >= 0]
        occurrences = np.bincount(labels, weights=np.repeat(chunk.counts, (chunk.read_of >= 0).sum(axis=1)))
        assert chunk.batch.weights == pytest.approx(occurrences / occurrences.sum())
    assert found == expected
    assert packer.whole().examples == len(examples)


@given(tasks(), st.data())
def test_order_does_not_matter(task: tuple[ModelSpec, Examples], data: st.DataObject) -> None:
    """A batch is a multiset: any order of its rows packs to the same arrays."""
    model, examples = task
    drawn = data.draw(st.lists(st.integers(0, len(examples) - 1), min_size=1, max_size=20))
    packer = Packer(examples, model)
    first, second = (packer.batch(np.array(order)) for order in (drawn, drawn[::-1]))
    assert (first.reads == second.reads).all()
    assert (first.labels == second.labels).all()
    assert (first.weights == second.weights).all()
    for one, other in zip(streams(first), streams(second), strict=True):
        assert (one.tokens == other.tokens).all()
        assert (one.rectangle == other.rectangle).all()


@given(tasks())
def test_taken_examples_are_the_same_examples(task: tuple[ModelSpec, Examples]) -> None:
    _, examples = task
    order = np.arange(len(examples))[::-1]
    assert list(row_bytes(examples.take(order))) == list(row_bytes(examples))[::-1]


def test_prefix_sharing_shrinks_the_dyck_test_fourfold() -> None:
    data = DYCK.load(DYCK.options(ood_size=0), 0)
    test = data.splits["test"]
    packed = Packer(test, data.model).whole()
    nodes = sum(len(chunk.batch.last.tokens) for chunk in packed.chunks)
    texts = {tuple(row[:length].tolist()) for row, length in zip(test.source, test.source_lengths, strict=True)}
    distinct = {text[:stop] for text in texts for stop in range(1, len(text) + 1)}
    assert len(distinct) <= nodes < 1.2 * len(distinct), "neighbouring chunks repeat few prefixes"
    assert nodes < 17_000 < 60_000 < test.source_lengths.sum()
    assert max(len(chunk.batch.last.tokens) for chunk in packed.chunks) <= 2048 + 24


def test_a_training_batch_of_dyck_shares_too() -> None:
    """Fifty draws with replacement from the 50 sequences."""
    data = DYCK.load(DYCK.options(test_size=1, ood_size=0), 0)
    drawn = np.random.default_rng(0).integers(50, size=50)
    batch = Packer(data.train, data.model).batch(drawn)
    assert len(batch.last.tokens) < 0.5 * data.train.source_lengths[drawn].sum()


def test_sequences_of_one_length_that_share_nothing_are_dense() -> None:
    """Then a backend may reshape instead of gathering, whatever rows are drawn."""
    data = MODULAR.load(MODULAR.options(modulus=23), 0)
    packer = Packer(data.train, data.model)
    stream = packer.batch(np.arange(40)[::-1]).last
    assert stream.dense
    assert all(chunk.batch.last.dense for chunk in packer.whole().chunks)


def examples_of(source: list[list[int]], lengths: list[int], labels: list[list[int]]) -> Examples:
    return Examples(np.array(source), np.array(lengths), np.array(labels))


@pytest.mark.parametrize(
    ("source", "lengths", "labels", "complaint"),
    [
        ([[1, 1]], [3], [[0, 0]], "lengths lie between 1 and the width"),
        ([[1, 1]], [0], [[0, 0]], "lengths lie between 1 and the width"),
        ([[1, 1]], [2], [[0, 0, 0]], "do not stand beside"),
        ([[1, 1]], [2, 2], [[0, 0]], "every example has a source, a length and labels"),
        ([[1, 1]], [1], [[0, 0]], "beyond the end of a sequence are IGNORED"),
    ],
)
def test_contradictions_are_refused(
    source: list[list[int]], lengths: list[int], labels: list[list[int]], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        examples_of(source, lengths, labels)


def test_source_lengths_of_an_encoder_decoder_are_checked_too() -> None:
    table = np.ones((1, 2), dtype=np.int64)
    with pytest.raises(ValueError, match="width of the rectangle"):
        Examples(table, np.array([3]), table, table, np.array([2]))
    with pytest.raises(ValueError, match="every example has"):
        Examples(np.ones((2, 2), dtype=np.int64), np.array([2, 2]), table, table, np.array([2]))
    with pytest.raises(ValueError, match="come together"):
        Examples(table, np.array([2]), table, table)


@pytest.mark.parametrize(
    ("source", "labels", "complaint"),
    [
        ([[1, VOCABULARY]], [[0, 0]], "source does not fit the model"),
        ([[-1, 1]], [[0, 0]], "source does not fit the model"),
        ([[1] * (LONGEST + 1)], [[0] * (LONGEST + 1)], "longest 6 of 5"),
        ([[1, 1]], [[0, CLASSES]], "labels 0 to 3 do not fit 3 classes"),
        ([[1, 1]], [[0, -1]], "labels -1 to 0 do not fit 3 classes"),
    ],
)
def test_examples_that_do_not_fit_the_model_are_refused(
    source: list[list[int]], labels: list[list[int]], complaint: str
) -> None:
    examples = examples_of(source, [len(source[0])], labels)
    with pytest.raises(ValueError, match=complaint):
        Packer(examples, MODELS[1])


def test_shapes_must_agree_on_whether_there_is_a_target() -> None:
    examples = examples_of([[1]], [1], [[0]])
    with pytest.raises(ValueError, match="without targets do not fit"):
        Packer(examples, MODELS[2])
    table = np.ones((1, 1), dtype=np.int64)
    with pytest.raises(ValueError, match="with targets do not fit"):
        Packer(Examples(table, table[0], table, table, table[0]), MODELS[0])
    with pytest.raises(ValueError, match="target does not fit the model"):
        Packer(Examples(table, table[0], table, table + 9, table[0]), MODELS[2])


def test_chunks_of_an_encoder_put_equal_lengths_together() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, LONGEST + 1, 200)
    source = random.integers(0, VOCABULARY, (200, LONGEST))
    labels = np.where(np.arange(LONGEST) == 0, 0, np.full((200, LONGEST), IGNORED))
    packer = Packer(Examples(source, lengths, labels), replace(MODELS[0], vocabulary=VOCABULARY))
    widths = [chunk.batch.last.rectangle.shape[1] for chunk in packer._chunks(20)]
    assert all(before <= after for before, after in pairwise(widths))

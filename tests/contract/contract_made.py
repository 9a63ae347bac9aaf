"""Models and examples on which a wrong token, position or neighbour shows: values are hashes of what is attended to."""

from zlib import crc32

import numpy as np
from hypothesis import strategies as st

from grokscope.contract.examples import IGNORED, Examples, Ints
from grokscope.contract.models import ModelSpec

Value = tuple[object, ...]
NOTHING: Value = ()

VOCABULARY, CLASSES, LONGEST = 3, 3, 5
MODELS = [
    ModelSpec("encoder", VOCABULARY, LONGEST, CLASSES),
    ModelSpec("decoder", VOCABULARY, LONGEST, CLASSES),
    *(
        ModelSpec(
            "encoder-decoder", VOCABULARY, LONGEST + 1, CLASSES, target_vocabulary=VOCABULARY, target_context=LONGEST,
            source_padding_attended=padding,
        )
        for padding in (False, True)
    ),
]  # fmt: skip


def loss(value: Value, label: int) -> float:
    """The stand-in for a cross-entropy: a number that any difference in `value` or `label` changes."""
    return crc32(repr((value, label)).encode()) / 2**32


def attended(model: ModelSpec, tokens: list[int], position: int, *, source: bool) -> Value:
    """Value of the node at `position` of an unpadded sequence, within its own stream."""
    causal = model.shape == "decoder" or (model.shape == "encoder-decoder" and not source)
    return (position, tuple(tokens[: position + 1] if causal else tokens))


def memory(model: ModelSpec, tokens: list[int]) -> Value:
    """What a decoder reads of a source: its nodes' values; with padding, the padding's own queries too."""
    values = [attended(model, tokens, position, source=True) for position in range(len(tokens))]
    if model.source_padding_attended:
        values += [("padding", position, tuple(tokens)) for position in range(len(tokens), model.context)]
    return tuple(values)


def plain_reads(model: ModelSpec, examples: Examples, row: int) -> list[tuple[Value, int]]:
    """(value, label) of every label of one example, by the definition of the model."""
    source = examples.source[row, : examples.source_lengths[row]].tolist()
    if examples.target is None or examples.target_lengths is None:
        tokens, context = source, NOTHING
    else:
        tokens = examples.target[row, : examples.target_lengths[row]].tolist()
        context = memory(model, source)
    source_is_read = examples.target is None
    return [
        ((attended(model, tokens, position, source=source_is_read), context), int(examples.labels[row, position]))
        for position in range(len(tokens))
        if examples.labels[row, position] != IGNORED
    ]


@st.composite
def rectangles(draw: st.DrawFn, count: int, widest: int) -> tuple[Ints, Ints]:
    """Few distinct sequences, so that many are equal or share a prefix; rubbish beyond their ends."""
    lengths = draw(st.lists(st.integers(1, widest), min_size=count, max_size=count))
    alphabet = st.integers(0, VOCABULARY - 1) if draw(st.booleans()) else st.just(1)
    table = draw(st.lists(st.lists(alphabet, min_size=widest, max_size=widest), min_size=count, max_size=count))
    tokens, extents = np.array(table, dtype=np.int64), np.array(lengths, dtype=np.int64)
    tokens[np.arange(widest) >= extents[:, None]] = draw(st.sampled_from([0, 2, 77, -5]))
    return tokens, extents


@st.composite
def tasks(draw: st.DrawFn) -> tuple[ModelSpec, Examples]:
    model = draw(st.sampled_from(MODELS))
    count = draw(st.integers(1, 12))
    source, source_lengths = draw(rectangles(count, LONGEST))
    target, target_lengths = (None, None)
    extents = source_lengths
    if model.shape == "encoder-decoder":
        target, target_lengths = draw(rectangles(count, LONGEST))
        extents = target_lengths
    choice = st.sampled_from([IGNORED, *range(CLASSES)])
    table = st.lists(st.lists(choice, min_size=LONGEST, max_size=LONGEST), min_size=count, max_size=count)
    labels = np.array(draw(table), dtype=np.int64)
    labels[:, 0] = np.where(labels[:, 0] == IGNORED, 0, labels[:, 0])
    labels[np.arange(LONGEST) >= extents[:, None]] = IGNORED
    return model, Examples(source, source_lengths, labels, target, target_lengths)

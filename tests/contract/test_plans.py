"""Plans against the definition of attention: symbols in place of numbers, so that every node that is seen too much, too
little or twice shows."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contract_made import tasks
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.examples import IGNORED, Batch, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.plans import EXACT, FEW_SHAPES, ForwardPlan, Multiples, Stack, forward_plan, on_device
from grokscope.testing.backends import CASES
from grokscope_modular import SPEC as MODULAR


class Symbols:
    """A number for each thing, the same for equal things."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def of(self, *things: Hashable) -> int:
        return self._known.setdefault(things, len(self._known))

    def attended(self, own: int, seen: Sequence[int]) -> int:
        return self.of(own, tuple(sorted(seen)))


# --- by definition ----------------------------------------------------------------------------------------------------


def layered(
    symbols: Symbols, model: ModelSpec, tokens: Sequence[int], keys: int, causal: bool, memory: Sequence[int] | None
) -> list[int]:
    """A sequence behind all layers; nobody attends to positions from `keys` on."""
    values = [symbols.of("letter", token, position) for position, token in enumerate(tokens)]
    for _ in range(model.layers):
        seen = [values[: min(keys, position + 1) if causal else keys] for position in range(len(values))]
        values = [symbols.attended(own, others) for own, others in zip(values, seen, strict=True)]
        if memory is not None:
            values = [symbols.attended(own, memory) for own in values]
    return values


def defined(symbols: Symbols, model: ModelSpec, examples: Examples, rows: Sequence[int]) -> Counter[tuple[int, int]]:
    """(value, label) of every label of the examples, as often as it occurs."""
    found: Counter[tuple[int, int]] = Counter()
    for row in rows:
        length = int(examples.source_lengths[row])
        source = examples.source[row, :length].tolist()
        if examples.target is None or examples.target_lengths is None:
            values = layered(symbols, model, source, length, model.causal, None)
        else:
            padding = [0] * (model.context - length) if model.source_padding_attended else []
            memory = layered(symbols, model, source + padding, length, False, None)
            target = examples.target[row, : examples.target_lengths[row]].tolist()
            values = layered(symbols, model, target, len(target), True, memory)
        labels = examples.labels[row, : len(values)].tolist()
        found.update(pair for pair in zip(values, labels, strict=True) if pair[1] != IGNORED)
    return found


# --- as planned -------------------------------------------------------------------------------------------------------


def asked(symbols: Symbols, asking: Sequence[int], keys: Sequence[int], attention: Any) -> list[int]:
    table = list(keys) if attention.keys is None else [keys[key] for key in attention.keys]
    queries, width = len(asking) // attention.blocks, len(table) // attention.blocks
    assert (queries * attention.blocks, width * attention.blocks) == (len(asking), len(table))
    answers = []
    for number, own in enumerate(asking):
        block, query = divmod(number, queries)
        hidden = np.zeros(width, bool) if attention.hidden is None else attention.hidden[block, 0, query]
        assert attention.hidden is None or not hidden.all(), "a softmax over nothing"
        seen = [table[block * width + key] for key in np.flatnonzero(~hidden)]
        answers.append(symbols.attended(own, seen))
    return answers


def through(symbols: Symbols, stack: Stack, memory: Sequence[int] | None) -> list[int]:
    table = [symbols.of("letter", int(token), int(at)) for token, at in zip(stack.tokens, stack.positions, strict=True)]
    for layer, attention in enumerate(stack.layers):
        asking = table if attention.rows is None else [table[row] for row in attention.rows]
        table = asked(symbols, asking, table, attention)
        if memory is not None:
            table = asked(symbols, table, memory, stack.cross[layer])
    return table


def planned(symbols: Symbols, made: ForwardPlan) -> dict[tuple[int, int], float]:
    """The weight of each (value, label)."""
    memory = through(symbols, made.source, None)
    answers = memory if made.target is None else through(symbols, made.target, memory)
    pairs = [(answers[read], int(label)) for read, label in zip(made.reads, made.labels, strict=True)]
    weighted = {pair: float(weight) for pair, weight in zip(pairs, made.weights, strict=True) if weight}
    assert len(weighted) == np.count_nonzero(made.weights), "equal pairs are read once"
    return weighted


@given(
    tasks(),
    st.lists(st.integers(0, 11), min_size=1, max_size=20),
    st.integers(1, 3),
    st.sampled_from([EXACT, FEW_SHAPES, Multiples(blocks=3, keys=5, letters=7, reads=11)]),
)
def test_a_plan_is_attention_by_definition(
    task: tuple[ModelSpec, Examples], drawn: list[int], layers: int, multiples: Multiples
) -> None:
    model, examples = replace(task[0], layers=layers), task[1]
    rows = [row % len(examples) for row in drawn]
    made = forward_plan(Packer(examples, model).batch(np.array(rows)), model, multiples)
    symbols = Symbols()
    expected = defined(symbols, model, examples, rows)
    shares = {pair: count / expected.total() for pair, count in expected.items()}
    assert planned(symbols, made) == pytest.approx(shares)
    assert (np.flatnonzero(made.weights) == np.arange(np.count_nonzero(made.weights))).all(), "own reads come first"
    assert (made.is_label.argmax(axis=1) == made.labels).all()
    assert (made.is_label.sum(axis=1) == 1).all()


def long_decoder(count: int = 40) -> tuple[ModelSpec, Batch]:
    """Long enough for several blocks; many prefixes are shared."""
    model = ModelSpec("decoder", 2, 24, 3)
    random = np.random.default_rng(0)
    tokens, lengths = random.integers(0, 2, (count, 24)), random.integers(1, 25, count)
    labels = np.where(np.arange(24) < lengths[:, None], 1, IGNORED)
    return model, Packer(Examples(tokens, lengths, labels), model).batch(np.arange(count))


def test_blocks_of_a_tree_gather_what_they_see_and_little_else() -> None:
    """Nobody asks twice, though nodes stand in many sequences; a block sees itself and the path to its first node."""
    model, batch = long_decoder()
    made = forward_plan(batch, model)
    nodes, attention = len(batch.last.tokens), made.source.layers[1]
    asking = attention.hidden.shape[0] * attention.hidden.shape[2]
    assert attention.rows is None
    assert nodes <= asking < nodes + attention.blocks
    assert attention.blocks > 5
    assert len(attention.keys) <= attention.blocks * (attention.hidden.shape[2] + 24)
    assert attention.hidden.size < batch.last.rectangle.size * 24


def test_each_letter_is_projected_once() -> None:
    model, batch = long_decoder()
    stack = forward_plan(batch, model).source
    assert len(set(zip(stack.tokens, stack.positions, strict=True))) == len(stack.tokens) <= 2 * 24
    assert len(stack.layers[0].rows) > 4 * len(stack.tokens)


def test_equal_sequences_need_no_gather() -> None:
    """Modular arithmetic: one block a sequence; the last layer answers for the first position alone."""
    data = MODULAR.load(MODULAR.options(modulus=23), 0)
    model = replace(data.model, layers=3)
    first, middle, last = forward_plan(Packer(data.train, model).batch(np.arange(40)), model).source.layers
    assert (middle.rows, middle.keys, middle.hidden) == (None, None, None)
    assert {layer.blocks for layer in (first, middle, last)} == {40}
    assert (last.rows == 2 * np.arange(40)).all()
    assert last.keys is None


def test_few_shapes_are_few() -> None:
    case = CASES["encoder-decoder"]
    packer = Packer(case.examples, case.model)
    shapes: dict[Multiples, set[Any]] = {EXACT: set(), FEW_SHAPES: set()}
    for seed in range(30):
        batch = packer.batch(np.random.default_rng(seed).integers(0, 20, 24))
        for multiples, found in shapes.items():
            sizes: list[tuple[int, ...]] = []
            on_device(
                forward_plan(batch, case.model, multiples), lambda values, sizes=sizes: sizes.append(values.shape)
            )
            found.add(tuple(sizes))
    assert len(shapes[FEW_SHAPES]) <= 2 < len(shapes[EXACT])


def test_an_array_is_placed_once() -> None:
    model, batch = long_decoder()
    made = forward_plan(batch, replace(model, layers=5))
    moved = []
    copy = on_device(made, lambda values: moved.append(values) or values.copy())
    assert len({id(values) for values in moved}) == len(moved)
    assert copy.source.layers[1].keys is copy.source.layers[3].keys
    assert copy.source.layers[1].keys is not made.source.layers[1].keys
    assert (copy.source.layers[1].keys == made.source.layers[1].keys).all()
    assert type(copy.source.layers[0]) is type(made.source.layers[0])

"""Dyck-1: the paper's generator, checked against exact probabilities, and the longer sequences."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from grokscope.contract.examples import IGNORED, Examples
from grokscope.contract.parameters import layout
from grokscope.contract.tasks import TaskData
from grokscope.testing.tasks import TaskConformance
from grokscope_dyck import SPEC
from grokscope_dyck.sequences import OPEN, PAD, depths, draw


class TestConformance(TaskConformance):
    spec = SPEC


class TestConformanceWithALongerTable(TaskConformance):
    spec = SPEC
    options = {"context": 48, "test_size": 100, "data_seed": 3}  # noqa: RUF012


def load(**options: object) -> TaskData:
    return SPEC.load(SPEC.options(**options), 0)


def fact(data: TaskData, name: str) -> float:
    value = data.facts[name]
    assert not isinstance(value, str)
    return value


def words(examples: Examples) -> list[str]:
    return [
        "".join("(" if token == OPEN else ")" for token in row[:length])
        for row, length in zip(examples.source, examples.source_lengths, strict=True)
    ]


def probabilities(pairs: int, p_open: float, word: str = "", opened: int = 0) -> Iterator[tuple[str, float]]:
    """Every sequence of `pairs` pairs with the probability that the paper's rule gives it."""
    if len(word) == 2 * pairs:
        yield word, 1.0
        return
    depth = 2 * opened - len(word)
    may_open, may_close = opened < pairs, depth > 0
    for bracket, legal, other, share in (("(", may_open, may_close, p_open), (")", may_close, may_open, 1 - p_open)):
        if legal:
            for rest, p in probabilities(pairs, p_open, word + bracket, opened + (bracket == "(")):
                yield rest, p * (share if other else 1.0)


def test_sequences_have_the_paper_s_probabilities() -> None:
    """Every sequence of 1 to 4 pairs, 40,000 drawn: within 5 standard errors of its exact probability."""
    size = 40_000
    tokens, lengths = draw(np.random.default_rng(0), size, (1, 4), 0.55)
    counts = Counter("".join("()"[t] for t in row[:length]) for row, length in zip(tokens, lengths, strict=True))
    expected = {word: p / 4 for pairs in range(1, 5) for word, p in probabilities(pairs, 0.55)}
    assert sum(expected.values()) == pytest.approx(1)
    assert counts.keys() == expected.keys()
    for word, p in expected.items():
        assert abs(counts[word] / size - p) < 5 * (p * (1 - p) / size) ** 0.5


@given(
    st.integers(0, 2**32), st.integers(0, 30), st.integers(1, 8), st.integers(0, 8), st.floats(0.01, 0.99)
)  # fmt: skip
def test_every_sequence_is_balanced(seed: int, size: int, fewest: int, more: int, p_open: float) -> None:
    tokens, lengths = draw(np.random.default_rng(seed), size, (fewest, fewest + more), p_open)
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    assert ((tokens == PAD) == ~inside).all()
    assert (depths(tokens) >= 0).all()
    assert (depths(tokens)[:, -1] == 0).all()
    assert ((lengths >= 2 * fewest) & (lengths <= 2 * (fewest + more))).all()


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    small, large = load(train_size=20, test_size=30, ood_size=0), load(train_size=50, test_size=300)
    assert words(large.train)[:20] == words(small.train)
    assert words(large.splits["test"])[:30] == words(small.splits["test"])
    assert list(small.splits) == ["test"]


def test_statistics_are_the_paper_s() -> None:
    """Its one draw has mean length 12.9, 1,221 of 5,000 test sequences in training, 36 distinct among 50, and 49.6 % of
    test positions with a trained prefix. Forty of ours spread over 1,034 to 1,550, 35 to 47 and 48.5 to 53.5 %."""
    draws = [load(data_seed=seed, ood_size=0) for seed in range(8)]
    lengths = np.concatenate([data.splits["test"].source_lengths for data in draws])
    assert lengths.mean() == pytest.approx(13, abs=0.15)
    assert (lengths.min(), lengths.max()) == (2, 24)
    in_train = [fact(data, "test_in_train") for data in draws]
    assert 1000 < min(in_train) <= np.mean(in_train) <= max(in_train) < 1600
    assert 1150 < np.mean(in_train) < 1400
    assert min(fact(data, "train_distinct") for data in draws) >= 33
    assert 0.49 < np.mean([fact(data, "test_prefixes_in_train") for data in draws]) < 0.54


def test_the_model_is_the_paper_s() -> None:
    data = load()
    assert layout(data.model).size == 270_349
    assert data.model.identical_layers
    assert (data.model.context, data.model.classes, data.model.vocabulary) == (24, 13, 3)
    assert (len(data.train), len(data.splits["test"])) == (50, 5000)
    assert layout(load(context=48, test_size=1).model).size == 273_421


def test_facts_are_what_they_say() -> None:
    data = load(test_size=400)
    train, test = words(data.train), words(data.splits["test"])
    assert fact(data, "train_distinct") == len(set(train))
    assert fact(data, "test_in_train") == sum(word in train for word in test)
    seen = {word[:stop] for word in train for stop in range(1, 25)}
    asked = [word[:stop] in seen for word in test for stop in range(1, len(word) + 1)]
    assert fact(data, "test_prefixes_in_train") == pytest.approx(np.mean(asked))


def test_labels_are_depths() -> None:
    data = load(test_size=200)
    for examples in (data.train, *data.splits.values()):
        for word, labels in zip(words(examples), examples.labels, strict=True):
            depth = [word[:stop].count("(") - word[:stop].count(")") for stop in range(1, len(word) + 1)]
            assert labels.tolist() == depth + [IGNORED] * (examples.labels.shape[1] - len(word))


def test_longer_sequences_fit_the_paper_s_table() -> None:
    """Cut at 24 positions: none was ever to close there, and no position or class is out of the model's reach."""
    data = load()
    longer = data.splits["ood"]
    assert (longer.source_lengths == 24).all()
    assert longer.labels.max() <= 12
    assert fact(data, "ood_cut_at_context") == 200
    assert fact(data, "ood_positions_untrained") == 0
    assert 0.1 < fact(data, "ood_depths_untrained_at_position") < 0.3
    assert not set(words(longer)) & {word for word in words(data.splits["test"]) if len(word) == 24}


def test_longer_sequences_are_whole_where_the_table_allows() -> None:
    data = load(context=48)
    longer = data.splits["ood"]
    assert fact(data, "ood_cut_at_context") == 0
    assert (longer.source_lengths.min(), longer.source_lengths.max()) == (26, 48)
    assert (longer.labels[np.arange(200), longer.source_lengths - 1] == 0).all()
    assert longer.labels.max() <= 12
    assert 0.2 < fact(data, "ood_positions_untrained") < 0.5


def test_more_pairs_make_a_larger_model() -> None:
    data = load(max_pairs=20, test_size=50)
    assert (data.model.context, data.model.classes) == (40, 21)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"context": 20}, "context 20 is too small for 12 pairs"),
        ({"ood_min_pairs": 12}, "ood sequences are longer than the training set's"),
        ({"ood_min_pairs": 20, "ood_max_pairs": 15}, "does not hold"),
        ({"p_open": 1.0}, "less than 1"),
        ({"train_size": 0}, "greater than or equal to 1"),
    ],
)
def test_contradictions_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        SPEC.options(**options)


def test_longer_sequences_too_deep_to_answer_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"nearly always go deeper than 2.*lower task\.ood_max_pairs"):
        load(max_pairs=2, ood_min_pairs=100, ood_max_pairs=100, context=200, p_open=0.9)

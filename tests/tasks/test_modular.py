"""Modular arithmetic: the tables, checked one by one, and the cut."""

from collections import Counter
from collections.abc import Callable
from itertools import permutations
from math import factorial, gcd, sqrt
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from grokscope.contract.examples import IGNORED
from grokscope.contract.parameters import layout
from grokscope.contract.tasks import TaskData
from grokscope.testing.tasks import TaskConformance
from grokscope_modular import SPEC
from grokscope_modular.tables import Operation, table

IN_WORDS: dict[Operation, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "x2_y2": lambda x, y: x**2 + y**2,
    "x2_xy_y2": lambda x, y: x**2 + x * y + y**2,
    "x3_xy": lambda x, y: x**3 + x * y,
    "xy_y": lambda x, y: x * y + y,
    "x2_minus_y": lambda x, y: x**2 - y,
}
GROUPS: tuple[Operation, ...] = ("s5", "a4", "dihedral")
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class TestConformance(TaskConformance):
    spec = SPEC


class TestConformanceOfMul(TaskConformance):
    spec = SPEC
    options = {"operation": "mul", "modulus": 12, "train_fraction": 0.3, "split_seed": 5}  # noqa: RUF012


class TestConformanceOfPermutations(TaskConformance):
    spec = SPEC
    options = {"operation": "s5"}  # noqa: RUF012


class TestConformanceOfRandomAnswers(TaskConformance):
    spec = SPEC
    options = {"operation": "random", "modulus": 23}  # noqa: RUF012


class TestConformanceOfFalseLabels(TaskConformance):
    spec = SPEC
    options = {"modulus": 23, "false_labels": 0.1}  # noqa: RUF012


def load(seed: int = 0, **options: object) -> TaskData:
    return SPEC.load(SPEC.options(**options), seed)


def rows(operation: Operation, modulus: int = 97, seed: int = 0) -> list[list[int]]:
    found: list[list[int]] = table(operation, modulus, np.random.default_rng(seed)).rows.tolist()
    return found


def pairs_of(operation: Operation, modulus: int) -> int:
    """How many pairs an operation is defined for, by counting."""
    match operation:
        case "s5":
            return factorial(5) ** 2
        case "a4":
            return (factorial(4) // 2) ** 2
        case "dihedral":
            return (2 * modulus) ** 2
        case "mul":
            return (modulus - 1) ** 2
        case "div":
            return modulus * sum(gcd(b, modulus) == 1 for b in range(1, modulus))
        case _:
            return modulus**2


def test_no_operation_is_untested() -> None:
    assert set(OPERATIONS) == {*IN_WORDS, *GROUPS, "div", "random"}


@pytest.mark.parametrize("operation", IN_WORDS)
@pytest.mark.parametrize("modulus", [2, 5, 12, 97])
def test_polynomials_are_right(operation: Operation, modulus: int) -> None:
    operands = range(1 if operation == "mul" else 0, modulus)
    expected = [[a, b, IN_WORDS[operation](a, b) % modulus] for a in operands for b in operands]
    assert rows(operation, modulus) == expected


@pytest.mark.parametrize("modulus", [2, 5, 12, 97])
def test_a_quotient_times_the_divisor_is_the_dividend(modulus: int) -> None:
    divided = rows("div", modulus)
    assert [[a, b] for a, b, _ in divided] == [
        [a, b] for a in range(modulus) for b in range(modulus) if gcd(b, modulus) == 1
    ]
    assert all(0 <= c < modulus and c * b % modulus == a for a, b, c in divided)


@pytest.mark.parametrize(("operation", "points"), [("s5", 5), ("a4", 4)])
def test_permutations_are_composed(operation: Operation, points: int) -> None:
    """The second operand is applied first, then the first; the even permutations are products of two exchanges."""
    elements = list(permutations(range(points)))
    if operation == "a4":
        exchanges = [each for each in elements if sum(place != image for place, image in enumerate(each)) == 2]
        elements = sorted({tuple(f[g[i]] for i in range(4)) for f in exchanges for g in exchanges})
    expected = []
    for a, f in enumerate(elements):
        for b, g in enumerate(elements):
            expected.append([a, b, elements.index(tuple(f[g[i]] for i in range(points)))])
    assert rows(operation) == expected


@pytest.mark.parametrize("modulus", [2, 3, 8])
def test_symmetries_of_a_polygon_are_composed(modulus: int) -> None:
    """Rotations i -> i + k first, then reflections i -> k - i, as permutations of the corners."""
    corners = range(modulus)
    turns = [tuple((i + k) % modulus for i in corners) for k in corners]
    flips = [tuple((k - i) % modulus for i in corners) for k in corners]
    elements = turns + flips
    for a, b, c in rows("dihedral", modulus):
        assert elements[c] == tuple(elements[a][elements[b][i]] for i in corners)
    flipped = [c >= modulus for _, _, c in rows("dihedral", modulus)]
    assert flipped == [(a >= modulus) != (b >= modulus) for a, b, _ in rows("dihedral", modulus)]


@pytest.mark.parametrize(("operation", "modulus"), [("s5", 97), ("a4", 97), ("dihedral", 5), ("add", 12), ("mul", 11)])
def test_groups_are_groups(operation: Operation, modulus: int) -> None:
    """Every row and every column of the table holds each element once (a Latin square), and products associate."""
    product = {(a, b): c for a, b, c in rows(operation, modulus)}
    elements = {a for a, _ in product}
    for fixed in elements:
        assert {product[fixed, x] for x in elements} == {product[x, fixed] for x in elements} == elements
    some = np.random.default_rng(0).choice(sorted(elements), size=(200, 3)).tolist()
    assert all(product[product[a, b], c] == product[a, product[b, c]] for a, b, c in some)


def test_random_answers_are_uniform_and_belong_to_the_split_seed() -> None:
    """Each of 11 answers among 121 × 40 within 5 standard errors of its expectation."""
    answers = Counter(c for seed in range(40) for _, _, c in rows("random", 11, seed))
    expected = 121 * 40 / 11
    assert answers.keys() == set(range(11))
    assert all(abs(count - expected) < 5 * expected**0.5 for count in answers.values())
    one, other = load(1, operation="random", modulus=11), load(2, operation="random", modulus=11)
    again = load(2, operation="random", modulus=11, split_seed=1)
    assert (one.train.labels == again.train.labels).all()
    assert _answers(one) != _answers(other)


@pytest.mark.parametrize("operation", ["add", "s5", "random"])
def test_false_labels_are_false_and_the_test_is_right(operation: str) -> None:
    clean, noisy = (load(3, operation=operation, modulus=23, false_labels=share) for share in (0.0, 0.1))
    assert (noisy.train.source == clean.train.source).all()
    assert (noisy.splits["test"].labels == clean.splits["test"].labels).all()
    differs = noisy.train.labels[:, 0] != clean.train.labels[:, 0]
    assert differs.sum() == noisy.facts["false_labels"] == int(0.1 * len(clean.train))
    assert clean.facts["false_labels"] == 0
    assert 0 <= noisy.train.labels[:, 0].min() <= noisy.train.labels[:, 0].max() < noisy.model.classes


def test_false_labels_are_uniform_over_the_other_answers() -> None:
    """Modulo 5, all of 25 × 0.5 answers false: each shift 1 … 4 within 5 standard errors of its expectation."""
    shifts: Counter[int] = Counter()
    for seed in range(200):
        clean, noisy = (load(seed, modulus=5, false_labels=share) for share in (0.0, 1.0))
        shifts.update(((noisy.train.labels - clean.train.labels)[:, 0] % 5).tolist())
    expected = 12 * 200 / 4
    assert shifts.keys() == {1, 2, 3, 4}
    assert all(abs(count - expected) < 5 * expected**0.5 for count in shifts.values())


@pytest.mark.parametrize(
    ("operation", "group", "tokens"),
    [("add", "Z_23", 23), ("x3_xy", "Z_23", 23), ("s5", "S_5", 120), ("a4", "A_4", 12), ("dihedral", "D_23", 46)],
)
def test_the_group_of_the_tokens_is_declared(operation: str, group: str, tokens: int) -> None:
    data = load(operation=operation, modulus=23)
    assert data.facts["group"] == group
    assert (data.model.vocabulary, data.model.classes) == (tokens, tokens)


def _answers(data: TaskData) -> dict[tuple[int, int], int]:
    return {
        (a, b): label
        for part in (data.train, data.splits["test"])
        for (a, b), label in zip(part.source.tolist(), part.labels[:, 0].tolist(), strict=True)
    }


@pytest.mark.parametrize(("operation", "train", "test"), [("add", 4704, 4705), ("mul", 4608, 4608)])
def test_the_model_and_the_cut_are_the_paper_s(operation: str, train: int, test: int) -> None:
    data = load(operation=operation)
    assert layout(data.model).size == 290_401
    assert data.model.identical_layers
    assert data.model.position_std == 1 / sqrt(128)
    assert (len(data.train), len(data.splits["test"])) == (train, test)


@given(
    st.sampled_from(OPERATIONS), st.integers(2, 23), st.floats(0.01, 0.99), st.integers(0, 2**31)
)  # fmt: skip
def test_the_cut_is_a_partition(operation: Operation, modulus: int, fraction: float, seed: int) -> None:
    pairs = pairs_of(operation, modulus)
    settings_ = {"operation": operation, "modulus": modulus, "train_fraction": fraction}
    if not 0 < int(fraction * pairs) < pairs:
        with pytest.raises(ValueError, match="leaves"):
            load(seed, **settings_)
        return
    data = load(seed, **settings_)
    train, test = data.train, data.splits["test"]
    assert len(train) == int(fraction * pairs)
    together = np.concatenate([np.hstack([x.source, x.labels[:, :1]]) for x in (train, test)])
    assert len(together) == len(np.unique(together[:, :2], axis=0)) == pairs
    if operation != "random":
        assert sorted(together.tolist()) == rows(operation, modulus)
    for examples in (train, test):
        assert (examples.labels[:, 1] == IGNORED).all()
        assert (examples.source_lengths == 2).all()


def test_the_run_s_seed_cuts_unless_a_split_seed_is_given() -> None:
    assert (load(1).train.source != load(2).train.source).any()
    fixed, again = load(1, split_seed=2), load(9, split_seed=2)
    assert (fixed.train.source == again.train.source).all()
    assert (fixed.train.source == load(2).train.source).all()
    assert fixed.facts["split_seed"] == 2


def test_mirrored_pairs_are_counted() -> None:
    data = load(modulus=11)
    trained = {tuple(pair) for pair in data.train.source.tolist()}
    expected = sum((b, a) in trained for a, b in data.splits["test"].source.tolist())
    assert data.facts["test_mirrored_in_train"] == expected > 0
    assert load(operation="sub", modulus=11).facts["test_mirrored_in_train"] == 0


def test_a_modulus_that_is_not_prime_has_zero_products() -> None:
    assert load(operation="mul", modulus=11).facts["distinct_answers"] == 10
    assert (load(operation="mul", modulus=12).train.labels[:, 0] == 0).any()


@pytest.mark.parametrize(
    "options",
    [
        {"modulus": 1},
        {"modulus": 5000},
        {"train_fraction": 0},
        {"train_fraction": 1.0},
        {"operation": "pow"},
        {"false_labels": -0.1},
        {"false_labels": 1.1},
    ],
)
def test_settings_without_meaning_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SPEC.options(**options)


def test_a_table_too_small_to_cut_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"mul modulo 2 has 1 pairs: a training fraction of 0.5 leaves 0"):
        load(operation="mul", modulus=2)

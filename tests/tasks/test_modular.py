"""Modular arithmetic: the tables, checked one by one, and the cut."""

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from grokscope.contract.examples import IGNORED
from grokscope.contract.parameters import layout
from grokscope.contract.tasks import TaskData
from grokscope.testing.tasks import TaskConformance
from grokscope_modular import SPEC
from grokscope_modular.tables import OPERATIONS, Operation, table

IN_WORDS: dict[str, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "x2_y2": lambda x, y: x**2 + y**2,
    "x2_xy_y2": lambda x, y: x**2 + x * y + y**2,
    "x3_xy": lambda x, y: x**3 + x * y,
}


class TestConformance(TaskConformance):
    spec = SPEC


class TestConformanceOfMul(TaskConformance):
    spec = SPEC
    options = {"operation": "mul", "modulus": 12, "train_fraction": 0.3, "split_seed": 5}  # noqa: RUF012


def load(seed: int = 0, **options: object) -> TaskData:
    return SPEC.load(SPEC.options(**options), seed)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("modulus", [2, 5, 12, 97])
def test_tables_are_right(operation: Operation, modulus: int) -> None:
    operands = range(1 if operation == "mul" else 0, modulus)
    expected = [[a, b, IN_WORDS[operation](a, b) % modulus] for a in operands for b in operands]
    assert table(operation, modulus).tolist() == expected


def test_the_six_operations_of_the_paper_are_there() -> None:
    assert OPERATIONS.keys() == IN_WORDS.keys()


@pytest.mark.parametrize(("operation", "train", "test"), [("add", 4704, 4705), ("mul", 4608, 4608)])
def test_the_model_and_the_cut_are_the_paper_s(operation: str, train: int, test: int) -> None:
    data = load(operation=operation)
    assert layout(data.model).size == 290_401
    assert data.model.identical_layers
    assert data.model.position_std == 1 / sqrt(128)
    assert (len(data.train), len(data.splits["test"])) == (train, test)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(OPERATIONS)), st.integers(2, 23), st.floats(0.01, 0.99), st.integers(0, 2**31)
)  # fmt: skip
def test_the_cut_is_a_partition(operation: str, modulus: int, fraction: float, seed: int) -> None:
    pairs = (modulus - (operation == "mul")) ** 2
    settings_ = {"operation": operation, "modulus": modulus, "train_fraction": fraction}
    if not 0 < int(fraction * pairs) < pairs:
        with pytest.raises(ValueError, match="leaves"):
            load(seed, **settings_)
        return
    data = load(seed, **settings_)
    train, test = data.train, data.splits["test"]
    assert len(train) == int(fraction * pairs)
    together = np.concatenate([np.hstack([x.source, x.labels[:, :1]]) for x in (train, test)])
    assert sorted(together.tolist()) == table(operation, modulus).tolist()  # type: ignore[arg-type]
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
    "options", [{"modulus": 1}, {"modulus": 5000}, {"train_fraction": 0}, {"train_fraction": 1.0}, {"operation": "div"}]
)
def test_settings_without_meaning_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SPEC.options(**options)


def test_a_table_too_small_to_cut_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"mul modulo 2 has 1 pairs: a training fraction of 0.5 leaves 0"):
        load(operation="mul", modulus=2)

"""Streams: each draw is a function of its name alone, and no two names share a draw."""

import random
from itertools import product
from typing import get_args

import numpy as np
import pytest

from grokscope.contract.streams import Purpose, generator


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ((0, "split"), [182839208, 209436544, 4287563037]),
        ((0, "data"), [3487923872, 2822200860, 3064848275]),
        ((42, "batch", 7), [1491634829, 920541905, 3278978254]),
        ((42, "probe", 7, 3), [2387721150, 2746376224, 406513887]),
    ],
)
def test_first_values_never_change(name: tuple[int, Purpose], first: list[int]) -> None:
    """Runs recorded by an earlier version are repeated by this one."""
    assert generator(*name).integers(0, 2**32, 3).tolist() == first


def test_methods_that_tasks_use_never_change() -> None:
    assert generator(0, "split").permutation(10).tolist() == [7, 1, 4, 3, 2, 9, 6, 5, 0, 8]
    assert generator(0, "data").random(2).tolist() == [0.657094842943385, 0.27112527767047057]


def test_different_names_share_no_draw() -> None:
    names = list(product((0, 1, 42), get_args(Purpose), (0, 1, 2), (0, 1, 2)))
    draws = {name: generator(*name).integers(0, 2**63, 4).tolist() for name in names}
    assert len({value for values in draws.values() for value in values}) == 4 * len(names)


def test_long_draws_do_not_run_into_the_next_step() -> None:
    long = generator(0, "batch", step=0).integers(0, 2**63, 50_000)
    for step, index in ((1, 0), (0, 1), (2, 0)):
        assert not np.isin(generator(0, "batch", step, index).integers(0, 2**63, 100), long).any()


def test_steps_are_uncorrelated() -> None:
    """Five standard errors of a correlation of 20,000 normal pairs."""
    rows = np.stack([generator(3, "batch", step).normal(size=20_000) for step in range(4)])
    correlations = np.asarray(np.corrcoef(rows))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 5 / 20_000**0.5


def test_order_of_use_does_not_matter() -> None:
    """Nothing is carried over, and no global generator is touched."""
    state = np.random.get_state(legacy=False), random.getstate()
    later = generator(0, "batch", 5).random(3).tolist()
    generator(0, "probe", 4).random(1000)
    assert generator(0, "batch", 5).random(3).tolist() == later
    assert repr((np.random.get_state(legacy=False), random.getstate())) == repr(state)


def test_large_numbers_are_welcome_and_negative_ones_are_not() -> None:
    generator(2**70, "batch", 2**62, 2**62).random()
    negative: list[tuple[int, Purpose, int, int]] = [(-1, "batch", 0, 0), (0, "batch", -1, 0), (0, "batch", 0, -1)]
    for arguments in negative:
        with pytest.raises(ValueError, match="at least 0"):
            generator(*arguments)

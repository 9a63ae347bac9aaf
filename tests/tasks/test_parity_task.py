"""Sparse parity: the answer is the parity of the hidden bits, and of nothing else."""

import numpy as np
import pytest
from pydantic import ValidationError

from grokscope.contract.tasks import TaskData
from grokscope.testing.tasks import TaskConformance
from grokscope_parity import SPEC
from grokscope_parity.load import Options


class TestParity(TaskConformance):
    spec = SPEC


def loaded(**options: int) -> TaskData:
    return SPEC.load(Options(**options), 0)


def test_answers_are_the_parity_of_the_bits_that_the_facts_name() -> None:
    data = loaded(bits=12, relevant=4, train_size=200, test_size=100)
    bits = [int(bit) for bit in str(data.facts["relevant_bits"]).split()]
    assert len(bits) == 4
    for examples in (data.train, data.splits["test"]):
        np.testing.assert_array_equal(examples.labels[:, 0], examples.source[:, bits].sum(axis=1) % 2)


def test_no_input_comes_twice() -> None:
    data = loaded(bits=9, relevant=2, train_size=400, test_size=112)
    rows = np.concatenate([data.train.source, data.splits["test"].source])
    assert len(np.unique(rows, axis=0)) == 512


def test_sixty_two_bits_are_drawn_too() -> None:
    assert set(loaded(bits=62, train_size=50, test_size=50).train.source.sum(axis=0) > 0) == {True}


@pytest.mark.parametrize(
    ("options", "why"),
    [({"bits": 4, "relevant": 5}, "cannot be relevant"), ({"bits": 4, "relevant": 2}, "there are 16 inputs of 4 bits")],
)
def test_what_cannot_be_is_refused(options: dict[str, int], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Options(**options)

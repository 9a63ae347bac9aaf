"""The formulas of the optimizers, each against numbers computed another way."""

from typing import get_args

import numpy as np
import pytest

from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import (
    Decaying,
    Moving,
    Optimizer,
    OptimizerName,
    UpdateRule,
    muon_pieces,
    orthogonalized,
    step_numbers,
)
from grokscope.contract.parameters import layout
from grokscope.testing import reference

MODEL = ModelSpec("decoder", vocabulary=3, context=4, classes=3, width=4, layers=1, heads=2, feed_forward=6)
LAYOUT = layout(MODEL)


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 5)])
def test_singular_vectors_stay_and_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape)
    found = orthogonalized(matrix, np.sqrt)
    np.testing.assert_allclose(found, reference.orthogonal(matrix), atol=1e-10)
    values = np.linalg.svd(found, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_muon_takes_hidden_matrices_and_cuts_queries_keys_and_values_apart() -> None:
    pieces = muon_pieces(LAYOUT)
    starts, stops = [piece.start for piece in pieces], [piece.stop for piece in pieces]
    assert [*starts, LAYOUT.size] == [0, *stops]
    assert [piece.shape for piece in pieces if piece.shape] == [(4, 4)] * 4 + [(6, 4), (4, 6)]
    embedding = LAYOUT.by_name["tok_emb.weight"]
    assert pieces[0].shape is None
    assert embedding.stop <= pieces[0].stop


@pytest.mark.parametrize("name", get_args(OptimizerName))
@pytest.mark.parametrize("decay", get_args(Decaying))
def test_three_steps_are_those_of_the_plain_formula(name: OptimizerName, decay: Decaying) -> None:
    optimizer = Optimizer(0.1, 0.5, clip=None, name=name, decay=decay)
    random = np.random.default_rng(1)
    theta, zeros = random.normal(size=LAYOUT.size), np.zeros(LAYOUT.size)
    rule = UpdateRule(
        optimizer.name, optimizer.decay, LAYOUT, asarray=np.asarray, concatenate=np.concatenate, sqrt=np.sqrt
    )
    moving, expected = Moving(theta, zeros, zeros), reference.TrainingState(0, theta, zeros, zeros)
    for step in (1, 2, 3):
        gradient = random.normal(size=LAYOUT.size)
        moving = rule.moved(moving, step_numbers(optimizer, step), gradient)
        expected, _ = reference.optimized(expected, gradient, optimizer, LAYOUT)
        for found, value in zip(moving, expected[1:], strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-12)


def test_biases_and_norms_keep_their_size_where_matrices_decay() -> None:
    theta, zeros = np.ones(LAYOUT.size), np.zeros(LAYOUT.size)
    optimizer = Optimizer(0.1, 0.5, clip=None, name="sgd", decay="matrices")
    state, _ = reference.optimized(reference.TrainingState(0, theta, zeros, zeros), zeros, optimizer, LAYOUT)
    left = LAYOUT.unflatten(state.parameters)
    assert set(left["tok_emb.weight"].ravel()) == {0.95}
    assert set(left["ln.weight"]) == set(left["head.bias"]) == {1.0}

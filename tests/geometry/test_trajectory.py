"""Shares of variance against closed forms: lines, planes, the explicit SVD, and the random walk's 6/π²."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.geometry import gram as gram_module
from grokscope.geometry.blocks import covered, weight_blocks
from grokscope.geometry.gram import gram, largest, variance_shares
from grokscope.geometry.trajectory import (
    RANDOM_WALK_LIMIT,
    Concentration,
    ExpandingPC1,
    Question,
    concentrations,
    random_walk_share,
    random_walks,
    step_lengths,
    subsampled,
)

LAYOUT = layout(ModelSpec("encoder", vocabulary=7, context=2, classes=7, width=8, layers=2, heads=2, feed_forward=12))
SIZE = LAYOUT.size

Points = NDArray[np.float64]
"""[snapshots, size]"""


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def walk(snapshots: int, size: int = SIZE, seed: int = 0) -> Points:
    steps = random(seed).standard_normal((snapshots, size))
    return np.asarray(steps.cumsum(axis=0))


def explained(points: Points, components: int) -> list[float]:
    """Shares by the SVD of the centred matrix itself."""
    squares = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    return list(squares[:components] / squares.sum())


def whole(points: Points) -> NDArray[np.float64]:
    return gram(list(points), [(0, points.shape[1])])


# --- Gram matrices ----------------------------------------------------------------------------------------------------


@given(snapshots=st.integers(4, 12), size=st.integers(1, 40), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 2**31))
def test_a_gram_pca_is_that_of_the_explicit_matrix(snapshots: int, size: int, offset: float, seed: int) -> None:
    points = walk(snapshots, size, seed) + offset
    count = min(3, size)
    assert variance_shares(whole(points), count) == pytest.approx(explained(points, count), abs=1e-8)


def test_columns_at_a_time_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    points, slices = walk(9), [(3, 50), (200, 1000)]
    at_once = gram(list(points), slices)
    monkeypatch.setattr(gram_module, "NUMBERS_AT_ONCE", 9 * 7)
    assert gram(list(points), slices) == pytest.approx(at_once, rel=1e-12)
    inside = np.concatenate([points[:, 3:50], points[:, 200:1000]], axis=1)
    inside -= inside[0]
    assert at_once == pytest.approx(inside @ inside.T, rel=1e-12)


def test_blocks_add_up_to_the_joint_one() -> None:
    points = list(walk(6))
    apart = sum(gram(points, [(block.start, block.stop)]) for block in weight_blocks(LAYOUT))
    assert gram(points, covered(weight_blocks(LAYOUT))) == pytest.approx(apart, rel=1e-12)


def test_a_straight_line_is_one_component() -> None:
    direction = random().standard_normal(SIZE)
    points = np.array([0.0, 0.1, 2.0, 2.5, 7.0])[:, None] * direction + 5
    assert variance_shares(whole(points), 2) == pytest.approx([1, 0], abs=1e-12)


def test_a_plane_curve_is_two() -> None:
    angle = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    one, other = np.linalg.qr(random().standard_normal((SIZE, 2)))[0].T
    circle = np.cos(angle)[:, None] * one + np.sin(angle)[:, None] * other
    assert variance_shares(whole(circle), 3) == pytest.approx([0.5, 0.5, 0], abs=1e-12)
    ellipse = 3 * np.cos(angle)[:, None] * one + np.sin(angle)[:, None] * other
    assert variance_shares(whole(ellipse), 2) == pytest.approx([0.9, 0.1], abs=1e-12)


def test_where_nothing_moves_there_is_no_share() -> None:
    assert np.isnan(variance_shares(whole(np.ones((5, 8))), 2)).all()


def test_more_components_than_there_are_count_nothing() -> None:
    assert variance_shares(whole(walk(4)), 6) == pytest.approx([*explained(walk(4), 3), 0, 0, 0], abs=1e-12)


def test_the_largest_eigenvalues_of_many_snapshots() -> None:
    """Beyond `DENSE`, also where two are equal."""
    rotation = np.linalg.qr(random().standard_normal((400, 400)))[0]
    values = np.concatenate([[9.0, 9.0, 4.0], 1 / np.arange(1, 398)])
    found, vectors = largest(rotation * values @ rotation.T, 3)
    assert found == pytest.approx([9, 9, 4], rel=1e-10)
    assert vectors.T @ vectors == pytest.approx(np.eye(3), abs=1e-8)
    products = whole(walk(300, 50))
    assert variance_shares(products, 3) == pytest.approx(explained(walk(300, 50), 3), abs=1e-9)


def test_equal_eigenvalues_all_the_way_fall_back() -> None:
    assert largest(np.eye(300), 3)[0] == pytest.approx([1, 1, 1])
    hard = np.diag(1 - 1e-6 * np.arange(300.0))
    assert largest(hard, 2)[0] == pytest.approx([1, 1 - 1e-6], abs=1e-9)


# --- windows ----------------------------------------------------------------------------------------------------------


def test_fewer_snapshots_are_evenly_spaced() -> None:
    points = walk(13)
    assert subsampled(whole(points), 5) == pytest.approx(whole(points[::3]), rel=1e-9)
    assert subsampled(whole(points), 50) == pytest.approx(whole(points))


def test_step_lengths() -> None:
    points = walk(7)
    expected = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert step_lengths(whole(points)) == pytest.approx(expected, rel=1e-9)


# --- the null ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshots", [4, 10, 50, 400])
def test_what_a_random_walk_gives(snapshots: int) -> None:
    """The closed form, on walks of 20,000 dimensions drawn in full."""
    points = walk(snapshots, 20_000)
    assert variance_shares(whole(points))[0] == pytest.approx(random_walk_share(snapshots), abs=0.01)


def test_what_a_long_random_walk_gives() -> None:
    assert round(RANDOM_WALK_LIMIT, 3) == 0.608
    assert random_walk_share(10_000) == pytest.approx(RANDOM_WALK_LIMIT, rel=1e-7)
    assert [round(random_walk_share(count), 2) for count in (2, 3, 4, 10)] == [1, 0.75, 0.68, 0.62]


@pytest.mark.parametrize("dimension", [3, 11, 12, 60])
def test_walks_drawn_in_gram_space_are_distributed_like_walks(dimension: int) -> None:
    """Mean and spread of PC1 of 1,500 walks of 11 uneven steps; 11 and 12 are either side of where the way changes."""
    lengths = np.linspace(1, 3, 11)
    generator = random(1)

    def explicit() -> float:
        steps = generator.standard_normal((11, dimension))
        steps *= (lengths / np.linalg.norm(steps, axis=1))[:, None]
        points = np.concatenate([np.zeros((1, dimension)), steps.cumsum(axis=0)])
        return float(variance_shares(points @ points.T)[0])

    drawn = [float(variance_shares(products)[0]) for products in random_walks(lengths, dimension, generator, 1500)]
    made = [explicit() for _ in range(1500)]
    assert np.mean(drawn) == pytest.approx(np.mean(made), abs=4 * np.std(made) * math.sqrt(2 / 1500))
    assert np.std(drawn) == pytest.approx(np.std(made), rel=0.15)


def test_a_drawn_walk_has_the_steps_asked_for() -> None:
    lengths = np.array([3.0, 1.0, 0.0, 2.0])
    (products,) = random_walks(lengths, 1000, random(), 1)
    assert step_lengths(products) == pytest.approx(lengths, abs=1e-6)
    assert products[0] == pytest.approx(np.zeros(5))


# --- all blocks of a model --------------------------------------------------------------------------------------------


def answers(points: Points, question: Question, seed: int = 0) -> list[Concentration]:
    return list(concentrations(list(points), LAYOUT, question, random(seed)))


def test_every_block_and_all_as_one() -> None:
    points = walk(9)
    *apart, joint = answers(points, Question(components=3, trials=4, windows=[4, 9], subsamples=[5]))
    assert [block.name for block in apart] == [block.name for block in weight_blocks(LAYOUT)]
    first = weight_blocks(LAYOUT)[0]
    assert apart[0].shares == pytest.approx(explained(points[:, first.start : first.stop], 3), abs=1e-10)
    inside = np.concatenate([points[:, start:stop] for start, stop in covered(weight_blocks(LAYOUT))], axis=1)
    assert (joint.name, joint.entries) == ("joint", inside.shape[1])
    assert joint.shares == pytest.approx(explained(inside, 3), abs=1e-10)
    assert [(window.snapshots, window.share) for window in joint.windows] == [
        (4, pytest.approx(explained(inside[:4], 1)[0])), (9, pytest.approx(joint.shares[0]))
    ]  # fmt: skip
    assert [(window.snapshots, window.share) for window in joint.subsamples] == [
        (5, pytest.approx(explained(inside[::2], 1)[0]))
    ]


def test_a_random_walk_is_like_its_null_and_a_line_is_not() -> None:
    joint = answers(walk(30), Question(trials=20))[-1]
    assert joint.null is not None
    assert joint.null.trials == 20
    assert abs(joint.null.z(joint.shares[0])) < 4
    line = answers(np.outer(np.arange(30.0), random().standard_normal(SIZE)), Question(trials=20, windows=[30]))[-1]
    assert line.null is not None
    assert line.null.z(line.shares[0]) > 20
    assert line.null.mean == line.windows[0].null == pytest.approx(RANDOM_WALK_LIMIT, abs=0.03)


def test_the_null_is_drawn_again_the_same() -> None:
    question = Question(trials=3)
    assert answers(walk(6), question) == answers(walk(6), question)
    assert answers(walk(6), question) != answers(walk(6), question, seed=1)
    assert {block.null for block in answers(walk(6), Question(trials=0))} == {None}


def test_nothing_moved_and_everything_is_said() -> None:
    (*_, joint) = answers(np.ones((5, SIZE)), Question(windows=[4, 5]))
    assert math.isnan(joint.shares[0])
    assert joint.null is not None
    assert math.isnan(joint.null.mean)


# --- live -------------------------------------------------------------------------------------------------------------


def added(pc1: ExpandingPC1, points: Sequence[NDArray[np.floating]]) -> list[float | None]:
    return [pc1.add(point) for point in points]


def test_the_live_share_is_that_of_the_windows() -> None:
    points = (walk(40) + 3).astype(np.float32)
    inside = np.concatenate([points[:, start:stop] for start, stop in covered(weight_blocks(LAYOUT))], axis=1)
    found = added(ExpandingPC1(LAYOUT), points)
    assert found[:3] == [None, None, None]
    assert found[3:] == pytest.approx([explained(inside[:end], 1)[0] for end in range(4, 41)], abs=1e-5)


def test_the_live_share_sees_the_matrices_alone() -> None:
    """As published: what embeddings, biases and norms do counts nothing."""
    points = walk(6)
    louder = points * 100
    for start, stop in covered(weight_blocks(LAYOUT)):
        louder[:, start:stop] = points[:, start:stop]
    assert added(ExpandingPC1(LAYOUT), points) == added(ExpandingPC1(LAYOUT), louder)
    assert added(ExpandingPC1(LAYOUT, "all"), points) != added(ExpandingPC1(LAYOUT, "all"), louder)


def test_the_live_share_remembers_copies() -> None:
    """A trainer may hand over the same buffer again and again."""
    points = walk(6)
    pc1, buffer, found = ExpandingPC1(LAYOUT), np.empty(SIZE), []
    for point in points:
        buffer[:] = point
        found.append(pc1.add(buffer))
    assert found == added(ExpandingPC1(LAYOUT), points)


def test_a_run_that_stands_still_or_diverges_has_no_share() -> None:
    assert added(ExpandingPC1(LAYOUT), [np.ones(SIZE)] * 5) == [None] * 5
    assert added(ExpandingPC1(LAYOUT), [*walk(4), np.full(SIZE, np.nan), np.full(SIZE, np.inf)])[4:] == [None, None]

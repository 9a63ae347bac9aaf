"""Projections are projections on every backend; bases are the directions they claim to be; controls are random."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import registry
from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Unavailable
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.geometry.blocks import Weights, covered, weight_blocks
from grokscope.geometry.subspaces import (
    Directions,
    Projector,
    Subspace,
    delta_basis,
    execution_share,
    gradient_basis,
    invariance,
    random_joint,
    random_like,
    trajectory_basis,
    weight_basis,
)
from grokscope.testing import reference

MODEL = ModelSpec("encoder", vocabulary=7, context=2, classes=7, width=8, layers=2, heads=2, feed_forward=12)
LAYOUT = layout(MODEL)
TRANSLATOR = ModelSpec(
    "encoder-decoder", vocabulary=5, context=4, classes=6, width=8, layers=2, heads=2, feed_forward=12,
    target_vocabulary=6, target_context=4,
)  # fmt: skip


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def walk(snapshots: int = 8, seed: int = 0) -> list[FloatArray]:
    """Flat vectors of MODEL that wander off from its start."""
    steps = 0.1 * random(seed).standard_normal((snapshots, LAYOUT.size))
    steps[0] = initial_parameters(MODEL, seed=1)
    return list(steps.cumsum(axis=0))


class NumPyVectors:
    """Plain NumPy in float64, so that results can be looked at as they are."""

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> FloatArray:
        return np.asarray(values, dtype=np.float64)

    def tonumpy(self, array: FloatArray) -> FloatArray:
        return array.copy()

    def concatenate(self, pieces: Sequence[FloatArray]) -> FloatArray:
        return np.concatenate(pieces)


NUMPY = NumPyVectors()


# --- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "weights", "count"),
    [
        (MODEL, "attention", 2 * 4),
        (MODEL, "matrices", 2 * 6),
        (MODEL, "all", 2 * 6 + 3),
        (TRANSLATOR, "matrices", 2 * 6 + 2 * 10),
        (TRANSLATOR, "all", 2 * 6 + 2 * 10 + 5),
    ],
)
def test_the_papers_blocks(model: ModelSpec, weights: Weights, count: int) -> None:
    blocks = weight_blocks(layout(model), weights)
    assert len(blocks) == count
    assert len({block.name for block in blocks}) == count
    assert all(math.prod(block.shape) == block.stop - block.start for block in blocks)
    assert all(one.stop <= other.start for one, other in pairwise(blocks))


def test_query_key_and_value_are_blocks_of_their_own() -> None:
    tensors = {p.name: np.zeros(p.shape, dtype=np.float32) for p in layout(TRANSLATOR)}
    tensors["transformer.decoder.layers.1.multihead_attn.in_proj_weight"][8:16] = 1
    vector = layout(TRANSLATOR).flatten(tensors)
    full = [b.name for b in weight_blocks(layout(TRANSLATOR)) if vector[b.start : b.stop].any()]
    (block,) = (b for b in weight_blocks(layout(TRANSLATOR)) if b.name == "decoder.1.cross.WK")
    assert full == [block.name]
    assert vector[block.start : block.stop].all()


def test_covered_slices_hold_all_blocks() -> None:
    slices = covered(weight_blocks(LAYOUT))
    assert sum(stop - start for start, stop in slices) == 2 * (4 * 8 * 8 + 2 * 8 * 12)
    assert all(one[1] < other[0] for one, other in pairwise(slices))


# --- subspaces --------------------------------------------------------------------------------------------------------


def test_a_subspace_is_checked() -> None:
    one = Directions("one", ((0, 2),), np.eye(2)[:1])
    with pytest.raises(ValueError, match="orthonormal"):
        Directions("long", ((0, 2),), np.array([[1.0, 1.0]]))
    with pytest.raises(ValueError, match="do not fit"):
        Directions("short", ((0, 3),), np.eye(2))
    with pytest.raises(ValueError, match="overlaps"):
        Subspace(4, (one, Directions("two", ((1, 3),), np.eye(2))))
    with pytest.raises(ValueError, match="leaves"):
        Subspace(1, (one,))
    with pytest.raises(ValueError, match="at least one"):
        Subspace(1, ())


def test_the_digest_tells_subspaces_apart() -> None:
    basis = trajectory_basis(walk(), LAYOUT)
    assert basis.digest == trajectory_basis(walk(), LAYOUT).digest
    assert basis.digest != trajectory_basis(walk(seed=1), LAYOUT).digest
    assert basis.digest != random_like(basis, random()).digest


# --- projection -------------------------------------------------------------------------------------------------------

BASIS = trajectory_basis(walk(), LAYOUT)
JOINT = trajectory_basis(walk(), LAYOUT, components=5, blocks="joint")


@pytest.mark.parametrize("name", ["reference", *registry.names("backends")])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("basis", [BASIS, JOINT], ids=["blocks", "joint"])
def test_every_backend_projects_alike(name: str, precision: Precision, basis: Subspace) -> None:
    """B Bᵀ v, its rest and its share, against the dense matrix in float64."""
    try:
        spec = reference.SPEC if name == "reference" else registry.get("backends", name)
        session = spec.open(MODEL, initial_parameters(MODEL, seed=1), device="cpu", precision=precision)
    except Unavailable as problem:
        pytest.skip(str(problem))
    vector = random(3).standard_normal(LAYOUT.size)
    rows = basis.dense()
    expected = rows.T @ (rows @ vector)
    tolerance = 1e-12 if precision == "float64" else 1e-5
    projector, on_device = Projector(basis, session), session.asarray(vector)
    assert session.tonumpy(projector.onto(on_device)) == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert session.tonumpy(projector.off(on_device)) == pytest.approx(vector - expected, rel=tolerance, abs=tolerance)
    share = float(np.linalg.norm(expected) / np.linalg.norm(vector))
    assert projector.share(on_device) == pytest.approx(share, rel=tolerance)
    assert invariance(on_device, projector) == pytest.approx(math.sqrt(1 - share**2), rel=tolerance)
    assert projector.coefficients(on_device) == pytest.approx(rows @ vector, rel=tolerance, abs=tolerance)
    assert session.tonumpy(on_device) == pytest.approx(vector, rel=1e-6), "what is projected stays what it was"


@pytest.mark.parametrize("name", registry.names("backends"))
def test_float32_sums_stay_exact_at_size(name: str) -> None:
    """Half a million terms: MLX adds them one after the other in `@`, which is off by 4e-4."""
    size = 500_001
    try:
        session = registry.get("backends", name).open(MODEL, initial_parameters(MODEL, seed=1), device="cpu")
    except Unavailable as problem:
        pytest.skip(str(problem))
    basis = random_joint(size, 2, random())
    vector = random(1).random(size).astype(np.float32)
    inside = basis.dense() @ vector.astype(np.float64)
    projector = Projector(basis, session)
    share = float(np.linalg.norm(inside) / np.linalg.norm(vector.astype(np.float64)))
    assert projector.share(session.asarray(vector)) == pytest.approx(share, rel=1e-5, abs=1e-5 * share + 1e-8)
    row = basis.blocks[0].vectors[0]
    assert projector.share(session.asarray(row)) == pytest.approx(1.0, abs=1e-5)


numbers = st.floats(-1e3, 1e3, allow_nan=False)


@given(
    coefficients=st.lists(numbers, min_size=BASIS.dimension, max_size=BASIS.dimension),
    scale=numbers,
    seed=st.integers(0, 2**31),
)
def test_projection_is_idempotent_symmetric_and_shortens(coefficients: list[float], scale: float, seed: int) -> None:
    projector = Projector(BASIS, NUMPY)
    inside = np.array(coefficients) @ BASIS.dense()
    vector = inside + scale * random(seed).standard_normal(LAYOUT.size)
    other = random(seed + 1).standard_normal(LAYOUT.size)
    onto = projector.onto(vector)
    size = 1 + float(np.linalg.norm(vector))
    assert projector.onto(onto) == pytest.approx(onto, abs=1e-12 * size)
    assert projector.onto(inside) == pytest.approx(inside, abs=1e-12 * size)
    assert onto @ other == pytest.approx(vector @ projector.onto(other), abs=1e-10 * size)
    assert np.linalg.norm(onto) <= np.linalg.norm(vector) * (1 + 1e-12)
    assert onto @ projector.off(vector) == pytest.approx(0, abs=1e-10 * size**2)
    assert onto + projector.off(vector) == pytest.approx(vector, abs=1e-12 * size)


def test_the_zero_vector_has_no_share() -> None:
    projector = Projector(BASIS, NUMPY)
    assert math.isnan(projector.share(np.zeros(LAYOUT.size)))
    assert math.isnan(invariance(np.zeros(LAYOUT.size), projector))


# --- bases ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weights", "dimension"), [("attention", 16), ("matrices", 24), ("all", 30)])
def test_the_papers_dimensions(weights: Weights, dimension: int) -> None:
    assert trajectory_basis(walk(), LAYOUT, blocks=weights).dimension == dimension


def test_trajectory_directions_are_those_of_the_explicit_svd() -> None:
    snapshots = walk()
    basis = trajectory_basis(snapshots, LAYOUT, components=3)
    for block, where in zip(basis.blocks, weight_blocks(LAYOUT), strict=True):
        points = np.stack([snapshot[where.start : where.stop] - snapshots[0][where.start : where.stop]
                           for snapshot in snapshots])  # fmt: skip
        right = np.linalg.svd(points - points.mean(axis=0))[2][:3]
        assert np.abs(block.vectors @ right.T) == pytest.approx(np.eye(3), abs=1e-10)


def test_a_short_trajectory_has_as_many_directions() -> None:
    """What counts as rounding is a share of the largest variance, not a size."""
    long, short = (trajectory_basis([size * each for each in walk()], LAYOUT, components=3) for size in (1.0, 1e-7))
    for one, other in zip(long.blocks, short.blocks, strict=True):
        assert one.vectors == pytest.approx(other.vectors, abs=1e-6)


def test_a_joint_basis_spans_the_plane_of_a_plane_trajectory() -> None:
    mask = np.zeros(LAYOUT.size)
    for start, stop in covered(weight_blocks(LAYOUT)):
        mask[start:stop] = 1
    one, other = random().standard_normal((2, LAYOUT.size)) * mask
    snapshots = [t * one + t**2 * other for t in range(5)]
    basis = trajectory_basis(snapshots, LAYOUT, components=3, blocks="joint")
    assert basis.dimension == 2, "rounding is no third direction"
    projector = Projector(basis, NUMPY)
    assert [projector.share(one), projector.share(other)] == pytest.approx([1, 1], abs=1e-12)


def test_a_block_that_stands_still_has_no_direction() -> None:
    snapshots = [np.array(snapshot) for snapshot in walk()]
    still = weight_blocks(LAYOUT)[3]
    for snapshot in snapshots:
        snapshot[still.start : still.stop] = 1
    names = [block.name for block in trajectory_basis(snapshots, LAYOUT).blocks]
    assert names == [block.name for block in weight_blocks(LAYOUT) if block != still]
    with pytest.raises(ValueError, match="all the same"):
        trajectory_basis([snapshots[0]] * 5, LAYOUT)
    with pytest.raises(ValueError, match="at least 2"):
        trajectory_basis(snapshots[:1], LAYOUT)
    assert trajectory_basis(snapshots[:2], LAYOUT).dimension == 11, "two points have one direction between them"


def test_singular_directions_hold_the_largest_part_of_each_matrix() -> None:
    start, *_, end = walk()
    basis = weight_basis(end, LAYOUT, components=3)
    assert basis.dimension == 36
    projector = Projector(basis, NUMPY)
    for where in weight_blocks(LAYOUT):
        alone = np.zeros(LAYOUT.size)
        alone[where.start : where.stop] = end[where.start : where.stop]
        sizes = np.linalg.svd(alone[where.start : where.stop].reshape(where.shape), compute_uv=False)
        share = np.linalg.norm(sizes[:3]) / np.linalg.norm(sizes)
        assert projector.share(alone) == pytest.approx(share, abs=1e-12)
    assert delta_basis(end, start, LAYOUT).digest == weight_basis(end - start, LAYOUT).digest
    assert gradient_basis([start, end], LAYOUT).digest == weight_basis(start + end, LAYOUT).digest
    with pytest.raises(ValueError, match="zero"):
        weight_basis(np.zeros(LAYOUT.size), LAYOUT)


# --- controls ---------------------------------------------------------------------------------------------------------


def test_a_random_subspace_is_orthonormal_and_shaped_alike() -> None:
    control = random_like(JOINT, random())
    assert [(block.name, block.slices, block.vectors.shape) for block in control.blocks] == [
        (block.name, block.slices, block.vectors.shape) for block in JOINT.blocks
    ]
    rows = random_like(BASIS, random()).dense()
    assert rows @ rows.T == pytest.approx(np.eye(BASIS.dimension), abs=1e-6)
    whole = random_joint(50, 50, random()).dense()
    assert whole @ whole.T == pytest.approx(np.eye(50), abs=1e-5)


def test_the_squared_share_in_random_subspaces_is_their_share_of_dimensions() -> None:
    size, dimension = 40, 6
    vector = random(5).standard_normal(size)
    generator = random(6)
    squares = [Projector(random_joint(size, dimension, generator), NUMPY).share(vector) ** 2 for _ in range(400)]
    spread = np.std(squares) / 20
    assert np.mean(squares) == pytest.approx(dimension / size, abs=4 * spread)


def test_the_control_without_subspaces_has_the_distribution_of_that_with() -> None:
    """Means and spreads of 500 shares each, for the published control and the matched one."""
    vector = random(5).standard_normal(LAYOUT.size)
    first = weight_blocks(LAYOUT)[0]
    vector[first.start : first.stop] *= 20
    projector = Projector(BASIS, NUMPY)
    generator = random(7)
    drawn = [execution_share([vector], projector, generator, draws=1) for _ in range(500)]
    joint = [Projector(random_joint(LAYOUT.size, 24, generator), NUMPY).share(vector) for _ in range(500)]
    matched = [Projector(random_like(BASIS, generator), NUMPY).share(vector) for _ in range(500)]
    for ours, made in (([each.random for each in drawn], joint), ([each.matched for each in drawn], matched)):
        assert np.mean(ours) == pytest.approx(np.mean(made), abs=4 * np.std(made) * math.sqrt(2 / 500))
        assert np.std(ours) == pytest.approx(np.std(made), rel=0.2)
    assert np.mean([each.random for each in drawn]) == pytest.approx(drawn[0].theory, rel=0.05)
    assert np.mean(matched) > 1.05 * np.mean(joint), "one loud block raises the share in any directions of its own"


def test_execution_share_is_a_median_over_vectors() -> None:
    inside = BASIS.dense()[0]
    projector = Projector(BASIS, NUMPY)
    outside = projector.off(random().standard_normal(LAYOUT.size))
    found = execution_share([inside, outside, inside, np.zeros(LAYOUT.size)], projector, random())
    assert (found.dimension, found.size, found.share) == (24, LAYOUT.size, pytest.approx(1.0))
    assert found.theory == math.sqrt(24 / LAYOUT.size)
    assert found.ratio == found.share / found.random
    assert found.matched_ratio == found.share / found.matched
    with pytest.raises(ValueError, match="no vector"):
        execution_share([np.zeros(LAYOUT.size)], projector, random())


def test_scan_needs_two_numbers_a_parameter() -> None:
    """4 million parameters, 96 dimensions."""
    model: Any = ModelSpec(
        "encoder-decoder", vocabulary=16, context=11, classes=9, width=256, layers=3, heads=4, feed_forward=512,
        target_vocabulary=9, target_context=50,
    )  # fmt: skip
    size = layout(model).size
    start = np.zeros(size, dtype=np.float32)
    snapshots = [start, *random().standard_normal((2, size), dtype=np.float32)]
    basis = trajectory_basis(snapshots, layout(model))
    assert basis.dimension == 96
    assert sum(block.vectors.size for block in basis.blocks) < 2 * size

"""The defect, where it can be known: on quadratics f_i(θ) = ½ θᵀ H_i θ − b_iᵀ θ, whose third derivative is zero.

There the difference of two steps is eta² (H_B g_A − H_A g_B) for every eta, and both estimators must say the same.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Bracket
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import layout
from grokscope.geometry import commutator
from grokscope.geometry.commutator import (
    EPSILON,
    EXACT_ROUNDING,
    Commutator,
    CommutatorSample,
    block_shares,
    bracket,
    dot,
    exact,
    finite_difference,
    norm,
)
from grokscope.testing.backends import CASES
from grokscope.testing.reference import ReferenceSession
from grokscope.testing.vectors import StrictVector

Quadratic = tuple[FloatArray, FloatArray]
"""H [size, size], symmetric, and b [size]"""


class Quadratics:
    """A landscape whose batches are quadratics. Computes in the precision of theta."""

    def gradient(self, theta: FloatArray, batch: Quadratic) -> tuple[Any, FloatArray]:
        hessian, linear = (part.astype(theta.dtype) for part in batch)
        product = hessian @ theta
        return theta @ product / 2 - linear @ theta, product - linear

    def hessian_vector_product(self, theta: FloatArray, batch: Quadratic, vector: FloatArray) -> FloatArray:
        return batch[0].astype(theta.dtype) @ vector


LANDSCAPE = Quadratics()
SEEDS = range(5)

near = partial(pytest.approx, rel=1e-12, abs=0)
"""Equal but for rounding. `approx` alone also allows 1e-12 of difference, and many floors are smaller than 1e-12."""


def quadratic(random: np.random.Generator, size: int = 6) -> Quadratic:
    root = random.normal(size=(size, size))
    return (root + root.T) / 2, random.normal(size=size)


def problem(seed: int, size: int = 6) -> tuple[FloatArray, Quadratic, Quadratic]:
    """A point and two quadratics."""
    random = np.random.default_rng(seed)
    return random.normal(size=size), quadratic(random, size), quadratic(random, size)


def with_gradient_norms(norm_a: float, norm_b: float) -> tuple[FloatArray, Quadratic, Quadratic]:
    """A problem at the origin, where the gradient is −b."""
    theta, (hessian_a, linear_a), (hessian_b, linear_b) = problem(0)
    scaled_a, scaled_b = linear_a / norm(linear_a) * norm_a, linear_b / norm(linear_b) * norm_b
    return np.zeros_like(theta), (hessian_a, scaled_a), (hessian_b, scaled_b)


def plain(theta: FloatArray, batch_a: Any, batch_b: Any, landscape: Any = None, **options: Any) -> CommutatorSample:
    """A finite difference without the paper's adaptation, and without its guard unless one is given."""
    options = {"precision": "float64", "adaptive": False, "guard": 0.0} | options
    return finite_difference(landscape or LANDSCAPE, theta, batch_a, batch_b, **options)


# --- the exact estimator ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_is_the_lie_bracket(seed: int) -> None:
    theta, (hessian_a, linear_a), (hessian_b, linear_b) = problem(seed)
    sample = exact(LANDSCAPE, theta, (hessian_a, linear_a), (hessian_b, linear_b), precision="float64")
    gradient_a, gradient_b = hessian_a @ theta - linear_a, hessian_b @ theta - linear_b
    np.testing.assert_array_equal(sample.commutator, hessian_b @ gradient_a - hessian_a @ gradient_b)
    assert sample.eta is None


BY_HAND = (
    np.array([3.0, 4.0]),
    (np.diag([1.0, 2.0]), np.zeros(2)),
    (np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)),
)
"""θ = (3, 4), H_A = diag(1, 2), H_B = [[0, 1], [1, 0]] and b = 0: g_A = (3, 8), g_B = (4, 3), H_B g_A = (8, 3),
H_A g_B = (4, 6). The gradients are √73 and 5 long, and the commutator is (4, −3), of length 5."""


@pytest.mark.parametrize(("precision", "epsilon"), [("float32", 2**-23), ("float64", 2**-52)])
def test_every_number_by_hand(precision: Precision, epsilon: float) -> None:
    sample = exact(LANDSCAPE, *BY_HAND, precision=precision)
    np.testing.assert_array_equal(sample.commutator, [4, -3])
    assert sample.commutator_norm == 5
    assert sample.gradient_norm_a == near(math.sqrt(73))
    assert sample.gradient_norm_b == 5
    assert sample.defect == near(1 / math.sqrt(73))
    assert sample.gradient_cosine == near(36 / (5 * math.sqrt(73)))
    both = math.sqrt(73) + math.sqrt(52)
    assert sample.relative_commutator == near(5 / both)
    assert sample.floor == near(64 * epsilon * both / (5 * math.sqrt(73)))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_equal_batches_have_no_defect_and_it_is_marked(precision: Precision) -> None:
    theta, batch, _ = problem(0)
    sample = exact(LANDSCAPE, theta.astype(precision), batch, batch, precision=precision)
    assert sample.defect == sample.relative_commutator == 0
    assert sample.gradient_cosine == pytest.approx(1, rel=4 * EPSILON[precision], abs=0)
    assert Commutator([sample], "exact", precision).below_floor


def test_commuting_hessians_with_one_minimum_have_no_defect() -> None:
    random = np.random.default_rng(0)
    axes, _ = np.linalg.qr(random.normal(size=(6, 6)))
    minimum = random.normal(size=6)
    hessians = [axes @ np.diag(random.uniform(0.5, 2, 6)) @ axes.T for _ in "ab"]
    shared = [(hessian, hessian @ minimum) for hessian in hessians]
    sample = exact(LANDSCAPE, random.normal(size=6), *shared, precision="float64")
    assert Commutator([sample], "exact", "float64").below_floor
    apart = [(hessian, hessian @ random.normal(size=6)) for hessian in hessians]
    assert exact(LANDSCAPE, random.normal(size=6), *apart, precision="float64").defect > 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_swapping_the_batches_turns_the_commutator_around(seed: int) -> None:
    theta, batch_a, batch_b = problem(seed)
    for estimate in (exact, finite_difference):
        forth = estimate(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
        back = estimate(LANDSCAPE, theta, batch_b, batch_a, precision="float64")
        np.testing.assert_array_equal(forth.commutator, -back.commutator)
        assert forth.defect == near(back.defect)
        assert forth.floor == near(back.floor)
        assert (forth.gradient_norm_a, forth.gradient_norm_b) == (back.gradient_norm_b, back.gradient_norm_a)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 12))
def test_rotating_the_coordinates_changes_nothing(seed: int, size: int) -> None:
    theta, batch_a, batch_b = problem(seed, size)
    turn, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(size, size)))
    turned_a, turned_b = ((turn @ hessian @ turn.T, turn @ linear) for hessian, linear in (batch_a, batch_b))
    before = exact(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
    after = exact(LANDSCAPE, turn @ theta, turned_a, turned_b, precision="float64")
    assert after.defect == pytest.approx(before.defect, rel=1e-9, abs=before.floor)
    np.testing.assert_allclose(after.commutator, turn @ before.commutator, atol=1e-11 * (1 + before.commutator_norm))


@given(scale=st.floats(1e-6, 1e6), stretch=st.floats(1e-3, 1e3))
def test_units_of_loss_and_of_length(scale: float, stretch: float) -> None:
    """A loss times c: g and H times c, D unchanged. Coordinates times s: g / s, H / s², D / s."""
    theta, batch_a, batch_b = problem(1)
    before = exact(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
    scaled = ((scale * hessian, scale * linear) for hessian, linear in (batch_a, batch_b))
    after = exact(LANDSCAPE, theta, *scaled, precision="float64")
    assert after.defect == near(before.defect)
    assert after.commutator_norm == near(scale**2 * before.commutator_norm)
    assert after.relative_commutator == near(before.relative_commutator)
    assert after.floor == near(before.floor)
    stretched = ((hessian / stretch**2, linear / stretch) for hessian, linear in (batch_a, batch_b))
    assert exact(LANDSCAPE, stretch * theta, *stretched, precision="float64").defect == near(before.defect / stretch)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 12))
def test_relative_commutator_lies_between_0_and_1(seed: int, size: int) -> None:
    relative = exact(LANDSCAPE, *problem(seed, size), precision="float64").relative_commutator
    assert relative is not None
    assert 0 <= relative <= 1


class TestBracketPath:
    class Whole(Quadratics):
        def bracket(self, theta: FloatArray, batch_a: Quadratic, batch_b: Quadratic) -> Bracket:
            return Bracket(*(np.full(2, value) for value in (3.0, 5.0, 7.0, 11.0)))

    def test_is_taken_where_it_is_offered(self) -> None:
        theta, batch_a, batch_b = problem(0)
        sample = exact(self.Whole(), theta, batch_a, batch_b, precision="float64")
        np.testing.assert_array_equal(sample.commutator, [-4, -4])
        assert sample.defect == near(4 * math.sqrt(2) / (15 * 2))

    def test_its_parts_stand_in_order_where_it_is_not(self) -> None:
        theta, batch_a, batch_b = problem(0)
        parts = bracket(LANDSCAPE, theta, batch_a, batch_b)
        _, gradient_a = LANDSCAPE.gradient(theta, batch_a)
        _, gradient_b = LANDSCAPE.gradient(theta, batch_b)
        for found, expected in zip(
            parts, (gradient_a, gradient_b, batch_b[0] @ gradient_a, batch_a[0] @ gradient_b), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


# --- the finite difference --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", [0.0, 1e-12, 3.0])
@pytest.mark.parametrize("eta", [0.5, 2.0**-14])
def test_every_number_of_a_finite_difference_by_hand(eta: float, guard: float) -> None:
    """Both steps are powers of 2, so that float64 rounds nothing on the way; the floor is that of float32. The second
    gradients change by −eta (8, 3) and by −eta (4, 6). Of the two limits of the rounding error, the first is the
    smaller one where eta is tiny."""
    sample = plain(*BY_HAND, eta=eta, guard=guard, precision="float32")
    np.testing.assert_array_equal(sample.commutator, [4, -3])
    assert (sample.eta, sample.relative_commutator) == (eta, None)
    assert sample.commutator_norm == 5
    assert sample.gradient_norm_a == near(math.sqrt(73))
    assert sample.gradient_norm_b == 5
    assert sample.gradient_cosine == near(36 / (5 * math.sqrt(73)))
    denominator = eta**2 * 5 * math.sqrt(73) + guard
    assert sample.defect == near(eta**2 * 5 / denominator)
    grid = 0.72 * 2**-23
    carried, rounded = eta * math.sqrt(grid * (3 * 12 + 4 * 9)), grid * 5 / math.sqrt(3)
    assert (carried < rounded) == (eta < 0.5)
    assert sample.floor == near(min(carried, rounded) / denominator)


@given(seed=st.integers(0, 2**32 - 1), eta=st.floats(1e-3, 10))
def test_finite_difference_of_quadratics_is_exact_for_every_step(seed: int, eta: float) -> None:
    theta, batch_a, batch_b = problem(seed)
    expected = exact(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
    found = plain(theta, batch_a, batch_b, eta=eta)
    rounding = 1e-14 * (1 + eta + eta**2) * 100 / eta**2
    np.testing.assert_allclose(found.commutator, expected.commutator, atol=rounding)
    assert found.defect * found.gradient_norm_a * found.gradient_norm_b == pytest.approx(
        expected.commutator_norm, abs=rounding * 3
    )
    assert (found.eta, found.relative_commutator) == (eta, None)


def test_finite_difference_of_a_curved_landscape_errs_by_the_order_of_the_step() -> None:
    """O(eta³) in θ_AB − θ_BA is O(eta) in D: ten times the step, ten times the error."""
    session, theta, batch_a, batch_b = _model("encoder", "float64")
    expected = exact(session, theta, batch_a, batch_b, precision="float64").defect
    errors = [abs(plain(theta, batch_a, batch_b, landscape=session, eta=eta).defect - expected) for eta in (1e-3, 1e-4)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
    assert errors[0] < 1e-3 * expected


class TestPaper:
    """Step and guard as the author's Dyck and SCAN code has them: eta 1e-3; 1e-6; at most 1; 1e-12."""

    @pytest.mark.parametrize(
        ("norm_a", "norm_b", "eta"),
        [
            (1.0, 1.0, 1e-3),
            (1.1e-3, 1.0, 1e-3),  # the shorter step is 1.1e-6: left alone
            (5e-4, 1.0, 2e-3),
            (1.0, 1e-5, 0.1),
            (1e-5, 2e-5, 0.1),
            (1e-7, 1e-7, 1.0),  # 10, if there were no largest
            (0.0, 1.0, 1.0),
        ],
    )
    def test_adaptive_step(self, norm_a: float, norm_b: float, eta: float) -> None:
        theta, batch_a, batch_b = with_gradient_norms(norm_a, norm_b)
        sample = finite_difference(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
        assert sample.eta == near(eta)

    def test_no_adaptation_where_none_is_asked_for(self) -> None:
        theta, batch_a, batch_b = with_gradient_norms(1e-5, 1e-5)
        assert plain(theta, batch_a, batch_b).eta == 1e-3

    def test_guard_halves_the_result_where_both_steps_are_1e_6(self) -> None:
        theta, batch_a, batch_b = with_gradient_norms(1e-5, 1e-5)
        guarded = finite_difference(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
        free = finite_difference(LANDSCAPE, theta, batch_a, batch_b, precision="float64", guard=0.0)
        assert guarded.defect / free.defect == near(0.5)

    def test_as_its_code_writes_it(self) -> None:
        theta, batch_a, batch_b = problem(3)

        def descended(point: FloatArray, *batches: Quadratic) -> FloatArray:
            for hessian, linear in batches:
                point = point - 1e-3 * (hessian @ point - linear)
            return point

        delta = norm(descended(theta, batch_a, batch_b) - descended(theta, batch_b, batch_a))
        steps = [1e-3 * norm(hessian @ theta - linear) for hessian, linear in (batch_a, batch_b)]
        sample = finite_difference(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
        assert sample.defect == near(delta / (steps[0] * steps[1] + 1e-12))


# --- rounding ---------------------------------------------------------------------------------------------------------


def _model(case_name: str, precision: Precision) -> tuple[ReferenceSession, StrictVector, Any, Any]:
    case = CASES[case_name]
    session = ReferenceSession(case.model, case.parameters, precision)
    packer = Packer(case.examples, case.model)
    batch_a, batch_b = (session.prepare(packer.batch(case.batch(name))) for name in "ab")
    return session, session.asarray(case.parameters), batch_a, batch_b


def _quadratic(seed: int) -> tuple[Any, ...]:
    """A landscape, a point in float32 and in float64, and two batches. Float32 holds them exactly, so that both
    precisions are asked about the same point."""
    theta, batch_a, batch_b = problem(seed, 200)
    rounded = [tuple(part.astype(np.float32).astype(np.float64) for part in batch) for batch in (batch_a, batch_b)]
    theta = theta.astype(np.float32)
    return LANDSCAPE, theta, theta.astype(np.float64), *rounded


def _network(name: str) -> tuple[Any, ...]:
    """The same of a transformer."""
    session, theta, batch_a, batch_b = _model(name, "float32")
    return session, theta, session.asarray(session.tonumpy(theta), "float64"), batch_a, batch_b


POINTS = [
    *(pytest.param(lambda seed=seed: _quadratic(seed), id=f"quadratic-{seed}") for seed in SEEDS),
    *(pytest.param(lambda name=name: _network(name), id=name) for name in CASES),
]


def difference(rough: CommutatorSample, true: CommutatorSample) -> float:
    """How far apart their commutators are, as vectors, so that no cancellation flatters an estimate."""
    return float(np.linalg.norm(asnumpy(rough.commutator) - asnumpy(true.commutator)))


def asnumpy(vector: Any) -> FloatArray:
    return vector.tonumpy() if isinstance(vector, StrictVector) else vector


@pytest.mark.parametrize("point", POINTS)
def test_floor_of_a_finite_difference_is_the_size_of_its_error(point: Any) -> None:
    landscape, theta, precisely, batch_a, batch_b = point()
    rough = finite_difference(landscape, theta, batch_a, batch_b, precision="float32")
    true = finite_difference(landscape, precisely, batch_a, batch_b, precision="float64")
    assert rough.eta == true.eta == 1e-3
    error = difference(rough, true) / (rough.gradient_norm_a * rough.gradient_norm_b)
    assert rough.floor / 2 < error < 2 * rough.floor


@pytest.mark.parametrize("point", POINTS)
def test_error_of_exact_lies_under_its_floor(point: Any) -> None:
    landscape, theta, precisely, batch_a, batch_b = point()
    rough = exact(landscape, theta, batch_a, batch_b, precision="float32")
    true = exact(landscape, precisely, batch_a, batch_b, precision="float64")
    error = difference(rough, true) / (rough.gradient_norm_a * rough.gradient_norm_b)
    assert 0 < error < rough.floor
    assert rough.floor < 0.01 * true.defect
    assert rough.floor == pytest.approx(EPSILON["float32"] / EPSILON["float64"] * true.floor, rel=1e-3, abs=0)
    assert EXACT_ROUNDING * EPSILON["float32"] < 1e-5


def test_exact_sees_what_drowns_in_a_finite_difference() -> None:
    """Small gradients beside large weights: the plateau of a memorized model."""
    theta, batch_a, batch_b = with_gradient_norms(1e-4, 1e-4)
    shifted = theta + 100
    batch_a, batch_b = ((hessian, linear + hessian @ shifted) for hessian, linear in (batch_a, batch_b))
    batches = [tuple(part.astype(np.float64) for part in batch) for batch in (batch_a, batch_b)]
    true = exact(LANDSCAPE, shifted, *batches, precision="float64")  # type: ignore[arg-type]
    assert not Commutator([true], "exact", "float64").below_floor
    rough = finite_difference(LANDSCAPE, shifted, *batches, precision="float32")  # type: ignore[arg-type]
    assert Commutator([rough], "finite-difference", "float32").below_floor


# --- several samples, and what is not finite --------------------------------------------------------------------------


def sample_of(defect: float, floor: float = 0.1) -> CommutatorSample:
    theta, batch_a, batch_b = problem(0)
    return replace(exact(LANDSCAPE, theta, batch_a, batch_b, precision="float64"), defect=defect, floor=floor)


def test_quartiles_interpolate() -> None:
    measured = Commutator([sample_of(value) for value in (4.0, 1.0, 2.0, 8.0)], "exact", "float64")
    assert measured.quartiles() == (1.75, 3.0, 5.0)
    assert measured.median(lambda sample: sample.eta) is None
    assert measured.median(lambda sample: sample.defect) == 3.0


def test_floor_is_the_median_of_all_floors() -> None:
    assert Commutator([sample_of(1.0, floor) for floor in (0.5, 8.0, 0.25)], "exact", "float64").floor == 0.5


@pytest.mark.parametrize(
    ("defect", "floor", "below"),
    [
        (0.31, 0.1, False),
        (0.375, 0.125, False),
        (0.29, 0.1, True),
        (0.0, 0.0, False),
        (math.nan, 0.1, True),
        (math.inf, 0.1, True),
        (math.inf, math.inf, True),
        (1.0, math.nan, True),
    ],
)
def test_below_floor(defect: float, floor: float, below: bool) -> None:
    assert Commutator([sample_of(defect, floor)], "exact", "float64").below_floor is below


@pytest.mark.parametrize("norms", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("estimator", ["exact", "finite-difference"])
def test_a_vanished_gradient_has_no_defect_to_read(norms: tuple[float, float], estimator: Any) -> None:
    theta, batch_a, batch_b = with_gradient_norms(*norms)
    if estimator == "exact":
        sample = exact(LANDSCAPE, theta, batch_a, batch_b, precision="float64")
    else:
        sample = plain(theta, batch_a, batch_b)
    assert not math.isfinite(sample.defect)
    assert math.isnan(sample.gradient_cosine)
    assert Commutator([sample], estimator, "float64").below_floor


def test_one_sample_that_is_no_number_spoils_the_median() -> None:
    measured = Commutator([sample_of(1.0), sample_of(math.nan), sample_of(2.0)], "exact", "float64")
    assert all(map(math.isnan, measured.quartiles()))
    assert measured.below_floor


# --- shares and inner products ----------------------------------------------------------------------------------------


def test_shares_of_blocks_sum_to_1() -> None:
    session, theta, batch_a, batch_b = _model("encoder-decoder", "float64")
    groups = layout(session.model).groups()
    found = block_shares(exact(session, theta, batch_a, batch_b, precision="float64").commutator, groups)
    blocks = {"embedding", "attention", "mlp", "norm", "head"}
    assert sum(found[block] for block in blocks) == near(1)
    layers = found.keys() - blocks
    assert layers == {"encoder.0", "encoder.1", "decoder.0", "decoder.1"}
    assert 0 < sum(found[layer] for layer in layers) < 1


def test_shares_by_hand() -> None:
    groups = {"ends": [(0, 1), (3, 4)], "middle": [(1, 3)]}
    assert block_shares(np.array([3.0, 0.0, 4.0, 0.0]), groups) == {"ends": 9 / 25, "middle": 16 / 25}
    assert all(math.isnan(share) for share in block_shares(np.zeros(4), groups).values())


@given(size=st.integers(0, 20_000))
def test_inner_products_of_every_length(size: int) -> None:
    left, right = np.arange(1.0, size + 1), np.full(size, 2.0)
    assert dot(left, right) == size * (size + 1)


def test_inner_products_keep_their_digits() -> None:
    terms = np.random.default_rng(0).normal(size=270_001).astype(np.float32)
    expected = float(terms.astype(np.float64) @ terms.astype(np.float64))
    assert dot(terms, terms) == pytest.approx(expected, rel=1e-6)


def test_paper_constants() -> None:
    assert (commutator.PAPER_ETA, commutator.SMALLEST_STEP, commutator.LARGEST_ETA, commutator.GUARD) == (
        1e-3, 1e-6, 1.0, 1e-12,
    )  # fmt: skip

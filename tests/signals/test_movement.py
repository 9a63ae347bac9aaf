"""Signals of gradients, commutators and snapshots, on landscapes whose batches are quadratics."""

from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from signals_made import MadeVantage, Numbers, made_layout, opened

from grokscope.contract.signals import NotOffered, Subject

LAYOUT = made_layout({"emb": (2, 2), "up": (2, 2), "down": (2, 3)})
SUBJECT = Subject("made", layout=LAYOUT)
SIZE = LAYOUT.size


class Quadratics:
    """Batches (H, b): loss θᵀHθ/2 − bᵀθ."""

    def gradient(self, theta: Numbers, batch: Any) -> tuple[float, Numbers]:
        hessian, linear = batch
        return float(theta @ hessian @ theta / 2 - linear @ theta), hessian @ theta - linear

    def hessian_vector_product(self, theta: Numbers, batch: Any, vector: Numbers) -> Numbers:
        return np.asarray(batch[0] @ vector)


def commuting_up_to(commutator: Numbers) -> tuple[Any, Any]:
    """Batches A and B whose commutator is `commutator` at every point: H_A = 0, b_A = −u, and H_B u = commutator."""
    u = np.zeros(SIZE)
    u[0] = 1.0
    hessian = np.zeros((SIZE, SIZE))
    hessian[:, 0] = commutator
    hessian[0, :] = commutator
    return (np.zeros((SIZE, SIZE)), -u), (hessian, np.zeros(SIZE))


def moment(commutator: Numbers, snapshots: list[Numbers], parameters: Numbers, **more: Any) -> MadeVantage:
    taken = [(100 * index, each) for index, each in enumerate(snapshots)]
    return MadeVantage(
        step=100 * len(snapshots) - 100, landscape=Quadratics(), batches=[commuting_up_to(commutator)], layout=LAYOUT,
        parameters=parameters, taken=taken, **more,
    )  # fmt: skip


def one(index: int, value: float = 1.0) -> Numbers:
    vector = np.zeros(SIZE)
    vector[index] = value
    return vector


# --- alignments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("linear", "cosine"), [(2.0, 1.0), (-3.0, -1.0)])
def test_descent_that_only_scales(linear: float, cosine: float) -> None:
    """H = 0 and b = c θ: g = −c θ."""
    theta = np.array([3.0, 4.0])
    batch = np.zeros((2, 2)), linear * theta
    vantage = MadeVantage(parameters=theta, landscape=Quadratics(), batches=[(batch, None)])
    assert opened("gradient_alignment").observe(vantage)["gradient_alignment"] == pytest.approx(cosine)


def test_alignment_of_descent_by_hand() -> None:
    """θ = (3, 4), −g = b = (1, 0): 3 / 5; where the gradient is zero there is no angle."""
    theta = np.array([3.0, 4.0])
    batches = [((np.zeros((2, 2)), np.array([1.0, 0.0])), None)]
    vantage = MadeVantage(parameters=theta, landscape=Quadratics(), batches=batches)
    assert opened("gradient_alignment").observe(vantage)["gradient_alignment"] == pytest.approx(3 / 5)
    flat = MadeVantage(parameters=theta, landscape=Quadratics(), batches=[((np.zeros((2, 2)), np.zeros(2)), None)])
    assert opened("gradient_alignment").observe(flat) == {"gradient_alignment": None}


def test_movement_by_decay_alone_points_to_the_origin() -> None:
    theta = np.array([3.0, 4.0])
    vantage = MadeVantage(step=200, taken=[(0, theta), (100, 0.9 * theta), (200, 0.8 * theta)])
    assert opened("step_alignment").observe(vantage)["step_alignment"] == pytest.approx(1)
    sideways = MadeVantage(step=100, taken=[(0, theta), (100, theta + np.array([-4.0, 3.0]))])
    assert opened("step_alignment").observe(sideways)["step_alignment"] == pytest.approx(0, abs=1e-15)


def test_movement_is_taken_over_its_window() -> None:
    """From (1, 0) over (1, 1) to (0, 1): the last step is −x at (1, 1), both together −x + y at (1, 0)."""
    taken = [(0, np.array([1.0, 0.0])), (100, np.array([1.0, 1.0])), (200, np.array([0.0, 1.0]))]
    vantage = MadeVantage(step=200, taken=taken)
    assert opened("step_alignment").observe(vantage)["step_alignment"] == pytest.approx(1 / sqrt(2))
    assert opened("step_alignment", window=2).observe(vantage)["step_alignment"] == pytest.approx(1 / sqrt(2))
    assert opened("step_alignment", window=3).observe(vantage) == {}
    signal = opened("step_alignment")
    along = [signal.observe(MadeVantage(step=step, taken=taken)) for step in (0, 100, 200)]
    assert along == [{}, {"step_alignment": 0}, opened("step_alignment").observe(vantage)]


def with_gradients(point: Numbers, *gradients: Numbers) -> MadeVantage:
    """Examples whose losses have these gradients."""
    flat = np.zeros((len(point), len(point)))
    return MadeVantage(parameters=point, landscape=Quadratics(), examples=[(flat, -each) for each in gradients])


@pytest.mark.parametrize(
    ("gradients", "share"),
    [
        ([[1.0, 0, 0]], 13 / 14),
        ([[0.001, 0, 0], [0, -50.0, 0]], 9 / 14),
        ([[1.0, 0, 0], [1, 1, 0], [3, -2, 0]], 9 / 14),
        ([[1.0, 2, 3]], 0),
        ([[3.0, 0, -1]], 1),
        ([[0.0, 0, 0], [1, 0, 0]], 13 / 14),
        ([[0.0, 0, 0]], 1),
    ],
)
def test_tangential_share(gradients: list[list[float]], share: float) -> None:
    """θ = (1, 2, 3): what is left of 1² + 2² + 3² outside of the span of the gradients, however long they are."""
    vantage = with_gradients(np.array([1.0, 2.0, 3.0]), *map(np.array, gradients))
    seen = opened("tangential_share", examples=len(gradients)).observe(vantage)
    assert seen["tangential_share"] == pytest.approx(share, abs=1e-12)


def test_tangential_share_by_the_pseudoinverse() -> None:
    random = np.random.default_rng(0)
    gradients, point = random.normal(size=(5, 20)), random.normal(size=20)
    seen = opened("tangential_share", examples=5).observe(with_gradients(point, *gradients))
    tangential = point - np.linalg.pinv(gradients) @ gradients @ point
    assert seen["tangential_share"] == pytest.approx(tangential @ tangential / (point @ point))


def test_all_examples_where_there_are_fewer() -> None:
    point = np.array([1.0, 2.0, 3.0])
    vantage = with_gradients(point, np.array([1.0, 0, 0]))
    assert opened("tangential_share").observe(vantage)["tangential_share"] == pytest.approx(13 / 14)
    with pytest.raises(NotOffered):
        opened("tangential_share").observe(with_gradients(point))


# --- the commutator and the trajectory --------------------------------------------------------------------------------


def trajectory() -> list[Numbers]:
    """Four snapshots; the matrix `up` (entries 4 to 7) moves along entry 4 and then 5, the rest stands."""
    return [one(4, value) + one(5, value**2) for value in (0.0, 1.0, 2.0, 3.0)]


@pytest.mark.parametrize(
    ("commutator", "transverse"),
    [(one(4), 0.0), (one(4) + one(5, 2), 0.0), (one(9), 1.0), (one(4, 3) + one(10, 4), 4 / 5), (one(6), 1.0)],
)
def test_transverse_share(commutator: Numbers, transverse: float) -> None:
    vantage = moment(commutator, trajectory(), one(0))
    seen = opened("transverse_share", SUBJECT).observe(vantage)["transverse_share"]
    assert seen == pytest.approx(transverse, abs=1e-6)


def test_exec_random_by_both_nulls() -> None:
    """Two of the four directions of `up` and none of the rest are the subspace: K/P = 2/4 there, 2/14 in all."""
    commutator = one(4, 3) + one(6, 4) + one(10, 12)
    seen = opened("exec_random", SUBJECT).observe(moment(commutator, trajectory(), one(0)))
    assert seen["exec_random"] == pytest.approx(3 / sqrt(2 / 4 * 25), rel=1e-6)
    assert seen["exec_random_published"] == pytest.approx(3 / (sqrt(2 / 14) * 13), rel=1e-6)


def test_a_random_commutator_has_the_ratio_one() -> None:
    """Root mean square over commutators uniform in the block, by the null of the blocks."""
    random = np.random.default_rng(0)
    squares = []
    for _ in range(300):
        commutator = np.zeros(SIZE)
        commutator[4:8] = random.normal(size=4)
        ratio = opened("exec_random", SUBJECT).observe(moment(commutator, trajectory(), one(0)))["exec_random"]
        squares.append(float(ratio or 0) ** 2)
    assert np.mean(squares) == pytest.approx(1, abs=4 * np.std(squares) / sqrt(300))


@pytest.mark.parametrize("name", ["transverse_share", "exec_random"])
def test_a_subspace_takes_four_snapshots(name: str) -> None:
    assert opened(name, SUBJECT).observe(moment(one(4), trajectory()[:3], one(0))) == {}


@pytest.mark.parametrize("name", ["transverse_share", "exec_random", "converse_alignment"])
def test_opened_anew_they_say_the_same(name: str) -> None:
    snapshots = trajectory()
    lasting = opened(name, SUBJECT)
    for count in (1, 2, 3, 4):
        vantage = moment(
            one(4) + one(9), snapshots[:count], snapshots[count - 1] + one(4), decay_time=0.1 * (count - 1)
        )
        assert lasting.observe(vantage) == opened(name, SUBJECT).observe(vantage)


def test_converse_alignment_by_hand() -> None:
    """The weights went from snapshot 2 (τ 0.2) to θ along (3, 4) in entries 4 and 5, the commutator is along 5."""
    snapshots = trajectory()
    theta = snapshots[2] + one(4, 3) + one(5, 4)
    vantage = moment(one(5, -7), snapshots, theta, decay_time=0.3)
    seen = opened("converse_alignment", SUBJECT).observe(vantage)
    assert seen["converse_alignment"] == pytest.approx(4 / 5)
    assert seen["converse_alignment_over_chance"] == pytest.approx(4 / 5 / sqrt(2 / (pi * SIZE)))
    further = opened("converse_alignment", SUBJECT, decay_time=0.15).observe(vantage)["converse_alignment"]
    moved = theta - snapshots[1]
    assert further == pytest.approx(abs(moved[5]) / np.linalg.norm(moved))


def test_converse_alignment_needs_a_clock_and_a_past() -> None:
    snapshots = trajectory()
    assert opened("converse_alignment", SUBJECT).observe(moment(one(4), snapshots, one(0), decay_time=0.0)) == {}
    assert opened("converse_alignment", SUBJECT).observe(moment(one(4), snapshots[:2], one(0), decay_time=0.05)) == {}


@pytest.mark.parametrize("name", ["transverse_share", "exec_random", "converse_alignment"])
def test_without_a_model_there_is_no_commutator(name: str) -> None:
    with pytest.raises(ValueError, match="needs a model"):
        opened(name, Subject("made"))

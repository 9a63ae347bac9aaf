"""Signals of predictions on the test, each against numbers worked out by hand."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signals_made import MadeVantage, answers, opened

from grokscope.contract.signals import NotOffered
from grokscope.signals.hankel_dmd import LEVELS, NAMES, residual, weighted_quantiles
from grokscope.signals.ildr import distance_ratio
from grokscope.signals.spectral_entropy import normalized_entropy

# --- logits -----------------------------------------------------------------------------------------------------------

LOGITS = [[3.0, 1.0, 2.0], [0.0, 0.0, 0.0], [-2.0, 4.0, 4.0]]
"""Three reads of three classes"""


def test_answer_rank() -> None:
    """Right answers 2, 0, 1: one of two wrong ones above; both tied; one tied. The last read counts twice."""
    vantage = MadeVantage(answered={"test": [answers([2, 0, 1], logits=LOGITS, times=[1, 1, 2])]})
    assert opened("answer_rank").observe(vantage)["answer_rank"] == pytest.approx((0.5 + 0.5 + 2 * 0.25) / 4)


@pytest.mark.parametrize(("label", "rank"), [(0, 0.0), (1, 1.0), (2, 0.5)])
def test_answer_rank_goes_from_0_to_1(label: int, rank: float) -> None:
    vantage = MadeVantage(answered={"test": [answers([label], logits=[LOGITS[0]])]})
    assert opened("answer_rank").observe(vantage) == {"answer_rank": rank}


def test_answer_z() -> None:
    """(2 − 2) / √(2/3), 0 where all are equal, (4 − 2) / √8; in two chunks."""
    chunks = [answers([2, 0], logits=LOGITS[:2]), answers([1], logits=LOGITS[2:], times=[3])]
    seen = opened("answer_z").observe(MadeVantage(answered={"test": chunks}))
    assert seen["answer_z"] == pytest.approx((0 + 0 + 3 * 2 / 8**0.5) / 5)


def test_logit_scale() -> None:
    """Variances 2/3, 0 and 8 over the classes; a shift of all logits of a read changes nothing."""
    chunks = [answers([0, 0, 0], logits=np.array(LOGITS) + np.array([[5], [-7], [1]]), times=[3, 1, 1])]
    seen = opened("logit_scale").observe(MadeVantage(answered={"test": chunks}))
    assert seen["logit_scale"] == pytest.approx(((3 * 2 / 3 + 8) / 5) ** 0.5)


@pytest.mark.parametrize("name", ["answer_rank", "answer_z", "logit_scale", "ildr", "spectral_entropy"])
def test_without_details_there_is_nothing_to_look_at(name: str) -> None:
    with pytest.raises(NotOffered, match="keeps no"):
        opened(name).observe(MadeVantage(answered={"test": [answers([0])]}))


# --- representations --------------------------------------------------------------------------------------------------


def test_ildr_of_points_on_a_line() -> None:
    """Class 0 at 0 and 2, class 1 at 10 and 14: centroids 1 and 12, scatter 1, 1, 2, 2."""
    vectors, labels = [[0.0, 3], [2, 3], [10, 3], [14, 3]], [0, 0, 1, 1]
    chunks = [answers(labels[:3], representations=vectors[:3]), answers(labels[3:], representations=vectors[3:])]
    assert opened("ildr").observe(MadeVantage(answered={"test": chunks})) == {"ildr": pytest.approx(11 / 1.5)}


def test_ildr_weighs_reads_by_the_labels_they_answer() -> None:
    """0 three times and 4 once: centroid 1, scatter 3 · 1 + 3; the other class is one point at 7, four times."""
    vectors = np.array([[0.0], [4], [7]])
    weights = np.array([3, 1, 4]) / 8
    assert distance_ratio(vectors, np.array([0, 0, 5]), weights) == pytest.approx(6 / ((3 * 1 + 3 + 0) / 8))


@given(st.integers(0, 100), st.floats(0.01, 100))
def test_ildr_sees_neither_scale_nor_rotation(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    vectors, labels = random.normal(size=(12, 3)), np.arange(12) % 3
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    weights = np.full(12, 1 / 12)
    moved = scale * vectors @ turn + random.normal(size=3)
    assert distance_ratio(moved, labels, weights) == pytest.approx(distance_ratio(vectors, labels, weights))


@pytest.mark.parametrize("labels", [[1, 1], [0, 1]])
def test_ildr_needs_two_classes_and_scatter(labels: list[int]) -> None:
    assert distance_ratio(np.array([[0.0], [1.0]]), np.array(labels), np.full(2, 0.5)) is None


def test_entropy_of_a_cross_is_one_and_of_a_line_is_zero() -> None:
    cross = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) + 5
    assert normalized_entropy(cross, np.full(6, 1 / 6)) == pytest.approx(1)
    assert normalized_entropy(cross[:2], np.full(2, 0.5)) == pytest.approx(0, abs=1e-12)
    assert normalized_entropy(cross[:1], np.ones(1)) is None


def test_entropy_by_hand_and_with_weights() -> None:
    """Variances 4 · 3/4 and 1 · 1/4 along two of three axes: shares 12/13 and 1/13."""
    vectors = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]])
    chunks = [answers([0, 0, 0, 0], representations=vectors, times=[3, 3, 1, 1])]
    expected = -(12 / 13 * log(12 / 13) + 1 / 13 * log(1 / 13)) / log(3)
    seen = opened("spectral_entropy").observe(MadeVantage(answered={"test": chunks}))
    assert seen["spectral_entropy"] == pytest.approx(expected)


# --- Hankel-DMD -------------------------------------------------------------------------------------------------------


def test_quantiles_of_weighted_values() -> None:
    """10 four times, 20 five times, 30 once: the same as of the ten numbers written out."""
    values, weights = np.array([20.0, 10, 30]), np.array([5, 4, 1])
    levels = np.array(LEVELS)
    assert weighted_quantiles(values, weights, levels).tolist() == [10, 10, 10, 10, 20, 20, 20, 20, 20]
    assert weighted_quantiles(values, weights, np.array([1.0])).tolist() == [30]
    whole = np.quantile(np.repeat(values, weights), levels, method="inverted_cdf")
    assert weighted_quantiles(values, weights, levels).tolist() == whole.tolist()


@pytest.mark.parametrize("delays", [1, 3])
def test_a_linear_law_leaves_no_residual(delays: int) -> None:
    """A damped rotation in the plane, seen in three coordinates; it is centred, so its mean is taken off first."""
    angle = 2 * np.pi / 10
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    states = [np.array([1.0, 0.0])]
    for _ in range(20):
        states.append(turn @ states[-1])
    whole = np.array(states[:20])  # two whole turns: the mean is 0
    series = whole @ np.array([[1.0, 2, 0], [0, 1, 3]])
    assert residual(series, delays, rank=2) == pytest.approx(0, abs=1e-10)
    assert residual(series, delays, rank=1) > 0.1


def test_a_jump_leaves_a_residual() -> None:
    quiet, jump = np.zeros((20, 9)), np.zeros((20, 9))
    quiet[:] = np.linspace(0, 1, 20)[:, None]
    jump[13:] = 1
    assert residual(jump, 5, 4) > 10 * residual(quiet, 5, 4)
    assert residual(np.ones((20, 9)), 5, 4) is None


def test_hankel_dmd_collects_quantiles_until_the_window_is_full() -> None:
    """Log-probabilities that are −10 · level, shrinking by 0.9 from one evaluation to the next."""
    recorded: dict[str, tuple[list[float], list[float]]] = {}
    said = []
    for time in range(12):
        losses = 10 * 0.9**time * np.arange(1, 11) / 10
        vantage = MadeVantage(step=time, answered={"test": [answers([0] * 10, losses=losses)]}, recorded=recorded)
        seen = opened("hankel_dmd", window=12, delays=2, rank=2).observe(vantage)
        said.append(seen)
        for name in NAMES:
            steps, values = recorded.setdefault(name, ([], []))
            steps.append(time)
            values.append(float(seen[name] or 0))
    assert said[0]["hankel_dmd_q10"] == pytest.approx(-10)
    assert said[1]["hankel_dmd_q90"] == pytest.approx(-0.9 * 2)
    assert ["hankel_dmd" in seen for seen in said] == [False] * 11 + [True]
    series = np.array([[seen[name] for name in NAMES] for seen in said], dtype=float)
    assert said[-1]["hankel_dmd"] == pytest.approx(residual(series, 2, 2))
    assert said[-1]["hankel_dmd"] < 1e-6


def test_a_window_without_two_pairs_of_states_is_refused() -> None:
    with pytest.raises(ValueError, match="no two pairs of states"):
        opened("hankel_dmd", window=5, delays=4)

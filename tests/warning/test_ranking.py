"""Rank statistics against SciPy and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokscope.warning.ranking import auroc, ranks, spearman, stratified_auroc

VALUES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12)


@given(VALUES)
def test_ranks_as_scipy_has_them(values: list[float]) -> None:
    np.testing.assert_allclose(ranks(np.array(values)), stats.rankdata(values))


def test_spearman_as_scipy_has_it() -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 6, 20).astype(float), random.integers(0, 6, 20).astype(float)
    found = spearman(x, y)
    assert found is not None
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.n == 20


def test_within_strata_a_difference_between_them_is_no_correlation() -> None:
    """Both are large in stratum b and small in a; inside each, one falls while the other rises."""
    x, y = np.array([1.0, 2, 3, 11, 12, 13]), np.array([3.0, 2, 1, 13, 12, 11])
    strata = list("aaabbb")
    whole, within = spearman(x, y), spearman(x, y, strata)
    assert whole is not None
    assert within is not None
    assert whole.rho > 0.5
    assert (within.rho, within.n) == (pytest.approx(-1.0), 6)


def test_strata_of_one_run_compare_nothing() -> None:
    assert spearman(np.arange(3.0), np.arange(3.0), list("abc")) is None
    assert spearman(np.arange(2.0), np.arange(2.0)) is None
    assert spearman(np.ones(5), np.arange(5.0)) is None


def test_auroc_of_separable_of_equal_and_of_no_values() -> None:
    low, high = np.arange(4.0), np.arange(10.0, 14.0)
    above, below, same = auroc(high, low), auroc(low, high), auroc(low, low)
    assert above is not None
    assert below is not None
    assert same is not None
    assert (above.value, below.value, same.value) == (1.0, 0.0, 0.5)
    assert auroc(low, np.empty(0)) is None


def test_the_bound_of_complete_separation() -> None:
    """Four runs all on the right side have a chance of 2.5 % where each has 0.025^(1/4); ten say much more."""
    four, ten = auroc(np.arange(5.0, 9.0), np.arange(4.0)), auroc(np.arange(20.0, 30), np.arange(10.0))
    assert four is not None
    assert ten is not None
    assert four.low**4 == pytest.approx(0.025)
    assert four.high == ten.high == 1.0
    assert ten.low > four.low


@given(VALUES, VALUES)
def test_auroc_is_the_mann_whitney_statistic(grokking: list[float], controls: list[float]) -> None:
    found = auroc(np.array(grokking), np.array(controls), draws=10)
    expected = stats.mannwhitneyu(grokking, controls, method="asymptotic").statistic / len(grokking) / len(controls)
    assert found is not None
    assert found.value == pytest.approx(expected)
    assert 0 <= found.low <= found.high <= 1


def test_the_interval_covers_the_truth() -> None:
    """Normals one apart have an AUROC of Φ(1/√2) = 0.760; 95 % intervals of 100 samples miss it seldom."""
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        found = auroc(random.normal(1, 1, 30), random.normal(0, 1, 30), draws=200)
        assert found is not None
        hits += found.low <= 0.760 <= found.high
    assert hits >= 88


def test_never_fired_is_a_value_too() -> None:
    found = auroc(np.array([-100.0, -np.inf]), np.array([-np.inf, -np.inf]))
    assert found is not None
    assert found.value == 0.75


def test_stratified_auroc_compares_like_with_like() -> None:
    grokking, controls = np.array([1.0, 11.0]), np.array([2.0, 10.0])
    assert stratified_auroc(grokking, controls, ["a", "b"], ["a", "b"]) == 0.5
    assert stratified_auroc(grokking, controls, ["a", "a"], ["b", "b"]) is None

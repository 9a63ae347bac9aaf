"""Survival statistics against textbook numbers, SciPy, and the laws that they obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.experiment.survival import holm, kaplan_meier, log_rank, monotone_trend, scores

# Freireich et al. 1963, weeks of remission under 6-mercaptopurine and placebo: the example of every textbook.
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def remission() -> tuple[list[float], list[bool]]:
    """6-MP as printed: 6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+."""
    censored = {(6, 3), (9, 5), (10, 7), (11, 8), (17, 11), (19, 12), (20, 13), (25, 16), (32, 17), (32, 18), (34, 19)}
    seen = [(week, index) not in censored and week != 35 for index, week in enumerate(TREATED)]
    return [float(week) for week in TREATED], seen


def test_kaplan_meier_of_the_remission_data() -> None:
    curve = kaplan_meier(*remission())
    assert curve.steps == (6, 7, 10, 13, 16, 22, 23)
    assert curve.share == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert (curve.at(5.9), curve.at(100)) == (1.0, curve.share[-1])


def test_log_rank_of_the_remission_data() -> None:
    times, seen = remission()
    groups = [0] * len(PLACEBO) + [1] * len(times)
    found = log_rank([*PLACEBO, *times], [True] * len(PLACEBO) + seen, groups)
    assert found is not None
    assert found.statistic == pytest.approx(16.79, abs=0.005)
    assert (found.degrees, found.exact) == (1, False)
    assert found.p == pytest.approx(4.2e-5, rel=0.02)


def test_the_restricted_mean_is_the_mean_where_nothing_is_censored() -> None:
    times = [100.0, 250.0, 400.0]
    assert kaplan_meier(times, [True] * 3).restricted_mean(1000) == pytest.approx(250)


def test_what_never_groks_counts_with_its_budget() -> None:
    curve = kaplan_meier([100, 600, 600], [True, False, False])
    assert curve.restricted_mean(600) == pytest.approx((100 + 600 + 600) / 3)
    assert curve.at(600) == pytest.approx(2 / 3)


RUNS = st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 1)), min_size=4, max_size=14)


@given(RUNS)
def test_log_rank_agrees_with_scipy(runs: list[tuple[int, bool, int]]) -> None:
    """Also where times are tied; SciPy knows one stratum and two groups."""
    from scipy.stats import CensoredData, logrank

    times, seen, groups = ([each[part] for each in runs] for part in range(3))
    found = log_rank(times, seen, groups)
    if found is None:  # one group alone, or nobody at risk together
        return
    parts = [[each for each in runs if each[2] == group] for group in (0, 1)]
    censored = [
        CensoredData.right_censored([each[0] for each in part], [not each[1] for each in part]) for part in parts
    ]
    assert found.statistic == pytest.approx(float(logrank(*censored).statistic) ** 2, abs=1e-9)


@given(RUNS)
def test_only_the_order_of_times_counts(runs: list[tuple[int, bool, int]]) -> None:
    times, seen, groups = ([each[part] for each in runs] for part in range(3))
    found, again = log_rank(times, seen, groups), log_rank([math.exp(each) for each in times], seen, groups)
    assert (found is None) == (again is None)
    if found is not None and again is not None:
        assert (found.statistic, found.p) == pytest.approx((again.statistic, again.p))


@given(RUNS)
def test_scores_sum_to_zero(runs: list[tuple[int, bool, int]]) -> None:
    found = scores(np.array([float(each[0]) for each in runs]), np.array([each[1] for each in runs]))
    assert found.sum() == pytest.approx(0, abs=1e-12)


def test_strata_are_compared_within_themselves() -> None:
    """Seed 1 groks early, seed 2 late; the treated run is the later one of each, which only strata can see."""
    times, groups, strata = [100, 110, 1000, 1100], [0, 1, 0, 1], [1, 1, 2, 2]
    within, across = log_rank(times, [True] * 4, groups, strata), log_rank(times, [True] * 4, groups)
    assert within is not None
    assert across is not None
    assert within.statistic == pytest.approx(2.0)  # two strata with observed − expected 1/2 and variance 1/4
    assert across.statistic < within.statistic


def test_exact_p_counts_the_ways_to_deal_out_the_treatment() -> None:
    """Three seeds, three baselines and a treated run each, the treated one always last: one way in 4^3."""
    times = [100, 110, 120, 900] * 3
    found = log_rank(times, [True] * 12, [0, 0, 0, 1] * 3, [1] * 4 + [2] * 4 + [3] * 4)
    assert found is not None
    assert found.exact
    assert found.p == pytest.approx(1 / 64)


def test_where_nobody_grokked_there_is_no_test() -> None:
    assert log_rank([10, 10, 10], [False] * 3, [0, 1, 1]) is None
    assert log_rank([10, 20], [True, True], [0, 0]) is None


def test_several_groups() -> None:
    """SciPy has no oracle for these; three equal groups differ by nothing, and degrees are one fewer than groups."""
    same = log_rank([1, 2, 3] * 3, [True] * 9, [0] * 3 + [1] * 3 + [2] * 3)
    assert same is not None
    assert (same.statistic, same.degrees, same.p) == (pytest.approx(0, abs=1e-12), 2, pytest.approx(1))
    apart = log_rank(list(range(12)), [True] * 12, [0] * 4 + [1] * 4 + [2] * 4)
    assert apart is not None
    assert apart.p < 0.01


def test_holm() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(values: list[float | None]) -> None:
    corrected = holm(values)
    pairs = [(p, q) for p, q in zip(values, corrected, strict=True) if p is not None and q is not None]
    assert [p is None for p in values] == [q is None for q in corrected]
    assert all(p <= q <= 1 for p, q in pairs)
    assert all(q <= other for p, q in pairs for p_other, other in pairs if p < p_other)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=12))
def test_the_trend_is_kendalls(points: list[tuple[int, int]]) -> None:
    from scipy.stats import kendalltau

    doses, times = [float(x) for x, _ in points], [float(y) for _, y in points]
    found = monotone_trend(doses, times, [0] * len(points))
    if len(set(doses)) == 1 or len(set(times)) == 1:
        assert found is None
        return
    assert found is not None
    assert found[1] == pytest.approx(float(kendalltau(doses, times, method="asymptotic").pvalue))


def test_a_trend_within_seeds() -> None:
    found = monotone_trend([0, 0.5, 1] * 3, [100, 200, 300, 900, 950, 990, 10, 11, 1e18], [1] * 3 + [2] * 3 + [3] * 3)
    assert found is not None
    assert found[0] == pytest.approx(9 / math.sqrt(11))  # every pair in order; the variance of S is 11/3 a seed

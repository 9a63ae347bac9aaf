"""The decision: an interval against a rule, the null beside it, and how many clusters would decide."""

import math

import pytest
from pydantic import ValidationError
from scipy.special import stdtr

from grokscope.reproduce.estimates import mean_over_clusters, ratio_over_clusters, share_over_clusters
from grokscope.reproduce.verdict import DecisionRule, Estimate, clusters_needed, finding, null_does_too


def estimated(value: float, low: float | None, high: float | None, null: float = 0.5, **more: float) -> Estimate:
    return Estimate(value, low, high, null, 10, 30, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "low", "high", "expected"),
    [
        (DecisionRule(above=0.9), 0.91, 1.0, "supported"),
        (DecisionRule(above=0.9), 0.89, 1.0, "undecided"),
        (DecisionRule(above=0.9), 0.5, 0.89, "refuted"),
        (DecisionRule(below=0.1), 0.0, 0.09, "supported"),
        (DecisionRule(below=0.1), 0.11, 0.5, "refuted"),
        (DecisionRule(within=(0.7, 0.9)), 0.71, 0.89, "supported"),
        (DecisionRule(within=(0.7, 0.9)), 0.6, 0.69, "refuted"),
        (DecisionRule(within=(0.7, 0.9)), 0.91, 0.95, "refuted"),
        (DecisionRule(within=(0.7, 0.9)), 0.69, 0.8, "undecided"),
        (DecisionRule(above=0.9), 0.91, None, "supported"),
        (DecisionRule(below=1.0), 2.1, None, "refuted"),
        (DecisionRule(within=(0.7, 0.9)), None, None, "undecided"),
    ],
)
def test_the_interval_decides(rule: DecisionRule, low: float | None, high: float | None, expected: str) -> None:
    assert finding(rule, estimated(0.8, low, high)) == expected


def test_without_an_estimate_nothing_is_decided() -> None:
    assert finding(DecisionRule(above=0.9), None) == "undecided"


def test_an_interval_that_does_not_reach_the_published_size_refutes() -> None:
    rule = DecisionRule(below=1.0, size=0.5)
    assert finding(rule, estimated(0.95, 0.8, 1.1)) == "refuted"
    assert finding(rule, estimated(0.7, 0.45, 1.1)) == "undecided"
    assert finding(rule, estimated(0.9, 0.85, 0.95)) == "supported"


def test_a_wider_null_never_refutes_more() -> None:
    """Fewer runs widen the null's own interval."""
    rule = DecisionRule(above="null")
    for reach in (0.0, 0.1, 0.5):
        null = {"null_low": 1.2 - reach, "null_high": 1.2 + reach}
        assert finding(rule, estimated(1.25, 1.21, 1.29, 1.2, **null)) == ("supported" if reach == 0 else "undecided")
        assert finding(rule, estimated(1.0, 0.9, 1.1, 1.2, **null)) == "refuted"


def test_a_rule_that_the_null_fulfils_too_says_nothing() -> None:
    assert null_does_too(DecisionRule(above=0.99), estimated(1.0, 0.999, 1.0, null=0.9998))
    assert not null_does_too(DecisionRule(above=0.99), estimated(1.0, 0.999, 1.0, null=0.5))
    assert not null_does_too(DecisionRule(above="null"), estimated(0.8, 0.7, 0.9, null=0.61))


def test_a_rule_is_one_condition() -> None:
    with pytest.raises(ValidationError, match="exactly one of above, below, within"):
        DecisionRule(above=1.0, below=2.0)
    with pytest.raises(ValidationError, match="exactly one of above, below, within"):
        DecisionRule()


def test_the_number_of_clusters_has_the_power_it_promises() -> None:
    """At the promised number, the standard error is the distance over z(0.975) + z(0.8)."""
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    names = [str(index) for index in range(8)]
    found = mean_over_clusters(values, names, 0.0)
    assert found is not None
    needed = clusters_needed(DecisionRule(above=2.5), found)
    spread = math.sqrt(6.0)  # of 0, …, 7, ddof 1
    assert needed == math.ceil((2.8016 * spread / (3.5 - 2.5)) ** 2)


def test_no_number_of_clusters_helps_on_the_bound_or_without_an_interval() -> None:
    assert clusters_needed(DecisionRule(above=0.8), estimated(0.8, 0.7, 0.9)) is None
    assert clusters_needed(DecisionRule(above=0.8), estimated(0.8001, 0.7, 0.9)) is None
    assert clusters_needed(DecisionRule(above=0.8), estimated(0.9, 0.7, None)) is None


class TestIntervals:
    def test_a_mean_has_students_interval_over_cluster_means(self) -> None:
        found = mean_over_clusters([1.0, 3.0, 4.0, 6.0], ["a", "a", "b", "c"], null=0.0)
        assert found is not None
        assert (found.clusters, found.runs, found.value) == (3, 4, 4.0)
        assert found.high is not None
        quantile = (found.high - 4.0) / (2.0 / math.sqrt(3))  # means 2, 4, 6: standard deviation 2
        assert stdtr(2, quantile) == pytest.approx(0.975)

    def test_seeds_of_one_cluster_add_no_certainty(self) -> None:
        once = mean_over_clusters([1.0, 2.0, 3.0], ["a", "b", "c"], null=0.0)
        many = mean_over_clusters([1.0, 2.0, 3.0] * 5, ["a", "b", "c"] * 5, null=0.0)
        assert once is not None
        assert many is not None
        assert (once.low, once.high) == pytest.approx((many.low, many.high))

    def test_one_cluster_has_no_interval(self) -> None:
        found = mean_over_clusters([1.0, 2.0], ["a", "a"], null=0.0)
        assert found is not None
        assert (found.value, found.low, found.high) == (1.5, None, None)

    def test_a_ratio_is_symmetric_in_the_logarithm(self) -> None:
        found = ratio_over_clusters([0.5, 2.0], ["a", "b"], null=1.0)
        assert found is not None
        assert found.value == pytest.approx(1.0)
        assert found.low is not None
        assert found.high is not None
        assert found.low * found.high == pytest.approx(1.0)

    @pytest.mark.parametrize("n", [3, 6, 20])
    def test_all_of_n_have_clopper_and_pearsons_bound(self, n: int) -> None:
        found = share_over_clusters([True] * n, [str(index) for index in range(n)], null=0.0)
        assert found is not None
        assert (found.value, found.high) == (1.0, 1.0)
        assert found.low == pytest.approx(0.025 ** (1 / n))

    def test_no_value_is_no_estimate(self) -> None:
        assert mean_over_clusters([], [], 0.0) is None
        assert share_over_clusters([], [], 0.0) is None


def test_a_share_needs_as_many_clusters_as_its_own_interval_says() -> None:
    """0 of 5: Clopper and Pearson's upper end is 1 − 0.025^(1/5) = 0.522; of 6: 0.459. 1 of 1 over 0.9: 0.025^(1/n)."""
    none = Estimate(0.0, 0.0, 0.708, 0.0, 3, 3, share=True)
    assert clusters_needed(DecisionRule(above=0.5), none) == 6
    every = Estimate(1.0, 0.292, 1.0, 1.0, 3, 3, share=True)
    assert clusters_needed(DecisionRule(above=0.9), every) == 36

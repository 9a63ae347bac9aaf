"""A verdict: what an estimate says of a claim, by a rule that was written down with the claim, before the runs.

A verdict needs an interval and a null. Without an interval a claim is undecided. If the null alone fulfils the rule of
a supported claim, the verdict says so, because then the claim holds, but says nothing.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from grokscope.experiment.claims import ClaimFinding

POWER_Z = 0.8416
"""Quantile of the normal distribution at a power of 80 %"""
LEVEL_Z = 1.9600
"""Quantile of the normal distribution for a two-sided interval of 95 %"""
MOST_CLUSTERS = 1000
"""More clusters than this are not worth asking for: the estimate lies on the bound"""


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % interval, beside its null."""

    value: float
    low: float | None
    """Lower end of the interval; None: open"""
    high: float | None
    null: float
    """The value of the same statistic where the claim says nothing"""
    clusters: int
    """Configurations, or seeds of one configuration, that the interval is over"""
    runs: int
    null_low: float | None = None
    """Lower end of the null's own central 95 %; None: the null is a point"""
    null_high: float | None = None
    ratio: bool = False
    """Whether the statistic is a ratio, so that its interval is symmetric in the logarithm"""
    share: bool = False
    """Whether the statistic is a share of clusters, so that its interval is that of `share_interval`"""


class DecisionRule(BaseModel):
    """What supports a claim. Exactly one of `above`, `below`, `within` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    above: float | Literal["null"] | None = None
    """The interval lies above this value; `null`: above the null's own 95 %, or refuted below the null's value"""
    below: float | Literal["null"] | None = None
    within: tuple[float, float] | None = None
    size: float | None = None
    """For `above` and `below`, the published size. An interval that does not reach the size refutes the claim,
    unless the whole interval supports the claim's direction"""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.above, self.below, self.within)) != 1:
            raise ValueError("a rule has exactly one of above, below, within")
        return self

    def bounds(self, estimate: Estimate) -> tuple[float, float]:
        """The range of values that supports the claim, as (low, high); infinite ends are open.

        Against the null, this is what exceeds the null's own interval.
        """
        if self.within is not None:
            return self.within
        if self.above is not None:
            return (_end(estimate.null_high, estimate.null) if self.above == "null" else self.above), math.inf
        assert self.below is not None
        return -math.inf, _end(estimate.null_low, estimate.null) if self.below == "null" else self.below

    @property
    def against_null(self) -> bool:
        return "null" in {self.above, self.below}

    @property
    def words(self) -> str:
        """The rule as a sentence part: `interval above 0.9`."""
        if self.within is not None:
            return "interval within {:g} and {:g}".format(*self.within)
        side, value = ("above", self.above) if self.above is not None else ("below", self.below)
        bound = "the null" if value == "null" else f"{value:g}"
        return f"interval {side} {bound}" + (
            "" if self.size is None else f"; refuted if it does not reach {self.size:.2g}"
        )


def finding(rule: DecisionRule, estimate: Estimate | None) -> ClaimFinding:
    """`supported` if the interval lies in the rule's range, `refuted` if it lies outside, else `undecided`.

    A claim against the null is refuted on the other side of the null's value, not of the null's interval: fewer runs
    widen that interval, and fewer runs must never refute more.
    """
    if estimate is None:
        return "undecided"
    low, high = _interval(estimate)
    least, most = rule.bounds(estimate)
    if (least < low or least == -math.inf) and (high < most or most == math.inf):
        return "supported"
    least, most = (min(least, estimate.null), max(most, estimate.null)) if rule.against_null else (least, most)
    return "refuted" if high < least or low > most or falls_short(rule, estimate) else "undecided"


def falls_short(rule: DecisionRule, estimate: Estimate) -> bool:
    """Whether the whole interval is on the near side of the published size."""
    low, high = _interval(estimate)
    return rule.size is not None and (high < rule.size if rule.above is not None else low > rule.size)


def null_does_too(rule: DecisionRule, estimate: Estimate) -> bool:
    """Whether the null alone fulfils the rule. A rule against the null is never fulfilled by it."""
    least, most = rule.bounds(estimate)
    return not rule.against_null and least < estimate.null < most


def clusters_needed(rule: DecisionRule, estimate: Estimate) -> int | None:
    """Clusters at which the present estimate and spread would decide with 80 % power; None if no number helps.

    The standard error falls with the square root of the number of clusters, and has to become the distance to the
    nearest bound over the sum of both normal quantiles. For a share, it is the number of clusters at which the same
    share would decide.
    """
    if estimate.share:
        return next((n for n in range(estimate.clusters + 1, MOST_CLUSTERS) if _share_decides(rule, estimate, n)), None)
    if estimate.low is None or estimate.high is None or (estimate.ratio and estimate.low <= 0):
        return None
    scale = math.log if estimate.ratio else float
    bounds = [
        scale(bound) for bound in rule.bounds(estimate) if math.isfinite(bound) and (bound > 0 or not estimate.ratio)
    ]
    distance = min((abs(scale(estimate.value) - bound) for bound in bounds), default=0.0)
    half = (scale(estimate.high) - scale(estimate.low)) / 2
    if distance == 0 or estimate.clusters < 2:
        return None
    error = half / _student(estimate.clusters - 1)
    needed = math.ceil(estimate.clusters * ((LEVEL_Z + POWER_Z) * error / distance) ** 2)
    return max(needed, estimate.clusters + 1) if needed <= MOST_CLUSTERS else None


def share_interval(hits: float, n: int) -> tuple[float, float]:
    """The 95 % interval of Clopper and Pearson of `hits` / `n`. `hits` may be a fraction."""
    from scipy.special import betaincinv

    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, 0.025))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 0.975))
    return low, high


def _share_decides(rule: DecisionRule, estimate: Estimate, n: int) -> bool:
    low, high = share_interval(estimate.value * n, n)
    return finding(rule, replace(estimate, low=low, high=high, clusters=n)) != "undecided"


def _interval(estimate: Estimate) -> tuple[float, float]:
    return _end(estimate.low, -math.inf), _end(estimate.high, math.inf)


def _end(end: float | None, otherwise: float) -> float:
    return otherwise if end is None else end


def _student(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))

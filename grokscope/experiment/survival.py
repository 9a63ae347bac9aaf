"""Survival statistics of grok steps. A run that did not grok within its budget is a censored observation.

A time is the grok step if `observed`, else the last step of the run. Groups are compared within strata (seeds), because
only runs of one seed share the initialization and the split.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

ENUMERATED = 20_000
"""Largest number of permutations that are counted; above it, the chi-squared approximation is used"""


@dataclass(frozen=True)
class SurvivalCurve:
    """Share of runs that have not grokked: 1 before `steps[0]`, `share[i]` from `steps[i]` on. Arrays [events]."""

    steps: tuple[float, ...]
    share: tuple[float, ...]

    def at(self, step: float) -> float:
        """Share of runs that have not grokked up to and including `step`."""
        reached = [share for when, share in zip(self.steps, self.share, strict=True) if when <= step]
        return reached[-1] if reached else 1.0

    def restricted_mean(self, until: float) -> float:
        """Mean of min(grok step, `until`): the area under the curve."""
        edges = [0.0, *(step for step in self.steps if step < until), until]
        heights = [1.0, *self.share]
        return sum((right - left) * height for left, right, height in zip(edges, edges[1:], heights, strict=False))


@dataclass(frozen=True)
class LogRank:
    """The log-rank test of whether groups grok at different steps."""

    statistic: float
    """Chi-squared"""
    degrees: int
    p: float
    exact: bool
    """Whether p comes from counting all permutations of treatments within seeds; else from chi-squared"""


def kaplan_meier(times: Sequence[float], observed: Sequence[bool]) -> SurvivalCurve:
    """The product-limit estimate. A run censored at a step counts as at risk at this step. Sequences [runs]."""
    when, seen = np.asarray(times, dtype=float), np.asarray(observed, dtype=bool)
    steps, share, left = [], [], 1.0
    for step in np.unique(when[seen]):
        left *= 1 - np.count_nonzero(seen & (when == step)) / np.count_nonzero(when >= step)
        steps.append(float(step))
        share.append(left)
    return SurvivalCurve(tuple(steps), tuple(share))


def log_rank(
    times: Sequence[float], observed: Sequence[bool], groups: Sequence[int], strata: Sequence[int] | None = None
) -> LogRank | None:
    """The log-rank test of all groups against each other, stratified. All sequences: [runs].

    Two groups are tested exactly if there are at most `ENUMERATED` permutations, because with three seeds the
    chi-squared distribution is far off. None if no stratum can distinguish the groups: no run grokked, or there is only
    one group.
    """
    from scipy.special import chdtrc

    when, seen, group = np.asarray(times, float), np.asarray(observed, bool), np.asarray(groups)
    stratum = np.zeros(len(when), int) if strata is None else np.asarray(strata)
    names = np.unique(group)
    if len(names) < 2:
        return None
    member = (group == names[:, None])[1:]  # the first group follows from the others
    excess, variance = np.zeros(len(member)), np.zeros((len(member), len(member)))
    for each in np.unique(stratum):
        inside = stratum == each
        more, spread = _excess(when[inside], seen[inside], member[:, inside])
        excess, variance = excess + more, variance + spread
    degrees = int(np.linalg.matrix_rank(variance))
    if degrees == 0:
        return None
    statistic = float(excess @ np.linalg.pinv(variance) @ excess)
    if len(names) == 2:
        p = _permutation_p(when, seen, member[0], stratum)
        if p is not None:
            return LogRank(statistic, degrees, p, exact=True)
    return LogRank(statistic, degrees, float(chdtrc(degrees, statistic)), exact=False)


def scores(times: NDArray[np.float64], observed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The part of each run in observed minus expected of its group [runs]: 1 if it grokked, minus its hazard."""
    hazard = np.zeros(len(times))
    for step in np.unique(times[observed]):
        hazard[times >= step] += np.count_nonzero(observed & (times == step)) / np.count_nonzero(times >= step)
    return observed.astype(float) - hazard


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected by Holm's method, in the given order. None stays None, and is not counted as a test."""
    known = sorted((p, index) for index, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[index] = largest
    return corrected


def monotone_trend(doses: Sequence[float], times: Sequence[float], strata: Sequence[int]) -> tuple[float, float] | None:
    """Kendall's S within strata as a normal deviate (positive: later with dose), and its two-sided p; ties corrected.

    Only the order of the times matters, so a run that never grokked may have its budget as time. None without an order.
    """
    from scipy.special import ndtr

    dose, when, stratum = np.asarray(doses, float), np.asarray(times, float), np.asarray(strata)
    total = variance = 0.0
    for each in np.unique(stratum):
        x, y = dose[stratum == each], when[stratum == each]
        total += float(np.sum(np.sign(x[:, None] - x) * np.sign(y[:, None] - y)) / 2)
        variance += _kendall_variance(x, y)
    if variance < 1e-9:  # all doses alike, or all times
        return None
    z = total / math.sqrt(variance)
    return z, float(2 * ndtr(-abs(z)))


def _excess(
    times: NDArray[np.float64], observed: NDArray[np.bool_], member: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observed minus expected events of each group in one stratum, and its covariance. `member`: [groups, runs]"""
    excess, variance = np.zeros(len(member)), np.zeros((len(member), len(member)))
    for step in np.unique(times[observed]):
        at_risk, now = times >= step, observed & (times == step)
        risk, events = np.count_nonzero(at_risk), np.count_nonzero(now)
        share = (member & at_risk).sum(axis=1) / risk
        excess += (member & now).sum(axis=1) - events * share
        if risk > 1:
            common = events * (risk - events) / (risk - 1)
            variance += common * (np.diag(share) - np.outer(share, share))
    return excess, variance


def _permutation_p(
    times: NDArray[np.float64],
    observed: NDArray[np.bool_],
    treated: NDArray[np.bool_],
    stratum: NDArray[np.int_],
) -> float | None:
    """Share of the ways to deal the treatment out within strata that are as far from none as what was seen."""
    ways: list[list[float]] = []
    seen, count = 0.0, 1
    for each in np.unique(stratum):
        inside = stratum == each
        own, chosen = scores(times[inside], observed[inside]), treated[inside]
        size = int(chosen.sum())
        count *= math.comb(len(own), size)
        if count > ENUMERATED:
            return None
        seen += float(own[chosen].sum())
        ways.append([float(sum(own[list(which)])) for which in combinations(range(len(own)), size)])
    sums = np.array([sum(way) for way in product(*ways)])
    return float(np.mean(np.abs(sums) >= abs(seen) - 1e-9))


def _kendall_variance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Variance of Kendall's S with ties on both sides, where x and y are independent."""
    n = len(x)
    if n < 2:
        return 0.0
    ties = [np.unique(values, return_counts=True)[1].astype(float) for values in (x, y)]
    first = n * (n - 1) * (2 * n + 5) - sum(float(np.sum(t * (t - 1) * (2 * t + 5))) for t in ties)
    pairs = [float(np.sum(t * (t - 1))) for t in ties]
    triples = [float(np.sum(t * (t - 1) * (t - 2))) for t in ties]
    variance = first / 18 + pairs[0] * pairs[1] / (2 * n * (n - 1))
    return variance + (triples[0] * triples[1] / (9 * n * (n - 1) * (n - 2)) if n > 2 else 0.0)

"""Intervals over clusters. Runs of one configuration that differ only in their seeds are not independent evidence.

Every value is first averaged within its cluster. The interval is then over the averages of the clusters.
"""

import math
from collections.abc import Sequence

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.reproduce.verdict import Estimate, share_interval


def mean_over_clusters(values: Sequence[float], clusters: Sequence[str], null: float) -> Estimate | None:
    """Mean of `values` [n] with Student's interval over the means of the clusters; None without a value.

    With one cluster the interval is open.
    """
    means = cluster_means(values, clusters)
    if len(means) == 0:
        return None
    middle, reach = float(means.mean()), _reach(means)
    low, high = (None, None) if reach is None else (middle - reach, middle + reach)
    return Estimate(middle, low, high, null, len(means), len(values))


def ratio_over_clusters(values: Sequence[float], clusters: Sequence[str], null: float) -> Estimate | None:
    """Geometric mean of positive `values` [n]; the interval is Student's of their logarithms."""
    inner = mean_over_clusters([math.log(value) for value in values], clusters, math.log(null))
    if inner is None:
        return None
    low, high = (None if end is None else math.exp(end) for end in (inner.low, inner.high))
    return Estimate(math.exp(inner.value), low, high, null, inner.clusters, inner.runs, ratio=True)


def share_over_clusters(hits: Sequence[bool], clusters: Sequence[str], null: float) -> Estimate | None:
    """Share of true `hits` [n], with the interval of Clopper and Pearson on as many trials as there are clusters.

    A cluster counts as the share of its runs, so that the number of successes may be a fraction.
    """
    means = cluster_means([float(hit) for hit in hits], clusters)
    if len(means) == 0:
        return None
    n, k = len(means), float(means.sum())
    return Estimate(k / n, *share_interval(k, n), null, n, len(hits), share=True)


def cluster_means(values: Sequence[float], clusters: Sequence[str]) -> Floats:
    """The mean of each cluster, in order of first appearance."""
    groups: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    return np.array([sum(group) / len(group) for group in groups.values()], dtype=np.float64)


def _reach(means: Floats) -> float | None:
    from scipy.special import stdtrit

    if len(means) < 2:
        return None
    return float(stdtrit(len(means) - 1, 0.975)) * float(means.std(ddof=1)) / math.sqrt(len(means))

"""Rank statistics of small samples: Spearman's correlation and AUROC, also within strata.

Within strata only runs of one stratum are compared with each other. Across learning rates everything correlates with
the grok step, and where an operation decides both signal and outcome, everything separates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.streams import generator
from grokscope.warning.fits import CONFIDENCE, DRAWS

LEAST_RANKED = 3


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho, and the number of runs that could be compared."""

    rho: float
    n: int


@dataclass(frozen=True)
class Auroc:
    """The chance that a run that groks has the larger value, ties counting half; below 0.5, smaller values mean it."""

    value: float
    low: float
    """Of the 95 % bootstrap interval by configuration, grokking runs and controls drawn separately"""
    high: float
    grokking: int
    controls: int


def ranks(values: Floats) -> Floats:
    """1 for the smallest; equal values share the mean of their ranks. [n]"""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[inverse], dtype=np.float64)


def spearman(x: Floats, y: Floats, strata: Sequence[str] | None = None) -> Correlation | None:
    """Rank correlation of `x` [n] and `y` [n]; with `strata` [n], of ranks within each, around its mean.

    None below three comparable runs, or where nothing varies.
    """
    member = np.asarray(["" for _ in x] if strata is None else list(strata))
    dx, dy, n = [], [], 0
    for stratum in np.unique(member):
        here = member == stratum
        if here.sum() > 1:
            a, b = ranks(x[here]), ranks(y[here])
            dx.append(a - a.mean())
            dy.append(b - b.mean())
            n += int(here.sum())
    if n < LEAST_RANKED:
        return None
    u, v = np.concatenate(dx), np.concatenate(dy)
    size = float(np.sqrt((u @ u) * (v @ v)))
    return Correlation(float(u @ v) / size, n) if size > 0 else None


def auroc(
    grokking: Floats,
    controls: Floats,
    draws: int = DRAWS,
    seed: int = 0,
    clusters: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Auroc | None:
    """For values of runs that grok [p] and of runs that never do [q]; None where one of them is empty.

    `clusters`: the configuration of each run of both; seeds of one are drawn together, and of a single configuration
    nothing is known, [0, 1]. By default every run is one.
    A sample that separates completely leaves the bootstrap nothing to vary. The bound is then the value v at which as
    many clusters as the smaller group has would all fall on the right side with a chance of 2.5 %, v^min(p, q) = 0.025.
    """
    if len(grokking) == 0 or len(controls) == 0:
        return None
    wins = _wins(grokking, controls)
    value = float(wins.mean())
    random = generator(seed, "analysis", 2)
    of = clusters or ([str(i) for i in range(len(grokking))], [str(i) for i in range(len(controls))])
    (times_p, p), (times_q, q) = (_drawn(random, names, draws) for names in of)
    pairs = times_p.sum(axis=1) * times_q.sum(axis=1)
    drawn = ((times_p @ wins) * times_q).sum(axis=1) / pairs
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    bound = ((1 - CONFIDENCE) / 2) ** (1 / min(p, q))
    if value == 1:
        low = bound
    elif value == 0:
        high = 1 - bound
    if clusters is not None and min(p, q) == 1:
        low, high = 0.0, 1.0
    return Auroc(value, float(low), float(high), *wins.shape)


def _drawn(random: np.random.Generator, clusters: Sequence[str], draws: int) -> tuple[Floats, int]:
    """How often each run is drawn [draws, runs], all of a cluster together; and the number of clusters."""
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return times[:, member].astype(np.float64), len(names)


def stratified_auroc(
    grokking: Floats, controls: Floats, strata_grokking: Sequence[str], strata_controls: Sequence[str]
) -> float | None:
    """AUROC over pairs of one stratum; None where no stratum holds runs of both kinds."""
    same = np.asarray(list(strata_grokking))[:, None] == np.asarray(list(strata_controls))[None, :]
    return float(_wins(grokking, controls)[same].mean()) if same.any() else None


def _wins(grokking: Floats, controls: Floats) -> Floats:
    """[p, q]: 1 where the run that groks has the larger value, 1/2 where they are equal."""
    larger = grokking[:, None] > controls[None, :]
    equal = grokking[:, None] == controls[None, :]
    return np.asarray(larger + 0.5 * equal, dtype=np.float64)

"""Intervals around a law, from the errors that it made on configurations it had not seen.

Jackknife+ (Barber, Candès, Ramdas, Tibshirani, arXiv 1905.02928) over configurations: a law is fitted once without each
of them; what it then says of the run in question, plus and minus what it got wrong there, votes on where the interval
ends. A configuration has one vote, shared by all its rows, and from `GUARANTEED` configurations on the run in question
has one too, at infinity (the hierarchical form: Lee, Barber, Willett, arXiv 2306.06342). Below that its vote would ask
for a share of 0.9 (K + 1) / K of the others, which is all of them at K = 9, and intervals hold always: there K votes
are counted, and the interval is calibrated, not guaranteed. It takes nine configurations in any case.

It is an interval for runs that grok. Runs that never did have no error in time; they count in the probability.
"""

import math

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats

FORECAST_LEVEL = 0.9
GUARANTEED = 31
"""Configurations from which on the run's own vote costs little: a share of 0.93"""


def fewest_configurations(level: float = FORECAST_LEVEL) -> int:
    """Below this no finite interval of that level exists."""
    return math.ceil(level / (1 - level) - 1e-9)


def votes(configuration: NDArray[np.int64]) -> Floats:
    """Weights [n] that give every configuration one vote, shared by its rows.

    They sum to K / (K + 1) from `GUARANTEED` configurations on, and to 1 below.
    """
    _, index, counts = np.unique(configuration, return_inverse=True, return_counts=True)
    cast = len(counts) + (len(counts) >= GUARANTEED)
    weights: Floats = 1.0 / (counts[index] * cast)
    return weights


def upper(values: Floats, weights: Floats, level: float) -> float:
    """The smallest value with at least `level` of the votes at or below it; infinite where there is none."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) >= level - 1e-9
    return float(values[order][reached.argmax()]) if reached.any() else math.inf


def interval(said: Floats, errors: Floats, weights: Floats, level: float = FORECAST_LEVEL) -> tuple[float, float]:
    """Both ends, in logarithms.

    `said` [n]: of the run in question, by the law fitted without the configuration of each row; `errors` [n]: absolute
    logarithmic errors of the same fits on those rows.
    """
    return -upper(-(said - errors), weights, level), upper(said + errors, weights, level)


def share_until(limit: float, said: Floats, signed: Floats, weights: Floats) -> float:
    """Votes for grokking by `limit` (a logarithm); `signed` [n]: log true − log predicted. Never quite 0 or 1."""
    whole = float(weights.sum())
    within = float(weights[said + signed <= limit].sum())
    return (within + 0.5 * (1 - whole)) if whole > 0 else 0.5

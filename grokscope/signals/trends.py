"""What signals of recorded numbers share: columns joined by step, and slopes in decay time.

No signal itself.
"""

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Vantage

RECENT = 0.4
"""Share of the run so far, in decay time, over which a slope is taken"""
FEWEST_POINTS = 3
"""Points of a slope, at least"""


def joined_series(vantage: Vantage, *names: str) -> list[Floats]:
    """The columns `names` at those steps where all of them are on record, [records] each, in the order of steps."""
    columns = [vantage.series(name) for name in names]
    steps = columns[0][0]
    if all(np.array_equal(steps, others) for others, _ in columns[1:]):  # as nearly always
        return [values for _, values in columns]
    for others, _ in columns[1:]:
        steps = np.intersect1d(steps, others, assume_unique=True)
    return [values[np.searchsorted(own, steps)] for own, values in columns]


def recent(vantage: Vantage, *names: str) -> list[Floats] | None:
    """Decay time τ and the columns `names` over the last 40 % of the run so far in τ, [points] each.

    None where there is no such clock (no weight decay), or where fewer than three points are on record.
    """
    decay_time, *columns = joined_series(vantage, "decay_time", *names)
    if not len(decay_time) or decay_time[-1] <= 0:
        return None
    chosen = decay_time >= (1 - RECENT) * decay_time[-1]
    return [column[chosen] for column in (decay_time, *columns)] if chosen.sum() >= FEWEST_POINTS else None


def slope(x: Floats, y: Floats) -> float:
    """The slope of the least-squares line through the points (x, y), [points] each, x not all equal."""
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))

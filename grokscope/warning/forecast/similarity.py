"""Whether a run looks like any run of a bank. A law that was right about those says nothing of one that does not.

Compared is what the run does, at about the same step: not what it is called. A new operation or a wider model is
welcome as long as it behaves; noise is not.
"""

from dataclasses import dataclass

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.landmarks import FeatureColumns, Landmarks

TOLERANCE = 1.5
"""Times as far from the bank as the farthest of its own configurations is from the others"""
SHARE = 0.99
"""…but for this share of the rows, so that one odd run does not open the door to all"""
SAMPLED = 500
"""Rows whose distances to the bank are looked at for that; all would take half a second"""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Rows of the bank in a space where one unit is a usual difference."""

    rows: Floats
    scale: Floats
    radius: float


def fit_neighbours(landmarks: Landmarks) -> Neighbours:
    """The radius is measured between configurations: every row to the nearest row of another one."""
    x = _place(landmarks.columns)
    scale = _scale(x)
    rows = _filled(x) / scale
    some = slice(None, None, max(1, len(rows) // SAMPLED))
    distances = _distances(rows[some], rows)
    distances[landmarks.configuration[some, None] == landmarks.configuration[None, :]] = np.inf
    nearest = distances.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    radius = TOLERANCE * float(np.quantile(nearest, SHARE)) if len(nearest) else np.inf
    return Neighbours(rows, scale, radius)


def strangeness(neighbours: Neighbours, columns: FeatureColumns) -> Floats:
    """Distance to the nearest row of the bank, in radii [n]; above 1 is unlike all of them."""
    rows = _filled(_place(columns)) / neighbours.scale
    nearest: Floats = _distances(rows, neighbours.rows).min(axis=1)
    return nearest / max(neighbours.radius, 1e-9)


def _place(columns: FeatureColumns) -> Floats:
    return np.column_stack(
        [
            np.log(np.maximum(columns["step"], 1.0)),
            columns["train_accuracy"],
            columns["gain"],
            np.clip(columns["climb"], 0, 4),
            np.clip(columns["fall"], -4, 0),
            np.log(columns["loss_roughness"] + 0.02),
            np.log(columns["accuracy_roughness"] + 0.005),
        ]
    )


def _filled(x: Floats) -> Floats:
    return np.where(np.isfinite(x), x, 0.0)


def _scale(x: Floats) -> Floats:
    """Half the spread of each column, but never so little that a constant one, or one unknown, would decide all."""
    low, high = np.nanquantile(np.where(np.isfinite(x).any(axis=0), x, 0.0), [0.1, 0.9], axis=0)
    scale: Floats = np.maximum((high - low) / 2, 0.2)
    return scale


def _distances(rows: Floats, others: Floats) -> Floats:
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :] - 2 * rows @ others.T
    distances: Floats = np.sqrt(np.maximum(squares, 0.0))
    return distances

"""One quantity over the steps of a run, in bounded memory and with every peak.

A `Series` is immutable: appending returns a new series. When a series has `2 * CAPACITY` samples, it is thinned: of
every interval of steps it keeps the samples with the smallest and the largest value, so that the envelope of a million
samples stays exact at the resolution of a screen. The kept samples depend only on the samples, not on whether they
were added one by one or together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

CAPACITY = 8192
FULL = 2 * CAPACITY
"""Number of samples at which a series is thinned"""
_TAIL = 128

Rows = NDArray[np.float64]


def extremes(rows: Rows, buckets: int) -> Rows:
    """The rows with the smallest and the largest value of column 1, in each of `buckets` equal intervals of column 0.

    rows: [n, width], ascending in column 0. A bucket with only NaN values keeps one row, so that the gap stays visible.
    """
    if len(rows) <= 2 * buckets:
        return rows
    steps, values = rows[:, 0], rows[:, 1]
    span = steps[-1] - steps[0]
    if not span > 0:
        return rows[[int(np.nanargmin(values)), int(np.nanargmax(values))]] if not np.isnan(values).all() else rows[:1]
    bucket = np.minimum(((steps - steps[0]) / span * buckets).astype(np.int64), buckets - 1)
    edges = np.flatnonzero(np.diff(bucket, prepend=-1))
    sizes = np.diff(edges, append=len(rows))
    chosen = []
    for extreme, ignored in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        known = np.where(np.isnan(values), ignored, values)
        hits = np.flatnonzero(known == np.repeat(extreme.reduceat(known, edges), sizes))
        chosen.append(hits[np.diff(bucket[hits], prepend=-1) != 0])  # of equal values, the first one
    keep: Rows = rows[np.union1d(*chosen)]
    return keep


@dataclass(frozen=True, eq=False)
class Series:
    """Samples (step, value, companions …), ascending in step."""

    head: Rows
    tail: tuple[tuple[float, ...], ...] = ()
    seen: int = 0
    """Number of all samples added so far, also of those that thinning has removed"""
    reached: float = -np.inf
    """Largest step added so far"""

    @classmethod
    def empty(cls, width: int = 2) -> "Series":
        return cls(np.empty((0, width)))

    def append(self, row: tuple[float, ...]) -> "Series":
        """The series with one more sample. A sample without a step, or with an earlier step, is left out."""
        if not row[0] >= self.reached:
            return self
        tail = (*self.tail, row)
        if len(tail) < _TAIL and len(self.head) + len(tail) < FULL:
            return Series(self.head, tail, self.seen + 1, row[0])
        return Series(_thinned(np.concatenate([self.head, np.array(tail)])), (), self.seen + 1, row[0])

    def extend(self, rows: Rows) -> "Series":
        """The series with many more samples [n, width]. Equals appending them one after the other."""
        rows = rows[rows[:, 0] >= np.fmax.accumulate(np.append(self.reached, rows[:-1, 0]))]
        if not len(rows):
            return self
        seen, reached, kept = self.seen + len(rows), float(rows[-1, 0]), self.rows
        while len(rows):
            room = FULL - len(kept)
            kept, rows = _thinned(np.concatenate([kept, rows[:room]])), rows[room:]
        return Series(kept, (), seen, reached)

    @cached_property
    def rows(self) -> Rows:
        """All kept samples, [n, width]."""
        return np.concatenate([self.head, np.array(self.tail)]) if self.tail else self.head

    @property
    def steps(self) -> Rows:
        return self.rows[:, 0]

    @property
    def values(self) -> Rows:
        return self.rows[:, 1]

    @property
    def last(self) -> float:
        """The newest value; NaN for an empty series."""
        if self.tail:
            return self.tail[-1][1]
        return float(self.head[-1, 1]) if len(self.head) else float("nan")

    def until(self, step: float) -> "Series":
        """The samples up to `step`."""
        rows = self.rows
        end = int(np.searchsorted(rows[:, 0], step, side="right"))
        return self if end == len(rows) else Series(rows[:end], (), end, float(rows[end - 1, 0]) if end else -np.inf)

    def at(self, step: float) -> tuple[float, ...] | None:
        """The last sample at or before `step`."""
        rows = self.rows
        end = int(np.searchsorted(rows[:, 0], step, side="right"))
        return tuple(float(value) for value in rows[end - 1]) if end else None

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)


def _thinned(rows: Rows) -> Rows:
    """The rows, thinned if there are too many. The newest row is always kept."""
    if len(rows) < FULL:
        return rows
    return np.concatenate([extremes(rows[:-1], CAPACITY // 2), rows[-1:]])


def joined(rows: Iterable[tuple[float, ...]], width: int = 2) -> Series:
    """A series of these samples."""
    listed = list(rows)
    return Series.empty(width).extend(np.array(listed, dtype=float).reshape(len(listed), width))

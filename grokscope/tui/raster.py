"""Curves as terminal cells: braille dots (two by four per cell) over a shaded band.

Each column is drawn from the smallest to the largest sample of the column, so that even a long run shows every peak.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Scale:
    """The steps and values at the edges of a chart."""

    left: float
    right: float
    bottom: float
    top: float
    log: bool = False

    def across(self, steps: Floats) -> Floats:
        """Positions of steps, from 0 (left edge) to 1. [n] -> [n]."""
        return (steps - self.left) / max(self.right - self.left, 1e-12)

    def up(self, values: Floats) -> Floats:
        """Positions of values, from 0 (bottom edge) to 1; NaN for a value that cannot be drawn. [n] -> [n]."""
        low, high = self.bottom, self.top
        if self.log:
            values = np.log10(np.where(values > 0, values, np.nan))
            low, high = np.log10(low), np.log10(high)
        heights: Floats = (values - low) / max(high - low, 1e-12)
        return heights

    def value(self, height: float) -> float:
        """The value at a height from 0 to 1."""
        if self.log:
            return float(10 ** (np.log10(self.bottom) + height * (np.log10(self.top) - np.log10(self.bottom))))
        return self.bottom + height * (self.top - self.bottom)


def limits(values: Floats, log: bool, floor: float | None = None) -> tuple[float, float]:
    """Bottom and top of an axis that shows all finite `values` with a small margin; positive for a log axis."""
    drawn = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(drawn):
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(drawn.min()), float(drawn.max())
    if floor is not None:
        low = min(low, floor)
    if log:
        span = max(np.log10(high) - np.log10(low), 0.2)
        return float(10 ** (np.log10(low) - 0.04 * span)), float(10 ** (np.log10(high) + 0.04 * span))
    span = max(high - low, 1e-9 * max(abs(high), 1e-9), 1e-12)
    return low - (0.04 * span if floor is None or low < floor else 0.0), high + 0.04 * span


@dataclass
class Canvas:
    """A grid of cells: the dots of the curves, and for each cell its curve and the share that the band covers."""

    width: int
    height: int
    dots: NDArray[np.int64] = field(init=False)
    owner: NDArray[np.int64] = field(init=False)
    shade: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.dots = np.zeros((self.height, self.width), dtype=np.int64)
        self.owner = np.full((self.height, self.width), -1, dtype=np.int64)
        self.shade = np.zeros((self.height * 2, self.width), dtype=bool)

    def line(self, across: Floats, up: Floats, owner: int, sparse: bool = False) -> None:
        """Draw a curve through points (from 0 to 1). `sparse` leaves out every other dot."""
        columns, low, high, first, last = _columns(across, up, self.width * 2, self.height * 4)
        before = -1
        for index, column in enumerate(columns):
            bottom, top = low[index], high[index]
            if before >= 0 and not sparse:
                self._bridge(columns[before], last[before], column, first[index], owner)
            self._dots(int(column), range(bottom, top + 1), owner, sparse)
            before = index

    def _bridge(self, left: int, start: int, right: int, end: int, owner: int) -> None:
        """Join two columns of dots by a straight line."""
        gap = int(right - left)
        reach = max(gap, abs(int(end - start)))
        for position in range(1, reach):
            column = left + round(gap * position / reach)
            self._dots(int(column), (int(start + round((end - start) * position / reach)),), owner, False)

    def _dots(self, column: int, rows: "range | tuple[int, ...]", owner: int, sparse: bool) -> None:
        for row in rows:
            if not 0 <= row < self.height * 4 or (sparse and (column + row) % 2):
                continue
            down = self.height * 4 - 1 - row
            y, x = down // 4, column // 2
            self.dots[y, x] |= _DOTS[down % 4, column % 2]
            self.owner[y, x] = owner

    def band(self, across: Floats, low: Floats, high: Floats) -> None:
        """Shade the area between two curves, in half cells."""
        known = np.isfinite(low) & np.isfinite(high) & (across >= 0) & (across <= 1)
        if not known.any():
            return
        x = np.minimum((across[known] * self.width).astype(int), self.width - 1)
        filled = np.arange(x.min(), x.max() + 1)
        bottom = np.interp(filled, *_envelope(x, low[known], np.minimum)) * self.height * 2
        top = np.interp(filled, *_envelope(x, high[known], np.maximum)) * self.height * 2
        rows = np.arange(self.height * 2)[::-1, None]
        middle = np.floor((bottom + top) / 2)
        self.shade[:, filled] |= ((rows + 0.5 >= bottom) & (rows + 0.5 <= top)) | (rows == middle)

    def glyph(self, y: int, x: int) -> str:
        """The braille character of a cell, or a space."""
        dots = int(self.dots[y, x])
        return chr(0x2800 + dots) if dots else " "


def _envelope(columns: NDArray[np.int64], values: Floats, extreme: "np.ufunc") -> tuple[NDArray[np.int64], Floats]:
    """The columns that have a value, and the extreme value of each. `columns` [n] ascend; values [n]."""
    edges = np.flatnonzero(np.diff(columns, prepend=-1))
    return columns[edges], extreme.reduceat(values, edges)


def _columns(
    across: Floats, up: Floats, width: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The dot columns with points, each with its lowest and highest row, and the rows of its first and last point."""
    known = np.isfinite(across) & np.isfinite(up) & (across >= -1e-9) & (across <= 1 + 1e-9)
    x = np.clip((across[known] * (width - 1)).round().astype(np.int64), 0, width - 1)
    y = np.clip((up[known] * (height - 1)).round(), -1, height).astype(np.int64)
    edges = np.flatnonzero(np.diff(x, prepend=-1))
    if not len(edges):
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing, nothing
    ends = np.append(edges[1:], len(x)) - 1
    return x[edges], np.minimum.reduceat(y, edges), np.maximum.reduceat(y, edges), y[edges], y[ends]


def spark(across: Floats, up: Floats, width: int, height: int = 1) -> list[str]:
    """A small filled chart of block characters: `height` lines, from the top. A column shows its largest value."""
    known = np.isfinite(across) & np.isfinite(up) & (across >= 0) & (across <= 1)
    if not known.any() or width < 1:
        return [" " * max(width, 0)] * height
    x = np.minimum((across[known] * width).astype(np.int64), width - 1)
    columns, tops = _envelope(x, up[known], np.maximum)
    filled = np.arange(columns.min(), columns.max() + 1)
    levels = np.zeros(width)
    levels[filled] = 1 + np.clip(np.interp(filled, columns, tops), 0, 1) * (height * 8 - 1)
    return [
        "".join(BLOCKS[int(min(8, max(0, round(level - 8 * (height - 1 - row)))))] for level in levels)
        for row in range(height)
    ]

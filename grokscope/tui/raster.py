"""Curves as terminal cells: braille dots (two by four per cell) over a shaded band.

Each column is drawn from the smallest to the largest sample of the column, so that even a long run shows every peak.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
BLOCKS = " ▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"

LARGEST_DRAWN = 1e300
"""Of values that are drawn: margins and marks of an axis stay within a float"""


@dataclass(frozen=True)
class Scale:
    """The steps and values at the edges of a chart."""

    left: float
    right: float
    bottom: float
    top: float
    log: bool = False
    """Whether values have a logarithmic axis"""
    log_steps: bool = False
    """Whether steps have a logarithmic axis; `left` is positive then"""

    def across(self, steps: Floats) -> Floats:
        """Positions of steps, from 0 (left edge) to 1. [n] -> [n]."""
        left, right = self.left, self.right
        if self.log_steps:
            steps = np.log10(np.maximum(steps, left * 1e-9))
            left, right = np.log10(left), np.log10(right)
        positions: Floats = (steps - left) / max(right - left, 1e-12)
        return positions

    def step(self, across: float) -> float:
        """The step at a position from 0 to 1."""
        if self.log_steps:
            return float(self.left * (self.right / self.left) ** across)
        return self.left + across * (self.right - self.left)

    def column(self, step: float, width: int) -> int | None:
        """The column of a step, of `width` columns; None outside of the chart."""
        across = float(self.across(np.array([step]))[0])
        return min(int(across * width), width - 1) if 0 <= across <= 1 else None

    def up(self, values: Floats) -> Floats:
        """Positions of values, from 0 (bottom edge) to 1; NaN for a value that cannot be drawn. [n] -> [n]."""
        low, high = self.bottom, self.top
        values = np.where(np.abs(values) < LARGEST_DRAWN, values, np.nan)
        if self.log:
            values = np.log10(np.where(values > 0, values, np.nan))
            low, high = np.log10(low), np.log10(high)
        heights: Floats = (values - low) / max(high - low, 1e-12)
        return heights


def limits(values: Floats, log: bool, floor: float | None = None) -> tuple[float, float]:
    """Bottom and top of an axis that shows all values below `LARGEST_DRAWN` with a margin; positive for a log axis."""
    drawn = values[(np.abs(values) < LARGEST_DRAWN) & ((values > 0) | (not log))]
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
    """A grid of cells: the dots of the curves, and for each cell the curve whose line, band or glyph it shows."""

    width: int
    height: int
    dots: NDArray[np.int64] = field(init=False)
    owner: NDArray[np.int64] = field(init=False)
    shade: NDArray[np.int64] = field(init=False)
    """The curve whose band covers a half cell, [2 * height, width]; -1 for none"""
    glyphs: dict[tuple[int, int], str] = field(init=False, default_factory=dict)
    """Glyphs that stand instead of dots, by line and column"""

    def __post_init__(self) -> None:
        self.dots = np.zeros((self.height, self.width), dtype=np.int64)
        self.owner = np.full((self.height, self.width), -1, dtype=np.int64)
        self.shade = np.full((self.height * 2, self.width), -1, dtype=np.int64)

    def line(self, across: Floats, up: Floats, owner: int, dotted: bool = False, joined: bool = True) -> None:
        """Draw a curve through points (from 0 to 1). `dotted` leaves out every other dot."""
        columns, low, high, first, last = _columns(across, up, self.width * 2, self.height * 4)
        before = -1
        for index, column in enumerate(columns):
            bottom, top = low[index], high[index]
            if before >= 0 and joined:
                self._bridge(columns[before], last[before], column, first[index], owner, dotted)
            self._dots(int(column), range(bottom, top + 1), owner, dotted)
            before = index

    def _bridge(self, left: int, start: int, right: int, end: int, owner: int, dotted: bool) -> None:
        """Join two columns of dots by a straight line."""
        gap = int(right - left)
        reach = max(gap, abs(int(end - start)))
        for position in range(1, reach):
            column = left + round(gap * position / reach)
            self._dots(int(column), (int(start + round((end - start) * position / reach)),), owner, dotted)

    def _dots(self, column: int, rows: "range | tuple[int, ...]", owner: int, dotted: bool) -> None:
        for row in rows:
            if not 0 <= row < self.height * 4 or (dotted and (column + row) % 2):
                continue
            down = self.height * 4 - 1 - row
            y, x = down // 4, column // 2
            self.dots[y, x] |= _DOTS[down % 4, column % 2]
            self.owner[y, x] = owner

    def band(self, across: Floats, low: Floats, high: Floats, owner: int) -> None:
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
        covered = ((rows + 0.5 >= bottom) & (rows + 0.5 <= top)) | (rows == middle)
        self.shade[:, filled] = np.where(covered, owner, self.shade[:, filled])

    def mark(self, across: Floats, up: Floats, owner: int, glyph: str, first: int, every: int) -> None:
        """Put a glyph on a curve in every `every`-th column, from column `first`: it names the curve without colour."""
        known = np.isfinite(across) & np.isfinite(up) & (across >= 0) & (across <= 1) & (up >= 0) & (up <= 1)
        if not known.any():
            return
        columns, heights = across[known] * self.width, up[known]
        places = np.arange(first, self.width, every)
        places = places[(places >= columns.min() - 1) & (places <= columns.max())]
        if not len(places):
            places = np.array([int(columns[-1])]).clip(0, self.width - 1)
        for x, height in zip(places, np.interp(places + 0.5, columns, heights), strict=True):
            y = self.height - 1 - min(int(height * self.height), self.height - 1)
            self.glyphs[y, int(x)] = glyph
            self.owner[y, int(x)] = owner

    def glyph(self, y: int, x: int) -> str:
        """The glyph or the braille character of a cell, or a space."""
        if (y, x) in self.glyphs:
            return self.glyphs[y, x]
        dots = int(self.dots[y, x])
        return chr(0x2800 + dots) if dots else " "


def averaged(across: Floats, up: Floats, columns: int) -> tuple[Floats, Floats]:
    """One point per column: the middle of its points. [n] -> [columns with points]."""
    known = np.isfinite(across) & np.isfinite(up) & (across >= 0) & (across <= 1)
    x = np.minimum((across[known] * columns).astype(np.int64), columns - 1)
    edges = np.flatnonzero(np.diff(x, prepend=-1))
    if not len(edges):
        return np.empty(0), np.empty(0)
    counts = np.diff(edges, append=len(x))
    middle: tuple[Floats, Floats] = ((x[edges] + 0.5) / columns, np.add.reduceat(up[known], edges) / counts)
    return middle


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


def heat(across: Floats, up: Floats, width: int) -> str:
    """One line of shades, the darker the larger the values of the column; a column without a value repeats the last."""
    known = np.isfinite(across) & np.isfinite(up) & (across >= 0) & (across <= 1)
    if not known.any() or width < 1:
        return " " * max(width, 0)
    x = np.minimum((across[known] * width).astype(np.int64), width - 1)
    columns, tops = _envelope(x, up[known], np.maximum)
    latest = np.searchsorted(columns, np.arange(width), side="right") - 1
    levels = np.where((latest < 0) | (np.arange(width) > columns.max()), 0, 1 + np.clip(tops[latest] * 4, 0, 3))
    return "".join(SHADES[int(level)] for level in levels)

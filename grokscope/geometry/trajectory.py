"""How concentrated a weight trajectory is: the variance shares of its principal components, beside a random walk's.

**About 60 % on PC1 is what a random walk gives.** The first component of n − 1 equally long, mutually orthogonal
steps, seen about the mean of the n points, has 6 / (4 (n² − 1) sin²(π/2n)) of the variance: 68 % for 4 snapshots, 62 %
for 10, and 6/π² = 60.8 % for many (`random_walk_share`; the limit: Antognini & Sohl-Dickstein 2018, arXiv 1806.08805).
In weight space isotropic steps are orthogonal to within 1/sqrt(P). So a share says something only against that, or
against a walk with the trajectory's own step lengths (`random_walks`), which may have more or less: 53 % on a grokking
run of modular addition, whose first steps, three times as long as the rest, would each be a direction of its own.

Published form: displacement from W_0, centred over time, share of the largest eigenvalue. Everything is computed from
Gram matrices (see `gram`); a window of the trajectory is a corner of one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout
from grokscope.geometry.blocks import WeightBlock, Weights, covered, weight_blocks
from grokscope.geometry.gram import Snapshots, gram, variance_shares

Gram = NDArray[np.float64]
"""Inner products of displacements from W_0, [snapshots, snapshots]"""

FEWEST = 4
"""Snapshots that a share of variance is computed from, as published: of three, even a random walk has 75 % on PC1"""

RANDOM_WALK_LIMIT = 6 / math.pi**2
"""Share of PC1 in a long random walk in many dimensions"""


def random_walk_share(snapshots: int) -> float:
    """Share of PC1 in a walk of equally long, mutually orthogonal steps (many dimensions)."""
    return 6 / (4 * (snapshots**2 - 1) * math.sin(math.pi / (2 * snapshots)) ** 2)


def subsampled(products: Gram, count: int) -> Gram:
    """The Gram matrix of `count` of the snapshots, evenly spaced, first and last among them."""
    kept = np.unique(np.linspace(0, len(products) - 1, count).round().astype(int))
    return np.asarray(products[np.ix_(kept, kept)])


def step_lengths(products: Gram) -> NDArray[np.float64]:
    """‖W_{t+1} − W_t‖, [snapshots − 1]"""
    own = np.diag(products)
    squares: NDArray[np.float64] = own[1:] + own[:-1] - 2 * np.diag(products, 1)
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def random_walks(
    lengths: NDArray[np.float64], dimension: int, generator: np.random.Generator, trials: int
) -> Iterator[Gram]:
    """Gram matrices [steps + 1, steps + 1] of walks with these step lengths and isotropic independent directions.

    The distribution is exact, though no vector of `dimension` entries is drawn where there are fewer steps than that:
    inner products of Gaussian vectors are a Wishart matrix, and that is L Lᵀ with Gaussian entries below the diagonal
    of L and chi-distributed ones on it (Bartlett 1933). Rows of L, scaled, are the directions, in coordinates of their
    own span.
    """
    steps = len(lengths)
    for _ in range(trials):
        if dimension < steps:
            rows = generator.standard_normal((steps, dimension))
        else:
            rows = np.tril(generator.standard_normal((steps, steps)), -1)
            np.fill_diagonal(rows, np.sqrt(generator.chisquare(dimension - np.arange(steps))))
        rows *= (lengths / np.linalg.norm(rows, axis=1))[:, None]
        walk = np.concatenate([np.zeros((1, rows.shape[1])), rows.cumsum(axis=0)])
        yield walk @ walk.T


@dataclass(frozen=True)
class Null:
    """PC1 of random walks with a trajectory's step lengths."""

    mean: float
    std: float
    """Of the drawn walks (ddof 1). It falls with the size of a block, so that z says more of size than of effect"""
    trials: int

    def z(self, share: float) -> float:
        return (share - self.mean) / self.std if self.std > 0 else math.nan


@dataclass(frozen=True)
class Window:
    """PC1 of part of a trajectory."""

    snapshots: int
    share: float
    null: float | None
    """Mean of the null, where drawn"""


@dataclass(frozen=True)
class Concentration:
    """One weight block, or several as one."""

    name: str
    entries: int
    shares: tuple[float, ...]
    """PC1, PC2, … of the whole trajectory, of 1; nan where nothing moved"""
    null: Null | None
    windows: tuple[Window, ...]
    """The first t snapshots"""
    subsamples: tuple[Window, ...]
    """Fewer snapshots of the whole trajectory"""


@dataclass(frozen=True)
class Question:
    """What to ask of every block."""

    components: int = 2
    trials: int = 10
    """Random walks drawn for the null, as published; 0: none"""
    windows: Sequence[int] = ()
    """Numbers of snapshots, each at least `FEWEST`"""
    subsamples: Sequence[int] = ()
    """Numbers of snapshots"""

    def of(self, name: str, entries: int, products: Gram, generator: np.random.Generator) -> Concentration:
        """`products`: the block's Gram matrix; `generator` draws the null."""
        walks = list(random_walks(step_lengths(products), entries, generator, self.trials))
        ends = [products[:end, :end] for end in self.windows]
        walk_ends = [[walk[:end, :end] for walk in walks] for end in self.windows]
        fewer = [subsampled(products, count) for count in self.subsamples]
        walk_fewer = [[subsampled(walk, count) for walk in walks] for count in self.subsamples]
        return Concentration(
            name,
            entries,
            tuple(map(float, variance_shares(products, self.components))),
            _null([_first(walk) for walk in walks]),
            tuple(map(_window, ends, walk_ends)),
            tuple(map(_window, fewer, walk_fewer)),
        )


def concentrations(
    snapshots: Snapshots,
    layout: Layout,
    question: Question,
    generator: np.random.Generator,
    weights: Weights = "matrices",
) -> Iterator[Concentration]:
    """Every weight block in turn, and at last all of them as one, called `joint`.

    Needs T² numbers in memory; reads every snapshot once.
    """
    together = np.zeros((len(snapshots), len(snapshots)))
    blocks = weight_blocks(layout, weights)
    for block in blocks:
        products = gram(snapshots, [(block.start, block.stop)])
        together += products
        yield question.of(block.name, block.stop - block.start, products, generator)
    yield question.of("joint", _entries(blocks), together, generator)


class ExpandingPC1:
    """PC1 of a trajectory so far, one snapshot at a time: of the matrices of all layers as one block, as published.

    Remembers every displacement in float32: 4 bytes x entries x snapshots (0.8 MB a snapshot for Dyck and modular,
    9.4 MB for SCAN). One more costs its inner products with all before it and the eigenvalues of a matrix of their
    number: 7 ms at Dyck's 100th, 48 ms at SCAN's 60th. Agrees with float64 throughout to 3e-7.
    """

    def __init__(self, layout: Layout, weights: Weights = "matrices") -> None:
        self._slices = covered(weight_blocks(layout, weights))
        self._start: FloatArray | None = None
        self._displacements: list[NDArray[np.float32]] = []
        self._products = np.zeros((16, 16))

    def add(self, vector: FloatArray) -> float | None:
        """PC1 of all snapshots up to `vector` [size], W_0 the first; None before the fourth, and where none moved."""
        inside = np.concatenate([vector[start:stop] for start, stop in self._slices])
        if self._start is None:
            self._start = inside
        with np.errstate(invalid="ignore", over="ignore"):  # a run may diverge: it has no share from then on
            self._append((inside - self._start).astype(np.float32))
            count = len(self._displacements)
            share = float(variance_shares(self._products[:count, :count])[0]) if count >= FEWEST else math.nan
        return share if math.isfinite(share) else None

    def _append(self, displacement: NDArray[np.float32]) -> None:
        self._displacements.append(displacement)
        count = len(self._displacements)
        if count > len(self._products):
            self._products = np.pad(self._products, (0, len(self._products)))
        row = [float(earlier @ displacement) for earlier in self._displacements]
        self._products[count - 1, :count] = self._products[:count, count - 1] = row


def _first(products: Gram) -> float:
    return float(variance_shares(products)[0])


def _null(drawn: Sequence[float]) -> Null | None:
    if not drawn:
        return None
    return Null(float(np.mean(drawn)), float(np.std(drawn, ddof=1)) if len(drawn) > 1 else 0.0, len(drawn))


def _window(products: Gram, walks: Sequence[Gram]) -> Window:
    null = _null([_first(walk) for walk in walks])
    return Window(len(products), _first(products), null.mean if null else None)


def _entries(blocks: Sequence[WeightBlock]) -> int:
    return sum(block.stop - block.start for block in blocks)

"""Subspaces of weight space: few directions, stored block by block, and what of a vector lies in them.

The paper's execution subspace has two directions a weight matrix: 24 in a two-layer Dyck model, 96 in SCAN's. Each is
zero outside its matrix, so a basis is stored as orthonormal rows over slices of the flat vector and costs two numbers
a parameter; a matrix of P x K numbers exists nowhere (but see `random_joint`).

Bases are NumPy. A `Projector` takes one to a backend.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Array, FloatArray, Scalar, Vectors
from grokscope.contract.parameters import Layout
from grokscope.geometry.blocks import Weights, covered, weight_blocks
from grokscope.geometry.commutator import dot, inner, norm
from grokscope.geometry.gram import Snapshots, directions, orthonormal

NOT_ORTHONORMAL = 1e-4
"""Largest error of an inner product of two rows"""


@dataclass(frozen=True, eq=False)
class Directions:
    """Orthonormal directions over some slices of the flat vector, zero elsewhere."""

    name: str
    slices: tuple[tuple[int, int], ...]
    vectors: FloatArray
    """[dimension, entries in the slices]"""

    def __post_init__(self) -> None:
        entries = sum(stop - start for start, stop in self.slices)
        if self.vectors.ndim != 2 or self.vectors.shape[1] != entries or not 0 < len(self.vectors) <= entries:
            raise ValueError(f"{self.name}: rows of shape {self.vectors.shape} do not fit slices of {entries} entries")
        error = np.abs(self.vectors @ self.vectors.T - np.eye(len(self.vectors))).max()
        if not error <= NOT_ORTHONORMAL:
            raise ValueError(f"{self.name}: rows are not orthonormal, by {error:.1g}")

    def pieces(self) -> "list[tuple[int, int, FloatArray]]":
        """(start, stop, rows [dimension, stop − start]) by slice."""
        edges = np.cumsum([0, *(stop - start for start, stop in self.slices)])
        return [
            (start, stop, self.vectors[:, left : left + stop - start])
            for left, (start, stop) in zip(edges[:-1], self.slices, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Subspace:
    """The span of the rows of all blocks; blocks do not overlap, so all rows together are orthonormal."""

    size: int
    """Length of the flat vector"""
    blocks: tuple[Directions, ...]

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("a subspace needs at least one direction")
        end = 0
        for start, stop in sorted(where for block in self.blocks for where in block.slices):
            if not end <= start < stop <= self.size:
                raise ValueError(f"slice {start}:{stop} overlaps another or leaves a vector of {self.size}")
            end = stop

    @property
    def dimension(self) -> int:
        return sum(len(block.vectors) for block in self.blocks)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of slices and rows: what a record says to be the same subspace is the same, bit by bit."""
        hashed = hashlib.sha256(str(self.size).encode())
        for block in self.blocks:
            hashed.update(str(block.slices).encode())
            hashed.update(np.ascontiguousarray(block.vectors, dtype="<f8").tobytes())
        return hashed.hexdigest()

    def dense(self) -> NDArray[np.float64]:
        """All rows at full length, [dimension, size]: for small models and tests."""
        rows = np.zeros((self.dimension, self.size))
        first = 0
        for block in self.blocks:
            last = first + len(block.vectors)
            for start, stop, piece in block.pieces():
                rows[first:last, start:stop] = piece
            first = last
        return rows


class Projector:
    """A subspace on a backend.

    `vectors` is where it works: a session, whose precision is the projector's. Sums are pairwise, see `inner`: MLX's
    own are off by 4e-4. Nothing waits for the device but `share` and `coefficients`.
    """

    def __init__(self, subspace: Subspace, vectors: Vectors) -> None:
        self.subspace = subspace
        self._vectors = vectors
        self._blocks = [
            [
                (start, stop, [vectors.asarray(np.ascontiguousarray(row)) for row in rows])
                for start, stop, rows in block.pieces()
            ]
            for block in subspace.blocks
        ]
        inside = sorted(piece[:2] for pieces in self._blocks for piece in pieces)
        edges = [0, *(edge for piece in inside for edge in piece), subspace.size]
        gaps = [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
        self._outside = {start: vectors.asarray(np.zeros(stop - start, dtype=np.float32)) for start, stop in gaps}

    def onto(self, vector: Array) -> Array:
        """B Bᵀ v: the part of `vector` [size] in the subspace."""
        projected = dict(self._outside)
        for pieces in self._blocks:
            amounts = self._amounts(pieces, vector)
            for start, _, rows in pieces:
                projected[start] = reduce(add, (amount * row for amount, row in zip(amounts, rows, strict=True)))
        return self._vectors.concatenate([projected[start] for start in sorted(projected)])

    def off(self, vector: Array) -> Array:
        """v − B Bᵀ v: the part of `vector` [size] orthogonal to the subspace."""
        return vector - self.onto(vector)

    def coefficients(self, vector: Array) -> NDArray[np.float64]:
        """Bᵀ v, [dimension]"""
        return np.array([float(amount) for pieces in self._blocks for amount in self._amounts(pieces, vector)])

    def share(self, vector: Array) -> float:
        """‖B Bᵀ v‖ / ‖v‖, in [0, 1]; nan for the zero vector. Of norms, as published: squares add up, shares do not."""
        length = norm(vector)
        return min(1.0, float(np.linalg.norm(self.coefficients(vector))) / length) if length else math.nan

    def _amounts(self, pieces: list[tuple[int, int, list[Array]]], vector: Array) -> list[Scalar]:
        """The inner product with each row of a block."""
        parts = [[inner(row, vector[start:stop]) for row in rows] for start, stop, rows in pieces]
        return [reduce(add, each) for each in zip(*parts, strict=True)]


# --- bases ------------------------------------------------------------------------------------------------------------


def trajectory_basis(
    snapshots: Snapshots,
    layout: Layout,
    components: int = 2,
    blocks: Weights | Literal["joint"] = "matrices",
) -> Subspace:
    """The largest principal components of W_t − W_0 over time (column-centred), of each weight block.

    As published with `matrices` (Dyck 24, SCAN 96 dimensions) or `attention` (modular 16). `joint`: of all `matrices`
    as one block, `components` in all. The snapshots are in memory or in files (`runs.history`); a block has at most
    one direction fewer than there are. Blocks that did not move are left out. Raises `ValueError` where none did.
    """
    if len(snapshots) < 2:
        raise ValueError(f"a trajectory needs at least 2 snapshots, not {len(snapshots)}")
    if blocks == "joint":
        slices = {"joint": covered(weight_blocks(layout))}
    else:
        slices = {block.name: ((block.start, block.stop),) for block in weight_blocks(layout, blocks)}
    found = [(name, where, directions(snapshots, where, components)) for name, where in slices.items()]
    moved = tuple(Directions(name, where, rows) for name, where, rows in found if len(rows))
    if not moved:
        raise ValueError("the snapshots are all the same: no weight matrix moved, so there is no direction")
    return Subspace(layout.size, moved)


def weight_basis(weights: FloatArray, layout: Layout, components: int = 3, blocks: Weights = "matrices") -> Subspace:
    """The largest singular directions u vᵀ of each weight block of a flat vector [size].

    The paper's three bases: of W(t), of W(t) − W(0) (`delta_basis`), of a sum of gradients (`gradient_basis`).
    """
    found: list[Directions] = []
    for block in weight_blocks(layout, blocks):
        matrix = np.asarray(weights[block.start : block.stop], dtype=np.float64).reshape(block.shape)
        left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
        kept = min(components, int(np.count_nonzero(sizes > 1e-7 * sizes[0])))
        rows = np.einsum("ik,kj->kij", left[:, :kept], right[:kept]).reshape(kept, matrix.size)
        if kept:
            found.append(Directions(block.name, ((block.start, block.stop),), orthonormal(rows)))
    if not found:
        raise ValueError("every weight matrix is zero, so there is no direction")
    return Subspace(layout.size, tuple(found))


def delta_basis(
    weights: FloatArray, start: FloatArray, layout: Layout, components: int = 3, blocks: Weights = "matrices"
) -> Subspace:
    """The largest singular directions of W(t) − W(0)."""
    return weight_basis(weights - start, layout, components, blocks)


def gradient_basis(
    gradients: Sequence[FloatArray], layout: Layout, components: int = 3, blocks: Weights = "matrices"
) -> Subspace:
    """The largest singular directions of a sum of gradients (the paper's: the last 50 of training, unclipped)."""
    return weight_basis(np.sum(np.asarray(gradients), axis=0), layout, components, blocks)


# --- controls ---------------------------------------------------------------------------------------------------------


def random_like(subspace: Subspace, generator: np.random.Generator) -> Subspace:
    """Random directions, uniformly distributed, as many as `subspace` has in each of its blocks.

    The fair control: the same matrices are touched, by as many dimensions each.
    """
    return Subspace(
        subspace.size,
        tuple(
            Directions(block.name, block.slices, _random_rows(block.vectors.shape, generator))
            for block in subspace.blocks
        ),
    )


def random_joint(size: int, dimension: int, generator: np.random.Generator) -> Subspace:
    """Random directions in the whole space, the published control.

    Uniformly distributed, and dense: `dimension` x `size` float32 numbers (SCAN's 96: 1.5 GB). What share of a vector
    lies in such a subspace is known without one: see `execution_share`.
    """
    return Subspace(size, (Directions("random", ((0, size),), _random_rows((dimension, size), generator)),))


def _random_rows(shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """Orthonormal rows: Gaussian ones, with the inverse of their Gram matrix's Cholesky factor undone, in place."""
    rows = generator.standard_normal(shape, dtype=np.float32)
    for _ in range(2):  # the second time takes away what rounding the first has left
        products = np.zeros((shape[0], shape[0]))
        columns = [slice(left, left + 2**16) for left in range(0, shape[1], 2**16)]
        for column in columns:
            part = rows[:, column].astype(np.float64)
            products += part @ part.T
        undo = np.linalg.inv(np.linalg.cholesky(products))
        for column in columns:
            rows[:, column] = undo @ rows[:, column]
    return rows


# --- what a commutator has to do with a subspace ----------------------------------------------------------------------


def invariance(commutator: Array, projector: Projector) -> float:
    """ρ = ‖δ_perp‖ / ‖δ‖ of a commutator δ [size]: 1 where it leaves the subspace altogether; nan for zero."""
    length = norm(commutator)
    return norm(projector.off(commutator)) / length if length else math.nan


@dataclass(frozen=True)
class ExecutionShare:
    """How much of some vectors lies in a subspace, beside what lies in random ones. Medians over the vectors."""

    dimension: int
    size: int
    share: float
    """‖B Bᵀ δ‖ / ‖δ‖"""
    random: float
    """The same of random subspaces of the whole space (mean over draws): the published control"""
    matched: float
    """The same of random subspaces with the same dimension in each block. A vector that lies outside the blocks has no
    share of those either: on a modular run that groks at 1,800 the published ratio falls from 1.35 there to 0.27 at
    2,000, the matched one from 1.7 to 1.4, for the commutator has left the matrices, not their directions"""

    @property
    def theory(self) -> float:
        """sqrt(K/P): what `random` is on average, all but exactly."""
        return math.sqrt(self.dimension / self.size)

    @property
    def ratio(self) -> float:
        """exec/random as published."""
        return self.share / self.random

    @property
    def matched_ratio(self) -> float:
        """exec/random against the control that touches the same matrices."""
        return self.share / self.matched


def execution_share(
    vectors: Sequence[Array], projector: Projector, generator: np.random.Generator, draws: int = 5
) -> ExecutionShare:
    """How much more of `vectors` [size] (commutators) lies in a subspace than in random ones.

    No random subspace is made: the squared share of a vector in a uniformly random K-dimensional subspace of n
    dimensions has the Beta(K/2, (n − K)/2) distribution whatever the vector, and is drawn from that.
    """
    subspace = projector.subspace
    dimensions = [(len(block.vectors), block.vectors.shape[1]) for block in subspace.blocks]
    rows = []
    for vector in vectors:
        whole = dot(vector, vector)
        if whole == 0:
            continue
        inside = [sum(dot(vector[a:b], vector[a:b]) for a, b in block.slices) / whole for block in subspace.blocks]
        joint = [_squared_share(subspace.dimension, subspace.size, generator) for _ in range(draws)]
        matched = [
            sum(part * _squared_share(k, n, generator) for part, (k, n) in zip(inside, dimensions, strict=True))
            for _ in range(draws)
        ]
        rows.append((projector.share(vector), np.sqrt(joint).mean(), np.sqrt(matched).mean()))
    if not rows:
        raise ValueError("there is no vector other than zero to look at")
    share, random, matched_share = np.median(np.array(rows), axis=0)
    return ExecutionShare(subspace.dimension, subspace.size, float(share), float(random), float(matched_share))


def _squared_share(dimension: int, size: int, generator: np.random.Generator) -> float:
    return generator.beta(dimension / 2, (size - dimension) / 2) if dimension < size else 1.0

"""Principal components of a weight trajectory without a matrix of the trajectory.

T snapshots of P weights have T x T inner products ("Gram matrix"), and those hold all that a PCA over time asks for:
variances are its eigenvalues, and each principal direction is a sum over snapshots with an eigenvector's entries as
weights. Snapshots are read a few columns at a time, so they may stand in files and be thousands.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Sliceable(Protocol):
    """A flat vector [size], in memory or in a file: `vector[start:stop]` is a NumPy array."""

    def __getitem__(self, where: slice, /) -> Any: ...


Snapshots = Sequence[Sliceable]
"""Flat vectors [size] of one model, in the order of training"""
Slices = Sequence[tuple[int, int]]

NUMBERS_AT_ONCE = 2**23
"""Numbers of a trajectory in memory at a time: 64 MB"""

DENSE = 256
"""Snapshots up to which all eigenvalues are computed; beyond, the largest alone (at 3,000: 0.1 s instead of 3 s)"""

NO_VARIANCE = 1e-10
"""Share of the largest variance below which a component is rounding, and no direction"""


def displacements(snapshots: Snapshots, slices: Slices) -> Iterator[NDArray[np.float64]]:
    """W_t − W_0 inside `slices`, [snapshots, some columns] at a time."""
    width = max(1, NUMBERS_AT_ONCE // len(snapshots))
    for start, stop in slices:
        for left in range(start, stop, width):
            right = min(left + width, stop)
            first = np.asarray(snapshots[0][left:right], dtype=np.float64)
            columns = np.empty((len(snapshots), right - left))
            for row, snapshot in zip(columns, snapshots, strict=True):
                np.subtract(snapshot[left:right], first, out=row)
            yield columns


def gram(snapshots: Snapshots, slices: Slices) -> NDArray[np.float64]:
    """(W_s − W_0) · (W_t − W_0) inside `slices`, [snapshots, snapshots], in float64.

    Costs T² P multiplications, once; the Gram matrix of several blocks together is the sum of theirs.
    """
    products = np.zeros((len(snapshots), len(snapshots)))
    for columns in displacements(snapshots, slices):
        products += columns @ columns.T
    return products


def centred(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Gram matrix of the same points about their mean."""
    mean = products.mean(axis=0)
    return np.asarray(products - mean - mean[:, None] + mean.mean())


def variance_shares(products: NDArray[np.float64], components: int = 1) -> NDArray[np.float64]:
    """Shares of variance of the largest principal components, [components]; nan where nothing moved.

    `products` is a Gram matrix, centred or not.
    """
    about_mean = centred(products)
    total = float(np.trace(about_mean))
    if not total > 0:
        return np.full(components, np.nan)
    count = min(components, len(products))
    found = np.linalg.eigvalsh(about_mean)[::-1] if len(products) <= DENSE else largest(about_mean, count)[0]
    values = np.zeros(components)
    values[:count] = np.clip(found[:count] / total, 0.0, 1.0)
    return values


def directions(snapshots: Snapshots, slices: Slices, components: int) -> NDArray[np.float64]:
    """The largest principal directions inside `slices`, orthonormal rows [at most `components`, columns].

    Fewer where the trajectory has fewer; none where nothing moved. The entry of largest size is positive.
    """
    values, vectors = largest(centred(gram(snapshots, slices)), min(components, len(snapshots) - 1))
    vectors = vectors[:, values > NO_VARIANCE * max(float(values[0]), np.finfo(np.float64).tiny)]
    found = np.concatenate([vectors.T @ columns for columns in displacements(snapshots, slices)], axis=1)
    return orthonormal(found)


def orthonormal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal rows that span the same nested spaces, each with its entry of largest size positive."""
    if not len(rows):
        return rows
    basis = np.linalg.qr(rows.T)[0].T
    top = np.abs(basis).argmax(axis=1)
    return np.ascontiguousarray(basis * np.sign(basis[np.arange(len(basis)), top])[:, None])


def largest(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The `count` largest eigenvalues of a symmetric matrix [n, n], largest first, and their eigenvectors [n, count].

    Large matrices by a block Krylov space (Musco & Musco 2015), which equal eigenvalues do not mislead; by all
    eigenvalues where that has not converged.
    """
    if len(matrix) > DENSE:
        values, vectors = _krylov(matrix, count)
        residual = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
        if np.all(residual <= 1e-7 * max(abs(float(values[0])), np.finfo(np.float64).tiny)):
            return values, vectors
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def _krylov(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    block = np.random.Generator(np.random.Philox(key=0)).standard_normal((len(matrix), count + 4))
    pieces = []
    for _ in range(12):
        block = np.linalg.qr(block)[0]
        pieces.append(block)
        block = matrix @ block
    basis = np.linalg.qr(np.concatenate(pieces, axis=1))[0]
    values, mixed = np.linalg.eigh(basis.T @ matrix @ basis)
    return values[::-1][:count], (basis @ mixed)[:, ::-1][:, :count]

"""Vectors that offer the operations of `grokscope.contract.arrays.Vector` and no other.

NumPy, PyTorch and MLX offer hundreds more, each its own. A formula that holds on these vectors holds on every backend.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grokscope.contract.arrays import FloatArray, Precision


class StrictVector:
    """A NumPy vector [size] that nobody can write to. Raises `TypeError` for an operation, or a mixture of precisions,
    that the contract does not have, and `ValueError` for lengths that differ."""

    __slots__ = ("_values",)
    __array_ufunc__ = None
    """NumPy's scalars leave operations with a strict vector to the strict vector."""

    def __init__(self, values: FloatArray) -> None:
        if values.ndim != 1:
            raise ValueError(f"a vector is flat, not {values.shape}")
        if values.dtype not in (np.float32, np.float64):
            raise TypeError(f"a vector holds float32 or float64, not {values.dtype}")
        self._values = values.view()
        self._values.flags.writeable = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """For those who make and take vectors; the contract has none."""
        return self._values.dtype

    def tonumpy(self) -> FloatArray:
        """A copy, for those who make and take vectors."""
        return self._values.copy()

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, where: slice) -> "StrictVector":
        if not isinstance(where, slice) or where.step is not None:
            raise TypeError(f"a vector is sliced from start to stop, not by {where!r}")
        return StrictVector(self._values[where])

    def __add__(self, other: Any) -> "StrictVector":
        return self._with(other, np.add)

    def __sub__(self, other: Any) -> "StrictVector":
        return self._with(other, np.subtract)

    def __mul__(self, other: Any) -> "StrictVector":
        return self._with(other, np.multiply)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "StrictVector":
        return self._with(other, np.divide)

    def __abs__(self) -> "StrictVector":
        return StrictVector(np.abs(self._values))

    def sum(self) -> Any:
        return self._values.sum()

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a backend's vector is not NumPy's: use session.tonumpy(vector)")

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> "StrictVector":
        if isinstance(other, StrictVector):
            if other.dtype != self.dtype:
                raise TypeError(f"vectors of one precision, not {self.dtype} and {other.dtype}")
            if len(other) != len(self):
                raise ValueError(f"vectors of one length, not {len(self)} and {len(other)}")
            return StrictVector(operation(self._values, other._values))
        if not isinstance(other, (int, float, np.floating)):
            raise TypeError(f"a vector is computed with vectors and numbers, not with {type(other).__name__}")
        return StrictVector(operation(self._values, self.dtype.type(other)))


class StrictVectors:
    """Makes strict vectors, without any model."""

    def __init__(self, precision: Precision = "float64") -> None:
        self.precision = precision

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> StrictVector:
        return StrictVector(values.astype(precision or self.precision))

    def tonumpy(self, array: StrictVector) -> FloatArray:
        return array.tonumpy()

    def concatenate(self, pieces: Sequence[StrictVector]) -> StrictVector:
        if len({piece.dtype for piece in pieces}) != 1:
            raise TypeError("only vectors of one precision, one or more, can stand one behind the other")
        return StrictVector(np.concatenate([piece.tonumpy() for piece in pieces]))

"""The arrays of the core: flat vectors of a backend, and NumPy arrays.

Geometry, signals and interventions use only the operations of `Vector` in their formulas, so that each formula exists
once and holds for every backend. The conformance suite of backends tests each operation. The vectors in
`grokscope.testing.vectors` have no other operations.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Precision = Literal["float32", "float64"]

Floats = NDArray[np.float64]
"""Numbers computed in double precision, independent of the precision of the run"""

FloatArray = NDArray[np.float32] | NDArray[np.float64]

Array = Any
"""A `Vector` of a backend: `torch.Tensor`, `mlx.core.array`, `numpy.ndarray`. Its type is Any, because a backend
accepts only its own vectors."""


class Scalar(Protocol):
    """A number on the backend's device. Reading it with `float` may wait for the device."""

    def __float__(self) -> float: ...

    def __add__(self, other: Any, /) -> Self: ...

    def __mul__(self, other: Any, /) -> Any:
        """The product with another scalar or with a vector."""


class Vector(Protocol):
    """A flat vector [size] on a backend's device, with all allowed operations.

    The other operand is a vector of the same length and precision, a Python number, or a `Scalar` of the backend.
    Vectors are never changed in place.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> Self:
        """Entries start:stop, in steps of one."""

    def __add__(self, other: Any, /) -> Self: ...

    def __sub__(self, other: Any, /) -> Self: ...

    def __mul__(self, other: Any, /) -> Self: ...

    def __rmul__(self, other: Any, /) -> Self: ...

    def __truediv__(self, other: Any, /) -> Self: ...

    def __abs__(self) -> Self: ...

    def sum(self) -> Scalar:
        """The sum of all entries. A backend may add one entry after the other, which costs digits over many; see
        `grokscope.geometry.commutator.inner`."""


class Vectors(Protocol):
    """Makes vectors. A session is an example."""

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> Array:
        """NumPy to a flat vector on the device, in the precision of the session unless another is asked for.
        Raises `Unavailable` where the device lacks the precision."""

    def tonumpy(self, array: Array) -> FloatArray:
        """A flat vector, copied to NumPy."""

    def concatenate(self, pieces: Sequence[Array]) -> Array:
        """Flat vectors of one precision, one behind the other."""

"""What arrays the core computes with: a backend's own flat vectors, and NumPy's."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Precision = Literal["float32", "float64"]

Array = Any
"""A backend's own one-dimensional array: `torch.Tensor`, `mlx.core.array`, `numpy.ndarray`."""

FloatArray = NDArray[np.float32] | NDArray[np.float64]

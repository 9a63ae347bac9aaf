"""Flat vectors on a device of MLX, as `grokscope.contract.arrays.Vectors` asks for them."""

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Unavailable

DTYPES: dict[Precision, mx.Dtype] = {"float32": mx.float32, "float64": mx.float64}


class MLXVectors:
    """Base of whatever computes with vectors on one device, in one precision unless another is asked for."""

    device: str
    precision: Precision

    def asarray(self, values: FloatArray, precision: Precision | None = None) -> mx.array:
        dtype = DTYPES[precision or self.precision]
        if dtype == mx.float64 and self.device == "gpu":
            raise Unavailable("MLX has no float64 on a GPU: measure in float32, or with --device cpu")
        return mx.array(values, dtype=dtype)

    def tonumpy(self, array: mx.array) -> FloatArray:
        result: FloatArray = np.array(array)
        return result

    def concatenate(self, pieces: Sequence[mx.array]) -> mx.array:
        return mx.concatenate(list(pieces))

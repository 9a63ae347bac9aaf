"""The operations of `grokscope.contract.transformer` in MLX, each in the precision of its argument.

Everything here can be differentiated twice: attention and norms are plain operations, because the fused ones of
`mlx.core.fast` have no second derivative on a GPU.

MLX 0.32 computes `exp` and `erf` of float64 arrays in float32 on a CPU (ml-explore/mlx#3047), and with them its
softmax, sigmoid and logsumexp. Float32 takes the native functions; float64 takes `power`, which is exact to rounding,
and a polynomial.
"""

import math
from collections.abc import Sequence
from typing import cast

import mlx.core as mx
import numpy as np

from grokscope.contract.models import LAYER_NORM_EPSILON

matmul = mx.matmul
sum = mx.sum  # noqa: A001
reshape = mx.reshape
permute = mx.transpose

_BEYOND = 6.0
"""erf is 1 to float64 rounding from here on."""


def split(vector: mx.array, sizes: Sequence[int]) -> Sequence[mx.array]:
    return cast("Sequence[mx.array]", mx.split(vector, np.cumsum(sizes)[:-1].tolist()))


def unstack(x: mx.array, axis: int) -> Sequence[mx.array]:
    return [part.squeeze(axis) for part in mx.split(x, x.shape[axis], axis)]


def take(x: mx.array, rows: mx.array) -> mx.array:
    return x[rows]


def linear(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
    return mx.addmm(bias, x, weight.T)


def layer_norm(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
    centred = x - mx.mean(x, axis=-1, keepdims=True)
    scale = mx.rsqrt(mx.mean(centred * centred, axis=-1, keepdims=True) + LAYER_NORM_EPSILON)
    return centred * scale * weight + bias


def unit(x: mx.array) -> mx.array:
    return x * mx.rsqrt(mx.sum(x * x, axis=-1, keepdims=True))


def stable_log(x: mx.array) -> mx.array:
    positive = x >= 0
    up, down = mx.where(positive, x, 0), mx.where(positive, 0, -x)
    return mx.where(positive, mx.log1p(up), -mx.log1p(down))


def hide(x: mx.array, hidden: mx.array) -> mx.array:
    return mx.where(hidden, -mx.inf, x)


def pick(x: mx.array, columns: mx.array) -> mx.array:
    return mx.take_along_axis(x, columns[:, None], axis=1)[:, 0]


def exp(x: mx.array) -> mx.array:
    """e to the x, elementwise."""
    if x.dtype != mx.float64:
        return mx.exp(x)
    return mx.power(mx.array(math.e, dtype=mx.float64), x)


def softmax(x: mx.array, axis: int) -> mx.array:
    if x.dtype != mx.float64:
        return mx.softmax(x, axis=axis)
    powers = exp(x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True)))
    return powers / mx.sum(powers, axis=axis, keepdims=True)


def erf(x: mx.array) -> mx.array:
    """The error function, elementwise."""
    if x.dtype != mx.float64:
        return mx.erf(x)
    return cast(mx.array, _erf_float64(x))


def gelu(x: mx.array) -> mx.array:
    """x Φ(x), the exact one."""
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def log_sum_exp(x: mx.array) -> mx.array:
    """log Σ exp along the last axis."""
    top = mx.stop_gradient(mx.max(x, axis=-1, keepdims=True))
    return mx.log(mx.sum(exp(x - top), axis=-1)) + top[..., 0]


def softplus(x: mx.array) -> mx.array:
    """log(1 + exp(x)), every digit of it where x is far below 0."""
    positive = x > 0
    return mx.where(positive, x, 0) + mx.log1p(exp(mx.where(positive, -x, x)))


def _scaled_complement() -> list[float]:
    """exp(x²) erfc(x) for x in [0, 6] as a polynomial in u = (2 x − 3) / (x + 3), highest power first.

    u runs from -1 to 1, and in it the function is almost linear (after Shepherd & Laframboise 1981):
    degree 19 gives erf to 1e-15.
    """
    u = np.polynomial.chebyshev.chebpts1(20)
    values = [math.exp(x * x) * math.erfc(x) for x in 3 * (1 + u) / (2 - u)]
    chebyshev = np.polynomial.chebyshev.chebfit(u, values, 19)
    return [float(c) for c in np.polynomial.chebyshev.cheb2poly(chebyshev)[::-1]]


_COEFFICIENTS = _scaled_complement()


@mx.custom_function
def _erf_float64(x: mx.array) -> mx.array:
    size = mx.minimum(mx.abs(x), _BEYOND)
    u = (2 * size - 3) / (size + 3)
    polynomial = mx.full(x.shape, _COEFFICIENTS[0], dtype=x.dtype)
    for coefficient in _COEFFICIENTS[1:]:
        polynomial = polynomial * u + coefficient
    return mx.sign(x) * (1 - exp(-size * size) * polynomial)


@_erf_float64.vjp
def _erf_float64_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    return cotangent * (2 / math.sqrt(math.pi)) * exp(-x * x)

"""The commutator defect: how much the result of two gradient steps depends on their order.

    theta_AB − theta_BA = eta² (H_B g_A − H_A g_B) + O(eta³)
    D = ‖H_B g_A − H_A g_B‖ / (‖g_A‖ ‖g_B‖)                                            the limit eta → 0

(arXiv 2602.16967, eq. "defect", for the left side over ‖eta g_A‖ ‖eta g_B‖.) `exact` computes the limit by
Hessian-vector products. `finite_difference` computes what the paper's code computes; it is there to reproduce
published numbers, and in float32 it is mostly rounding once a model has memorized.

All functions take flat vectors of any backend; `grokscope.contract.arrays.Vector` lists what is asked of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from grokscope.contract.arrays import Array, Precision, Scalar
from grokscope.contract.backends import Bracket, BracketLandscape, Landscape

Estimator = Literal["exact", "finite-difference"]

EPSILON: Mapping[Precision, float] = {"float32": 2.0**-23, "float64": 2.0**-52}
"""Distance from 1 to the next larger number."""

EXACT_ROUNDING = 64.0
"""Rounding error of ‖H_B g_A − H_A g_B‖ in units of epsilon (‖H_B g_A‖ + ‖H_A g_B‖); see `exact`."""

CLEAR_OF_FLOOR = 3.0
"""Floors that a defect must measure to be read; the estimated floor is within a factor 2.1 of the true error on the
seven golden points."""

SUMMED_AT_ONCE = 1024
"""Terms of an inner product that may be added one after the other"""

PAPER_ETA = 1e-3
SMALLEST_STEP = 1e-6
LARGEST_ETA = 1.0
GUARD = 1e-12


@dataclass(frozen=True)
class CommutatorSample:
    """One draw of two batches."""

    defect: float
    commutator_norm: float
    """‖H_B g_A − H_A g_B‖"""
    relative_commutator: float | None
    """‖H_B g_A − H_A g_B‖ / (‖H_B g_A‖ + ‖H_A g_B‖), in [0, 1]; None for finite differences"""
    gradient_norm_a: float
    gradient_norm_b: float
    gradient_cosine: float
    floor: float
    """Size of the rounding error in `defect`, same unit"""
    eta: float | None
    """The step, after adaptation; None for the exact estimator"""
    commutator: Array
    """H_B g_A − H_A g_B, [size]"""


@dataclass(frozen=True)
class Commutator:
    """K samples at one point of training."""

    samples: Sequence[CommutatorSample]
    estimator: Estimator
    precision: Precision

    def quartiles(self) -> tuple[float, float, float]:
        """25th, 50th and 75th percentile of the defect (linear interpolation); nan beside a sample that is infinite."""
        with np.errstate(invalid="ignore"):
            low, median, high = np.percentile([sample.defect for sample in self.samples], [25, 50, 75])
        return float(low), float(median), float(high)

    def median(self, value: Callable[[CommutatorSample], float | None]) -> float | None:
        """Median over the samples of one of their numbers; None where the estimator does not have it."""
        values = [number for number in map(value, self.samples) if number is not None]
        return float(np.median(values)) if values else None

    @property
    def floor(self) -> float:
        """Median rounding error of the defect."""
        return float(np.median([sample.floor for sample in self.samples]))

    @property
    def below_floor(self) -> bool:
        """Whether the median defect drowns in rounding: it is less than `CLEAR_OF_FLOOR` floors, or not finite."""
        median = self.quartiles()[1]
        return not (math.isfinite(median) and median >= CLEAR_OF_FLOOR * self.floor)


def bracket(landscape: Landscape[Any], theta: Array, batch_a: Any, batch_b: Any) -> Bracket:
    """g_A, g_B, H_B g_A and H_A g_B at `theta` [size], in one graph where the landscape can."""
    if isinstance(landscape, BracketLandscape):
        return landscape.bracket(theta, batch_a, batch_b)
    _, gradient_a = landscape.gradient(theta, batch_a)
    _, gradient_b = landscape.gradient(theta, batch_b)
    product_b = landscape.hessian_vector_product(theta, batch_b, gradient_a)
    product_a = landscape.hessian_vector_product(theta, batch_a, gradient_b)
    return Bracket(gradient_a, gradient_b, product_b, product_a)


def exact(
    landscape: Landscape[Any], theta: Array, batch_a: Any, batch_b: Any, *, precision: Precision
) -> CommutatorSample:
    """The defect in the limit of small steps. `theta` [size].

    The floor is `EXACT_ROUNDING` epsilon (‖H_B g_A‖ + ‖H_A g_B‖) / (‖g_A‖ ‖g_B‖): the two products are rounded
    independently of each other, and their difference is not smaller than that even where they cancel (as for equal
    batches, where the defect is 0).
    """
    parts = bracket(landscape, theta, batch_a, batch_b)
    norm_a, norm_b = norm(parts.gradient_a), norm(parts.gradient_b)
    commutator = parts.hvp_b_on_grad_a - parts.hvp_a_on_grad_b
    size = norm(commutator)
    both = norm(parts.hvp_b_on_grad_a) + norm(parts.hvp_a_on_grad_b)
    return CommutatorSample(
        defect=_ratio(size, norm_a * norm_b),
        commutator_norm=size,
        relative_commutator=_ratio(size, both),
        gradient_norm_a=norm_a,
        gradient_norm_b=norm_b,
        gradient_cosine=_ratio(dot(parts.gradient_a, parts.gradient_b), norm_a * norm_b),
        floor=_ratio(EXACT_ROUNDING * EPSILON[precision] * both, norm_a * norm_b),
        eta=None,
        commutator=commutator,
    )


def finite_difference(
    landscape: Landscape[Any],
    theta: Array,
    batch_a: Any,
    batch_b: Any,
    *,
    precision: Precision,
    eta: float = PAPER_ETA,
    adaptive: bool = True,
    guard: float = GUARD,
) -> CommutatorSample:
    """The paper's form: ‖theta_AB − theta_BA‖ / (‖eta g_A‖ ‖eta g_B‖ + guard), after two plain gradient steps each way.

    With `adaptive`, eta grows to 1e-6 / min(‖g_A‖, ‖g_B‖) (at most 1) where a step would be shorter than 1e-6. That,
    and the guard of 1e-12, is what the author's Dyck and SCAN code does; the two together halve the result once
    gradients are that small.

    The floor: parameters lie on a grid of spacing u_i, on average 0.72 epsilon |theta_i| over a binade. Both orders
    round to the same grid point, except where the change x_i of the second gradient along the way carries an update
    across the middle between two points: with probability eta |x_i| / u_i, and then by the whole of u_i. So the
    squared error is the sum over i of u_i eta |x_i|, for the second step of either order, and at most that of four
    independent roundings, u_i² / 3.
    """
    _, gradient_a = landscape.gradient(theta, batch_a)
    _, gradient_b = landscape.gradient(theta, batch_b)
    norm_a, norm_b = norm(gradient_a), norm(gradient_b)
    if adaptive and min(norm_a, norm_b) * eta < SMALLEST_STEP:
        eta = min(_ratio(SMALLEST_STEP, min(norm_a, norm_b)), LARGEST_ETA)
    after_a, after_b = theta - eta * gradient_a, theta - eta * gradient_b
    gradient_b_after_a = landscape.gradient(after_a, batch_b)[1]
    gradient_a_after_b = landscape.gradient(after_b, batch_a)[1]
    difference = (after_a - eta * gradient_b_after_a) - (after_b - eta * gradient_a_after_b)
    spacing = 0.72 * EPSILON[precision] * abs(theta)
    change = abs(gradient_b_after_a - gradient_b) + abs(gradient_a_after_b - gradient_a)
    rounding = math.sqrt(min(eta * dot(spacing, change), dot(spacing, spacing) / 3))
    size = norm(difference)
    denominator = eta * norm_a * eta * norm_b + guard
    return CommutatorSample(
        defect=_ratio(size, denominator),
        commutator_norm=size / eta**2,
        relative_commutator=None,
        gradient_norm_a=norm_a,
        gradient_norm_b=norm_b,
        gradient_cosine=_ratio(dot(gradient_a, gradient_b), norm_a * norm_b),
        floor=_ratio(rounding, denominator),
        eta=eta,
        commutator=difference / eta**2,
    )


def block_shares(commutator: Array, groups: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, float]:
    """How ‖commutator‖² [size] divides among groups of slices (see `Layout.groups`): blocks sum to 1, layers do not."""
    whole = dot(commutator, commutator)
    return {
        group: _ratio(sum(dot(commutator[start:stop], commutator[start:stop]) for start, stop in slices), whole)
        for group, slices in groups.items()
    }


def norm(vector: Array) -> float:
    """Euclidean length of a flat vector."""
    return math.sqrt(dot(vector, vector))


def dot(left: Array, right: Array) -> float:
    """The inner product of two flat vectors, summed pairwise."""
    return float(inner(left, right))


def inner(left: Array, right: Array) -> Scalar:
    """The inner product of two flat vectors, summed pairwise, as a scalar of their kind: nobody waits for the device.

    Not `left @ right`: MLX sums a float32 product of 270,000 terms one after the other on a CPU, and is off by 4e-4.
    """
    terms = left * right
    odd = terms[:0]
    while len(terms) > SUMMED_AT_ONCE:
        half = len(terms) // 2
        if len(terms) % 2:
            odd = terms[-1:] if not len(odd) else odd + terms[-1:]
        terms = terms[:half] + terms[half : 2 * half]
    total: Scalar = terms.sum()
    return total + odd.sum() if len(odd) else total


def _ratio(numerator: float, denominator: float) -> float:
    """The quotient, with the limits a float would have instead of an exception."""
    if denominator == 0:
        return math.nan if numerator == 0 or math.isnan(numerator) else math.inf
    return numerator / denominator

"""Optimizers: their numbers, and the formula of every update, once for all backends.

A run has one learning rate and one decoupled weight decay, whatever its optimizer. So lr · wd says how fast
decaying parameters shrink without a gradient, and optimizers can be compared at equal decay.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout

OptimizerName = Literal["adamw", "sgd", "muon"]
Decaying = Literal["all", "matrices"]

NEWTON_SCHULZ_STEPS = 5
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic of Jordan et al. 2024"""
MUON_SCALE = 0.2
"""Root mean square of an orthogonalized update, about that of an update of AdamW"""


class Optimizer(NamedTuple):
    """The numbers of one optimizer step along the gradient g, which is clipped first.

    Decoupled decay, θ = (1 − lr wd) θ − lr u, where the update u is for

    - `adamw`: m = β1 m + (1 − β1) g,  v = β2 v + (1 − β2) g²,  u = m / (1 − β1^t) / (√(v / (1 − β2^t)) + ε)
      (Loshchilov & Hutter 2019, algorithm 2);
    - `sgd`: m = μ m + g,  u = m (the same, algorithm 1);
    - `muon`, of each hidden matrix [rows, columns]: m = μ m + (1 − μ) g,  u = 0.2 √max(rows, columns) ·
      orthogonalized(μ m + (1 − μ) g). Every other parameter, that is embeddings, read-out, biases and norms, goes by
      `adamw`. (Jordan et al. 2024, kellerjordan.github.io/posts/muon; the scale is that of Liu et al., arXiv
      2502.16982, with which one lr and wd serve both kinds. Queries, keys and values are three matrices.)
    """

    lr: float
    wd: float
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-8
    clip: float | None = 1.0
    """Largest norm of the gradient: g is scaled by min(1, clip / (norm + 1e-6)) first. None: no clipping."""
    name: OptimizerName = "adamw"
    momentum: float = 0.95
    """μ"""
    decay: Decaying = "all"
    """Parameters that decay. `matrices`: those with two axes, so that biases and norms keep their size"""

    @property
    def is_plain(self) -> bool:
        """Whether it is AdamW with decay on every parameter, for which a backend may have one fused operation."""
        return self.name == "adamw" and self.decay == "all"


class Moving(NamedTuple):
    """What a step changes, [size] each. `sgd` has no second moment, and `muon` has none of its matrices: zeros."""

    theta: Any
    first_moment: Any
    second_moment: Any


class StepNumbers(NamedTuple):
    """The numbers of one step. A backend that compiles makes arrays of them, so that a change is no new step."""

    clip: Any
    """Infinite without clipping"""
    beta1: Any
    rest1: Any
    """1 − β1"""
    beta2: Any
    rest2: Any
    correction2: Any
    """1 / (1 − β2^t)"""
    epsilon: Any
    kept: Any
    """1 − lr wd"""
    lost: Any
    """lr wd"""
    rate: Any
    """lr / (1 − β1^t)"""
    lr: Any
    momentum: Any


def step_numbers(optimizer: Optimizer, step: int) -> StepNumbers:
    """Of the `step`-th step, which counts from 1."""
    it, shrink = optimizer, optimizer.lr * optimizer.wd
    return StepNumbers(
        clip=math.inf if it.clip is None else it.clip,
        beta1=it.beta1,
        rest1=1 - it.beta1,
        beta2=it.beta2,
        rest2=1 - it.beta2,
        correction2=1 / (1 - it.beta2**step),
        epsilon=it.epsilon,
        kept=1 - shrink,
        lost=shrink,
        rate=it.lr / (1 - it.beta1**step),
        lr=it.lr,
        momentum=it.momentum,
    )


def unclipped(optimizers: Sequence[Optimizer], treats: Sequence[object | None]) -> list[Optimizer]:
    """The optimizers, without clipping where there is one of `treats`."""
    both = zip(optimizers, treats, strict=True)
    return [each if treat is None else each._replace(clip=None) for each, treat in both]


class Piece(NamedTuple):
    """A part of the flat vector that is updated by one formula."""

    start: int
    stop: int
    shape: tuple[int, int] | None
    """Of a matrix that `muon` orthogonalizes; None for what goes by `adamw`"""


class UpdateRule:
    """The update of one optimizer on models of one layout, on the arrays of one backend."""

    def __init__(
        self,
        name: OptimizerName,
        decay: Decaying,
        layout: Layout,
        *,
        asarray: Callable[[FloatArray], Any],
        concatenate: Callable[[Sequence[Any]], Any],
        sqrt: Callable[[Any], Any],
    ) -> None:
        self._name = name
        self._decaying = None if decay == "all" else asarray(decaying(layout, decay))
        self._pieces = muon_pieces(layout)
        self._concatenate = concatenate
        self._sqrt = sqrt

    def moved(self, before: Moving, numbers: StepNumbers, gradient: Any) -> Moving:
        """One step along `gradient` [size], which is clipped already."""
        kept = numbers.kept if self._decaying is None else 1 - numbers.lost * self._decaying
        match self._name:
            case "adamw":
                update, first, second = self._adamw(before, numbers, gradient)
            case "sgd":
                first, second = numbers.momentum * before.first_moment + gradient, before.second_moment
                update = numbers.lr * first
            case "muon":
                parts = [self._muon(piece, before, numbers, gradient) for piece in self._pieces]
                update, first, second = (self._concatenate(each) for each in zip(*parts, strict=True))
        return Moving(kept * before.theta - update, first, second)

    def _adamw(self, before: Moving, numbers: StepNumbers, gradient: Any) -> tuple[Any, Any, Any]:
        """lr u and both moments."""
        first = numbers.beta1 * before.first_moment + numbers.rest1 * gradient
        second = numbers.beta2 * before.second_moment + numbers.rest2 * (gradient * gradient)
        return numbers.rate * first / (self._sqrt(second * numbers.correction2) + numbers.epsilon), first, second

    def _muon(self, piece: Piece, before: Moving, numbers: StepNumbers, gradient: Any) -> tuple[Any, Any, Any]:
        """The same of one piece."""
        own = slice(piece.start, piece.stop)
        at, gradient = Moving(*(vector[own] for vector in before)), gradient[own]
        if piece.shape is None:
            return self._adamw(at, numbers, gradient)
        first = numbers.momentum * at.first_moment + (1 - numbers.momentum) * gradient
        ahead = numbers.momentum * first + (1 - numbers.momentum) * gradient
        matrix = orthogonalized(ahead.reshape(piece.shape), self._sqrt)
        update = (MUON_SCALE * math.sqrt(max(piece.shape))) * numbers.lr * matrix.reshape(-1)
        return update, first, at.second_moment


def orthogonalized(matrix: Any, sqrt: Callable[[Any], Any]) -> Any:
    """U V^T of the singular value decomposition U S V^T of a matrix, roughly: five Newton–Schulz steps take every
    singular value above about 0.002 of the norm to between 0.7 and 1.2. [rows, columns]

    X ← a X + (b A + c A²) X with A = X X^T (Jordan et al. 2024), in the precision of the run instead of bfloat16.
    """
    a, b, c = NEWTON_SCHULZ
    rows, columns = matrix.shape
    x = matrix.T if rows > columns else matrix
    x = x / (sqrt((x * x).sum(1).sum()) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if rows > columns else x


def decaying(layout: Layout, decay: Decaying) -> NDArray[np.float64]:
    """1 where weight decay acts, 0 elsewhere, [size]"""
    acts = [np.full(each.size, decay == "all" or len(each.shape) > 1, dtype=np.float64) for each in layout]
    return np.concatenate(acts)


def muon_pieces(layout: Layout) -> list[Piece]:
    """The hidden matrices, one piece each, and what lies between them. Queries, keys and values are cut apart."""
    pieces: list[Piece] = []
    for parameter in layout:
        if parameter.block in {"attention", "mlp"} and len(parameter.shape) == 2:
            count = 3 if parameter.name.endswith("in_proj_weight") else 1
            rows, columns = parameter.shape[0] // count, parameter.shape[1]
            starts = [parameter.offset + number * rows * columns for number in range(count)]
            pieces += [Piece(start, start + rows * columns, (rows, columns)) for start in starts]
        elif pieces and pieces[-1].shape is None:
            pieces[-1] = pieces[-1]._replace(stop=parameter.stop)
        else:
            pieces.append(Piece(parameter.offset, parameter.stop, None))
    return pieces

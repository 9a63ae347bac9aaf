"""Many sessions of one model as one: `vmap` over the forward pass of one session, in stacked products.

Arrays of MLX do not change in place. After each step, each session gets its rows of the common arrays; if a session has
moved by itself since then, its rows are taken back first.
"""

from collections.abc import Callable, Iterator, Sequence

import mlx.core as mx

from grokscope.contract.backends import Bracket, StepOutcome
from grokscope.contract.examples import Examples
from grokscope.contract.memory import comfortable_parts
from grokscope.contract.optimizers import Moving, Optimizer, StepNumbers, step_numbers, unclipped
from grokscope.contract.rectangles import Rectangle, Rectangles
from grokscope_mlx.session import MLXSession
from grokscope_mlx.vectors import DTYPES


class MLXTogether:
    """See `grokscope.contract.backends.Together`."""

    def __init__(self, sessions: Sequence[MLXSession], rectangle: Rectangle) -> None:
        self._sessions = sessions
        self._first = sessions[0]
        self._rectangle = rectangle
        self._plan = rectangle.planner(self._first.placed)
        self._moving = Moving(None, None, None)
        self._given: list[Moving] = []

    def step(
        self,
        batches: Sequence[Examples],
        optimizers: Sequence[Optimizer],
        treats: Sequence[Callable[[mx.array], mx.array] | None],
    ) -> Sequence[StepOutcome]:
        self._take_back()
        losses, gradients = self._gradients(self._rectangle.filled(batches))
        if any(treats):
            both = zip(treats, gradients, strict=True)
            gradients = mx.stack([row if treat is None else treat(row) for treat, row in both])
            self._take_back()
        numbers = self._numbers(unclipped(optimizers, treats))
        moved, norms = self._moved(optimizers[0], numbers, gradients)
        mx.async_eval(*moved, losses, norms)  # type: ignore[no-untyped-call]
        self._moving = moved
        self._given = [Moving(*(each[row] for each in moved)) for row in range(len(self._sessions))]
        for session, given in zip(self._sessions, self._given, strict=True):
            session.moving = given
            session.taken += 1
        return [StepOutcome(losses[row], norms[row]) for row in range(len(self._sessions))]

    def _take_back(self) -> None:
        moving = [session.moving for session in self._sessions]
        if len(self._given) != len(moving) or any(a is not b for a, b in zip(moving, self._given, strict=True)):
            self._moving = Moving(*(mx.stack(list(each)) for each in zip(*moving, strict=True)))

    def _gradients(self, batches: Rectangles) -> tuple[mx.array, mx.array]:
        """Losses [sessions] and gradients [sessions, size]"""
        losses_at = self._losses(batches)

        def total(points: mx.array) -> tuple[mx.array, mx.array]:
            losses = losses_at(points)
            return mx.sum(losses), losses

        (_, losses), gradients = mx.value_and_grad(total)(self._moving.theta)
        return losses, gradients

    def _losses(self, batches: Rectangles) -> Callable[[mx.array], mx.array]:
        """From points [sessions, size] to the loss of each session at its own [sessions]"""
        arrays = [self._first.placed(each) for each in batches if each is not None]

        def loss(theta: mx.array, *batch: mx.array) -> mx.array:
            return self._first.loss(theta, self._plan(Rectangles(*batch)))

        return lambda points: mx.vmap(loss)(points, *arrays)

    def brackets(self, batches_a: Sequence[Examples], batches_b: Sequence[Examples]) -> Sequence[Bracket]:
        self._take_back()
        theta = self._moving.theta
        needed = 2 * self._rectangle.graph_numbers(batches_a[0]) * theta.itemsize
        parts = comfortable_parts(len(batches_a), needed, self._first.free_bytes())
        both = ((theta[part], batches_a[part], batches_b[part]) for part in parts)
        return [bracket for each in both for bracket in self._brackets(*each)]

    def _brackets(
        self, theta: mx.array, batches_a: Sequence[Examples], batches_b: Sequence[Examples]
    ) -> Iterator[Bracket]:
        """Of some sessions, in one graph."""
        losses_a, losses_b = (self._losses(self._rectangle.filled(each)) for each in (batches_a, batches_b))

        def along(points_a: mx.array, points_b: mx.array) -> tuple[mx.array, mx.array, mx.array]:
            gradients_a = mx.grad(lambda points: mx.sum(losses_a(points)))(points_a)
            gradients_b = mx.grad(lambda points: mx.sum(losses_b(points)))(points_b)
            both = gradients_b * mx.stop_gradient(gradients_a) + gradients_a * mx.stop_gradient(gradients_b)
            return mx.sum(both), gradients_a, gradients_b

        (_, *gradients), (products_a, products_b) = mx.value_and_grad(along, argnums=(0, 1))(theta, theta)
        mx.eval(*gradients, products_b, products_a)
        for row in range(len(theta)):
            yield Bracket(*(each[row] for each in (*gradients, products_b, products_a)))

    def _moved(self, optimizer: Optimizer, numbers: StepNumbers, gradients: mx.array) -> tuple[Moving, mx.array]:
        """What all sessions move to, and the norms of their gradients [sessions]."""
        descent = self._first.by(optimizer).descent

        def moved(gradient: mx.array, *rest: mx.array) -> tuple[mx.array, ...]:
            there, norm = descent(Moving(*rest[:3]), StepNumbers(*rest[3:]), gradient)
            return *there, norm

        *there, norms = mx.vmap(moved)(gradients, *self._moving, *numbers)
        return Moving(*there), norms

    def _numbers(self, optimizers: Sequence[Optimizer]) -> StepNumbers:
        """[sessions] each"""
        steps = (session.taken + 1 for session in self._sessions)
        each = zip(*map(step_numbers, optimizers, steps), strict=True)
        return StepNumbers(*(mx.array(list(numbers), dtype=DTYPES[self._first.precision]) for numbers in each))

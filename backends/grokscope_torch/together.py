"""Many sessions of one model as one: `vmap` over the forward pass of one session, in stacked products.

The parameters and moments of all sessions are rows of common tensors. Each session works on its rows, in place.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from grokscope.contract.backends import Bracket, StepOutcome
from grokscope.contract.examples import Examples
from grokscope.contract.memory import comfortable_parts
from grokscope.contract.optimizers import Moving, Optimizer, StepNumbers, step_numbers, unclipped
from grokscope.contract.rectangles import Rectangle, Rectangles
from grokscope_torch.session import TorchSession


class TorchTogether:
    """See `grokscope.contract.backends.Together`."""

    def __init__(self, sessions: Sequence[TorchSession], rectangle: Rectangle) -> None:
        self._sessions = sessions
        self._first = sessions[0]
        self._rectangle = rectangle
        self._plan = rectangle.planner(self._first.placed)
        with torch.no_grad():
            self._moving = Moving(*map(torch.stack, zip(*(session.moving for session in sessions), strict=True)))
        self._steps = self._asarray([session.taken for session in sessions])
        self._theta = self._moving.theta.detach().requires_grad_()
        for row, session in enumerate(sessions):
            session.live_in(Moving(*(each[row] for each in self._moving)), self._steps[row])

    def step(
        self,
        batches: Sequence[Examples],
        optimizers: Sequence[Optimizer],
        treats: Sequence[Callable[[Tensor], Tensor] | None],
    ) -> Sequence[StepOutcome]:
        losses, gradients = self.gradients(*self.placed(batches))
        for row, treat in enumerate(treats):
            if treat is not None:
                gradients[row] = treat(gradients[row].clone())
        optimizers = unclipped(optimizers, treats)
        norms = torch.linalg.vector_norm(gradients, dim=1)
        for session in self._sessions:
            session.taken += 1
        taken = (session.taken for session in self._sessions)
        each = zip(*map(step_numbers, optimizers, taken), strict=True)
        numbers = StepNumbers(*map(self._asarray, each))
        with torch.no_grad():
            self._steps += 1
            gradients *= (numbers.clip / (norms + 1e-6)).clamp(max=1.0)[:, None]
            moved = torch.vmap(self._first.rule(optimizers[0]).moved)(self._moving, numbers, gradients)
            for mine, new in zip(self._moving, moved, strict=True):
                mine.copy_(new)
        return [StepOutcome(*each) for each in zip(losses, norms, strict=True)]

    def placed(self, batches: Sequence[Examples]) -> list[Tensor]:
        """One batch of each session on the device, as the parts of `Rectangles`."""
        return [self._first.placed(each) for each in self._rectangle.filled(batches) if each is not None]

    def gradients(self, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        """Loss [sessions] and gradient [sessions, size] of each session where it stands. `arrays`: see `placed`."""
        losses = self._losses(self._theta, arrays)
        return losses.detach(), torch.autograd.grad(losses.sum(), self._theta)[0]

    def brackets(self, batches_a: Sequence[Examples], batches_b: Sequence[Examples]) -> Sequence[Bracket]:
        needed = 2 * self._rectangle.graph_numbers(batches_a[0]) * self._first.parameters.element_size()
        parts = comfortable_parts(len(batches_a), needed, self._first.free_bytes())
        both = ((part, self.placed(batches_a[part]), self.placed(batches_b[part])) for part in parts)
        return [bracket for each in both for bracket in self._brackets(*each)]

    def _brackets(self, part: slice, arrays_a: Sequence[Tensor], arrays_b: Sequence[Tensor]) -> list[Bracket]:
        """Of some sessions, in one graph: a sum over sessions has each session's gradient in its own row."""
        points = self._theta.detach()[part].requires_grad_()
        gradients_a, gradients_b = (
            torch.autograd.grad(self._losses(points, arrays).sum(), points, create_graph=True)[0]
            for arrays in (arrays_a, arrays_b)
        )
        fixed_a, fixed_b = gradients_a.detach(), gradients_b.detach()
        (products_b,) = torch.autograd.grad((gradients_b * fixed_a).sum(), points)
        (products_a,) = torch.autograd.grad((gradients_a * fixed_b).sum(), points)
        return [Bracket(*each) for each in zip(fixed_a, fixed_b, products_b, products_a, strict=True)]

    def _losses(self, points: Tensor, arrays: Sequence[Tensor]) -> Tensor:
        """Loss of each session at its row of `points` [sessions, size], [sessions]"""

        def loss(theta: Tensor, *batch: Tensor) -> Tensor:
            return self._first.loss(theta, self._plan(Rectangles(*batch)))

        losses: Tensor = torch.vmap(loss)(points, *arrays)
        return losses

    def _asarray(self, values: Sequence[float]) -> Tensor:
        """[sessions]"""
        like = self._first.parameters
        return torch.tensor(values, dtype=like.dtype, device=like.device)

"""One model, one optimizer state, one device, in PyTorch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adamw import adamw

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import Bracket, Device, Prediction, StepOutcome, TrainingState, Unavailable
from grokscope.contract.examples import Batch
from grokscope.contract.memory import comfortable, free_bytes
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Decaying, Moving, Optimizer, OptimizerName, UpdateRule, step_numbers
from grokscope.contract.parameters import layout
from grokscope.contract.plans import ForwardPlan, forward_plan, graph_numbers, on_device
from grokscope.contract.transformer import Transformer
from grokscope_torch import operations
from grokscope_torch.vectors import TorchVectors


class TorchSession(TorchVectors):
    """See `grokscope.contract.backends.Session`. Deterministic on a CPU with a fixed number of threads."""

    def __init__(
        self, model: ModelSpec, parameters: FloatArray, *, device: str, precision: Precision, threads: int | None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._where = torch.device(_chosen(device, precision))
        self._layout = layout(model)
        self._model = model
        self._transformer = Transformer(model, operations)
        # on a GPU the fused kernels may round products to TF32, and predictions are to be those of the trained model
        fused = operations.fused_attention if self._where.type == "cpu" else None
        self._predictor = Transformer(model, operations, fused)
        self.precision = precision
        self._check(parameters)
        self._rules: dict[tuple[OptimizerName, Decaying], UpdateRule] = {}
        self.live_in(Moving(*map(self.asarray, 3 * [parameters])), torch.tensor(0.0, device=self._where))
        self.restore(TrainingState(0, parameters, np.zeros_like(parameters), np.zeros_like(parameters)))

    def live_in(self, moving: Moving, steps: Tensor) -> None:
        """Keep all that a step changes in these tensors, [size] each and [] for the number of steps."""
        self._theta: Tensor = moving.theta.detach().requires_grad_()
        self._first_moment, self._second_moment, self._steps = moving.first_moment, moving.second_moment, steps

    @property
    def moving(self) -> Moving:
        """What a step changes, in place."""
        return Moving(self._theta, self._first_moment, self._second_moment)

    @property
    def parameters(self) -> Tensor:
        return self._theta.detach()

    def prepare(self, batch: Batch) -> ForwardPlan:
        return on_device(forward_plan(batch, self._model), self.placed)

    def gradient(self, theta: Tensor, batch: ForwardPlan) -> tuple[Tensor, Tensor]:
        point = theta.detach().requires_grad_()
        loss = self.loss(point, batch)
        return loss.detach(), torch.autograd.grad(loss, point)[0]

    def hessian_vector_product(self, theta: Tensor, batch: ForwardPlan, vector: Tensor) -> Tensor:
        return self._gradient_and_product(theta, batch, vector)[1]

    def bracket(
        self, theta: Tensor, batch_a: ForwardPlan, batch_b: ForwardPlan, *, together: bool | None = None
    ) -> Bracket:
        """With `together` both gradients keep their graphs, and the products repeat neither a forward nor a backward
        pass. Without, there is one graph at a time, and one gradient is computed twice; the bits are the same. None:
        together where both graphs fit comfortably."""
        if together is None:
            together = self._fit(theta, batch_a, batch_b)
        if not together:
            _, gradient_a = self.gradient(theta, batch_a)
            gradient_b, product_b = self._gradient_and_product(theta, batch_b, gradient_a)
            _, product_a = self._gradient_and_product(theta, batch_a, gradient_b)
            return Bracket(gradient_a, gradient_b, product_b, product_a)
        point = theta.detach().requires_grad_()
        (gradient_a,) = torch.autograd.grad(self.loss(point, batch_a), point, create_graph=True)
        (gradient_b,) = torch.autograd.grad(self.loss(point, batch_b), point, create_graph=True)
        detached_a, detached_b = gradient_a.detach(), gradient_b.detach()
        (product_b,) = torch.autograd.grad(gradient_b @ detached_a, point)
        (product_a,) = torch.autograd.grad(gradient_a @ detached_b, point)
        return Bracket(detached_a, detached_b, product_b, product_a)

    def predict(self, theta: Tensor, batch: ForwardPlan, *, details: bool = False) -> Prediction:
        with torch.inference_mode():
            losses, logits, representations = self._predictor.forward(theta, batch)
            prediction = Prediction(self.tonumpy(losses), logits.argmax(dim=1).cpu().numpy())
            if not details:
                return prediction
            representations = operations.take(representations, batch.reads)
            return prediction._replace(logits=self.tonumpy(logits), representations=self.tonumpy(representations))

    def step(self, batch: ForwardPlan, optimizer: Optimizer) -> StepOutcome:
        loss = self.loss(self._theta, batch)
        (gradient,) = torch.autograd.grad(loss, self._theta)
        return StepOutcome(loss.detach(), self._descend(gradient, optimizer))

    def step_along(self, gradient: Tensor, optimizer: Optimizer) -> Tensor:
        return self._descend(gradient.clone(), optimizer)

    def displace(self, delta: Tensor) -> None:
        with torch.no_grad():
            self._theta.add_(delta)

    def state(self) -> TrainingState:
        return TrainingState(
            self.taken,
            self.tonumpy(self._theta),
            self.tonumpy(self._first_moment),
            self.tonumpy(self._second_moment),
        )

    def restore(self, state: TrainingState) -> None:
        for vector in state[1:]:
            self._check(vector)
        with torch.no_grad():
            for mine, given in zip(self.moving, state[1:], strict=True):
                mine.copy_(self.asarray(given))
            self._steps.fill_(state.step)
        self.taken = state.step

    def synchronize(self) -> None:
        if self._where.type == "cuda":
            torch.cuda.synchronize()
        elif self._where.type == "mps":
            torch.mps.synchronize()

    def _gradient_and_product(self, theta: Tensor, batch: ForwardPlan, vector: Tensor) -> tuple[Tensor, Tensor]:
        point = theta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.loss(point, batch), point, create_graph=True)
        return gradient.detach(), torch.autograd.grad(gradient @ vector, point)[0]

    def _fit(self, theta: Tensor, *batches: ForwardPlan) -> bool:
        """Whether the graphs of all gradients fit into memory at a time, comfortably."""
        numbers = sum(graph_numbers(batch, self._model) for batch in batches)
        return comfortable(numbers * theta.element_size(), self.free_bytes())

    def free_bytes(self) -> int | None:
        """Bytes that are free on the device. None if unknown."""
        if self._where.type != "cuda":
            return free_bytes()
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()

    def loss(self, theta: Tensor, batch: ForwardPlan) -> Tensor:
        """Of a batch at `theta`, nats, with its graph."""
        losses = self._transformer.forward(theta, batch).losses
        loss: Tensor = losses @ batch.weights.to(losses.dtype)
        return loss

    def placed(self, values: NDArray[Any]) -> Tensor:
        """A part of a plan on the device."""
        floats = torch.float32 if self._where.type == "mps" else torch.float64
        return torch.from_numpy(values).to(self._where, floats if values.dtype == np.float64 else None)

    def _descend(self, gradient: Tensor, optimizer: Optimizer) -> Tensor:
        """Clip `gradient` in place and step along it; returns its norm before clipping."""
        self.taken += 1
        norm: Tensor = torch.linalg.vector_norm(gradient)
        if optimizer.clip is not None:
            gradient.mul_((optimizer.clip / (norm + 1e-6)).clamp(max=1.0))
        if not optimizer.is_plain:
            self._move(gradient, optimizer)
            return norm
        with torch.no_grad():
            adamw(  # the function, not the class: that one takes a second to import
                [self._theta],
                [gradient],
                [self._first_moment],
                [self._second_moment],
                [],
                [self._steps],
                fused=True,
                amsgrad=False,
                beta1=optimizer.beta1,
                beta2=optimizer.beta2,
                lr=optimizer.lr,
                weight_decay=optimizer.wd,
                eps=optimizer.epsilon,
                maximize=False,
            )
        return norm

    def _move(self, gradient: Tensor, optimizer: Optimizer) -> None:
        """A step along the clipped gradient by the formula of the contract."""
        with torch.no_grad():
            self._steps += 1
            moved = self.rule(optimizer).moved(self.moving, step_numbers(optimizer, self.taken), gradient)
            for mine, new in zip(self.moving, moved, strict=True):
                mine.copy_(new)

    def rule(self, optimizer: Optimizer) -> UpdateRule:
        """The formula of an optimizer of this kind."""
        kind = optimizer.name, optimizer.decay
        if kind not in self._rules:
            self._rules[kind] = UpdateRule(
                *kind, self._layout, asarray=self.asarray, concatenate=self.concatenate, sqrt=torch.sqrt
            )
        return self._rules[kind]

    def _check(self, vector: FloatArray) -> None:
        if vector.shape != (self._layout.size,):
            raise ValueError(f"the model has {self._layout.size} parameters, not {vector.shape}")


def devices() -> Sequence[Device]:
    """The devices PyTorch sees, best first."""
    found = []
    if torch.cuda.is_available():
        found.append(Device("cuda", torch.cuda.get_device_name(), ("float32", "float64")))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", ("float32",)))
    found.append(Device("cpu", f"{torch.get_num_threads()} threads", ("float32", "float64")))
    return found


def details() -> Mapping[str, str]:
    """Versions and what else matters for speed."""
    return {
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "cuda": str(torch.version.cuda or "not built in"),
        "vector unit": torch.backends.cpu.get_cpu_capability(),
    }


def _chosen(wanted: str, precision: Precision) -> str:
    """A device name to PyTorch's. Raises `Unavailable`."""
    there = {device.name: device for device in devices()}
    if wanted == "auto":
        return next(name for name, device in there.items() if precision in device.precisions)
    name = {"gpu": "cuda" if "cuda" in there else "mps"}.get(wanted, wanted)
    if name not in there:
        raise Unavailable(
            f"PyTorch has no device {wanted!r} here (it has: {', '.join(there)}); choose one with --device"
        )
    if precision not in there[name].precisions:
        raise Unavailable(f"{name} has no {precision}: use --precision float32, or --device cpu")
    return name

"""What is wrong with a module or a loss that cannot be looked at: found before training begins, said in a sentence."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from grokscope.contract.own_models import CannotProbe

if TYPE_CHECKING:
    from grokscope_torch.own_module import NoisyBatch, OwnModule

_HALF = (torch.float16, torch.bfloat16)
_SHARDED = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")
"""Classes that keep a model in step with other processes, or in pieces"""
SAME = 1e-4
"""Part by which two values of one loss may differ that ought to be equal: a GPU adds up in any order"""
NOISY = 1e-3
"""Part by which the loss of one batch may change with its random numbers before a person is told"""
_NOISES = (1, 2, 3, 4)


def check_module(module: nn.Module) -> None:
    """Raises `CannotProbe` for a model that is spread over processes."""
    for each in module.modules():
        wrapper = next((kind.__name__ for kind in type(each).__mro__ if kind.__name__ in _SHARDED), None)
        if wrapper is not None:
            raise CannotProbe(
                f"the model is wrapped in {wrapper}, and a probe would wait for the other processes: give it the "
                "model inside (model.module) of a loop that runs in one process"
            )


def check_parameters(named: Sequence[tuple[str, nn.Parameter]]) -> None:
    """Raises `CannotProbe` for parameters in which a defect would be wrong."""
    if not named:
        raise CannotProbe("no parameter of the model requires a gradient: there is nothing to measure")
    for name, parameter in named:
        if isinstance(parameter, nn.UninitializedParameter):
            raise CannotProbe(f"{name} has no shape yet: run one batch through the model first")
        kind = str(parameter.dtype).removeprefix("torch.")
        if parameter.dtype in _HALF:
            raise CannotProbe(
                f"{name} is {kind}: a defect measured in it would be rounding; probe a float32 copy (upcast=True)"
            )
        if parameter.dtype not in {torch.float32, torch.float64}:
            raise CannotProbe(f"{name} is {kind}: a probe measures in float32 or float64")
        if parameter.is_meta:
            raise CannotProbe(f"{name} is on the device meta, where there are no numbers: load the model first")
    places = {str(parameter.device) for _, parameter in named}
    if len(places) > 1:
        raise CannotProbe(f"the parameters lie on {' and '.join(sorted(places))}: a probe needs them on one device")


def scalar(value: Any, *, differentiable: bool = True) -> Tensor:
    """A loss as a tensor of no dimension. Raises `CannotProbe` for what is none."""
    if not isinstance(value, Tensor):
        raise CannotProbe(f"loss(model, batch) returned a {type(value).__name__}; it must return a scalar tensor")
    depends = value.requires_grad or not differentiable
    if value.numel() != 1 or not depends or not value.is_floating_point():
        what = f"a tensor of shape {tuple(value.shape)}"
        if value.numel() == 1:
            what = "a number that depends on no parameter of the model that requires a gradient"
        raise CannotProbe(
            f"loss(model, batch) returned {what}; it must return a scalar that depends on the model's parameters"
        )
    return value.reshape(())


def objections(model: "OwnModule", batch_a: "NoisyBatch", batch_b: "NoisyBatch") -> list[str]:
    """See `grokscope.contract.own_models.OwnModel`."""
    with _in_words():
        seen = _Halves()  # type: ignore[no-untyped-call]
        with seen:
            value = model.raw_loss(batch_a)
        if seen.found:
            kind = str(seen.found).removeprefix("torch.")
            raise CannotProbe(
                f"the loss computes in {kind} (autocast inside the model?): give the probe the loss without it"
            )
        if any("CheckpointFunction" in name for name in _graph(scalar(value))):
            raise CannotProbe("reentrant activation checkpointing cannot be differentiated twice: use_reentrant=False")
        first, again = (float(model.gradient(model.theta, batch_a)[0]) for _ in range(2))
        if not _close(first, again, SAME):
            raise CannotProbe(
                f"loss(model, batch) is {first:.6g} the first time and {again:.6g} the second, for one batch and equal "
                "random numbers: it counts its calls or draws from a generator of its own, which a probe would disturb"
            )
        model.bracket(model.theta, batch_a, batch_b)
        return _on_noise(model, batch_a)


def _graph(value: Tensor) -> Iterator[str]:
    """The names of the operations behind a value. Reentrant checkpointing hides the parameters of what is inside: their
    derivatives would be 0."""
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node.name()
            waiting += [each for each, _ in node.next_functions]


def _on_noise(model: "OwnModule", batch: "NoisyBatch") -> list[str]:
    """How much the loss of one batch depends on what is drawn at random, where it does."""
    drawn = [float(model.gradient(model.theta, model.prepare(batch.content, noise))[0]) for noise in _NOISES]
    mean = sum(drawn) / len(drawn)
    spread = math.sqrt(sum((each - mean) ** 2 for each in drawn) / (len(drawn) - 1))
    if not spread > NOISY * abs(mean):
        return []
    return [
        f"the loss of one batch is random (dropout?): it varies by {spread / abs(mean):.2g} of its mean, so that the "
        "defect varies too; within a sample gradient and Hessian see the same random numbers"
    ]


def _close(one: float, other: float, part: float) -> bool:
    both_odd = not math.isfinite(one) and not math.isfinite(other)
    return both_odd or abs(one - other) <= part * max(abs(one), abs(other))


@contextmanager
def _in_words() -> Iterator[None]:
    """What PyTorch says of a graph that cannot be differentiated twice, in a sentence."""
    try:
        yield
    except CannotProbe:
        raise
    except Exception as problem:  # the user's own code: whatever it raises, training has not begun
        said = str(problem).strip().splitlines()
        what = said[0] if said else type(problem).__name__
        if "derivative for" in what and "is not implemented" in what:
            what = f"the loss cannot be differentiated twice: {what}"
        else:
            what = f"loss(model, batch) failed on a batch of the probe's own: {type(problem).__name__}: {what}"
        raise CannotProbe(what) from problem


class _Halves(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches for results in half precision."""

    found: torch.dtype | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor) and each.dtype in _HALF:
                self.found = each.dtype
        return result

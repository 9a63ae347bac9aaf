"""What is wrong with a module or a loss that cannot be looked at: found before training begins, said in a sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from grokscope.contract.own_models import CannotProbe

_HALF = (torch.float16, torch.bfloat16)
_SHARDED = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")
"""Classes that keep a model in step with other processes, or in pieces"""


def check_module(module: nn.Module) -> None:
    """Raises `CannotProbe` for a model that is spread over processes, or that lives outside of Python."""
    for each in module.modules():
        if isinstance(each, torch.jit.ScriptModule):
            raise CannotProbe(
                "the model is compiled by torch.jit, where a probe can put nothing back as it was: give it the module "
                "that was scripted or traced"
            )
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


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Raises `CannotProbe` where a forward pass changes parameters, as with `max_norm`; they are put back."""
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    bounded = {f"{name}.weight".lstrip(".") for name, each in module.named_modules() if getattr(each, "max_norm", None)}
    yield
    for name, parameter in module.named_parameters():
        same = torch.allclose(before[name], parameter, rtol=0.0, atol=0.0, equal_nan=True)
        if not same:
            parameter.data.copy_(before[name])
        if not same or name in bounded:
            raise CannotProbe(
                f"the forward pass itself changes {name} (max_norm?), which the probe's batches would do too: change "
                "it in the loop instead, behind optimizer.step()"
            )


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


def check_loss(compute: Callable[[], Any]) -> None:
    """Raises `CannotProbe` for a loss that computes in half precision or hides parameters. `compute`: the loss once."""
    halves = _Halves()  # type: ignore[no-untyped-call]
    with halves:
        value = scalar(compute())
    if halves.found:
        kind = str(halves.found).removeprefix("torch.")
        raise CannotProbe(
            f"the loss computes in {kind} (autocast inside the model?): give the probe the loss without it"
        )
    if any("CheckpointFunction" in name for name in _graph(value)):
        raise CannotProbe("reentrant activation checkpointing cannot be differentiated twice: use_reentrant=False")


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


class _Halves(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches for results in half precision."""

    found: torch.dtype | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor) and each.dtype in _HALF:
                self.found = each.dtype
        return result

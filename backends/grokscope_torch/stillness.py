"""Looking at a module without leaving a trace: what a forward pass may change is put back, bit by bit.

Buffers are not put back but never written: while somebody looks, copies stand in their places.
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

_DICTIONARIES = ("_parameters", "_buffers", "_modules")
_PLAIN = vars(nn.Module()).keys() - set(_DICTIONARIES)
"""Attributes of every module, which its forward pass does not change"""


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[Callable[[], None]]:
    """Leave attributes, buffers, gradients and modes of all submodules, and every random stream, as they are.

    Yields what takes the module back to where it was when the block began, to be looked at again.
    """
    streams, kept = _random_streams(), [_Kept(each) for each in module.modules()]
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]

    def again() -> None:
        for each in kept:
            each.put_back()
        copies: dict[int, Tensor] = {}
        for each in kept:
            each.shield(copies)

    try:
        again()
        for parameter, _ in gradients:
            parameter.grad = None
        yield again
    finally:
        for each in kept:
            each.put_back()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for stream in streams:
            stream()


class _Kept:
    """What a module was, without the modules in it."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._attributes = dict(vars(module))
        self._inner = [
            (value, value.copy())
            for name, value in self._attributes.items()
            if name not in _PLAIN and isinstance(value, dict | list | set)
        ]

    def put_back(self) -> None:
        for container, content in self._inner:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        vars(self._module).clear()
        vars(self._module).update(self._attributes)

    def shield(self, copies: dict[int, Tensor]) -> None:
        """Put copies in the places of tensors that are no parameters. `copies`: those made so far, by the identity of
        what they stand for."""
        for place in (vars(self._module), vars(self._module).get("_buffers", {})):
            for name, value in place.items():
                if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and not value.requires_grad:
                    if id(value) not in copies:
                        copies[id(value)] = value.detach().clone()
                    place[name] = copies[id(value)]


def _random_streams() -> list[Callable[[], None]]:
    """What puts every random stream back where it is now. CUDA is not asked before somebody has used it."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    streams: list[Callable[[], None]] = [
        lambda: random.setstate(python),
        lambda: np.random.set_state(numpy),
        lambda: torch.set_rng_state(cpu),
    ]
    if _cuda_in_use():
        cuda = torch.cuda.get_rng_state_all()
        streams.append(lambda: torch.cuda.set_rng_state_all(cuda))
    if torch.backends.mps.is_available():
        mps = torch.mps.get_rng_state()
        streams.append(lambda: torch.mps.set_rng_state(mps))
    return streams


def draw_from(noise: int) -> None:
    """Set every random stream to the beginning that belongs to a number below 2⁶³. Only where they are put back."""
    random.seed(noise)
    np.random.seed(noise % 2**32)
    torch.default_generator.manual_seed(noise)  # not torch.manual_seed: it would also seed CUDA when that begins
    if _cuda_in_use():
        torch.cuda.manual_seed_all(noise)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(noise)


def _cuda_in_use() -> bool:
    return torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


@contextmanager
def twice_differentiable(module: nn.Module) -> Iterator[None]:
    """What is computed inside has second derivatives: no fused attention, no cuDNN in recurrent layers, nothing
    compiled, and no autocast from outside."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.autocast("cpu", enabled=False))
        if torch.cuda.is_available():
            stack.enter_context(torch.autocast("cuda", enabled=False))
            recurrent = any(isinstance(each, nn.RNNBase) for each in module.modules())
            stack.enter_context(
                torch.backends.cudnn.flags(
                    enabled=torch.backends.cudnn.enabled and not recurrent,
                    benchmark=False,
                    deterministic=torch.backends.cudnn.deterministic,
                    allow_tf32=torch.backends.cudnn.allow_tf32,
                )
            )
        if "torch._dynamo" in sys.modules:  # nothing can be compiled before somebody has imported it
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield

"""PyTorch behind grokscope's protocol: CUDA, MPS and CPU.

`operations` is what the contract's forward pass is made of, `session` everything around it; `own_module` looks at
anybody's module. Importing this module imports no torch.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import BackendSpec, Device, PlainRun, Session, Together, Unavailable, how_to_install
from grokscope.contract.models import ModelSpec
from grokscope.contract.optimizers import Optimizer
from grokscope.contract.own_models import Adoption, ModelMode, OwnLoss, OwnModel, OwnOptimizer
from grokscope.contract.rectangles import Rectangle

_INSTALL = how_to_install("torch")


def _check() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as problem:
        raise Unavailable(f"PyTorch cannot be imported ({problem}); install it with: {_INSTALL}") from problem


def devices() -> Sequence[Device]:
    """The devices PyTorch sees, best first. Raises `Unavailable` without PyTorch."""
    _check()
    from grokscope_torch.session import devices

    return devices()


def open_session(
    model: ModelSpec,
    parameters: FloatArray,
    *,
    device: str = "auto",
    precision: Precision = "float32",
    threads: int | None = None,
) -> Session:
    """A session on `model` at `parameters` [size]. Raises `Unavailable` for what this machine lacks, `ValueError` where
    sizes differ."""
    _check()
    from grokscope_torch.session import TorchSession

    return TorchSession(model, parameters, device=device, precision=precision, threads=threads)


def open_plain(model: ModelSpec, parameters: FloatArray, *, device: str, optimizer: Optimizer) -> PlainRun:
    """Training on plain `nn.Transformer*` modules. Raises `Unavailable` without PyTorch."""
    _check()
    from grokscope_torch.plain import PlainModules

    return PlainModules(model, parameters, device=device, optimizer=optimizer)


def together(sessions: Sequence[Any], rectangle: Rectangle) -> Together:
    """Sessions that step as one."""
    from grokscope_torch.together import TorchTogether

    return TorchTogether(sessions, rectangle)


def details() -> Mapping[str, str]:
    """Versions and thread count. Raises `Unavailable` without PyTorch."""
    _check()
    from grokscope_torch.session import details

    return details()


def recognizes(thing: Any) -> bool:
    """Whether it is a module or an optimizer of PyTorch. Nothing is, as long as nobody has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module | torch.optim.Optimizer)


def adopted(model: Any, loss: OwnLoss, *, mode: ModelMode = "as-is", upcast: bool = False) -> OwnModel:
    """A module with its loss as a landscape. Raises `CannotProbe`."""
    from grokscope_torch.own_module import OwnModule

    return OwnModule(model, loss, mode=mode, upcast=upcast)


def adopted_optimizer(optimizer: Any) -> OwnOptimizer:
    from grokscope_torch.own_optimizer import TorchOptimizer

    return TorchOptimizer(optimizer)


SPEC = BackendSpec(
    name="torch",
    summary="PyTorch on CUDA, Apple's MPS, or the CPU",
    install=_INSTALL,
    devices=devices,
    open=open_session,
    details=details,
    plain=open_plain,
    together=together,
    adoption=Adoption(recognizes, adopted, adopted_optimizer),
)

"""MLX behind grokscope's protocol: Apple's GPU through Metal, and the CPU (on Linux too).

`operations` is what the contract's forward pass is made of, `session` everything around it. Importing this module
imports no mlx. `own_module` looks at anybody's module.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import BackendSpec, Device, Session, Together, Unavailable, how_to_install
from grokscope.contract.models import ModelSpec
from grokscope.contract.own_models import Adoption, ModelMode, OwnLoss, OwnModel, OwnOptimizer
from grokscope.contract.rectangles import Rectangle

_INSTALL = how_to_install("mlx")


def _check() -> None:
    try:
        import mlx.core  # noqa: F401
    except ImportError as problem:
        hint = "on Linux `pip install mlx` alone brings no library; " if "libmlx" in str(problem) else ""
        raise Unavailable(f"MLX cannot be imported ({problem}); {hint}install it with: {_INSTALL}") from problem


def devices() -> Sequence[Device]:
    """The devices MLX sees, best first. Raises `Unavailable` without MLX."""
    _check()
    from grokscope_mlx.session import devices

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
    from grokscope_mlx.session import MLXSession

    return MLXSession(model, parameters, device=device, precision=precision, threads=threads)


def together(sessions: Sequence[Any], rectangle: Rectangle) -> Together:
    """Sessions that step as one."""
    from grokscope_mlx.together import MLXTogether

    return MLXTogether(sessions, rectangle)


def details() -> Mapping[str, str]:
    """Versions, linear algebra library, compilation. Raises `Unavailable` without MLX."""
    _check()
    from grokscope_mlx.session import details

    return details()


def preference() -> int:
    """MLX is Apple silicon's own; elsewhere its CPU is there for correctness, not for speed."""
    return 2 if sys.platform == "darwin" and platform.machine() == "arm64" else 0


def recognizes(thing: Any) -> bool:
    """Whether it is a module or an optimizer of MLX. Nothing is, as long as nobody has imported it."""
    kinds = ((sys.modules.get("mlx.nn"), "Module"), (sys.modules.get("mlx.optimizers"), "Optimizer"))
    return any(module is not None and isinstance(thing, getattr(module, name)) for module, name in kinds)


def adopted(model: Any, loss: OwnLoss, *, mode: ModelMode = "as-is", upcast: bool = False) -> OwnModel:
    """A module with its loss as a landscape. Raises `CannotProbe`."""
    from grokscope_mlx.own_module import OwnModule

    return OwnModule(model, loss, mode=mode, upcast=upcast)


def adopted_optimizer(optimizer: Any) -> OwnOptimizer:
    from grokscope_mlx.own_optimizer import MLXOptimizer

    return MLXOptimizer(optimizer)


SPEC = BackendSpec(
    name="mlx",
    summary="MLX on Apple's GPU, or the CPU",
    install=_INSTALL,
    devices=devices,
    open=open_session,
    details=details,
    preference=preference,
    together=together,
    adoption=Adoption(recognizes, adopted, adopted_optimizer),
)

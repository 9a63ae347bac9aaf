"""MLX behind grokscope's protocol: Apple's GPU through Metal, and the CPU (on Linux too).

`operations` is what the contract's forward pass is made of, `session` everything around it. Importing this module
imports no mlx.
"""

import platform
import sys
from collections.abc import Mapping, Sequence

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import BackendSpec, Device, Session, Unavailable
from grokscope.contract.models import ModelSpec

_INSTALL = "pip install 'grokscope[mlx]'"


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


def details() -> Mapping[str, str]:
    """Versions, linear algebra library, compilation. Raises `Unavailable` without MLX."""
    _check()
    from grokscope_mlx.session import details

    return details()


def preference() -> int:
    """MLX is Apple silicon's own; elsewhere its CPU is there for correctness, not for speed."""
    return 2 if sys.platform == "darwin" and platform.machine() == "arm64" else 0


SPEC = BackendSpec(
    name="mlx",
    summary="MLX on Apple's GPU, or the CPU",
    install=_INSTALL,
    devices=devices,
    open=open_session,
    details=details,
    preference=preference,
)

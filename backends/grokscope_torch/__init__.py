"""PyTorch behind grokscope's protocol: CUDA, MPS and CPU.

`operations` is what the contract's forward pass is made of, `session` everything around it. Importing this module
imports no torch.
"""

from collections.abc import Mapping, Sequence

from grokscope.contract.arrays import FloatArray, Precision
from grokscope.contract.backends import AdamW, BackendSpec, Device, PlainRun, Session, Unavailable
from grokscope.contract.models import ModelSpec

_INSTALL = "pip install 'grokscope[torch]'"


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


def open_plain(model: ModelSpec, parameters: FloatArray, *, device: str, optimizer: AdamW) -> PlainRun:
    """Training on plain `nn.Transformer*` modules. Raises `Unavailable` without PyTorch."""
    _check()
    from grokscope_torch.plain import PlainModules

    return PlainModules(model, parameters, device=device, optimizer=optimizer)


def details() -> Mapping[str, str]:
    """Versions and thread count. Raises `Unavailable` without PyTorch."""
    _check()
    from grokscope_torch.session import details

    return details()


SPEC = BackendSpec(
    name="torch",
    summary="PyTorch on CUDA, Apple's MPS, or the CPU",
    install=_INSTALL,
    devices=devices,
    open=open_session,
    details=details,
    plain=open_plain,
)

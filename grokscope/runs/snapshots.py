"""Snapshots: the parameters at one step, with the layout of their model, so that anybody can take them apart.

They open in every backend, and without the task or the model's specification: geometry needs no more than the layout.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout
from grokscope.gate import Unreadable
from grokscope.runs.sealed import Sealed, read_sealed, read_vector, write_sealed
from grokscope.runs.upgrade import layout_of

_OF_A_STEP = re.compile(r"step-([0-9]+)\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    """Parameters at one step."""

    step: int
    layout: Layout
    parameters: FloatArray
    """[size]"""

    def tensors(self) -> dict[str, FloatArray]:
        """Named views; those of our own models under the names and in the shapes of `torch.nn.Transformer*`."""
        return self.layout.unflatten(self.parameters)


@dataclass(frozen=True)
class WrittenSnapshot:
    """A snapshot or checkpoint that was written."""

    file: Path
    bytes: int
    digest: str
    """Of its parameters, see `parameters_digest`"""


def parameters_digest(parameters: FloatArray) -> str:
    """SHA-256 of a flat vector as little-endian float32: two runs that say the same thing are the same run."""
    return hashlib.sha256(np.ascontiguousarray(parameters, dtype="<f4").tobytes()).hexdigest()


def snapshot_file(folder: Path, step: int) -> Path:
    """Where the snapshot or checkpoint of a step stands."""
    return folder / f"step-{step:08d}.safetensors"


def step_files(folder: Path) -> dict[int, Path]:
    """The snapshots or checkpoints in a folder by step, ascending; what is called otherwise is none. Raises `OSError`
    for a folder that cannot be listed."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {int(named[1]): folder / name for name in names if (named := _OF_A_STEP.fullmatch(name))}
    return dict(sorted(found.items()))


def write_snapshot(folder: Path, step: int, layout: Layout, parameters: FloatArray) -> WrittenSnapshot:
    """Raises `RunUnwritable`."""
    file = snapshot_file(folder, step)
    write_sealed(file, {"parameters": parameters}, {"step": step, "layout": layout.to_json()})
    return WrittenSnapshot(file, file.stat().st_size, parameters_digest(parameters))


def read_snapshot(file: Path) -> Snapshot:
    """Raises `Unreadable`."""
    sealed = read_sealed(file)
    step, layout = placed(sealed)
    return Snapshot(step, layout, read_vector(sealed, "parameters"))


def placed(sealed: Sealed) -> tuple[int, Layout]:
    """Step and layout of a snapshot or checkpoint. Raises `Unreadable`."""
    try:
        step, layout = int(sealed.about["step"]), layout_of(sealed.about)
        size = sealed.vectors["parameters"].size
    except (KeyError, TypeError, ValueError) as problem:
        raise Unreadable(f"{sealed.file} is not a snapshot or checkpoint: {problem}") from None
    if size != layout.size:
        raise Unreadable(f"{sealed.file} holds {size} parameters, its layout has {layout.size}")
    return step, layout

"""Snapshots and checkpoints: safetensors files with a JSON header, written under another name and then renamed.

A snapshot holds parameters, a checkpoint all that training continues from. Both are flat vectors with the layout in the
metadata, and open in every backend.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import TrainingState
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.gate import Unreadable
from grokscope.runs.log import RunUnwritable

KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Snapshot:
    """Parameters at one step."""

    step: int
    model: ModelSpec
    parameters: FloatArray
    """[size]"""

    def tensors(self) -> dict[str, FloatArray]:
        """Named views, under the names and in the layouts of `torch.nn.Transformer*`."""
        return layout(self.model).unflatten(self.parameters)


@dataclass(frozen=True)
class Checkpoint:
    """What training continues from, after all records of its step were written."""

    state: TrainingState
    model: ModelSpec
    seq: int
    """Events written before it"""
    seconds: float
    """Wall time spent so far"""
    backend: str
    file: Path


def parameters_digest(parameters: FloatArray) -> str:
    """SHA-256 of a flat vector as little-endian float32: two runs that say the same thing are the same run."""
    return hashlib.sha256(np.ascontiguousarray(parameters, dtype="<f4").tobytes()).hexdigest()


def snapshot_file(folder: Path, step: int) -> Path:
    """Where the snapshot or checkpoint of a step stands."""
    return folder / f"step-{step:08d}.safetensors"


def write_snapshot(folder: Path, step: int, model: ModelSpec, parameters: FloatArray) -> Path:
    """Raises `RunUnwritable`."""
    return _write(folder, step, {"parameters": parameters}, {"step": step, "model": model.to_dict()})


def read_snapshot(file: Path) -> Snapshot:
    """Raises `Unreadable`."""
    tensors, about = _read(file)
    return Snapshot(int(about["step"]), ModelSpec(**about["model"]), tensors["parameters"])


def write_checkpoint(
    folder: Path, state: TrainingState, model: ModelSpec, *, seq: int, seconds: float, backend: str, following: int = 0
) -> Path:
    """Write a checkpoint and forget all but the newest two. Raises `RunUnwritable`.

    It belongs behind the first `seq` events of the log and those of the next `following` that get written: what is
    announced there is safe before anybody reads of it.
    """
    tensors = {
        "parameters": state.parameters,
        "first_moment": state.first_moment,
        "second_moment": state.second_moment,
    }
    about = {"step": state.step, "model": model.to_dict(), "seq": seq, "seconds": seconds, "backend": backend}
    about["following"] = following
    written = _write(folder, state.step, tensors, about)
    for old in sorted(folder.glob("step-*.safetensors"))[:-KEPT_CHECKPOINTS]:
        old.unlink(missing_ok=True)
    return written


def newest_checkpoint(folder: Path, events: int) -> Checkpoint | None:
    """The newest whole checkpoint written after at most `events` events; None where there is none."""
    for file in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            tensors, about = _read(file)
        except Unreadable:
            continue
        if about["seq"] <= events:
            state = TrainingState(
                int(about["step"]), tensors["parameters"], tensors["first_moment"], tensors["second_moment"]
            )
            seq = min(about["seq"] + about.get("following", 0), events)
            return Checkpoint(state, ModelSpec(**about["model"]), seq, about["seconds"], about["backend"], file)
    return None


def _write(folder: Path, step: int, tensors: dict[str, FloatArray], about: dict[str, Any]) -> Path:
    where = layout(ModelSpec(**about["model"]))
    about = {**about, "layout": [{"name": p.name, "shape": p.shape, "offset": p.offset} for p in where]}
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    data = save(contiguous, metadata={"format": "grokscope", "about": json.dumps(about, allow_nan=False)})
    file = snapshot_file(folder, step)
    draft = file.with_suffix(".draft")
    try:
        folder.mkdir(exist_ok=True)
        with draft.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        return draft.rename(file)
    except OSError as problem:
        with suppress(OSError):  # a folder that took no file may not give one back either
            draft.unlink()
        raise RunUnwritable(problem.errno, f"cannot write {file}: {problem.strerror}") from problem


def _read(file: Path) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            about = json.loads(metadata["about"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, about  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as problem:
        raise Unreadable(f"{file} is not a snapshot or checkpoint: {problem}") from None

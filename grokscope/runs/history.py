"""All snapshots of a run as one sequence of flat vectors, read from their files slice by slice.

A trajectory of a thousand snapshots is larger than memory, and what looks at it wants a few columns of all of them. No
file stays open: a thousand would be too many.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.models import ModelSpec
from grokscope.gate import Unreadable
from grokscope.runs.directory import NoSuchRun, RunDirectory

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000
"""safetensors' own limit"""
_DTYPES = {"F32": "<f4", "F64": "<f8"}


class NoHistory(NoSuchRun):
    """A run with fewer snapshots than it takes."""


@dataclass(frozen=True)
class StoredVector:
    """The parameters in a snapshot's file: `vector[start:stop]` reads them."""

    file: Path
    step: int
    model: ModelSpec
    size: int
    dtype: str
    offset: int
    """Bytes before the first number"""

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, where: slice) -> FloatArray:
        """Consecutive parameters. Raises `Unreadable` where the file has gone."""
        start, stop, _ = where.indices(self.size)
        count = max(0, stop - start)
        itemsize = np.dtype(self.dtype).itemsize
        try:
            values: FloatArray = np.fromfile(self.file, self.dtype, count, offset=self.offset + start * itemsize)
        except OSError as problem:
            raise Unreadable(f"{self.file} cannot be read any more: {problem.strerror}") from None
        if len(values) != count:
            raise Unreadable(f"{self.file} has become shorter than it was")
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


class History(Sequence[StoredVector]):
    """The snapshots of one run that are there now, by step."""

    def __init__(self, vectors: Sequence[StoredVector]) -> None:
        self._vectors = vectors

    @property
    def steps(self) -> list[int]:
        return [vector.step for vector in self._vectors]

    @property
    def model(self) -> ModelSpec:
        return self._vectors[0].model

    def __len__(self) -> int:
        return len(self._vectors)

    @overload
    def __getitem__(self, which: int) -> StoredVector: ...

    @overload
    def __getitem__(self, which: slice) -> "History": ...

    def __getitem__(self, which: int | slice) -> "StoredVector | History":
        return History(self._vectors[which]) if isinstance(which, slice) else self._vectors[which]


def history(run: RunDirectory, fewest: int = 1) -> History:
    """The snapshots of `run`.

    Raises `NoHistory` where there are fewer than `fewest`, `Unreadable` for one that is damaged or of another model.
    """
    files = sorted(run.snapshots.glob("step-*.safetensors"))
    if len(files) < max(1, fewest):
        have = {0: "no snapshots", 1: "one snapshot"}.get(len(files), f"{len(files)} snapshots")
        raise NoHistory(f"{run.name} has {have}, this takes {max(1, fewest)}: train with `--set snapshot.every=50`")
    vectors = [_stored(file) for file in files]
    for vector in vectors:
        if vector.model != vectors[0].model:
            raise Unreadable(f"{vector.file} holds another model than {vectors[0].file.name}")
    return History(vectors)


def _stored(file: Path) -> StoredVector:
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
            header = json.loads(opened.read(min(length, _LARGEST_HEADER)))
        tensor, about = header["parameters"], json.loads(header["__metadata__"]["about"])
        (size,), (start, stop) = tensor["shape"], tensor["data_offsets"]
        stored = StoredVector(
            file,
            step=int(about["step"]),
            model=ModelSpec(**about["model"]),
            size=int(size),
            dtype=_DTYPES[tensor["dtype"]],
            offset=_LENGTH_BYTES + length + int(start),
        )
        if stored.offset - start + stop > file.stat().st_size:
            raise ValueError("it ends too early")
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise Unreadable(f"{file} is not a snapshot: {problem}") from None
    return stored

"""All snapshots of a run as one sequence of flat vectors, read from their files slice by slice.

A trajectory of a thousand snapshots is larger than memory, and what looks at it wants a few columns of all of them. No
file stays open: a thousand would be too many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import FloatArray
from grokscope.contract.parameters import Layout
from grokscope.gate import Unreadable
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.sealed import Sealed, read_sealed, read_vector
from grokscope.runs.snapshots import placed, step_files


class NoHistory(NoSuchRun):
    """A run with fewer snapshots than it takes."""


@dataclass(frozen=True)
class StoredVector:
    """The parameters in a snapshot's file, which was whole: `vector[start:stop]` reads them."""

    sealed: Sealed
    step: int
    layout: Layout

    def __len__(self) -> int:
        return self.layout.size

    def __getitem__(self, where: slice) -> FloatArray:
        """Consecutive parameters. Raises `Unreadable` where the file has gone."""
        start, stop, _ = where.indices(len(self))
        return read_vector(self.sealed, "parameters", start, stop)

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
    def layout(self) -> Layout:
        return self._vectors[0].layout

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
    files = step_files(run.snapshots)
    if len(files) < max(1, fewest):
        have = {0: "no snapshots", 1: "one snapshot"}.get(len(files), f"{len(files)} snapshots")
        raise NoHistory(f"{run.name} has {have}, this takes {max(1, fewest)}: train with `--set snapshot.every=50`")
    vectors = [stored_vector(file) for file in files.values()]
    for vector in vectors:
        if not vector.layout.fits(vectors[0].layout):
            raise Unreadable(f"{vector.sealed.file} holds another model than {vectors[0].sealed.file.name}")
    return History(vectors)


def stored_vector(file: Path) -> StoredVector:
    """A snapshot that stays in its file. Raises `Unreadable` for one that is not whole."""
    sealed = read_sealed(file)
    return StoredVector(sealed, *placed(sealed))

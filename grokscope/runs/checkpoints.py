"""Checkpoints: all that training continues from, and the place in the log behind which it does.

A checkpoint is believed when every byte of it is what was written, and its vectors are as long as the model's.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import TrainingState
from grokscope.contract.parameters import Layout
from grokscope.gate import Unreadable
from grokscope.runs.sealed import SEAL_FORMAT, Sealed, read_sealed, read_vector, write_sealed
from grokscope.runs.snapshots import WrittenSnapshot, parameters_digest, placed, snapshot_file, step_files

KEPT = 2

_STATE = ("parameters", "first_moment", "second_moment")
_LEVER = "lever/"


@dataclass(frozen=True)
class Place:
    """Where in the log of its run a checkpoint stands."""

    seq: int
    """Events before it"""
    began: int
    """Events before the first record of its step"""
    following: int = 0
    """Events behind `seq` that belong to it as soon as they are in the log: what is announced there is safe before
    anybody reads of it"""
    recorded: bool = True
    """Whether the records of its step are in the log, all of them; where a signal ended them they are made again"""
    final: bool = False
    """Whether its step was recorded as the last one, so that a longer run has other records there"""


@dataclass(frozen=True)
class Checkpoint:
    """What training continues from."""

    state: TrainingState
    layout: Layout
    place: Place
    outcome: tuple[float, float] | None = None
    """Loss and gradient norm of the step before; None before the first"""
    levers: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    """The vectors that interventions keep, by kind and name"""
    seconds: float = 0.0
    """Wall time spent so far"""
    file: Path | None = None
    """That it was read from"""

    @property
    def vectors(self) -> dict[str, FloatArray]:
        """All that training continues from, as it stands in the file."""
        named = dict(zip(_STATE, self.state[1:], strict=True))
        for kind, kept in self.levers.items():
            named |= {f"{_LEVER}{kind}/{name}": vector for name, vector in kept.items()}
        return named

    @property
    def digest(self) -> str:
        """SHA-256 of the step and of all that training continues from: equal in equal runs, whenever they were made."""
        hashed = hashlib.sha256(str(self.state.step).encode())
        for name, vector in sorted(self.vectors.items()):
            little = np.ascontiguousarray(vector, dtype=vector.dtype.newbyteorder("<"))
            hashed.update(f"{name} {little.dtype.str} {len(little)}".encode())
            hashed.update(little.tobytes())
        return hashed.hexdigest()


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> WrittenSnapshot:
    """Write a checkpoint, and forget all but this one and the one before it. Raises `RunUnwritable`."""
    state, outcome = checkpoint.state, checkpoint.outcome
    about = {
        "step": state.step,
        "layout": checkpoint.layout.to_json(),
        "place": asdict(checkpoint.place),
        "outcome": None if outcome is None else [number.hex() for number in outcome],
        "seconds": checkpoint.seconds,
    }
    file = snapshot_file(folder, state.step)
    write_sealed(file, checkpoint.vectors, about)
    written = WrittenSnapshot(file, file.stat().st_size, parameters_digest(state.parameters))
    _forget(folder, state.step)
    return written


def read_checkpoint(file: Path, layout: Layout) -> Checkpoint:
    """A checkpoint of a model of this layout. Raises `Unreadable`."""
    sealed = read_sealed(file)
    if sealed.about.get("v", 1) != SEAL_FORMAT:
        raise Unreadable(f"{file} was written by another version of grokscope, and cannot be checked")
    step, found = placed(sealed)
    if not found.fits(layout):
        raise Unreadable(f"{file} is of another model")
    vectors = [_whole(sealed, name, layout.size) for name in _STATE]
    try:
        about = sealed.about
        outcome = about["outcome"]
        return Checkpoint(
            state=TrainingState(step, *vectors),
            layout=layout,
            place=Place(**about["place"]),
            outcome=None if outcome is None else (float.fromhex(outcome[0]), float.fromhex(outcome[1])),
            levers=_levers(sealed),
            seconds=float(about["seconds"]),
            file=file,
        )
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise Unreadable(f"{file} is not a checkpoint: {problem}") from None


def newest_first(folder: Path) -> Iterator[Path]:
    """The checkpoints in a folder, that of the largest step first."""
    yield from reversed(step_files(folder).values())


def remove_ahead(folder: Path, step: int) -> None:
    """Remove the snapshots or checkpoints behind `step`. What cannot be removed is written over when it is due."""
    for number, file in step_files(folder).items():
        if number > step:
            with suppress(OSError):
                file.unlink()


def _forget(folder: Path, step: int) -> None:
    """Remove every checkpoint but that of `step` and the newest before it."""
    others = step_files(folder)
    earlier = [other for other in others if other < step][-KEPT + 1 :]
    for other, file in others.items():
        if other != step and other not in earlier:
            file.unlink(missing_ok=True)


def _whole(sealed: Sealed, name: str, size: int) -> FloatArray:
    vector = read_vector(sealed, name)
    if len(vector) != size:
        raise Unreadable(f"{sealed.file} holds {len(vector)} numbers as {name}, the model has {size}")
    return vector


def _levers(sealed: Sealed) -> dict[str, dict[str, FloatArray]]:
    found: dict[str, dict[str, FloatArray]] = {}
    for stored in sealed.vectors:
        if stored.startswith(_LEVER):
            kind, _, name = stored.removeprefix(_LEVER).partition("/")
            found.setdefault(kind, {})[name] = read_vector(sealed, stored)
    return found

"""Tables of trajectories: many runs in one small file, such as a bank. Read through one gate, with a digest.

Lines of JSON, compressed where the name ends in `.gz`: a head with the number of runs and the SHA-256 of all that
follows, then a line a run. A flipped bit, a lost line or a decompression bomb is a sentence, not a wrong forecast.
Tables of version 0.1.0 have no head; they are read, and in them only a `.gz` shows damage, by its own checksum.
"""

import gzip
import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from grokscope.contract.signals import read_descriptions
from grokscope.gate import real_path, write_file
from grokscope.runs.directory import NoSuchRun
from grokscope.settings.values import problem_in_words
from grokscope.warning.trajectory import Trajectory

TABLE_SUFFIXES = (".jsonl", ".jsonl.gz")
TABLE_FORMAT = "grokscope trajectories"
VERSION = 2
DIGITS = 6
"""Significant digits of a number in a table."""
LARGEST_TABLE = 1 << 29
"""Bytes after decompression: a thousand times the larger of the shipped banks"""
_HEAD = b'{"format"'
LARGEST_STEP = 2**53
"""Above it not every whole number is a float"""

Step = Annotated[int, Field(ge=0, le=LARGEST_STEP)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Head(_Strict):
    format: Literal["grokscope trajectories"]
    v: Literal[2]
    runs: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Line(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=500)]
    task: Annotated[str, Field(min_length=1, max_length=100)]
    facts: dict[str, FiniteFloat | int | str]
    grok_step: Step | None
    steps: Step
    budget: Step
    columns: dict[str, list[FiniteFloat | None]]
    grok_known_at: Step | None = None
    regress_step: Step | None = None
    regress_known_at: Step | None = None
    signals: dict[str, Any] = {}


def read_table(path: Path) -> list[Trajectory]:
    """All runs of a table. Raises `NoSuchRun`, with the line where there is one, for what is not whole and right."""
    lines = _lines(path)
    number, first = next(lines, (0, b""))
    if not first:
        raise NoSuchRun(f"{path} holds no trajectory")
    if not first.startswith(_HEAD):
        rest = (_read(path, number, line) for number, line in lines if line.strip())
        return _placed(path, [_read(path, number, first), *rest])
    head = _head(path, first)
    digest, runs = hashlib.sha256(), []
    for number, line in lines:
        digest.update(line)
        runs.append(_read(path, number, line))
    if digest.hexdigest() != head.sha256 or len(runs) != head.runs:
        raise NoSuchRun(f"{path} is damaged: its lines are not those that its digest was made of")
    return _placed(path, runs)


def write_table(path: Path, trajectories: Iterable[Trajectory]) -> str:
    """Write a table and return its digest; the same runs make the same bytes. Raises `OSError`.

    Numbers are kept to six significant digits.
    """
    lines = [json.dumps(_to_json(each), allow_nan=False) + "\n" for each in trajectories]
    body = "".join(lines).encode()
    digest = hashlib.sha256(body).hexdigest()
    head = json.dumps({"format": TABLE_FORMAT, "v": VERSION, "runs": len(lines), "sha256": digest}).encode() + b"\n"
    data = head + body
    write_file(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return digest


def unfit_for_table(trajectory: Trajectory) -> str | None:
    """Why a table with this run could not be read again; None for a run as it should be."""
    try:
        _from(_Line.model_validate_json(json.dumps(_to_json(trajectory), allow_nan=False)))
    except ValidationError as problem:
        return problem_in_words(problem)
    except ValueError as problem:
        return str(problem)
    return None


def table_digest(path: Path) -> str:
    """SHA-256 of a table's lines, by which a forecast names its bank. Raises `NoSuchRun` where it is unreadable."""
    digest = hashlib.sha256()
    for number, line in _lines(path):
        if number > 1 or not line.startswith(_HEAD):
            digest.update(line)
    return digest.hexdigest()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of the file, numbered from 1 and never more of them than `LARGEST_TABLE` bytes."""
    taken = 0
    try:
        if not path.is_file():
            raise NoSuchRun(f"{path} is no file")
        with _opened(path) as file:
            number = 0
            while line := file.readline(LARGEST_TABLE - taken + 1):
                number, taken = number + 1, taken + len(line)
                if taken > LARGEST_TABLE:
                    raise NoSuchRun(f"{path} is larger than {LARGEST_TABLE >> 20} MiB: it is no table of ours")
                yield number, line
    except OSError as problem:
        raise NoSuchRun(f"cannot read {path}: {problem.strerror or problem}") from None
    except (EOFError, zlib.error) as problem:
        raise NoSuchRun(f"{path} is damaged: {problem}") from None


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(path: Path, line: bytes) -> _Head:
    try:
        return _Head.model_validate_json(line)
    except ValidationError as problem:
        raise NoSuchRun(f"{path} has a head that this version cannot read: {problem_in_words(problem)}") from None


def _read(path: Path, number: int, line: bytes) -> Trajectory:
    try:
        return _from(_Line.model_validate_json(line))
    except ValidationError as problem:
        raise NoSuchRun(f"{path}, line {number} is no trajectory: {problem_in_words(problem)}") from None
    except ValueError as problem:
        raise NoSuchRun(f"{path}, line {number} is no trajectory: {problem}") from None


def _from(line: _Line) -> Trajectory:
    for name in ("train_accuracy", "test_accuracy"):
        if any(value is not None and not 0 <= value <= 1 for value in line.columns.get(name, ())):
            raise ValueError(f"{name} lies between 0 and 1")
    if None in line.columns.get("step", ()):
        raise ValueError("a record has no step")
    if line.grok_step is not None and not line.grok_step <= (line.grok_known_at or line.grok_step) <= line.steps:
        raise ValueError("it grokked behind its last step")
    return Trajectory(
        name=line.name,
        task=line.task,
        facts=line.facts,
        columns={name: np.array(column, dtype=np.float64) for name, column in line.columns.items()},
        grok_step=line.grok_step,
        steps=line.steps,
        budget=line.budget,
        grok_known_at=line.grok_known_at,
        regress_step=line.regress_step,
        regress_known_at=line.regress_known_at,
        signals=read_descriptions(line.signals),
    )


def _placed(path: Path, runs: Sequence[Trajectory]) -> list[Trajectory]:
    """Each run with its place: the table, its name there, and where that occurs again how many came before."""
    table, before = real_path(path), Counter[str]()
    placed = []
    for run in runs:
        again = f":{before[run.name]}" if before[run.name] else ""
        placed.append(replace(run, place=f"{table}/{run.name}{again}"))
        before[run.name] += 1
    return placed


def _to_json(trajectory: Trajectory) -> Mapping[str, Any]:
    return {
        "name": trajectory.name,
        "task": trajectory.task,
        "facts": dict(trajectory.facts),
        "grok_step": trajectory.grok_step,
        "grok_known_at": trajectory.grok_known_at,
        "regress_step": trajectory.regress_step,
        "regress_known_at": trajectory.regress_known_at,
        "steps": trajectory.steps,
        "budget": trajectory.budget,
        "signals": {name: each.to_json() for name, each in trajectory.signals.items() if name in trajectory.columns},
        "columns": {name: [_rounded(value) for value in column] for name, column in trajectory.columns.items()},
    }


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) <= LARGEST_STEP:
        return int(value)
    return float(f"{value:.{DIGITS}g}")

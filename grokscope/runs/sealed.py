"""Files of tensors that know whether they are whole: safetensors, with a digest of every byte in the metadata.

The digest is the SHA-256 of the file with the digest's own 64 places filled with zeros. One flipped bit anywhere, in a
tensor, a name, a length or the digest itself, and the file is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import save

from grokscope.contract.arrays import FloatArray
from grokscope.gate import Unreadable, json_of, open_regular
from grokscope.runs.directory import write_whole
from grokscope.runs.log import RunUnwritable

SEAL_FORMAT = 2
"""Of what stands in `about`; files of format 1 had no digest"""

_BLANK = b"0" * 64
_DIGEST = b'"digest":"'
"""Stands before the digest; inside `about`, which is a string, the quotation marks would be escaped"""
_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000
"""safetensors' own limit"""
_BLOCK = 1 << 20
_DTYPES = {"F32": "<f4", "F64": "<f8"}


@dataclass(frozen=True)
class Stored:
    """A flat vector in a file: `dtype` numbers, the first of them behind `offset` bytes."""

    size: int
    dtype: str
    offset: int


@dataclass(frozen=True)
class Sealed:
    """A file that was found whole: where its vectors stand, and what it says of them."""

    file: Path
    vectors: Mapping[str, Stored]
    about: Mapping[str, Any]


def write_sealed(file: Path, vectors: Mapping[str, FloatArray], about: Mapping[str, Any]) -> None:
    """Write flat vectors and what is to be known of them. Raises `RunUnwritable`."""
    contiguous = {name: np.ascontiguousarray(vector) for name, vector in vectors.items()}
    told = json.dumps({"v": SEAL_FORMAT, **about}, allow_nan=False)
    data = save(contiguous, metadata={"format": "grokscope", "about": told, "digest": _BLANK.decode()})
    digest = hashlib.sha256(data).hexdigest()
    at = data.index(_DIGEST) + len(_DIGEST)
    try:
        write_whole(file, b"".join([data[:at], digest.encode(), data[at + len(_BLANK) :]]), durable=True)
    except OSError as problem:
        raise RunUnwritable(problem.errno, f"cannot write {file}: {problem.strerror}") from problem


def read_sealed(file: Path) -> Sealed:
    """Look a file through, from its first byte to its last. Raises `Unreadable`, also for one that is not whole."""
    try:
        with open_regular(file) as opened:
            head = _head(opened)
            header = json_of(head[_LENGTH_BYTES:])
            metadata = header.pop("__metadata__")
            about = json_of(metadata["about"])
            digest = metadata.get("digest", "")
            if digest or about.get("v", 1) != 1:
                _check(opened, head, digest)
            size = opened.seek(0, 2)
        vectors = {name: _stored(tensor, len(head), size) for name, tensor in header.items()}
    except Unreadable:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        what = f"{problem} is missing" if isinstance(problem, KeyError) else problem
        raise Unreadable(f"{file} is not a snapshot or checkpoint, or is damaged: {what}") from None
    return Sealed(file, vectors, about)


def read_vector(sealed: Sealed, name: str, start: int = 0, stop: int | None = None) -> FloatArray:
    """Consecutive numbers of a vector. Raises `Unreadable` where it is not there, or the file is no longer."""
    try:
        stored = sealed.vectors[name]
    except KeyError:
        raise Unreadable(f"{sealed.file} holds no {name}") from None
    count = max(0, (stored.size if stop is None else stop) - start)
    try:
        offset = stored.offset + start * np.dtype(stored.dtype).itemsize
        values: FloatArray = np.fromfile(sealed.file, stored.dtype, count, offset=offset)
    except OSError as problem:
        raise Unreadable(f"{sealed.file} cannot be read any more: {problem.strerror}") from None
    except MemoryError:
        raise Unreadable(f"{sealed.file} holds more than fits into memory") from None
    if len(values) != count:
        raise Unreadable(f"{sealed.file} has become shorter than it was")
    return values


def _head(opened: BinaryIO) -> bytes:
    """The length of the header, and the header."""
    length = opened.read(_LENGTH_BYTES)
    size = int.from_bytes(length, "little")
    if len(length) < _LENGTH_BYTES or size > _LARGEST_HEADER:
        raise ValueError("it has no header")
    return length + opened.read(size)


def _check(opened: BinaryIO, head: bytes, digest: str) -> None:
    at = head.find(_DIGEST) + len(_DIGEST)
    found = hashlib.sha256(head[:at] + _BLANK + head[at + len(_BLANK) :])
    while block := opened.read(_BLOCK):
        found.update(block)
    if not digest or found.hexdigest() != digest:
        raise ValueError("its digest is not that of its content")


def _stored(tensor: Mapping[str, Any], offset: int, size: int) -> Stored:
    start, stop = tensor["data_offsets"]
    stored = Stored(prod(tensor["shape"]), _DTYPES[tensor["dtype"]], offset + start)
    if not 0 <= start <= stop or stored.size * np.dtype(stored.dtype).itemsize != stop - start or offset + stop > size:
        raise ValueError("its tensors do not stand where it says")
    return stored

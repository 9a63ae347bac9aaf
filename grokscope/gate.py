"""The gate of files: what comes in is what it should be when it leaves, and what goes out destroys no record of a run.

A run directory, a table or a configuration may have been cut off, written by something else, or replaced by a pipe.
Every reader takes bytes, text, TOML or JSON from here: of a regular file, of bounded size, in UTF-8, with numbers that
fit into 64 bits. All that can go wrong is one error, and one sentence.
"""

import errno
import io
import math
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json

_TOO_LARGE = "it holds a whole number that does not fit into 64 bits"
LARGEST_TEXT = 1 << 26
"""Bytes of a text file that are read at most: 64 MiB."""

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Unreadable(ValueError):
    """A file that cannot be read, or is not what it should be; one sentence that names it."""


class Missing(Unreadable):
    """There is no such file."""


FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Problems that leave a file cut off"""


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """A block that writes `file`, which a person named. Where the disk is full, no part of the file stays: a table that
    is cut off looks like a whole one. Raises `OSError` that names the file; `FileExistsError` where a run keeps its
    record there."""
    if _is_a_runs(file):
        raise FileExistsError(errno.EEXIST, "a run keeps its record there; give another file", str(file))
    try:
        yield
    except OSError as problem:
        if problem.errno in FULL_DISK:
            remove_part(file)
        if problem.errno is None or problem.filename is not None:
            raise
        raise OSError(problem.errno, problem.strerror, str(file)) from problem


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """A block that writes files into `folder`, which is made where it is not there. Where the block fails, no folder
    that was made for it stays empty. Raises `OSError`."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # one that holds a file stays, and so do those above it
            for each in made:
                each.rmdir()
        raise


def real_path(path: Path) -> Path:
    """A path without links, as far as it can be followed: `Path.resolve` fails at links that lead to themselves."""
    return Path(os.path.realpath(path))


def remove_part(file: Path) -> None:
    """Remove a regular file that was not written to its end."""
    with suppress(OSError):
        real = real_path(file)
        if real.is_file():
            real.unlink()


def write_file(file: Path, content: str | bytes) -> None:
    """Write a file that a person named, a text as UTF-8 with the line ends that it has. Raises as `writing`."""
    with writing(file):
        file.write_bytes(content.encode() if isinstance(content, str) else content)


_RECORDS = (".jsonl", ".toml", ".safetensors")
"""What a run cannot be shown or resumed without: its log, its configuration, its checkpoints and snapshots"""


def _is_a_runs(file: Path) -> bool:
    try:
        real = real_path(file)
        folders = (real.parent, real.parent.parent)
        return real.suffix in _RECORDS and real.is_file() and any((each / "events.jsonl").is_file() for each in folders)
    except (OSError, ValueError, RuntimeError):  # what cannot be resolved is refused when it is opened
        return False


def open_regular(file: Path) -> BinaryIO:
    """A regular file, opened for reading in binary. It never waits, as opening a pipe would. Raises `Unreadable`, also
    where it is read and the disk fails."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Missing(f"there is no {file}") from None
    except OSError as problem:
        raise Unreadable(f"cannot read {file}: {problem.strerror}") from None
    except ValueError:
        raise Unreadable(f"{str(file)!r} cannot be the name of a file") from None
    with _readable(file):
        mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise Unreadable(f"{file} is {_KINDS.get(stat.S_IFMT(mode), 'a device')}, not a file")
    return io.BufferedReader(_Regular(descriptor, file))


class _Regular(io.FileIO):
    """A file that says its name where it cannot be read."""

    def __init__(self, descriptor: int, file: Path) -> None:
        super().__init__(descriptor)
        self._file = file

    def readinto(self, buffer: Any) -> int | None:
        with _readable(self._file):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with _readable(self._file):
            return super().readall()


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise Unreadable(f"cannot read {file}: {problem.strerror}") from None


def read_bytes(file: Path, most: int = LARGEST_TEXT) -> bytes:
    """All bytes of a regular file that has at most `most`. Raises `Unreadable`."""
    with open_regular(file) as opened:
        data = opened.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"{file} is larger than {most:,} bytes, the most that is read of such a file")
    return data


def read_text(file: Path, most: int = LARGEST_TEXT) -> str:
    """A text file in UTF-8, with or without a byte-order mark, which is left out. Raises `Unreadable`."""
    data = read_bytes(file, most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        what = "UTF-16" if data.startswith(_UTF_16) else "no text in UTF-8"
        raise Unreadable(f"{file} is {what}: save it as UTF-8") from None


def last_line(file: Path) -> str:
    """The last line of a text that is not empty, whatever its encoding; empty where there is none."""
    try:
        lines = read_bytes(file).decode(errors="replace").split("\n")
    except Unreadable:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def read_toml(file: Path, most: int = LARGEST_TEXT) -> dict[str, Any]:
    """A TOML file as nested tables. Raises `Unreadable`."""
    try:
        return parse_toml(read_text(file, most))
    except Unreadable:
        raise
    except ValueError as problem:
        raise Unreadable(f"{file} is not TOML: {problem}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document as nested tables; a number may be `inf` or `nan`.

    Raises `ValueError`, also for what nests too deeply or has too many digits.
    """
    try:
        table = tomllib.loads(text)
        _check_numbers(table, finite=False)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except ValueError as problem:
        if "set_int_max_str_digits" in str(problem):  # Python's own advice, which helps nobody here
            raise ValueError(_TOO_LARGE) from None
        raise
    return table


def read_json(file: Path, most: int = LARGEST_TEXT) -> Any:
    """A JSON document. Raises `Unreadable`."""
    try:
        return json_of(read_bytes(file, most).removeprefix(BYTE_ORDER_MARK))
    except Unreadable:
        raise
    except ValueError as problem:
        raise Unreadable(f"{file} is not JSON: {problem}") from None


def json_of(data: bytes | str) -> Any:
    """A JSON document: nested at most 200 deep, numbers finite and within 64 bits, strings of whole characters.

    Raises `ValueError`.
    """
    value = from_json(data, allow_inf_nan=False)
    _check_numbers(value, finite=True)
    return value


def _check_numbers(value: Any, *, finite: bool) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check_numbers(each, finite=finite)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(_TOO_LARGE)
    elif finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds a number that is not finite")

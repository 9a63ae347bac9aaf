"""Runs that Weights & Biases has kept on this machine, `run-ID.wandb`, read by its own package (extra `wandb`)."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.contract.backends import Unavailable, how_to_install
from grokscope.gate import Unreadable, open_regular
from grokscope.imports.databases import record_sheet
from grokscope.imports.delimited import LARGEST_FILE
from grokscope.imports.documents import Records, json_value
from grokscope.imports.sheets import Unimportable
from grokscope.words.numbers import counted

OFFLINE = ".wandb"
_HEAD, _BLOCK, _FRAME = 7, 32768, 7
"""Bytes of the file's head, of a block, and before each piece of a record"""
_WHOLE, _FIRST, _LAST = 1, 2, 4
"""Kinds of pieces: a record of its own, and the one that begins and the one that ends a longer record"""


@dataclass(frozen=True)
class OfflineRun:
    """A run of Weights & Biases."""

    project: str
    name: str
    sheet: Records


def is_beside(file: Path) -> bool:
    """Whether a file is what a run has kept beside its history."""
    return any(any(folder.parent.glob(f"*{OFFLINE}")) for folder in file.parents if folder.name == "files")


def offline_run(file: Path) -> OfflineRun:
    """The history and the settings of a run. Raises `Unavailable` without the package, `Unimportable`."""
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    project, name, key = "", "", ""
    left_out: list[str] = []
    for record in offline_records(file, left_out):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            rows.append(_values(record.history.item, file))
        elif kind in {"run", "config"}:
            config = record.run.config if kind == "run" else record.config
            facts |= _values(config.update, file)
        if kind == "run":
            project, name, key = record.run.project, record.run.display_name, record.run.run_id
    if not rows:
        raise Unimportable(f"{file.name} holds no history")
    return OfflineRun(project, name or key, record_sheet(file.name, rows, facts, left_out))


def _values(items: Iterable[Any], file: Path) -> dict[str, Any]:
    """By name."""
    return {item.key or ".".join(item.nested_key): json_value(item.value_json, file.name) for item in items}


def offline_records(file: Path, left_out: list[str]) -> Iterator[Any]:
    """What wandb has kept of a run, as its own protocol has it; what a killed run has left incomplete is said in
    `left_out`.

    Raises `Unavailable` without the package, `Unimportable`.
    """
    try:
        from wandb.proto.wandb_internal_pb2 import Record
    except ImportError:
        raise Unavailable(
            f"{file.name} needs wandb, which is not installed: {how_to_install('wandb')}; or give the CSV of the run's "
            "history, as `wandb.Api().run(PATH).history().to_csv()` writes it"
        ) from None
    try:
        with open_regular(file) as raw:
            data = raw.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise Unimportable(f"{file} holds more than {LARGEST_FILE >> 30} GiB")
        whole, torn = _frames(data)
        if torn:
            left_out.append(f"{file.name}: {counted(torn, 'record')} not written to the end, as after a crash")
        yield from map(Record.FromString, whole)
    except Unreadable as problem:
        raise Unimportable(str(problem)) from None
    except Unimportable:
        raise
    except Exception as problem:  # the package of somebody else
        raise Unimportable(f"{file} cannot be read by wandb: {problem}") from None


def _frames(data: bytes) -> tuple[list[bytes], int]:
    """The records of a log in LevelDB's format, pieces within blocks, and how many are incomplete."""
    at, record, whole, torn = _HEAD, b"", [], 0
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _FRAME:
            at += left
            continue
        size, kind = struct.unpack("<HB", data[at + 4 : at + _FRAME].ljust(3, b"\0"))
        at += _FRAME + size
        if kind in {_WHOLE, _FIRST} and record:
            record, torn = b"", torn + 1
        record += data[at - size : at]
        if at <= len(data) and kind in {_WHOLE, _LAST}:
            whole.append(record)
            record = b""
    return whole, torn + (at > len(data) or bool(record))

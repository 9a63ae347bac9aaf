"""Which process a trainer is, in words that a later reader can check.

The number of a process says too little. A killed process keeps its number until its parent has asked how it ended, the
system gives a number away again, and another machine or container counts for itself. So a process is named by its
number, its place and the moment it began.
"""

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class _Stat(NamedTuple):
    """What Linux says of a process."""

    gone: bool
    """It has ended, or is about to: it has no memory any more, or SIGKILL waits for it"""
    began: int
    """Clock ticks from the start of the system to the start of the process"""


def this_process() -> dict[str, Any]:
    """Names the present process: `process`, `host`, and where the system tells them `place` and `began`."""
    named = {"process": os.getpid(), "host": socket.gethostname(), "place": _place()}
    stat = _stat(os.getpid())
    return named if stat is None else {**named, "began": stat.began}


def process_lives(trainer: Mapping[str, Any]) -> bool | None:
    """Whether the process that `trainer` names is there; None where it runs in another place, or nobody can tell.

    A heartbeat names it whole; a `started` event names `process` and `host`. A process that has ended is not there,
    whether its parent has asked for it or not. Without /proc a system cannot tell such a process from a live one.
    """
    process, place = trainer.get("process"), trainer.get("place")
    if trainer.get("host") != socket.gethostname() or (place is not None and place != _place()):
        return None
    if not isinstance(process, int) or process <= 0:
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    except OverflowError:
        return None
    stat = _stat(process)
    return stat is None or not (stat.gone or trainer.get("began", stat.began) != stat.began)


def _place() -> str:
    """The run of the system and the space of process numbers: a container on one host has a space of its own."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _stat(process: int) -> _Stat | None:
    """See proc(5); None where there is no /proc, or where it hides the processes of others."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        state, began, memory, pending = fields[0], int(fields[19]), int(fields[20]), int(fields[28])
    except (OSError, ValueError, IndexError):
        return None
    return _Stat(state in "ZX" or not memory or bool(pending >> (signal.SIGKILL - 1) & 1), began)

"""How the process of a trainer and its machine are doing, from `ps`, which Linux and macOS both have.

No dependency and no /proc. Memory of a GPU is not in it: only the trainer's own framework knows that.
"""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from grokscope.contract.memory import bytes_in_words, free_bytes
from grokscope.runs.process import process_lives
from grokscope.words.clean import clean
from grokscope.words.numbers import counted

_PATIENCE = 2.0
"""Seconds to wait for `ps`"""


def vitals_in_words(trainer: Mapping[str, Any]) -> list[str]:
    """Lines about the trainer that `process`, `host` and `device` name, and about its machine if it is this one."""
    process, host = trainer.get("process"), clean(trainer.get("host", ""), 60)
    device = clean(trainer.get("device", ""), 30) or "unknown"
    if host != socket.gethostname():
        return [f"process {process} on {host or 'an unknown machine'}, device {device}: not this machine"]
    used = "it has ended" if process_lives(trainer) is False else _used(process)
    return [f"process {process}, device {device}: {used}", f"this machine: {', '.join(_machine())}"]


def _used(process: object) -> str:
    """`1:02:03 of CPU time in 1:10:00, 412 MiB of memory`, or why that is not known."""
    answer = _ask(process)
    if answer is None:
        return "`ps` is missing or silent"
    match answer.split():
        case [cpu, elapsed, kibibytes] if kibibytes.isdigit():
            return f"{cpu} of CPU time in {elapsed}, {bytes_in_words(int(kibibytes) * 1024)} of memory"
        case _:
            return "it has ended"


def _ask(process: object) -> str | None:
    try:
        asked = ["ps", "-o", "time=,etime=,rss=", "-p", str(process)]
        return subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


def _machine() -> Iterator[str]:
    yield counted(os.cpu_count() or 1, "core")
    yield f"load {os.getloadavg()[0]:.1f}"
    free = free_bytes()
    if free is not None:
        yield f"{bytes_in_words(free)} of memory free"

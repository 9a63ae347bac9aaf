"""The memory that this process may still use. Large requests are compared with it before allocation."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CGROUPS = (
    (_CGROUP / "memory.max", _CGROUP / "memory.current", _CGROUP / "memory.stat"),
    tuple(_CGROUP / "memory" / f"memory.{name}" for name in ("limit_in_bytes", "usage_in_bytes", "stat")),
)
"""Files of a container, for both versions of control groups: its limit, its use, and the parts of its use"""


class TooLarge(ValueError):
    """A request needs more memory than is free. The message is one sentence with both amounts."""


def require_memory(what: str, needed: int) -> None:
    """Raises `TooLarge` if `what` needs more bytes than are free. If the free memory is unknown, nothing is checked."""
    free = free_bytes()
    if free is not None and needed > free:
        raise TooLarge(
            f"{what} would take about {bytes_in_words(needed)} of memory, and {bytes_in_words(free)} are free"
        )


def free_bytes() -> int | None:
    """Bytes that are free for this process: the least of machine, container and limit of the process. None if all are
    unknown."""
    return min(_amounts(), default=None)


def comfortable(needed: int, free: int | None) -> bool:
    """Whether `needed` bytes are at most half of the free bytes. True if `free` is unknown."""
    return free is None or needed <= free / 2


def comfortable_parts(count: int, each: int, free: int | None) -> Iterator[slice]:
    """0 to `count`, in slices of as many as are comfortable at `each` bytes, at least one. One slice if `free` is
    unknown."""
    most = count if free is None else max(1, free // 2 // each)
    for begin in range(0, count, most):
        yield slice(begin, begin + most)


def bytes_in_words(amount: int) -> str:
    """Bytes in words: `1.5 GiB`."""
    size = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{round(size, 1):,g} {unit}"
        size /= 1024
    return f"{round(size, 1):,g} TiB"


def _amounts() -> Iterator[int]:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
            break
    else:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, used, consists in _CGROUPS:
        amounts = [*_lines(limit)[:1], *_lines(used)[:1]]
        if len(amounts) == 2 and all(amount.strip().isdigit() for amount in amounts):
            cached = [int(line.split()[1]) for line in _lines(consists) if line.startswith("inactive_file ")]
            yield max(0, int(amounts[0]) - int(amounts[1]) + sum(cached))
    limited = resource.getrlimit(resource.RLIMIT_AS)[0]
    mapped = [line.split()[1] for line in _lines(Path("/proc/self/status")) if line.startswith("VmSize:")]
    if limited != resource.RLIM_INFINITY and mapped:
        yield max(0, limited - int(mapped[0]) * 1024)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []

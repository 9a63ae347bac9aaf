"""Cells as processes on this machine, a few at a time.

Processes, because a framework's threads, memory and crashes then belong to one cell. Each is in a session of its own: a
Ctrl-C at the terminal reaches the sweep alone, which asks every cell once to stop behind its step, with a checkpoint.
"""

import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grokscope import registry
from grokscope.settings.config import variables_of
from grokscope.sweeps.commands import cell_command, last_words, stderr_file
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import CellStanding, OnChange, in_other_hands, left_to_do, read_standing

_POLL_SECONDS = 0.05
_LOOK_SECONDS = 1.0
"""Between two looks into the run directory of a cell that runs."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run_local(
    cells: Sequence[Cell],
    *,
    jobs: int = 1,
    threads: int | None = None,
    retry_diverged: bool = False,
    on_change: OnChange = lambda standing: None,
) -> list[Failure]:
    """Take every cell that has something left to do to its end, `jobs` at a time; return those that failed.

    Cells that are finished, and cells that somebody else runs, also from now on, are left alone. `threads`: see
    `LocalEngine`. An exception (Ctrl-C) stops the cells, each with a checkpoint, and goes on to the caller; the same
    call then continues where they were.
    """
    return LocalEngine(jobs, threads).run(left_to_do(cells, retry_diverged=retry_diverged), on_change)


@dataclass
class _Worker:
    """A cell and its process."""

    cell: Cell
    process: subprocess.Popen[bytes]
    seen: CellStanding
    looked: float


class LocalEngine:
    """`jobs` processes at a time, with `threads` threads each where a cell's `backend.threads` does not say.

    By default OMP_NUM_THREADS, which whoever shares a machine has set; else as many as divide the cores among them.
    """

    def __init__(self, jobs: int = 1, threads: int | None = None) -> None:
        self.jobs = jobs
        self.threads = threads or _wanted_threads() or max(1, cores() // jobs)

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        waiting = deque(map(read_standing, cells))
        working: list[_Worker] = []
        failures: list[Failure] = []
        try:
            while waiting or working:
                while waiting and len(working) < self.jobs:
                    planned = waiting.popleft()
                    standing = read_standing(planned.cell)
                    if _taken_since(planned, standing):
                        on_change(standing)
                    else:
                        working.append(self._started(standing))
                        on_change(working[-1].seen)
                time.sleep(_POLL_SECONDS)
                for worker in [*working]:
                    code = worker.process.poll()
                    _look(worker, code, on_change)
                    if code is not None:
                        working.remove(worker)
                        failures += _failure(worker, code)
        except BaseException:
            _stop(working)
            for worker in working:
                _look(worker, worker.process.returncode, on_change)
            raise
        return failures

    def _started(self, standing: CellStanding) -> _Worker:
        cell = standing.cell
        threads = cell.config.backend.threads or self.threads
        settings = variables_of(registry.get("tasks", cell.task))
        environment = {name: value for name, value in os.environ.items() if name not in settings}
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"OPENBLAS_NUM_THREADS": "1"}
        command = cell_command(cell, {"backend.threads": threads})
        cell.directory.path.mkdir(parents=True, exist_ok=True)
        with stderr_file(cell).open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        return _Worker(cell, process, replace(standing, state="running", status=None), time.monotonic())


def cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wanted_threads() -> int | None:
    """OMP_NUM_THREADS, where it is a number of threads."""
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    return (int(text) if text.isdecimal() else None) or None


def _taken_since(planned: CellStanding, now: CellStanding) -> bool:
    """Whether another process has begun, or ended, a cell that was to be started."""
    return now.state in {"running", "stale"} or (now.ended and not planned.ended)


def _look(worker: _Worker, code: int | None, on_change: OnChange) -> None:
    """Tell of what is new about a cell."""
    now = time.monotonic()
    if code is None and now - worker.looked < _LOOK_SECONDS:
        return
    worker.looked = now
    standing = read_standing(worker.cell)
    if code is None or in_other_hands(standing):
        standing = replace(standing, state="running", status=None)  # of which its log need not know yet
    elif not standing.ended and standing.state != "interrupted":
        standing = replace(standing, reason=last_words(worker.cell, code))
    if standing != worker.seen:
        worker.seen = standing
        on_change(standing)


def _failure(worker: _Worker, code: int) -> list[Failure]:
    """None where the cell is over, whoever took it there, and where it is in other hands, so that ours was refused."""
    if worker.seen.ended or worker.seen.state == "running":
        return []
    return [Failure(worker.cell, code, worker.seen.reason or worker.seen.state)]


def _stop(working: Sequence[_Worker]) -> None:
    """Ask every process to stop, and wait; whoever has no patience with their checkpoints interrupts once more."""
    for worker in working:
        worker.process.terminate()
    try:
        for worker in working:
            worker.process.wait()
    except KeyboardInterrupt:
        for worker in working:
            worker.process.kill()
            worker.process.wait()

"""Cells as processes on this machine, a few at a time.

Each cell is a process, so that a framework's threads, memory and crashes belong to one cell. Each process has its own
session: Ctrl-C at the terminal reaches only the sweep, and the sweep asks every cell to stop with a checkpoint.
"""

import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grokscope import registry
from grokscope.settings.config import variables_of
from grokscope.sweeps.commands import cell_command, failure_reason, stderr_file
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import CellStanding, OnChange, left_to_do, read_standing, runs_elsewhere

_POLL_SECONDS = 0.05
_LOOK_SECONDS = 1.0
"""Seconds between two reads of the run directory of a running cell"""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run_local(
    cells: Sequence[Cell],
    *,
    jobs: int = 1,
    threads: int | None = None,
    retry_diverged: bool = False,
    on_change: OnChange = lambda standing: None,
) -> list[Failure]:
    """Run every cell that is left to do to its end, `jobs` cells at a time. Returns the failed cells.

    Finished cells and cells that another process runs are skipped. `threads`: see `LocalEngine`. An exception such as
    `KeyboardInterrupt` stops all cells, each with a checkpoint, and is raised again; a new call continues the cells.
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
    """Runs `jobs` processes at a time, each with the cell's `backend.threads`, or else with `threads` threads.

    The default of `threads` is OMP_NUM_THREADS, or else the number of cores divided by `jobs`.
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
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wanted_threads() -> int | None:
    """OMP_NUM_THREADS; None if it is no positive number."""
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    return (int(text) if text.isdecimal() else None) or None


def _taken_since(planned: CellStanding, now: CellStanding) -> bool:
    """Whether another process has started or finished the cell since it was planned."""
    return now.state in {"running", "stale"} or (now.ended and not planned.ended)


def _look(worker: _Worker, code: int | None, on_change: OnChange) -> None:
    """Report the standing of a cell if it has changed. `code`: exit code of the process, None while it runs."""
    now = time.monotonic()
    if code is None and now - worker.looked < _LOOK_SECONDS:
        return
    worker.looked = now
    standing = read_standing(worker.cell)
    if code is None or runs_elsewhere(standing):
        standing = replace(standing, state="running", status=None)  # the log may not show it yet
    elif not standing.ended and standing.state != "interrupted":
        standing = replace(standing, reason=failure_reason(worker.cell, code))
    if standing != worker.seen:
        worker.seen = standing
        on_change(standing)


def _failure(worker: _Worker, code: int) -> list[Failure]:
    """The failure of an ended process; empty if the cell has ended, or if another process runs the cell."""
    if worker.seen.ended or worker.seen.state == "running":
        return []
    return [Failure(worker.cell, code, worker.seen.reason or worker.seen.state)]


def _stop(working: Sequence[_Worker]) -> None:
    """Ask every process to stop, and wait for the checkpoints. A second Ctrl-C kills the processes."""
    for worker in working:
        worker.process.terminate()
    try:
        for worker in working:
            worker.process.wait()
    except KeyboardInterrupt:
        for worker in working:
            worker.process.kill()
            worker.process.wait()

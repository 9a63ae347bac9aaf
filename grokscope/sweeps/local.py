"""Cells on this machine, a few at a time, in worker processes that live on.

A worker runs one cell after the other, so that it imports its framework once. A worker that crashes takes one cell
with it. Each worker has its own session: Ctrl-C at the terminal reaches only the sweep, and the sweep asks every cell
to stop with a checkpoint. If the sweep is killed, its workers notice the end of their stdin, and stop in the same way.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from grokscope import registry
from grokscope.settings.config import variables_of
from grokscope.sweeps.commands import failure_reason, group_arguments, stderr_file
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.replicas import batchable_groups
from grokscope.sweeps.standing import CellStanding, OnChange, left_to_do, read_standing, runs_elsewhere

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


class LocalEngine:
    """Runs `jobs` processes at a time, each with the cell's `backend.threads`, or else with `threads` threads.

    The default of `threads` is OMP_NUM_THREADS, or else the number of cores divided by `jobs`. A process runs one cell
    at a time, or up to `replicas` cells as one batched model, see `grokscope.sweeps.replicas`.
    """

    def __init__(self, jobs: int = 1, threads: int | None = None, *, replicas: int = 1) -> None:
        self.jobs = jobs
        self.threads = threads or _wanted_threads() or max(1, cores() // jobs)
        self.replicas = replicas

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        planned = {cell.slug: read_standing(cell) for cell in cells}
        waiting = deque([[cell] for cell in cells] if self.replicas == 1 else batchable_groups(cells, self.replicas))
        working: list[_Worker] = []
        idle: list[_Worker] = []
        failures: list[Failure] = []
        try:
            while waiting or working:
                while waiting and len(working) < self.jobs:
                    free = _free(waiting.popleft(), planned, on_change)
                    if free:
                        working.append(self._begun(free, idle))
                        working[-1].tell(on_change)
                select.select([worker.answers for worker in working], [], [], _LOOK_SECONDS)
                for worker in [*working]:
                    code = worker.code()
                    worker.look(code, on_change)
                    if code is not None:
                        working.remove(worker)
                        failures += worker.failures(code)
                        idle.append(worker)
        except BaseException:
            _stop(working)
            for worker in working:
                worker.look(worker.process.returncode, on_change)
            raise
        finally:
            for worker in [*working, *idle]:
                worker.dismiss()
        return failures

    def _begun(self, standings: Sequence[CellStanding], idle: "list[_Worker]") -> "_Worker":
        """A worker that runs the cells: an idle one, or a new one."""
        first = standings[0].cell
        threads = first.config.backend.threads or self.threads
        environment = _environment(first, threads)
        for standing in standings:
            standing.cell.directory.path.mkdir(parents=True, exist_ok=True)
            stderr_file(standing.cell).write_bytes(b"")
        while idle:
            worker = idle.pop()
            if worker.lives and worker.environment == environment:
                break
            worker.dismiss()  # libraries of linear algebra read the number of threads when they are loaded
        else:
            worker = _Worker(first, environment)
        worker.begin(standings, threads)
        return worker


class _Worker:
    """A process that runs one cell, or one group of cells, after the other, see `grokscope.cli.worker`."""

    def __init__(self, first: Cell, environment: Mapping[str, str]) -> None:
        """`first`: the cell whose stderr gets what goes wrong before the worker reads a cell."""
        self.environment = environment
        with stderr_file(first).open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grokscope.cli.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.answers = self.process.stdout
        self._requests = self.process.stdin

    @property
    def lives(self) -> bool:
        """Whether the worker can run another cell."""
        return self.process.returncode is None

    def begin(self, standings: Sequence[CellStanding], threads: int) -> None:
        """Run cells with so many threads."""
        self._seen = [replace(standing, state="running", status=None) for standing in standings]
        self._again = {standing.cell.slug for standing in standings if standing.ended}
        self._looked = time.monotonic()
        cells = [standing.cell for standing in standings]
        request = {
            "arguments": group_arguments(cells, {"backend.threads": threads}),
            "stderr": str(stderr_file(cells[0]).absolute()),
        }
        with suppress(BrokenPipeError):  # `code` says how the worker ended
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()

    def code(self) -> int | None:
        """The exit code of the cells' command; None while it runs."""
        if not select.select([self.answers], [], [], 0)[0]:
            return None
        answer = self.answers.readline()
        return int(answer) if answer else self.process.wait()

    def tell(self, on_change: OnChange) -> None:
        """Report the standings of the cells."""
        for standing in self._seen:
            on_change(standing)

    def look(self, code: int | None, on_change: OnChange) -> None:
        """Report the standings of cells that have changed. `code`: see `code`."""
        now = time.monotonic()
        if code is None and now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        for place, seen in enumerate(self._seen):
            standing = _standing(seen.cell, code, again=seen.cell.slug in self._again)
            if standing != seen:
                self._seen[place] = standing
                on_change(standing)

    def failures(self, code: int) -> list[Failure]:
        """The cells that have neither ended nor are run by another process."""
        left = [standing for standing in self._seen if not standing.ended and standing.state != "running"]
        return [Failure(standing.cell, code, standing.reason or standing.state) for standing in left]

    def dismiss(self) -> None:
        """End the process, which runs no cell or has ended."""
        with suppress(BrokenPipeError):
            self._requests.close()
        self.process.wait()
        self.answers.close()


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environment(cell: Cell, threads: int) -> dict[str, str]:
    """The environment of a process that runs cells like this one with so many threads."""
    settings = variables_of(registry.get("tasks", cell.task))
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    return environment | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"OPENBLAS_NUM_THREADS": "1"}


def _wanted_threads() -> int | None:
    """OMP_NUM_THREADS; None if it is no positive number."""
    text = os.environ.get("OMP_NUM_THREADS", "").strip()
    return (int(text) if text.isdecimal() else None) or None


def _free(cells: Sequence[Cell], planned: Mapping[str, CellStanding], on_change: OnChange) -> list[CellStanding]:
    """The standings of cells that no other process has taken since they were planned; the others are reported."""
    free = []
    for cell in cells:
        standing = read_standing(cell)
        if _taken_since(planned[cell.slug], standing):
            on_change(standing)
        else:
            free.append(standing)
    return free


def _standing(cell: Cell, code: int | None, *, again: bool) -> CellStanding:
    """The standing of a cell that a worker began. `code`: exit code of its command, None while the command runs.
    `again`: whether the cell had ended before."""
    standing = read_standing(cell)
    if code is None and standing.ended and not again:
        return standing  # others, which train as one with it, go on
    if code is None or runs_elsewhere(standing):
        return replace(standing, state="running", status=None)
    if not standing.ended and standing.state != "interrupted":
        return replace(standing, reason=failure_reason(cell, code))
    return standing


def _taken_since(planned: CellStanding, now: CellStanding) -> bool:
    """Whether another process has started or finished the cell since it was planned."""
    return now.state in {"running", "stale"} or (now.ended and not planned.ended)


def _stop(working: "Sequence[_Worker]") -> None:
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

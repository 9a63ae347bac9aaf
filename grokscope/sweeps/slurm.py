"""Cells as an array of SLURM jobs, through submitit.

A job runs the command of a cell. When the cluster takes the node back, or the time of the job is over, the cell stops
with a checkpoint and the job queues itself again. The command then continues from the checkpoint.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.contract.backends import Unavailable, how_to_install
from grokscope.gate import Unreadable, read_text
from grokscope.settings.config import ConfigError
from grokscope.sweeps.commands import failure_reason, group_arguments, stderr_file
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.replicas import batchable_groups
from grokscope.sweeps.standing import OnChange, read_standing

if TYPE_CHECKING:
    from submitit import SlurmExecutor
    from submitit.helpers import DelayedSubmission

_LOOK_SECONDS = 2.0
"""Seconds between two reads of the run directories"""
ASK_SECONDS = 10.0
"""Seconds between two calls of `squeue`, which loads the scheduler of all users"""
GRACE_SECONDS = 20.0
"""Seconds that a job waits after its cell was stopped: SLURM may queue the job again, or cancel it"""
MINUTES = 60
"""Default time limit of a job; a cell that needs more time queues itself again"""
REQUEUES = 1000
"""Times that a cell may run out of time before it counts as failed"""


@dataclass
class CellJob:
    """The work of one job. submitit sends it to the node, and calls `checkpoint` when the job must leave the node."""

    command: list[str]
    stderr: str
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __call__(self) -> None:
        with open(self.stderr, "wb") as stderr:
            # SLURM signals every process of a job; only submitit must handle the signal to leave the node
            ignoring = ["/bin/sh", "-c", 'trap "" USR1 USR2; exec "$@"', "sh", *self.command]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(ignoring, stdin=null, stdout=null, stderr=stderr)
        _wait(self._process)
        code = self._process.wait()
        if code in {130, 143, -2, -15}:  # SLURM stopped the cell; `checkpoint` may be called next
            time.sleep(GRACE_SECONDS)
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    @property
    def process(self) -> int:
        """The id of the cell's process. Raises `RuntimeError` before the process has started."""
        if self._process is None:
            raise RuntimeError("the job has not started")
        return self._process.pid

    def checkpoint(self) -> "DelayedSubmission":
        """Stop the cell with a checkpoint. Returns the same job, to be queued again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.terminate()
            _wait(self._process)
            self._process.poll()
        return DelayedSubmission(replace(self, _process=None))


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a process. In a signal handler that interrupts the same wait, `Popen.wait` would hang."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


class SlurmEngine:
    """Runs each cell as a job, `jobs` jobs at a time. Follows the jobs to their end, unless `detach` is set.

    With `replicas` a job runs up to so many cells as one batched model, see `grokscope.sweeps.replicas`.

    `parameters`: options of sbatch, by submitit's names (`time` in minutes, `cpus_per_task`) or by sbatch's names.
    Raises `Unavailable` without submitit or SLURM.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Mapping[str, Any],
        *,
        jobs: int | None = None,
        detach: bool = False,
        replicas: int = 1,
    ) -> None:
        self.folder = folder / "slurm"
        self.parameters: dict[str, Any] = {"time": MINUTES, "job_name": folder.name} | dict(parameters)
        if jobs is not None:
            self.parameters["array_parallelism"] = jobs
        self.detach = detach
        self.replicas = replicas
        self.executor = _executor(self.folder, self.parameters)

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        queue = queued()
        fresh = [cell for cell in cells if _ticket(cell) not in queue]
        self._submit(fresh)
        return [] if self.detach else _follow(cells, on_change)

    def _submit(self, cells: Sequence[Cell]) -> None:
        if not cells:
            return
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        threads = self.parameters.get("cpus_per_task", 1)
        groups = [[cell] for cell in cells] if self.replicas == 1 else batchable_groups(cells, self.replicas)
        works = []
        for group in groups:
            for cell in group:
                cell.directory.path.mkdir(parents=True, exist_ok=True)
            changes = {} if group[0].config.backend.threads else {"backend.threads": threads}
            command = [sys.executable, "-m", "grokscope", *group_arguments(group, changes)]
            works.append(CellJob(command, str(stderr_file(group[0]).absolute())))
        try:
            with self.executor.batch():
                jobs = [self.executor.submit(work) for work in works]
        except (FailedJobError, FailedSubmissionError) as problem:
            raise ConfigError(f"sbatch refused: {_last_line(problem)}") from None
        for group, job in zip(groups, jobs, strict=True):
            for cell in group:
                _ticket_file(cell).write_text(job.job_id)


def queued() -> set[str]:
    """Ids of this user's waiting and running jobs; `12_3` in an array. Raises `Unavailable`."""
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format=%i"],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        raise Unavailable("SLURM is not available on this machine: squeue is not installed") from None
    except subprocess.CalledProcessError as problem:
        raise Unavailable(f"SLURM does not answer: {_last_line(problem.stderr)}") from None
    return set(done.stdout.split())


def _follow(cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
    """Report changes until every cell has ended or its job has left the queue. Ctrl-C does not stop the jobs."""
    seen = {cell.slug: read_standing(cell) for cell in cells}
    failures: list[Failure] = []
    waiting = list(cells)
    asked, queue = time.monotonic(), queued()
    while waiting:
        gone = {cell.slug for cell in waiting if _ticket(cell) not in queue}
        for cell in [*waiting]:
            standing = read_standing(cell)
            if cell.slug in gone and not standing.ended:
                standing = replace(standing, reason=failure_reason(cell, 1))
                failures.append(Failure(cell, 1, standing.reason or standing.state))
            if standing != seen[cell.slug]:
                seen[cell.slug] = standing
                on_change(standing)
            if standing.ended or cell.slug in gone:
                waiting.remove(cell)
        if waiting:
            time.sleep(_LOOK_SECONDS)
        if time.monotonic() - asked > ASK_SECONDS:
            asked, queue = time.monotonic(), queued()
    return failures


def _executor(folder: Path, parameters: Mapping[str, Any]) -> "SlurmExecutor":
    try:
        from submitit import SlurmExecutor
    except ImportError:
        raise Unavailable(f"--engine slurm needs submitit: {how_to_install('slurm')}") from None
    try:
        executor = SlurmExecutor(folder=folder.absolute(), max_num_timeout=REQUEUES)
    except RuntimeError:
        raise Unavailable("SLURM is not available on this machine: srun is not installed") from None
    known = executor._valid_parameters()
    own = {key: value for key, value in parameters.items() if key in known}
    others = {key: value for key, value in parameters.items() if key not in known}
    try:
        executor.update_parameters(**own, additional_parameters=others)
    except (TypeError, ValueError) as problem:
        raise ConfigError(f"--slurm: {_last_line(problem)}") from None
    return executor


def _ticket_file(cell: Cell) -> Path:
    return cell.directory.path / "slurm.job"


def _ticket(cell: Cell) -> str | None:
    """The id of the cell's newest job; None without one."""
    try:
        return read_text(_ticket_file(cell))
    except Unreadable:
        return None


def _last_line(message: object) -> str:
    lines = [line for line in str(message).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"

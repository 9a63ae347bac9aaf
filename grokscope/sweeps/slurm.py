"""Cells as jobs of a SLURM cluster, through submitit: an array of jobs, each of which goes on where it was cut off.

A job starts the cell's own command and waits for it. Where the cluster takes the node back or the time is up, the cell
is asked to stop behind its step, and the job queues itself again; the command then continues from the checkpoint.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.contract.backends import Unavailable
from grokscope.settings.config import ConfigError
from grokscope.sweeps.commands import cell_command, last_words, stderr_file
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange, read_standing

if TYPE_CHECKING:
    from submitit import SlurmExecutor
    from submitit.helpers import DelayedSubmission

_LOOK_SECONDS = 2.0
"""Between two looks into the run directories."""
ASK_SECONDS = 10.0
"""Between two questions to the scheduler, which many ask."""
GRACE_SECONDS = 20.0
"""How long a cell that was told to stop waits to hear why: to be queued again, or for good."""
MINUTES = 60
"""A job's time where none is given; a cell that needs more queues itself again."""
REQUEUES = 1000
"""Times a cell may run out of time before it is given up."""


@dataclass
class CellJob:
    """What a job does. submitit ships it to the node, and calls `checkpoint` where the job has to leave it."""

    command: list[str]
    stderr: str
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __call__(self) -> None:
        with open(self.stderr, "wb") as stderr:
            # SLURM signals every process of a job; the one that says `leave the node` is for submitit alone
            ignoring = ["/bin/sh", "-c", 'trap "" USR1 USR2; exec "$@"', "sh", *self.command]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(ignoring, stdin=null, stdout=null, stderr=stderr)
        _wait(self._process)
        code = self._process.wait()
        if code in {130, 143, -2, -15}:  # stopped by a signal that SLURM sent: what it means comes behind it
            time.sleep(GRACE_SECONDS)
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    @property
    def process(self) -> int:
        """The cell's process. Raises `RuntimeError` before it was started."""
        if self._process is None:
            raise RuntimeError("the job has not begun")
        return self._process.pid

    def checkpoint(self) -> "DelayedSubmission":
        """Stop with a checkpoint, and say what to run next time: the same."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.terminate()
            _wait(self._process)
            self._process.poll()
        return DelayedSubmission(replace(self, _process=None))


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Until it has ended, also in a signal handler that interrupted this very wait, where `Popen.wait` would hang."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


class SlurmEngine:
    """One job a cell, `jobs` of them at a time; follows them until they are over, or leaves at once to `detach`.

    `parameters` are sbatch's: those that submitit knows under its names (`time` in minutes, `cpus_per_task`), any other
    as it is. Raises `Unavailable` without submitit or SLURM.
    """

    def __init__(
        self, folder: Path, parameters: Mapping[str, Any], *, jobs: int | None = None, detach: bool = False
    ) -> None:
        self.folder = folder / "slurm"
        self.parameters: dict[str, Any] = {"time": MINUTES, "job_name": folder.name} | dict(parameters)
        if jobs is not None:
            self.parameters["array_parallelism"] = jobs
        self.detach = detach
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
        works = []
        for cell in cells:
            cell.directory.path.mkdir(parents=True, exist_ok=True)
            command = cell_command(cell, {} if cell.config.backend.threads else {"backend.threads": threads})
            works.append(CellJob(command, str(stderr_file(cell).absolute())))
        try:
            with self.executor.batch():
                jobs = [self.executor.submit(work) for work in works]
        except (FailedJobError, FailedSubmissionError) as problem:
            raise ConfigError(f"sbatch refused: {_last_line(problem)}") from None
        for cell, job in zip(cells, jobs, strict=True):
            _ticket_file(cell).write_text(job.job_id)


def queued() -> set[str]:
    """Jobs of this user that wait or run, by id; `12_3` in an array. Raises `Unavailable`."""
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format=%i"],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        raise Unavailable("there is no SLURM here: squeue is not installed") from None
    except subprocess.CalledProcessError as problem:
        raise Unavailable(f"SLURM does not answer: {_last_line(problem.stderr)}") from None
    return set(done.stdout.split())


def _follow(cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
    """Tell of changes until every cell is over or its job is gone. Ctrl-C leaves the jobs where they are."""
    seen = {cell.slug: read_standing(cell) for cell in cells}
    failures: list[Failure] = []
    waiting = list(cells)
    asked, queue = time.monotonic(), queued()
    while waiting:
        gone = {cell.slug for cell in waiting if _ticket(cell) not in queue}
        for cell in [*waiting]:
            standing = read_standing(cell)
            if cell.slug in gone and not standing.ended:
                standing = replace(standing, reason=last_words(cell, 1))
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
        raise Unavailable("--engine slurm needs submitit: pip install 'grokscope[slurm]'") from None
    try:
        executor = SlurmExecutor(folder=folder.absolute(), max_num_timeout=REQUEUES)
    except RuntimeError:
        raise Unavailable("there is no SLURM here: srun is not installed") from None
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
    """The job that a cell was given to last."""
    try:
        return _ticket_file(cell).read_text()
    except OSError:
        return None


def _last_line(said: object) -> str:
    lines = [line for line in str(said).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"

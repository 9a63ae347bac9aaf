"""Workers of a sweep: they live on, lose one cell in a crash, end with their sweep, and change no bit of a run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_process import PATIENCE, Nursery, environment, read_log, tiny, until_logged
from sweeps_made import Planned

from grokscope.runs.process import process_lives
from grokscope.sweeps import CellStanding, read_standing, run_local
from grokscope.sweeps.commands import cell_arguments

pytestmark = pytest.mark.slow
TIMED = {"time", "seconds", "steps_per_second", "tokens_per_second", "seconds_left", "lead_seconds"}
"""What differs between two runs that are the same: durations"""


def told(run: Path) -> list[dict[str, object]]:
    """The events of a run, without durations and what names the run."""
    leave_out = TIMED | {"run", "process"}

    def rest(value: object) -> object:
        if isinstance(value, dict):
            return {key: rest(each) for key, each in value.items() if key not in leave_out}
        return [rest(each) for each in value] if isinstance(value, list) else value

    found = rest(read_log(run))
    assert isinstance(found, list)
    return found


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def test_one_process_trains_many_cells_as_many_processes_do(nursery: Nursery, planned: Planned, tmp_path: Path) -> None:
    cells = planned({"train.seed": [1, 2, 3]}).cells
    assert run_local(cells) == []
    started = [read_log(cell.directory.path)[0] for cell in cells]
    assert len({event["process"] for event in started}) == 1
    assert not process_lives(started[0])
    run, alone = cells[-1].directory.path, tmp_path / "alone"
    arguments = cell_arguments(cells[-1])
    arguments[arguments.index("--runs") + 1] = str(alone)
    assert nursery.run(*arguments, folder=tmp_path).code == 0
    assert told(run) == told(alone / run.name)
    assert files(run) - {"trainer.stderr"} == files(alone / run.name)


def test_a_crash_takes_one_cell(planned: Planned) -> None:
    """In another worker than the cells before, the cells after it are trained."""
    cells = planned({"train.seed": [1, 2, 3]}, {"train.steps": 200, "log.every": 1}).cells
    doomed = cells[1]

    def see(now: CellStanding) -> None:
        if now.cell is doomed and now.state == "running":
            until_logged(doomed.directory.path, "trained")
            os.kill(until_logged(doomed.directory.path, "started")["process"], signal.SIGKILL)

    (failure,) = run_local(cells, on_change=see)
    assert (failure.cell, failure.code, failure.reason) == (doomed, -signal.SIGKILL, "killed by SIGKILL")
    assert [read_standing(cell).state for cell in cells] == ["finished", "crashed", "finished"]
    assert run_local(cells) == []
    assert {read_standing(cell).state for cell in cells} == {"finished"}


def test_a_killed_sweep_leaves_no_worker(nursery: Nursery, tmp_path: Path) -> None:
    """Its cell ends with a checkpoint, and the sweep goes on from there."""
    arguments = ["sweep", *tiny()[1:], "--axis=seed=1", "--name=s", "--steps=100000", "--set=log.every=1"]
    sweep = nursery.start(*arguments, folder=tmp_path)
    cell = tmp_path / "runs/s/seed1"
    started = until_logged(cell, "started")
    until_logged(cell, "trained")
    sweep.kill()
    finished = until_logged(cell, "finished")
    assert finished["status"] == "interrupted"
    assert any((cell / "checkpoint").iterdir())
    assert nursery.run("sweep", "status", "s", "--json", folder=tmp_path).json["states"] == {"interrupted": 1}
    until = time.monotonic() + PATIENCE
    while process_lives(started):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell a process's memory")
def test_a_worker_keeps_no_memory_of_its_cells(tmp_path: Path) -> None:
    """A worker's memory after 30 cells is that after 10, to a few MB; a model with its data has more."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "grokscope.cli.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment({"OMP_NUM_THREADS": "1"}),
    )  # fmt: skip
    assert worker.stdin is not None
    assert worker.stdout is not None
    memory = []
    for seed in range(30):
        arguments = tiny("modular", f"--seed={seed}", f"--name=r{seed}", "--steps=1", "--quiet")
        request = {"arguments": arguments, "stderr": str(tmp_path / "stderr")}
        worker.stdin.write(json.dumps(request).encode() + b"\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == b"0\n"
        memory.append(kilobytes(worker.pid))
    worker.stdin.close()
    assert worker.wait() == -signal.SIGTERM
    worker.stdout.close()
    assert memory[-1] - memory[9] < 4_000


def kilobytes(process: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

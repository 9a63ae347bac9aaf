"""The script that the slurm engine gives to `sbatch`, whose tasks are run here, one after the other."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sweeps_made import Planned

from grokscope.sweeps import read_standing, record_sweep
from grokscope.sweeps.slurm import SlurmEngine

SBATCH = """#!{python}
import re, subprocess, sys
script = open(sys.argv[1]).read()
first, last = re.search(r"^#SBATCH --array=(\\d+)-(\\d+)", script, re.M).groups()
silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
subprocess.Popen(["{folder}/node", sys.argv[1], first, last], start_new_session=True, **silent)
print("Submitted batch job 77")
"""
NODE = """#!{python}
import os, pathlib, subprocess, sys, time
script, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
work = pathlib.Path(script).parent
while not (work / f"77_{{last}}_submitted.pkl").exists():
    time.sleep(0.05)
for task in range(first, last + 1):
    own = dict(SLURM_JOB_ID=str(100 + task), SLURM_ARRAY_JOB_ID="77", SLURM_ARRAY_TASK_ID=str(task), SLURM_NTASKS="1",
               SLURM_PROCID="0", SLURM_LOCALID="0", SLURM_NODEID="0", SLURM_NNODES="1", SLURM_JOB_NODELIST="here")
    subprocess.run(["/bin/bash", work / "77_submission.sh"], env=os.environ | own)
    with open("{folder}/tasks", "a") as tasks:
        tasks.write(f"77_{{task}}\\n")
"""
SQUEUE = """#!/bin/sh
for task in 77_0 77_1; do grep -qx $task {folder}/tasks 2>/dev/null || echo $task; done
"""
SRUN = """#!{python}
import os, sys
words, taking = iter(sys.argv[1:]), {{"--output", "--error"}}
command = [word for word in words if not (word in taking and next(words)) and not word.startswith("--unbuffered")]
os.execv(command[0], command)
"""


def put(file: Path, text: str) -> None:
    file.write_text(text.format(python=sys.executable, folder=file.parent))
    file.chmod(0o755)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_array_of_replicas(planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three cells in jobs of two: two tasks of one array, each cell ends, and knows its task."""
    pytest.importorskip("submitit")
    pytest.importorskip("torch")
    fake = tmp_path / "bin"
    fake.mkdir()
    put(fake / "sbatch", SBATCH)
    put(fake / "srun", SRUN)
    put(fake / "squeue", SQUEUE)
    put(fake / "node", NODE)
    monkeypatch.setenv("PATH", f"{fake}{os.pathsep}{os.environ['PATH']}")
    sweep = planned({"train.seed": [1, 2, 3]}, {"train.steps": 5})
    record_sweep(sweep)
    seen: list[str] = []
    failures: Sequence[object] = SlurmEngine(sweep.folder, {}, jobs=2, replicas=2).run(
        sweep.cells, lambda standing: seen.append(standing.state)
    )
    assert failures == []
    assert [read_standing(cell).state for cell in sweep.cells] == ["finished"] * 3
    tickets = [(cell.directory.path / "slurm.job").read_text() for cell in sweep.cells]
    assert tickets == ["77_0", "77_0", "77_1"]
    assert "#SBATCH --array=0-1%2" in (sweep.folder / "slurm" / "77_submission.sh").read_text()
    for cell in sweep.cells:
        last = json.loads(cell.directory.events.read_text().splitlines()[-1])
        assert (last["event"], last["steps"]) == ("finished", 5)

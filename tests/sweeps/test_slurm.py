"""The slurm engine on a real cluster of one node: jobs that are pre-empted queue themselves again and lose nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
from sweeps_made import TINY, Planned, begin

from grokscope.contract.backends import Unavailable
from grokscope.settings.config import ConfigError
from grokscope.sweeps import plan, read_standing, run_local
from grokscope.sweeps.slurm import CellJob, SlurmEngine

PATIENCE = 200.0
BASE = {**TINY, "train.steps": 1000, "checkpoint.every": 20, "evaluate.every": 500, "measure.every": 1000}


def until(happened: Callable[[], Any], what: str) -> Any:
    limit = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < limit, f"no {what} in {PATIENCE:g} s"
        time.sleep(0.1)
    return found


def events(run: Path) -> list[dict[str, Any]]:
    file = run / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if "slurm" not in request.config.getoption("-m"):
        pytest.skip("starts daemons and waits for them: run by hand with `pytest -m slurm`")
    pytest.importorskip("submitit")
    pytest.importorskip("torch")
    reason = slurm_cluster.missing()
    if reason is not None:
        pytest.skip(reason)
    with slurm_cluster.cluster(tmp_path_factory.mktemp("cluster")) as environment:
        yield {**os.environ, **environment}


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts processes, none of which outlives the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **more: Any) -> "subprocess.Popen[bytes]":
        processes.append(subprocess.Popen(command, **more))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_preempted_cell_goes_on_to_the_same_bits(
    cluster: dict[str, str], started: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """Two cells as an array; the cluster asks one of them to leave, as pre-emption does, in the middle of its run."""
    file = tmp_path / "s.toml"
    file.write_text(json.dumps(BASE)[1:-1].replace(", ", "\n").replace(": ", " = "))
    arguments = ["sweep", "modular", "--config", "s.toml", "--axis", "seed=1,2", "--engine", "slurm", "--json"]
    command = [sys.executable, "-m", "grokscope", *arguments]
    sweep = started(command, cwd=tmp_path, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run = tmp_path / "runs/s/seed1"
    until(lambda: any(event["event"] == "checkpoint" for event in events(run)), "checkpoint")
    job = (run / "slurm.job").read_text()
    assert job.endswith("_0")
    signalling = started(["scancel", "--signal", "USR2", job], env=cluster, stderr=subprocess.DEVNULL)
    stopped = until(lambda: [event for event in events(run) if event["event"] == "finished"], "checkpointed end")
    signalling.kill()  # it tries again and again, for the job that it has signalled is queued again and cannot be
    assert stopped[0]["status"] == "interrupted"
    assert 20 <= stopped[0]["steps"] < 1000

    def waits() -> bool:
        asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T %r"]
        return "PENDING BeginTime" in subprocess.run(asked, env=cluster, capture_output=True, text=True).stdout

    until(waits, "requeued job")  # for two minutes, unless told otherwise
    subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"], env=cluster, check=True)

    def resumed() -> list[int]:
        return [event["resumed_from"] for event in events(run) if event["event"] == "started" and event["resumed_from"]]

    assert until(resumed, "resumption") == [stopped[0]["steps"]]
    out, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    states = [line["state"] for line in lines[:-1] if line["cell"] == "seed1"]
    assert states[-1] == "finished"
    assert "interrupted" in states
    assert lines[-1]["states"] == {"finished": 2}

    alone = plan({"name": "alone", "task": "modular", "base": BASE, "axes": {"train.seed": [1]}}, tmp_path)
    assert run_local(alone.cells) == []
    left_alone = events(alone.cells[0].directory.path)[-1]
    assert events(run)[-1]["parameters_digest"] == left_alone["parameters_digest"]


@pytest.mark.slurm
@pytest.mark.slow
def test_a_queued_cell_is_not_queued_twice(
    cluster: dict[str, str], planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster[name])
    sweep = planned({"train.seed": [1, 2]})

    def submit() -> list[str]:
        SlurmEngine(sweep.folder, {"hold": True}, detach=True).run(sweep.cells, pytest.fail)
        return [(cell.directory.path / "slurm.job").read_text() for cell in sweep.cells]

    jobs = submit()
    assert len(set(jobs)) == 2
    assert submit() == jobs
    subprocess.run(["scancel", *jobs], check=True)
    until(lambda: submit() != jobs, "new jobs")
    subprocess.run(["scancel", "--me"], check=True)
    with pytest.raises(ConfigError, match=r"sbatch refused: .*nowhere|sbatch refused: .*partition"):
        SlurmEngine(sweep.folder, {"partition": "nowhere"}).run(planned({"train.seed": [3]}).cells, pytest.fail)


def test_without_a_cluster_it_says_what_is_missing(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="srun"):
        SlurmEngine(planned({"train.seed": [1]}).folder, {})


def test_a_job_asked_to_leave_stops_its_cell_and_runs_the_same_again(tmp_path: Path) -> None:
    """What submitit's signal handler does, without a cluster; the signal for submitit does not hurt the cell."""
    pytest.importorskip("submitit")
    ready, said = tmp_path / "ready", tmp_path / "said"
    cell = f"trap 'echo stopped > {said}; exit 143' TERM; : > {ready}; while :; do sleep 0.05; done"
    job = CellJob(["sh", "-c", cell], str(tmp_path / "stderr"))

    class Left(Exception):
        pass

    def leave(number: int, frame: object) -> None:
        os.kill(job.process, signal.SIGUSR2)
        again = job.checkpoint().function
        assert (again.command, again.stderr) == (job.command, job.stderr)
        raise Left

    before = signal.signal(signal.SIGALRM, leave)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(Left):
            job()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert said.read_text() == "stopped\n"


def test_a_cell_that_fails_fails_its_job(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as told:
        CellJob(["sh", "-c", "echo no >&2; exit 6"], str(tmp_path / "stderr"))()
    assert told.value.code == 6
    assert (tmp_path / "stderr").read_text() == "no\n"


def test_a_ticket_is_no_state(planned: Planned) -> None:
    """A cell with a job's number is missing until it has begun, whatever the cluster thinks."""
    (cell,) = planned({"train.seed": [1]}).cells
    begin(cell, "interrupted")
    (cell.directory.path / "slurm.job").write_text("1_0")
    assert read_standing(cell).state == "interrupted"

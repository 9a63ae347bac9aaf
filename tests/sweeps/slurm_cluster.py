"""A SLURM cluster of one node, this machine, in a temporary folder: munged, slurmctld and slurmd, and their end."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 30.0
DAEMONS = ("munged", "slurmctld", "slurmd")


def missing() -> str | None:
    """Why no cluster can be started here; None where one can."""
    absent = [name for name in (*DAEMONS, "sbatch", "srun") if shutil.which(name, path=_path()) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm munge)"
    return None if os.geteuid() == 0 else "slurmd wants root"


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Yields the environment in which `sbatch` and the others talk to the cluster. Ends its daemons by their pids."""
    os.chmod(folder, 0o755)  # munged refuses sockets that others could not reach
    socket_file = _munge_folder(folder) / "socket"
    config = _configured(folder, socket_file)
    environment = {"SLURM_CONF": str(config), "PATH": _path()}
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        munge = [
            "munged", "--foreground", "--force", "--num-threads=2", f"--socket={socket_file}",
            f"--key-file={folder / 'munge.key'}", f"--pid-file={folder / 'munge.pid'}",
            f"--log-file={folder / 'munge.log'}", f"--seed-file={folder / 'munge.seed'}",
        ]  # fmt: skip
        daemons.append(_started(munge, folder, environment))
        _until(socket_file.exists, "munged")
        daemons.append(_started(["slurmctld", "-D", "-i", "-f", str(config)], folder, environment))
        daemons.append(_started(["slurmd", "-D", "-f", str(config)], folder, environment))
        _until(lambda: "idle" in _output(["sinfo", "--noheader", "--format=%t"], environment), "the node")
        yield environment
    finally:
        if len(daemons) == len(DAEMONS):
            _end_jobs(environment)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _end_jobs(environment: dict[str, str]) -> None:
    """So that nothing outlives the cluster."""
    subprocess.run(["scancel", "--me"], env={**os.environ, **environment}, check=False, capture_output=True)
    until = time.monotonic() + PATIENCE
    while _output(["squeue", "--noheader"], environment).strip() and time.monotonic() < until:
        time.sleep(0.2)


def _munge_folder(folder: Path) -> Path:
    path = folder / "munge"
    path.mkdir()
    path.chmod(0o755)
    return path


def _configured(folder: Path, munge: Path) -> Path:
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    first, second = _free_ports(2)
    lines = {
        "ClusterName": "test",
        "SlurmctldHost": f"{_short_host()}(127.0.0.1)",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={munge}",
        "CredType": "cred/munge",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "sched_interval=2,bf_interval=2,batch_sched_delay=0",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "MpiDefault": "none",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "SlurmctldPort": str(first),
        "SlurmdPort": str(second),
        "SlurmctldPidFile": str(folder / "slurmctld.pid"),
        "SlurmdPidFile": str(folder / "slurmd.pid"),
        "SlurmctldLogFile": str(folder / "slurmctld.log"),
        "SlurmdLogFile": str(folder / "slurmd.log"),
        "StateSaveLocation": str(folder / "state"),
        "SlurmdSpoolDir": str(folder / "spool"),
        "ReturnToService": "2",
        "SwitchType": "switch/none",
        "KillWait": "5",
        "JobRequeue": "1",
    }
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    text += f"NodeName={_short_host()} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN\n"
    text += "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
    file = folder / "slurm.conf"
    file.write_text(text)
    return file


def _started(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **environment},
        )


def _output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    return done.stdout


def _until(happened: object, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < until, f"{what} did not come up in {PATIENCE:g} s"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _short_host() -> str:
    return socket.gethostname().partition(".")[0]


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

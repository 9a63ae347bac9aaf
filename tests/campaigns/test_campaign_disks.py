"""Disks that fail: a system call on a file of a run comes back with an error, which strace plays.

Readers answer with a sentence and show the sound run beside; a trainer leaves a log that is whole, and goes on when the
disk is well again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import Ended, Tally, assert_sound, campaign
from cli_made import write_made_run
from cli_process import PATIENCE, assert_whole, environment, grokscope, tiny
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.timeout(0),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace plays the failures"),
]

RUN = tiny("modular", "--set=checkpoint.every=10", "--set=snapshot.every=10", "--quiet")
READERS = (
    ["ls"], ["ls", "--json"], ["show", "hurt"], ["show", "latest", "--json"], ["export", "hurt"], ["law", "runs"],
    ["forecast", "hurt"], ["report", "runs", "-o", "page"], ["pca", "hurt"],
    ["control", "hurt", "pause", "--wait", "0"],
)  # fmt: skip
FILES = (
    "", "events.jsonl", "config.toml", "lock", "heartbeat", "control", "checkpoint", "snapshots",
    "checkpoint/step-00000020.safetensors", "snapshots/step-00000020.safetensors",
)  # fmt: skip
READING = ("openat", "read", "newfstatat", "getdents64")
WRITING = (*READING, "write", "fsync", "rename", "unlink", "ftruncate", "flock", "mkdir")
ERRORS = ("EIO", "ESTALE", "EACCES", "ENOSPC", "EMFILE")
CODES = frozenset({0, 1, 2, 3, 6})
"""1: a full disk and one that fails are no fault of the input"""


def on_a_failing_disk(arguments: list[str], folder: Path, file: str, call: str, error: str, times: str) -> Ended:
    """`grokscope ARGUMENTS`, where a call on the file fails at `times`: `1` the first, `2+` from then on."""
    paths = (f"runs/hurt/{file}".rstrip("/"), str(folder / "runs" / "hurt" / file))
    where = [part for path in paths for part in ("-P", path)]
    played = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={times}"]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *where, *played, sys.executable, "-m", "grokscope", *arguments],
        capture_output=True, text=True, cwd=folder, env=environment({"OMP_NUM_THREADS": "1"}), timeout=PATIENCE,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if not line.startswith("strace: ")]
    return Ended((*arguments, file, call, error, times), done.returncode, done.stdout, "\n".join(said))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that has finished."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("trained")
    assert grokscope(*RUN, "--name=hurt", "--steps=20", folder=folder).code == 0
    return folder / "runs" / "hurt"


@pytest.mark.parametrize("inputs", [300])
def test_readers(tmp_path: Path, trained: Path, tally: Tally, inputs: int) -> None:
    write_made_run(tmp_path / "runs" / "sound")
    shutil.copytree(trained, tmp_path / "runs" / "hurt")
    times = st.sampled_from(("1", "2", "2+"))
    draws = (st.sampled_from(READERS), st.sampled_from(FILES), st.sampled_from(READING), st.sampled_from(ERRORS), times)

    @campaign(inputs, *draws)
    def _(arguments: list[str], file: str, call: str, error: str, times: str) -> None:
        ended = on_a_failing_disk(arguments, tmp_path, file, call, error, times)
        tally.note(ended)
        assert_sound(ended, CODES)
        if arguments[0] == "ls":
            assert "sound" in ended.out, str(ended)
            assert "hurt" in ended.out, str(ended)


@pytest.mark.parametrize("inputs", [100])
def test_trainers(tmp_path: Path, trained: Path, tally: Tally, inputs: int) -> None:
    runs = tmp_path / "runs"
    times = st.sampled_from(("1", "2", "3+", "9"))

    @campaign(inputs, st.sampled_from(FILES), st.sampled_from(WRITING), st.sampled_from(ERRORS), times)
    def _(file: str, call: str, error: str, times: str) -> None:
        shutil.rmtree(runs, ignore_errors=True)
        shutil.copytree(trained, runs / "hurt")
        ended = on_a_failing_disk(
            ["run", "--resume", "hurt", "--steps", "40", "--quiet"], tmp_path, file, call, error, times
        )
        tally.note(ended)
        assert_sound(ended, CODES)
        well = grokscope("run", "--resume", "hurt", "--steps", "40", "--quiet", folder=tmp_path)
        assert well.code == 0, f"{ended}\n{well.err}"
        assert assert_whole(runs / "hurt")[-1]["step"] == 40

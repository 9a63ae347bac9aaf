"""The examples answer a mistake in one sentence, as the commands do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

MISTAKES: dict[str, tuple[str, list[str], str]] = {
    "no run": ("read_a_run.py", [], "the following arguments are required: run"),
    "a run that is not there": ("read_a_run.py", ["nowhere"], "nowhere/events.jsonl cannot be read: No such file"),
    "a file that is no log": ("read_a_run.py", ["runs/odd"], "runs/odd holds no run: Expecting value"),
    "steps that are no number": ("own_loop.py", ["x"], "argument steps: invalid int value: 'x'"),
    "no steps": ("own_loop.py", ["0", "none"], "steps: input should be greater than or equal to 1 (it is 0)"),
    "a run that is there": ("own_loop.py", ["5", "odd"], "there is a run in runs/odd: choose another run="),
    "a run that is there, in MLX": ("own_loop_mlx.py", ["5", "odd"], "there is a run in runs/odd: choose another run="),
    "a folder of nobody's": ("own_loop.py", ["5", "file/run"], "cannot write file/run: Not a directory"),
    "repeats that are no number": ("own_overhead.py", ["20", "x"], "argument repeats: invalid int value: 'x'"),
    "an unknown task": ("count_products.py", ["nonsense"], "no task is called 'nonsense' (there are: "),
    "programs that are not there": ("compare_versions.py", ["no", "where"], "no cannot be run: No such file"),
    "replicas that are no numbers": ("gpu_check.py", ["--replicas", "1,x"], "invalid counts value: '1,x'"),
}


@pytest.mark.parametrize(("example", "arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_sentence(tmp_path: Path, example: str, arguments: list[str], said: str) -> None:
    pytest.importorskip("mlx.core" if "mlx" in example else "torch")
    (tmp_path / "runs" / "odd").mkdir(parents=True)
    (tmp_path / "runs" / "odd" / "events.jsonl").write_text("nonsense\n")
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", [["own_loop.py", "100000", "mine"], ["own_overhead.py", "100000", "1"]])
def test_ctrl_c_is_a_word(tmp_path: Path, example: list[str]) -> None:
    """The terminal tells every process of the foreground group."""
    pytest.importorskip("torch")
    name, *arguments = example
    going = subprocess.Popen(
        [sys.executable, EXAMPLES / name, *arguments], stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True,
    )  # fmt: skip
    while going.poll() is None and not [*tmp_path.glob("**/events.jsonl")]:
        pass
    os.killpg(going.pid, signal.SIGINT)
    assert going.communicate()[1] == "interrupted\n"
    assert going.returncode == 1

"""README and the examples say what is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_made import write_made_run
from cli_process import grokscope

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The commands that `grokscope --help` lists."""
    shown = subprocess.run([sys.executable, "-m", "grokscope", "--help"], capture_output=True, text=True, check=True)
    listed = shown.stdout.partition("Show this message and exit.")[2]
    return re.findall(r"^\s{2}([a-z]+)\s{2,}", listed, flags=re.MULTILINE)


def test_readme_names_no_command_that_is_not_there() -> None:
    named = set(re.findall(r"(?:^|`|bin/)grokscope ([a-z]+)", README, flags=re.MULTILINE))
    assert named - set(commands()) == set()


def test_the_five_commands_work_in_their_order(tmp_path: Path) -> None:
    """Those that train and those that need a terminal are only read; the others run."""
    found = re.search(r"<!-- five commands -->\n```sh\n(.+?)\n```", README, flags=re.DOTALL)
    assert found is not None
    lines = [shlex.split(line, comments=True) for line in found[1].splitlines()]
    assert len(lines) == 5
    write_made_run(tmp_path / "runs/made")
    for program, command, *words in lines:
        assert program == "grokscope"
        if command not in {"run", "watch"}:
            done = grokscope(command, *words, folder=tmp_path)
            assert (done.code, bool(done.out)) == (0, True), done.err


def test_ci_runs_the_test_command_of_readme() -> None:
    found = re.search(r"<!-- test command -->\n```sh\n(.+)\n```", README)
    assert found is not None
    assert "pytest" in found[1]
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def test_own_landscape_measures_a_defect() -> None:
    pytest.importorskip("torch")
    shown = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "own_landscape.py")], capture_output=True, text=True, check=True
    )
    defect = re.search(r"defect ([\d.]+) \(rounding floor ([\d.e-]+)\)", shown.stdout)
    assert defect is not None
    assert float(defect[1]) > 100 * float(defect[2])


@pytest.mark.parametrize(("framework", "example"), [("torch", "own_loop.py"), ("mlx.core", "own_loop_mlx.py")])
def test_own_loop_is_probed(framework: str, example: str, tmp_path: Path) -> None:
    pytest.importorskip(framework)
    shown = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), "60", str(tmp_path / "mine")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.startswith(f"did not grok after 60 steps; recorded in {tmp_path / 'mine'}")
    assert re.search(r"^forecast at step 0: step [\d,]+, no chance \(", shown.stdout, flags=re.MULTILINE)
    assert not shown.stderr


def test_a_run_is_read_without_help(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tiny = [f"model.{size}=8" for size in ("width", "feed_forward")] + ["snapshot.every=10", "task.modulus=7"]
    settings = [part for setting in (*tiny, "backend.threads=1") for part in ("--set", setting)]
    arguments = ["run", "modular", "--backend", "torch", "--steps", "20", "--measure-every", "10", "--batch-size", "8"]
    made = subprocess.run(
        [sys.executable, "-m", "grokscope", *arguments, *settings, "--runs", str(tmp_path), "-q"],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "read_a_run.py"), made.stdout.strip()],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["0", "10", "20", "20"]
    assert "'head.weight': (7, 8)" in lines[-1]


@pytest.mark.parametrize(("changed", "code", "words"), [("", 0, "the same"), ("--lr 2e-3", 1, "parameters_digest")])
def test_versions_are_compared(tmp_path: Path, changed: str, code: int, words: str) -> None:
    """The "new" version is this one with another learning rate, or with none of its settings changed."""
    pytest.importorskip("torch")
    old, new = (tmp_path / name for name in ("old", "new"))
    for program, more in ((old, ""), (new, changed)):
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grokscope "$@" {more}\n')
        program.chmod(0o755)
    compared = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "compare_versions.py"), str(old), str(new), "--task", "modular",
         "--backend", "torch"], capture_output=True, text=True,
    )  # fmt: skip
    assert compared.returncode == code, compared.stderr
    assert words in compared.stdout


@pytest.mark.slow
def test_the_check_of_a_gpu_says_that_there_is_none_and_works_on_a_cpu() -> None:
    torch = pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / "examples" / "gpu_check.py")]
    if not torch.cuda.is_available():
        alone = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (alone.returncode, alone.stdout) == (6, "")
        assert alone.stderr.startswith("no CUDA device here")
    small = ["model.width=8", "model.feed_forward=8", "model.heads=2", "train.batch_size=4", "task.modulus=7"]
    sets = [f"--set={each}" for each in small]
    arguments = ["--device=cpu", "--tasks=modular", "--replicas=1,3", "--seconds=0", *sets]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ +3 replicas: +[\d.]+ ms a step", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^signal defect", done.stdout, flags=re.MULTILINE)

"""What a process may be started without, and what its trainer's exit code becomes."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_made import write_made_run

from grokscope.cli import exits, run
from grokscope.cli.bench import bench
from grokscope.cli.main import exit_code
from grokscope.runs.directory import RunDirectory


def grokscope(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A shell line in which G stands for grokscope."""
    line = command.replace("G", f"{sys.executable} -m grokscope", 1)
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("G tasks >&-", 0, "stdout is closed, so the output of this command is lost"),
        ("G tasks > /dev/full", 1, os.strerror(errno.ENOSPC)),
        ("G show nothing 2>&-", 3, ""),
        ("G tasks <&- > /dev/null", 0, ""),
    ],
)
def test_without_a_stream(tmp_path: Path, command: str, code: int, said: str) -> None:
    done = grokscope(command, tmp_path)
    assert done.returncode == code
    assert done.stderr.strip() == (f"grokscope: {said}" if said else "")


def test_no_file_of_ours_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    (tmp_path / "open.py").write_text(
        "import sys, os\n"
        "from grokscope.cli import main\n"
        "main._open_streams()\n"
        "sys.exit(os.open('file', os.O_CREAT) < 3)\n"
    )
    closed = subprocess.run(["sh", "-c", f"{sys.executable} open.py <&- >&- 2>&-"], cwd=tmp_path, check=False)
    assert closed.returncode == 0


@pytest.mark.parametrize(("ended", "code"), [(None, 0), (0, 0), (5, 5), (4, 4), (-15, 143)])
def test_the_tui_leaves_with_the_code_of_its_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: int | None, code: int
) -> None:
    class Trainer:
        def __init__(self, command: list[str], **options: Any) -> None:
            assert "--fail-on=not-grokked" in command
            assert "--tui" not in command

        def poll(self) -> int | None:
            return ended

    monkeypatch.setattr(subprocess, "Popen", Trainer)
    monkeypatch.setattr("grokscope.tui.app.open_app", lambda *given, **options: None)
    monkeypatch.setattr(sys, "argv", ["grokscope", "run", "modular", "--tui", "--fail-on=not-grokked"])
    assert run._train_and_watch(RunDirectory(tmp_path / "a")) == code


def test_a_setting_of_bench_is_not_overruled_by_flags_that_nobody_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setenv("GROKSCOPE_PRESET", "quick")

    def timed(config: Any, *others: Any, **options: Any) -> None:
        assert config.preset == "quick"
        asked.append(config.backend)
        raise typer.Exit

    monkeypatch.setattr("grokscope.machine.bench.time_operations", timed)
    for options in ({}, {"precision": "float32"}):
        with pytest.raises(typer.Exit):
            bench("modular", setting=["backend.precision=float64", "backend.device=cpu"], **options)
    assert [(backend.precision, backend.device) for backend in asked] == [("float64", "cpu"), ("float32", "cpu")]


def test_short_of_memory_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.leave(MemoryError()) == exits.ExitCode.FAULT
    assert capsys.readouterr().err == "grokscope: there is not enough memory for this command\n"


@pytest.mark.parametrize(
    ("problem", "code"), [(errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOTDIR, 2), (errno.ENOSPC, 1), (errno.EIO, 1)]
)
def test_a_file_that_may_not_be_written_is_a_wrong_file(problem: int, code: int) -> None:
    """And no fault of ours; a full or broken disk is nobody's choice."""
    assert exits.exit_code_of(OSError(problem, os.strerror(problem), "report.html")) == code


def test_an_interrupt_is_said_by_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("grokscope.warning.lookup.gathered", interrupted)
    assert exit_code(["law", "runs"]) == 130
    assert capsys.readouterr().err == "grokscope: interrupted\n"


def test_a_number_out_of_range_names_no_line_of_ours(tmp_path: Path) -> None:
    """NumPy warns of it on stderr, with the path of the module."""
    log = write_made_run(tmp_path / "runs" / "made") / "events.jsonl"
    text = log.read_text()
    [optimizer] = set(re.findall(r'"optimizer": \{.*?\}', text))
    log.write_text(text.replace(optimizer, '"optimizer": {"lr": 1e308, "wd": 1e308}'))
    done = grokscope("G law made", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")

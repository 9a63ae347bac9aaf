"""Trainers that this process starts: processes of their own, which outlive the TUI."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grokscope.runs.directory import RunDirectory

_OUTPUT = "trainer.stderr"


def start_trainer(directory: RunDirectory, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Run `grokscope` with `arguments` for the run in `directory`. Raises `OSError`."""
    directory.path.mkdir(parents=True, exist_ok=True)
    with trainer_output(directory).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "grokscope", *arguments, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )


def trainer_output(directory: RunDirectory) -> Path:
    """What the trainer of a run wrote to stderr, if it was started with a TUI."""
    return directory.path / _OUTPUT

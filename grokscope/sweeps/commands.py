"""The command of a cell: one line for any shell or scheduler.

`grokscope run … --continue` starts a missing run, continues an interrupted run, and does nothing if the run has
finished. So a scheduler may kill the command and run it again.
"""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from grokscope.gate import last_line
from grokscope.settings.values import read_value
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange, read_standing

_A_LINE = 4096
"""Bytes of a disk in which no line has room"""


def cell_command(cell: Cell, changes: Mapping[str, Any] = {}, *, python: str = sys.executable) -> list[str]:
    """The command that runs a cell, in any working directory. `changes`: see `cell_arguments`."""
    return [python, "-m", "grokscope", *cell_arguments(cell, changes)]


def cell_arguments(cell: Cell, changes: Mapping[str, Any] = {}) -> list[str]:
    """What a cell's command says to `grokscope`.

    `changes`: settings of this machine alone, such as `backend.threads`.
    """
    folder = cell.directory.path.absolute()
    if read_standing(cell).state == "diverged":  # the caller wants another attempt
        begin = ["--resume", str(folder)]
        settings = dict(changes)
    else:
        begin = [cell.task, "--preset", cell.preset, "--runs", str(folder.parent), "--name", cell.slug, "--continue"]
        settings = {**cell.settings, **changes}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={toml_of(value)}")]
    return ["run", *begin, *sets, "--quiet"]


def group_arguments(cells: Sequence[Cell], changes: Mapping[str, Any] = {}) -> list[str]:
    """The same for cells of one sweep that train as one, or for a single cell. `changes`: see `cell_arguments`."""
    if len(cells) == 1:
        return cell_arguments(cells[0], changes)
    threads = changes.get("backend.threads") or cells[0].config.backend.threads or 1
    folder = str(cells[0].directory.path.parent.absolute())
    return ["sweep", "replicas", folder, *(cell.slug for cell in cells), "--threads", str(threads)]


def toml_of(value: Any) -> str:
    """A value in the syntax of `--set`. A string is quoted only if it would be read as something else."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value if value and value == value.strip() and read_value(value) == value else json.dumps(value)
        case list() | tuple():
            return f"[{', '.join(json.dumps(each) if isinstance(each, str) else toml_of(each) for each in value)}]"
        case _:
            return str(value)


class PlanEngine:
    """Runs no cell: passes the command of each cell to `show`, for another scheduler."""

    def __init__(self, show: Callable[[Cell, list[str]], None]) -> None:
        self.show = show

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        for cell in cells:
            self.show(cell, cell_command(cell))
        return []


def stderr_file(cell: Cell) -> Path:
    """The file that holds the stderr of a cell's process."""
    return cell.directory.path / "trainer.stderr"


def failure_reason(cell: Cell, code: int) -> str:
    """Why a cell's process ended with exit code `code`: the signal, the last line of its stderr, or the code, where it
    could not write a line, as on a full disk."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    file = stderr_file(cell)
    if said := last_line(file).removeprefix("grokscope: "):
        return said
    with suppress(OSError):
        if shutil.disk_usage(file.parent).free < _A_LINE:
            return f"exit code {code}; its disk is full, so that {file} does not say why"
    return f"exit code {code}, and {file} does not say why"

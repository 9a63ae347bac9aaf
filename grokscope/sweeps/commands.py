"""The command of a cell: one line for any shell or scheduler, the same whether the cell has begun or not.

`grokscope run … --continue` starts a run that is not there, goes on with one that was cut off, and leaves one alone
that is over. So a command may run twice, and a scheduler may kill it and run it again.
"""

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.gate import last_line
from grokscope.settings.values import read_value
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange, read_standing


def cell_command(cell: Cell, changes: Mapping[str, Any] = {}, *, python: str = sys.executable) -> list[str]:
    """What to execute for a cell; `changes` say how it runs here (`backend.threads`). It works from any folder."""
    folder = cell.directory.path.absolute()
    if read_standing(cell).state == "diverged":  # only asked for where it is to be tried again
        begin = ["--resume", str(folder)]
        settings = dict(changes)
    else:
        begin = [cell.task, "--preset", cell.preset, "--runs", str(folder.parent), "--name", cell.slug, "--continue"]
        settings = {**cell.settings, **changes}
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={toml_of(value)}")]
    return [python, "-m", "grokscope", "run", *begin, *sets, "--quiet"]


def toml_of(value: Any) -> str:
    """A value as `--set` takes it; strings bare where they are read as themselves."""
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
    """Runs nothing: tells the cells' commands, for whatever runs commands."""

    def __init__(self, tell: Callable[[Cell, list[str]], None]) -> None:
        self.tell = tell

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        for cell in cells:
            self.tell(cell, cell_command(cell))
        return []


def stderr_file(cell: Cell) -> Path:
    """Where what a cell's process has to say is kept."""
    return cell.directory.path / "trainer.stderr"


def last_words(cell: Cell, code: int) -> str:
    """Why a cell's process ended with `code`, as far as it could say."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return last_line(stderr_file(cell)).removeprefix("grokscope: ") or f"exit code {code}"

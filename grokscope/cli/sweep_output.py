"""What `grokscope sweep` prints: cells, plans and sweeps, as tables or as JSON."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grokscope.cli.exits import complain
from grokscope.cli.hours import expected_hours
from grokscope.cli.output import say, say_json, say_json_line, say_table
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell, Sweep
from grokscope.sweeps.standing import CellStanding, read_standing
from grokscope.sweeps.tables import cells_table, states, states_in_words, sweep_plan_table, sweeps_table


def say_command(cell: Cell, command: list[str]) -> None:
    """The command that runs a cell, for a shell."""
    say(shlex.join(command))


def say_command_json(cell: Cell, command: list[str]) -> None:
    """The same as a line of JSON."""
    say_json_line({"cell": cell.slug, "command": command, "path": str(cell.directory.path)})


def say_cells(planned: Sweep, json: bool) -> None:
    """How each cell stands."""
    standings = [read_standing(cell) for cell in planned.cells]
    if json:
        say_json({**_summary(planned, standings), "list": [standing.to_dict() for standing in standings]})
        return
    say(f"{planned.name}: {states_in_words(standings)} of {len(standings)} cells")
    say_table(cells_table(standings), titled=False)


def say_cell_hours(planned: Sweep, jobs: int, timing: bool, json: bool) -> None:
    """List the cells and their hours. The hours assume that a cell uses its whole budget; grokking ends it earlier."""
    standings = [read_standing(cell) for cell in planned.cells]
    hours, basis = expected_hours(planned.cells, jobs) if timing else ([None] * len(standings), None)
    known = [each for each in hours if each is not None]
    if json:
        cells = [
            standing.to_dict()
            | {"lr": standing.cell.config.optimizer.lr, "wd": standing.cell.config.optimizer.wd, "hours": each}
            for standing, each in zip(standings, hours, strict=True)
        ]
        total = {"hours": sum(known) if known else None, "hours_basis": basis}
        say_json({**_summary(planned, standings), **total, "list": cells})
        return
    say(f"{planned.name}: {states_in_words(standings)} of {len(standings)} cells")
    say_table(sweep_plan_table(standings, hours), titled=False)
    if known:
        say(f"at most {sum(known):.1f} hours if the cells run one after the other, {basis}")


def say_sweeps(sweeps: Sequence[Sweep], runs: Path, json: bool) -> None:
    """How each of the sweeps in the folder `runs` stands."""
    listed = [(each, [read_standing(cell) for cell in each.cells]) for each in sweeps]
    if json:
        say_json([_summary(each, standings) for each, standings in listed])
    elif listed:
        say_table(sweeps_table(listed), titled=False)
    else:
        complain(f"there are no sweeps in {runs}; `grokscope sweep modular --axis lr=1e-3,2e-3` starts one")


def say_sweep_end(planned: Sweep, standings: Sequence[CellStanding], failures: Sequence[Failure], json: bool) -> None:
    """Where the sweep stands in files; as JSON, how it ended."""
    if json:
        failed = [{"cell": each.cell.slug, "code": each.code, "reason": each.reason} for each in failures]
        say_json_line({"event": "sweep", **_summary(planned, standings), "failures": failed})
    else:
        say(str(planned.folder))


def _summary(planned: Sweep, standings: Sequence[CellStanding]) -> dict[str, Any]:
    return {
        "sweep": planned.name,
        "task": planned.file.task,
        "path": str(planned.folder),
        "cells": len(standings),
        "states": states(standings),
        "grokked": sum(standing.grokked_step is not None for standing in standings),
    }

"""Sweeps and their cells as tables."""

from collections.abc import Sequence

from grokscope.sweeps.grid import Sweep
from grokscope.sweeps.standing import CellStanding
from grokscope.words.numbers import count, fixed, number
from grokscope.words.table import Column, Table


def cells_table(standings: Sequence[CellStanding]) -> Table:
    """One row per cell: state, steps, onset and grok step."""
    return Table(
        "cells",
        "Cells",
        (Column("cell"), Column("state"), *(Column(name, count) for name in ("step", "of", "onset", "grokked"))),
        tuple(
            (each.cell.slug, each.word, each.step, each.steps, each.onset_step, each.grokked_step) for each in standings
        ),
    )


def sweep_plan_table(standings: Sequence[CellStanding], hours: Sequence[float | None]) -> Table:
    """One row per cell: settings, and the hours that the cell takes at most. `hours` [cells]."""
    return Table(
        "plan",
        "Cells",
        (
            Column("cell"), Column("state"), Column("lr", number), Column("wd", number), Column("steps", count),
            Column("hours", fixed(2)),
        ),
        tuple(
            (
                each.cell.slug, each.word, each.cell.config.optimizer.lr, each.cell.config.optimizer.wd, each.steps,
                longest,
            )
            for each, longest in zip(standings, hours, strict=True)
        ),
    )  # fmt: skip


def sweeps_table(sweeps: Sequence[tuple[Sweep, Sequence[CellStanding]]]) -> Table:
    """One row per sweep: the number of cells and their states."""
    return Table(
        "sweeps",
        "Sweeps",
        (Column("name"), Column("cells", count), Column("states"), Column("task")),
        tuple((sweep.name, len(cells), states_in_words(cells), sweep.file.task) for sweep, cells in sweeps),
    )


def states_in_words(standings: Sequence[CellStanding]) -> str:
    """`3 finished, 2 running`."""
    return ", ".join(f"{number} {state}" for state, number in states(standings).items())


def states(standings: Sequence[CellStanding]) -> dict[str, int]:
    """The number of cells in each state."""
    found: dict[str, int] = {}
    for standing in standings:
        found[standing.state] = found.get(standing.state, 0) + 1
    return found

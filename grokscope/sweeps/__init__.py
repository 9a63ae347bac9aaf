"""Sweeps: many runs from one file. A grid makes cells, an engine runs the cells, their directories hold the progress.

    sweep = plan(Path("sweep.toml"), Path("runs"))     # or a dictionary of the same shape
    record_sweep(sweep)                                # writes runs/<name>/sweep.toml; never mixes two sweeps
    failures = run_local(sweep.cells, jobs=2)          # skips finished cells, starts or continues the others
    [read_standing(cell) for cell in sweep.cells]

Cells need no grid: `made_cell` makes a single cell, and an engine runs any list of cells.
"""

from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell, Sweep, made_cell, plan
from grokscope.sweeps.local import run_local
from grokscope.sweeps.manifest import read_sweep, record_sweep
from grokscope.sweeps.standing import CellStanding, read_standing

__all__ = [
    "Cell",
    "CellStanding",
    "Failure",
    "Sweep",
    "made_cell",
    "plan",
    "read_standing",
    "read_sweep",
    "record_sweep",
    "run_local",
]

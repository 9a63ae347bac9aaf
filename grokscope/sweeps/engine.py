"""What an engine is: an object that runs the cells it is given.

The progress of a sweep stands in the run directories of its cells, so an engine keeps no state of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange


@dataclass(frozen=True)
class Failure:
    """A cell whose process failed."""

    cell: Cell
    code: int
    """Exit code of the process"""
    reason: str
    """Last line of the stderr of the process"""


class Engine(Protocol):
    """A way to run cells. After an interruption the run directories are complete, and a new call continues them."""

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        """Run every cell to its end. A failed cell does not stop the others. Returns the failed cells."""
        ...

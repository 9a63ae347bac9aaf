"""What an engine is: given cells that have something to do, it makes them run.

It reports through the run directories, as the runs themselves do; who wants to know how far a sweep is reads those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange


@dataclass(frozen=True)
class Failure:
    """A cell that could not be brought to its end."""

    cell: Cell
    code: int
    """Exit code of its process"""
    reason: str
    """The last line it had to say"""


class Engine(Protocol):
    """A way to run cells. Interrupting it leaves whole run directories, from which it goes on another time."""

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        """Take every cell to its end, whatever becomes of the others; return those that failed."""
        ...

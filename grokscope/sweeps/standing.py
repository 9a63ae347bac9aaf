"""The progress of a cell, read from its run directory, which is the only record of the progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grokscope.runs.log import is_locked
from grokscope.runs.state import read_state
from grokscope.sweeps.grid import Cell
from grokscope.words.names import state_in_words

CellState = Literal["missing", "running", "stale", "crashed", "interrupted", "finished", "diverged", "unreadable"]
"""`finished`: completed, grokked, or stopped by a person. `stale`: no heartbeat, but the trainer may still run on
another machine. `unreadable`: the log holds no readable event."""

TO_DO: tuple[CellState, ...] = ("missing", "crashed", "interrupted")
"""States of cells that are not finished and that no process runs"""


@dataclass(frozen=True)
class CellStanding:
    """The state of a cell at one moment."""

    cell: Cell
    state: CellState
    status: str | None = None
    """How a finished run ended: completed, grokked, stopped, interrupted, diverged"""
    step: int | None = None
    grokked_step: int | None = None
    onset_step: int | None = None
    regressed_step: int | None = None
    """Where it lost again what it had grokked"""
    reason: str | None = None
    """Why the log is unreadable; or, known only to the engine that ran the cell, why its process failed"""

    @property
    def ended(self) -> bool:
        """Whether the cell is finished or has diverged."""
        return self.state in {"finished", "diverged"}

    @property
    def word(self) -> str:
        """The state for a person."""
        grokked, regressed = self.grokked_step is not None, self.regressed_step is not None
        return state_in_words(self.state, self.status, grokked=grokked, regressed=regressed)

    @property
    def steps(self) -> int:
        """The step budget."""
        return self.cell.config.train.steps

    def to_dict(self) -> dict[str, Any]:
        """The standing as a JSON object."""
        return {
            "cell": self.cell.slug,
            "state": self.state,
            "status": self.status,
            "step": self.step,
            "steps": self.steps,
            "grokked_step": self.grokked_step,
            "onset_step": self.onset_step,
            "regressed_step": self.regressed_step,
            "point": dict(self.cell.point),
            "path": str(self.cell.directory.path),
            "reason": self.reason,
        }


OnChange = Callable[[CellStanding], None]
"""Called with the standing of a cell whenever it has changed"""


def read_standing(cell: Cell) -> CellStanding:
    """The present standing of a cell."""
    run = read_state(cell.directory, listed=True)
    return CellStanding(
        cell,
        _state(run.condition, run.status, begun=bool(run.last)),
        run.status,
        run.step,
        run.detected_step("grokked"),
        run.detected_step("onset"),
        run.detected_step("regressed"),
        run.problem if run.condition == "unreadable" else None,
    )


def left_to_do(cells: Sequence[Cell], *, retry_diverged: bool = False) -> list[Cell]:
    """The cells that are not finished and that no process runs, in order. `retry_diverged` adds diverged cells."""
    wanted = {*TO_DO, "diverged"} if retry_diverged else {*TO_DO}
    return [cell for cell in cells if read_standing(cell).state in wanted]


def runs_elsewhere(standing: CellStanding) -> bool:
    """Whether another process runs the cell. To be called when no process of this sweep runs the cell.

    The lock counts too, because a trainer takes the lock before it writes its first heartbeat.
    """
    return standing.state in {"running", "stale"} or (not standing.ended and is_locked(standing.cell.directory.lock))


def _state(condition: str, status: str | None, *, begun: bool) -> CellState:
    match condition:
        case "finished" if status in {"interrupted", "diverged"}:
            return "interrupted" if status == "interrupted" else "diverged"
        case "finished" | "unreadable":
            return "finished" if condition == "finished" else "unreadable"
        case "waiting" | "crashed" if not begun:
            return "missing"
        case "crashed" | "stale":
            return "crashed" if condition == "crashed" else "stale"
        case _:
            return "running"

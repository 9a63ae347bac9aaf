"""How far a cell is: read from its run directory, which is the only place that knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grokscope.runs.log import is_locked
from grokscope.runs.state import read_state
from grokscope.sweeps.grid import Cell
from grokscope.words.names import state_in_words

CellState = Literal["missing", "running", "stale", "crashed", "interrupted", "finished", "diverged", "unreadable"]
"""`finished`: completed, grokked, or stopped by a person. `stale`: silent, and perhaps still at it elsewhere.
`unreadable`: there is a log, and nobody can say of what."""

TO_DO: tuple[CellState, ...] = ("missing", "crashed", "interrupted")
"""Where something is left to do and nobody is doing it."""


@dataclass(frozen=True)
class CellStanding:
    """A cell at one moment."""

    cell: Cell
    state: CellState
    status: str | None = None
    """How a run that is over ended: completed, grokked, stopped, interrupted, diverged"""
    step: int | None = None
    grokked_step: int | None = None
    onset_step: int | None = None
    reason: str | None = None
    """What is odd about its log; or why it failed, in the last words of its process, known only to who ran it"""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in {"finished", "diverged"}

    @property
    def word(self) -> str:
        """The state for a person."""
        return state_in_words(self.state, self.status, grokked=self.grokked_step is not None)

    @property
    def steps(self) -> int:
        """The largest number of steps it may take."""
        return self.cell.config.train.steps

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cell": self.cell.slug,
            "state": self.state,
            "status": self.status,
            "step": self.step,
            "steps": self.steps,
            "grokked_step": self.grokked_step,
            "onset_step": self.onset_step,
            "point": dict(self.cell.point),
            "path": str(self.cell.directory.path),
            "reason": self.reason,
        }


OnChange = Callable[[CellStanding], None]
"""Called with a cell whenever something about it has changed."""


def read_standing(cell: Cell) -> CellStanding:
    """The cell now."""
    run = read_state(cell.directory, listed=True)
    return CellStanding(
        cell,
        _state(run.condition, run.status, begun=bool(run.last)),
        run.status,
        run.step,
        run.detected_step("grokked"),
        run.detected_step("onset"),
        run.problem if run.condition == "unreadable" else None,
    )


def left_to_do(cells: Sequence[Cell], *, retry_diverged: bool = False) -> list[Cell]:
    """The cells that have something to do and nobody at work on them, in order."""
    wanted = {*TO_DO, "diverged"} if retry_diverged else {*TO_DO}
    return [cell for cell in cells if read_standing(cell).state in wanted]


def in_other_hands(standing: CellStanding) -> bool:
    """Whether somebody is at work on a cell that no process of ours is: by its signs of life, or by its lock, which
    is taken before there are any."""
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

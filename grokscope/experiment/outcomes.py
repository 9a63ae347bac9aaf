"""The outcome of each run: its grok step, or how long the run did not grok. Outcomes come from run directories."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from grokscope.experiment.conditions import Arm, condition_named
from grokscope.experiment.design import Planned
from grokscope.gate import Unreadable
from grokscope.runs.log import Tail, decode
from grokscope.runs.state import read_state
from grokscope.sweeps.standing import CellState, read_standing

Fate = Literal["grokked", "not grokked", "diverged", "pending", "never treated"]
"""`not grokked`: within its budget. `pending`: the run has neither ended nor grokked, and is not analysed.
`never treated`: the run ended before its intervention acted. It equals a baseline, and is not analysed."""


@dataclass(frozen=True)
class Outcome:
    """One run of an experiment."""

    arm: Arm
    seed: int
    replicate: int
    fate: Fate
    grok_step: int | None
    budget: int
    """Steps for which the run was observed if it did not grok"""
    cadence: int
    """Steps between evaluations, which is the resolution of the grok step"""
    accuracy: float | None = None
    """Test accuracy at the end"""
    strength: float | None = None
    """Relative norm of the treatment's changes: the median over the recorded changes"""
    seconds: float = 0.0
    """Wall time of the process that finished the run"""
    name: str = ""

    @property
    def known(self) -> bool:
        """Whether the run is analysed. A diverged run never groks, and counts as not grokked within its budget."""
        return self.fate not in {"pending", "never treated"}

    @property
    def over(self) -> bool:
        return self.fate != "pending"

    @property
    def grokked(self) -> bool:
        return self.grok_step is not None

    @property
    def time(self) -> int:
        """The grok step, or the budget of a run that did not grok."""
        return self.budget if self.grok_step is None else self.grok_step

    def to_dict(self) -> dict[str, Any]:
        """The outcome as a record for JSON and CSV."""
        return {
            "condition": self.arm.condition,
            "dose": self.arm.dose,
            "seed": self.seed,
            "replicate": self.replicate,
            "fate": self.fate,
            "grok_step": self.grok_step,
            "budget": self.budget,
            "cadence": self.cadence,
            "test": self.accuracy,
            "relative_norm": self.strength,
            "seconds": self.seconds,
            "run": self.name,
        }


def read_outcomes(planned: Iterable[Planned]) -> list[Outcome]:
    """The outcome of each planned run, also of runs that have not started."""
    return [_outcome(each) for each in planned]


def _outcome(planned: Planned) -> Outcome:
    cell = planned.cell
    standing = read_standing(cell)
    budget = cell.config.train.steps
    fate: Fate = _fate(standing.state, standing.grokked_step)
    if fate == "not grokked" and standing.status == "stopped":  # by a person, so it was not observed to its budget
        budget = standing.step or 0
    finished: Mapping[str, Any] = {}
    if standing.ended:
        finished = read_state(cell.directory).last["finished"]
    acted, strength = (True, None) if planned.arm.is_baseline else _acts(cell.directory.events)
    if standing.ended and not acted and condition_named(planned.arm.condition).kind is not None:
        fate = "never treated"
    return Outcome(
        planned.arm,
        planned.seed,
        planned.replicate,
        fate,
        standing.grokked_step,
        budget,
        cell.config.evaluate.every,
        finished.get("result", {}).get("test"),
        strength,
        finished.get("seconds", 0.0),
        cell.slug,
    )


def _acts(log: Path) -> tuple[bool, float | None]:
    """Whether an intervention acted, and the median relative norm of its changes."""
    acts = [act for act in _intervened(log) if act["state"] == "applied"]
    norms = [act["relative_norm"] for act in acts if act.get("relative_norm") is not None]
    return bool(acts), median(norms) if norms else None


def _intervened(log: Path) -> list[Mapping[str, Any]]:
    tail, found = Tail(log), []
    try:
        while lines := tail.lines()[0]:
            found += [decode(line) for line in lines if b'"applied"' in line]
    except Unreadable:
        return []
    return [event for event in found if event is not None and event["event"] == "intervened"]


def _fate(state: CellState, grokked_step: int | None) -> Fate:
    if grokked_step is not None:
        return "grokked"
    if state == "diverged":
        return "diverged"
    return "not grokked" if state == "finished" else "pending"

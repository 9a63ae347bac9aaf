"""What became of a run behind its grokking: one that loses it again is no run that generalized for good."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grokscope.warning.trajectory import THRESHOLD, Trajectory
from grokscope.words.numbers import count, counted, listed, number, whole_percent

USUAL_THRESHOLD = 0.98
"""Of runs whose record does not say by which accuracy they were judged"""
MOST_NAMED_RUNS = 4


@dataclass(frozen=True)
class Relapse:
    """A run that had grokked and lost it again; see `grokscope.warning.rules.Regression`."""

    step: int
    """Where it was below the threshold for several records in a row for the first time"""
    for_good: int | None
    """From which step on it has not been back at the threshold; None where the last record is at it"""
    held: float
    """Share of the records behind the grok step's confirmation that are at the threshold"""
    threshold: float

    def in_words(self) -> str:
        """`lost it again at step 900, for good at step 1,400: 17 % of the later records reach 0.98`."""
        end = "" if self.for_good is None else f", for good at step {count(self.for_good)}"
        share = f"{whole_percent(self.held)} of the later records reach {number(self.threshold)}"
        return f"lost it again at step {count(self.step)}{end}: {share}"


def relapse_of(trajectory: Trajectory) -> Relapse | None:
    """The relapse of a run; None for one that kept what it had learned, or has nothing to lose."""
    if trajectory.regress_step is None or trajectory.grok_known_at is None:
        return None
    threshold = float(trajectory.facts.get(THRESHOLD, USUAL_THRESHOLD))
    steps, accuracies = trajectory.signal("test_accuracy")
    later = steps > trajectory.grok_known_at
    steps, reached = steps[later], accuracies[later] >= threshold
    last = int(np.flatnonzero(reached)[-1]) + 1 if reached.any() else 0
    for_good = int(steps[last]) if last < len(steps) else None
    return Relapse(trajectory.regress_step, for_good, float(reached.mean()) if len(reached) else 0.0, threshold)


def relapses_in_words(trajectories: Sequence[Trajectory]) -> str | None:
    """Which of these runs lost again what they had grokked; None where none did."""
    grokked = sum(run.grok_step is not None for run in trajectories)
    lost = [f"{run.name} at step {count(run.regress_step)}" for run in trajectories if relapse_of(run) is not None]
    if not lost:
        return None
    return f"{len(lost)} of {counted(grokked, 'run')} that grokked lost it again: {listed(lost, MOST_NAMED_RUNS)}"

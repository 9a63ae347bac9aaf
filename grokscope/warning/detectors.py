"""Rules that find memorization, onset and grokking in a sequence of records.

A detector is fed records in order and answers once. It sees nothing but what it was fed, so feeding it a run's log
again brings it to the same state: that is how a resumed run continues.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from grokscope.contract.tasks import GrokCriterion

PAPER_BASELINE_RECORDS = 3
PAPER_SMALLEST_BASELINE = 0.1
PAPER_FACTOR = 10.0
PAPER_LEAST_DEFECT = {"paper": 20.0, "paper-slow": 5.0}


@dataclass(frozen=True)
class Detected:
    """A rule came true at `step`; it could be known at `confirmed_at`."""

    step: int
    value: float
    confirmed_at: int
    rule: dict[str, Any]


@dataclass(frozen=True)
class DefectRecord:
    """What an onset rule sees of one measurement."""

    step: int
    median: float
    samples: Sequence[float]
    below_floor: bool


class OnsetRule(Protocol):
    def update(self, record: DefectRecord) -> Detected | None:
        """The onset, at the record that settles it; None before and after."""


@dataclass
class Memorization:
    """Training accuracy reaches `threshold` for the first time. (Under strong weight decay it hovers just below 1.)"""

    threshold: float = 0.99
    found: bool = False

    def update(self, step: int, accuracy: float) -> Detected | None:
        if self.found or accuracy < self.threshold:
            return None
        self.found = True
        return Detected(step, accuracy, step, {"name": "train-accuracy", "threshold": self.threshold})


@dataclass
class PaperOnset:
    """The onset rule of arXiv 2602.16967 exactly (`find_spike_step` in its code).

    Baseline: the median of the first three medians, at least 0.1. Onset: the first record from the third on with
    D > 10 x baseline and D > 20 (5 in the author's slow-regime script). One crossing suffices, and the third record is
    part of its own baseline, so no onset can be reported before twice the cadence.
    """

    name: str = "paper"
    medians: list[float] = field(default_factory=list)
    found: bool = False

    def update(self, record: DefectRecord) -> Detected | None:
        if self.found:
            return None
        if len(self.medians) < PAPER_BASELINE_RECORDS:
            self.medians.append(record.median)
        if len(self.medians) < PAPER_BASELINE_RECORDS:
            return None
        baseline = max(float(np.median(self.medians)), PAPER_SMALLEST_BASELINE)
        least = PAPER_LEAST_DEFECT[self.name]
        if not (record.median > PAPER_FACTOR * baseline and record.median > least):
            return None
        self.found = True
        rule = {"name": self.name, "baseline": baseline, "factor": PAPER_FACTOR, "least_defect": least}
        return Detected(record.step, record.median, record.step, rule)


@dataclass
class PersistentOnset:
    """The paper's thresholds, but the crossing must last and the baseline is the first record alone.

    Baseline: the median of all samples at the first record (at initialization, before anything has been learned), at
    least 0.1. Onset: the first of `consecutive` records in a row with D > 10 x baseline and D > 20, none of them below
    its rounding floor. It can fall on the second record already: the baseline uses up no cadence.
    """

    consecutive: int = 3
    baseline: float | None = None
    run: list[DefectRecord] = field(default_factory=list)
    found: bool = False

    def update(self, record: DefectRecord) -> Detected | None:
        if self.baseline is None:
            finite = [value for value in record.samples if math.isfinite(value)]
            self.baseline = max(float(np.median(finite)) if finite else 0.0, PAPER_SMALLEST_BASELINE)
            return None
        if self.found:
            return None
        least = PAPER_LEAST_DEFECT["paper"]
        crossed = record.median > PAPER_FACTOR * self.baseline and record.median > least and not record.below_floor
        self.run = [*self.run, record] if crossed else []
        if len(self.run) < self.consecutive:
            return None
        self.found = True
        first = self.run[0]
        rule = {
            "name": "persistent",
            "baseline": self.baseline,
            "factor": PAPER_FACTOR,
            "least_defect": least,
            "consecutive": self.consecutive,
        }
        return Detected(first.step, first.median, record.step, rule)


def onset_rule(name: str) -> OnsetRule:
    """A fresh rule: `persistent`, `paper`, or `paper-slow`."""
    return PersistentOnset() if name == "persistent" else PaperOnset(name)


@dataclass
class Grokking:
    """A task's criterion, named; see `GrokCriterion`."""

    name: str
    criterion: GrokCriterion
    run: list[tuple[int, float]] = field(default_factory=list)
    found: bool = False

    def update(self, step: int, scores: Mapping[str, Any]) -> Detected | None:
        """`scores` are those of the test split."""
        value = float(scores[self.criterion.metric])
        self.run = [*self.run, (step, value)] if value >= self.criterion.threshold else []
        if self.found or len(self.run) < self.criterion.consecutive:
            return None
        self.found = True
        reported = self.run[0 if self.criterion.report == "first" else -1]
        rule = {
            "name": self.name,
            "metric": self.criterion.metric,
            "threshold": self.criterion.threshold,
            "consecutive": self.criterion.consecutive,
            "report": self.criterion.report,
        }
        return Detected(reported[0], reported[1], step, rule)


@dataclass
class TestLossTurn:
    """Test loss has climbed above its first value, and has now fallen by `fall` (a fraction) below its peak.

    A free rival of the defect: test loss turns long before test accuracy does. Where test loss never climbs (no
    memorization phase) it never fires.
    """

    __test__ = False  # not a test, whatever its name looks like to pytest

    fall: float = 0.1
    first: float | None = None
    peak: float = -math.inf
    found: bool = False

    def update(self, step: int, loss: float) -> Detected | None:
        if self.first is None:
            self.first = loss
        self.peak = max(self.peak, loss)
        climbed = self.peak > self.first
        if self.found or not climbed or loss > (1 - self.fall) * self.peak:
            return None
        self.found = True
        return Detected(step, loss, step, {"name": "test-loss-turn", "fall": self.fall, "peak": self.peak})

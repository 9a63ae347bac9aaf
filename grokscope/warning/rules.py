"""The rules that find something in a sequence of records: memorization, onset, grokking, a turn, a fall.

A rule is fed the records of one number in order and answers once. It sees nothing but what it was fed, so feeding it a
run's log again brings it to the same state. `detection` decides which rule looks at which number.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from grokscope.contract.signals import SignalRule
from grokscope.contract.tasks import GrokCriterion

PAPER_BASELINE_RECORDS = 3
PAPER_SMALLEST_BASELINE = 0.1
PAPER_FACTOR = 10.0
PAPER_LEAST_DEFECT = {"persistent": 20.0, "paper": 20.0, "paper-slow": 5.0}

LEAST_REGRESSED_RECORDS = 3
"""Records below the threshold before a run counts as having lost what it had learned: a single dip says nothing"""


class SignalRecord(NamedTuple):
    """One number at one step."""

    step: int
    value: float
    """Finite"""
    below_floor: bool = False
    """It does not stand clear of its own rounding error"""
    seconds: float | None = None
    """Running time of the run, seconds, where that is known"""


@dataclass(frozen=True)
class Detected:
    """A rule came true at `step`; it could be known at `confirmed_at`."""

    step: int
    value: float
    confirmed_at: int
    rule: Mapping[str, Any]
    """Its name, and what it went by"""
    seconds: float | None = None
    """Running time at `step`, seconds, where that is known"""


class RuleFold(Protocol):
    """Fed one record after the other."""

    @property
    def name(self) -> str: ...

    def update(self, record: SignalRecord) -> Detected | None:
        """What the rule finds, at the record that settles it; None before and after."""

    def count_steps(self, every: int) -> None:
        """See `Lasting.count_steps`."""


class Lasting:
    """A condition that must hold for some records in a row; dated to the first of them, or the last."""

    def __init__(self, name: str, consecutive: int = 1, *, dated: str = "first") -> None:
        self.name = name
        self.consecutive = consecutive
        self._dated = dated
        self._first: SignalRecord | None = None
        self._row = 0
        self._span: int | None = None
        self.found = False

    def count_steps(self, every: int) -> None:
        """Of a run whose records may come farther apart than `every` steps: the condition must hold for as many steps
        as so many records in a row would take at that distance, and for two records at least."""
        self._span = (self.consecutive - 1) * every

    def holds(self, record: SignalRecord) -> bool:
        """Whether the condition holds at this record. Asked of every record once, in order."""
        raise NotImplementedError

    def parameters(self) -> Mapping[str, Any]:
        """What the rule goes by, as far as it is known now."""
        return {} if self.consecutive == 1 else {"consecutive": self.consecutive}

    def update(self, record: SignalRecord) -> Detected | None:
        if not self.holds(record):
            self._first, self._row = None, 0
            return None
        self._first, self._row = self._first or record, self._row + 1
        if self.found or not self._lasted(record.step - self._first.step):
            return None
        self.found = True
        dated = self._first if self._dated == "first" else record
        return Detected(
            dated.step, dated.value, record.step, {"name": self.name, **self.parameters()}, dated.seconds
        )  # fmt: skip

    def _lasted(self, steps: int) -> bool:
        if self._span is None or self.consecutive == 1:
            return self._row >= self.consecutive
        return self._row > 1 and steps >= self._span


class Threshold(Lasting):
    """The number is at least (`above`) or at most a threshold."""

    def __init__(self, name: str, threshold: float, *, above: bool, consecutive: int = 1) -> None:
        super().__init__(name, consecutive)
        self.threshold = threshold
        self._above = above

    def holds(self, record: SignalRecord) -> bool:
        reached = record.value >= self.threshold if self._above else record.value <= self.threshold
        return reached and not record.below_floor

    def parameters(self) -> Mapping[str, Any]:
        return {"threshold": self.threshold, **super().parameters()}


class Rise(Lasting):
    """The number is at least `factor` times its first value."""

    def __init__(self, name: str, factor: float, consecutive: int = 1) -> None:
        super().__init__(name, consecutive)
        self.factor = factor
        self._baseline: float | None = None

    def holds(self, record: SignalRecord) -> bool:
        if self._baseline is None:
            self._baseline = record.value
            return False
        return record.value >= self.factor * self._baseline and not record.below_floor

    def parameters(self) -> Mapping[str, Any]:
        return {"factor": self.factor, "first": self._baseline, **super().parameters()}


class Fall(Lasting):
    """The number is at most `factor` times its peak so far; with `climbed` only once that is above its first value."""

    def __init__(self, name: str, factor: float, consecutive: int = 1, *, climbed: bool = False) -> None:
        super().__init__(name, consecutive)
        self.factor = factor
        self._climbed = climbed
        self._baseline: float | None = None
        self._peak = -math.inf

    def holds(self, record: SignalRecord) -> bool:
        if self._baseline is None:
            self._baseline = record.value
        self._peak = max(self._peak, record.value)
        fallen = record.value <= self.factor * self._peak and not record.below_floor
        return fallen and (self._peak > self._baseline or not self._climbed)

    def parameters(self) -> Mapping[str, Any]:
        return {"factor": self.factor, "peak": self._peak, **super().parameters()}


class Turn(Lasting):
    """The number falls record by record somewhere behind its peak so far; dated to the first of the falls.

    With two of them it is the published rule for trajectory PC1 (arXiv 2602.16967: "two consecutive decreases after the
    maximum"), without that rule's knowledge of which maximum will be the last.
    """

    def __init__(self, name: str, consecutive: int) -> None:
        super().__init__(name, consecutive)
        self._peak = -math.inf
        self._last = -math.inf

    def holds(self, record: SignalRecord) -> bool:
        falls = record.value < self._last
        self._peak, self._last = max(self._peak, record.value), record.value
        return falls and not record.below_floor

    def parameters(self) -> Mapping[str, Any]:
        return {"peak": self._peak, **super().parameters()}


class PersistentOnset(Lasting):
    """The paper's thresholds, but the crossing must last and the baseline is the first record alone.

    Baseline: the first record (at initialization, before anything has been learned), at least 0.1. Onset: the first of
    `consecutive` records in a row with D > 10 x baseline and D > 20, none of them below its rounding floor. It can fall
    on the second record already: the baseline uses up no cadence.
    """

    def __init__(self, name: str = "persistent", consecutive: int = 3) -> None:
        super().__init__(name, consecutive)
        self._baseline: float | None = None

    def holds(self, record: SignalRecord) -> bool:
        if self._baseline is None:
            self._baseline = max(record.value, PAPER_SMALLEST_BASELINE)
            return False
        return _crossed(record.value, self._baseline, "persistent") and not record.below_floor

    def parameters(self) -> Mapping[str, Any]:
        return {**_thresholds(self._baseline, "persistent"), **super().parameters()}


class PaperOnset(Lasting):
    """The onset rule of arXiv 2602.16967 exactly (`find_spike_step` in its code).

    Baseline: the median of the first three records, at least 0.1. Onset: the first record from the third on with
    D > 10 x baseline and D > 20 (5 in the author's slow-regime script, `paper-slow`). One crossing suffices, and the
    third record is part of its own baseline, so no onset can be reported before twice the cadence. The rule knows
    nothing of rounding floors.
    """

    def __init__(self, name: str = "paper", shape: str = "paper") -> None:
        super().__init__(name)
        self._shape = shape
        self._medians: list[float] = []
        self._baseline: float | None = None

    def holds(self, record: SignalRecord) -> bool:
        if self._baseline is None:
            self._medians.append(record.value)
            if len(self._medians) < PAPER_BASELINE_RECORDS:
                return False
            self._baseline = max(float(np.median(self._medians)), PAPER_SMALLEST_BASELINE)
        return _crossed(record.value, self._baseline, self._shape)

    def parameters(self) -> Mapping[str, Any]:
        return _thresholds(self._baseline, self._shape)


def _crossed(value: float, baseline: float, shape: str) -> bool:
    return value > PAPER_FACTOR * baseline and value > PAPER_LEAST_DEFECT[shape]


def _thresholds(baseline: float | None, shape: str) -> dict[str, Any]:
    return {"baseline": baseline, "factor": PAPER_FACTOR, "least_defect": PAPER_LEAST_DEFECT[shape]}


class Grokking(Lasting):
    """A task's criterion, named; see `GrokCriterion`. The records are those of its metric on the test split."""

    def __init__(self, name: str, criterion: GrokCriterion) -> None:
        super().__init__(name, criterion.consecutive, dated=criterion.report)
        self.criterion = criterion

    def holds(self, record: SignalRecord) -> bool:
        return record.value >= self.criterion.threshold

    def parameters(self) -> Mapping[str, Any]:
        criterion = self.criterion
        return {
            "metric": criterion.metric,
            "threshold": criterion.threshold,
            "consecutive": criterion.consecutive,
            "report": criterion.report,
        }


class Regression(Lasting):
    """A run that had grokked lost it again: behind the record that confirmed grokking, the metric is below the
    criterion's threshold for as many records in a row as the criterion asks for, three at least."""

    def __init__(self, name: str, criterion: GrokCriterion) -> None:
        super().__init__(name, max(criterion.consecutive, LEAST_REGRESSED_RECORDS))
        self._grokking = Grokking(name, criterion)

    def count_steps(self, every: int) -> None:
        super().count_steps(every)
        self._grokking.count_steps(every)

    def holds(self, record: SignalRecord) -> bool:
        if not self._grokking.found:
            self._grokking.update(record)
            return False
        return not self._grokking.holds(record)

    def parameters(self) -> Mapping[str, Any]:
        criterion = self._grokking.criterion
        return {"metric": criterion.metric, "threshold": criterion.threshold, **super().parameters()}


_SHAPES: Mapping[str, Callable[[SignalRule], RuleFold]] = {
    "above": lambda rule: Threshold(rule.name, rule.threshold or 0.0, above=True, consecutive=rule.consecutive),
    "below": lambda rule: Threshold(rule.name, rule.threshold or 0.0, above=False, consecutive=rule.consecutive),
    "rises": lambda rule: Rise(rule.name, _factor(rule), rule.consecutive),
    "falls": lambda rule: Fall(rule.name, _factor(rule), rule.consecutive, climbed=rule.climbed),
    "turns": lambda rule: Turn(rule.name, rule.consecutive),
    "persistent": lambda rule: PersistentOnset(rule.name, rule.consecutive),
    "paper": lambda rule: PaperOnset(rule.name, rule.shape),
    "paper-slow": lambda rule: PaperOnset(rule.name, rule.shape),
}


def fresh(rule: SignalRule) -> RuleFold:
    """A rule of this kind that has seen nothing yet."""
    return _SHAPES[rule.shape](rule)


def _factor(rule: SignalRule) -> float:
    return 1.0 if rule.factor is None else rule.factor

"""Every rule that may warn of a run, on the columns of its trajectory."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from grokscope.geometry.commutator import CLEAR_OF_FLOOR
from grokscope.warning.detectors import DefectRecord, Detected, Memorization, TestLossTurn, onset_rule
from grokscope.warning.rivals import RIVALS
from grokscope.warning.trajectory import Trajectory

MEMORIZED = 0.99
"""Training accuracy that counts as memorized, as in `detect.memorization`."""

Search = Callable[[Trajectory, str], Detected | None]
"""From a trajectory and the name of the signal to look at"""


class Rule(Protocol):
    """Fed one value after the other until it fires."""

    def update(self, step: int, value: float) -> Detected | None: ...


def _first(rule: Callable[[], Rule]) -> Search:
    def search(trajectory: Trajectory, signal: str) -> Detected | None:
        update = rule().update
        steps, values = trajectory.signal(signal)
        seen = (update(int(step), float(value)) for step, value in zip(steps, values, strict=True))
        return next((detected for detected in seen if detected is not None), None)

    return search


def _onset(rule_name: str, floor: str) -> Search:
    def search(trajectory: Trajectory, signal: str) -> Detected | None:
        rule = onset_rule(rule_name)
        floors = trajectory.columns.get(floor)
        medians = trajectory.columns.get(signal, np.empty(0))
        for index in map(int, np.flatnonzero(np.isfinite(medians))):
            median = float(medians[index])
            below = floors is not None and median < CLEAR_OF_FLOOR * float(floors[index])
            detected = rule.update(DefectRecord(int(trajectory.columns["step"][index]), median, [median], below))
            if detected is not None:
                return detected
        return None

    return search


def _grokked(trajectory: Trajectory, signal: str) -> Detected | None:
    if trajectory.grok_step is None or trajectory.grok_known_at is None:
        return None
    steps, values = trajectory.signal(signal)
    before = int(np.searchsorted(steps, trajectory.grok_step, "right"))
    value = float(values[before - 1]) if before else math.nan
    return Detected(trajectory.grok_step, value, trajectory.grok_known_at, {"name": "grokked"})


_RULES: Mapping[str, tuple[str, Search]] = {
    "memorized": ("train_accuracy", _first(lambda: Memorization(MEMORIZED))),
    "onset": ("defect", _onset("persistent", "defect_floor")),
    "onset-paper": ("defect", _onset("paper", "defect_floor")),
    "onset-paper-slow": ("defect", _onset("paper-slow", "defect_floor")),
    "onset-finite-difference": ("finite_difference_defect", _onset("paper", "finite_difference_floor")),
    "test-loss-turn": ("test_loss", _first(TestLossTurn)),
    **{name: (signal, _first(rule)) for name, (signal, rule) in RIVALS.items()},
    "grokked": ("test_accuracy", _grokked),
}

RULE_SIGNALS: Mapping[str, str] = MappingProxyType({name: signal for name, (signal, _) in _RULES.items()})
"""The signal that each rule of `detections` looks at."""


def detections(trajectory: Trajectory) -> dict[str, Detected | None]:
    """What every rule says of a run, recomputed from its columns; None where it never fired, or had nothing to look at.

    Rules of `detectors` (memorized, onset, onset-paper, onset-paper-slow, onset-finite-difference, test-loss-turn),
    of `rivals`, and grokked.
    """
    return {name: search(trajectory, signal) for name, (signal, search) in _RULES.items()}

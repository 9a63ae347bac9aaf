"""What is known of a run at a step, condensed to the few numbers that a forecast looks at.

A progress is a fold over the rows of a run, so that a live run and a recorded one cannot be read differently, and
nothing that comes later can reach it.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import mul

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.warning.detection import (
    MEMORIZED,
    ONSET,
    TURN_RULE,
    Detections,
    memorization_of,
    rows_of,
    rules_of_table,
)
from grokscope.warning.trajectory import Fact, Trajectory

WINDOW = 6
"""Evaluations over which slopes are taken"""
SMALLEST = 1e-9
"""Of a loss or of an error, before its logarithm"""

FEATURES = (
    "step",
    "lr",
    "wd",
    "memorized",
    "onset",
    "turn",
    "train_accuracy",
    "test_accuracy",
    "gain",
    "log_test_loss",
    "fall",
    "climb",
    "log_norm",
    "log_norm_memorized",
    "log_norm_change",
    "norm_rate",
    "loss_rate",
    "logit",
    "logit_rate",
    "loss_roughness",
    "accuracy_roughness",
    "stage",
)
"""Steps and settings as they are; NaN where a run has not come so far or does not record the signal. `gain`: the part
of the way from the first test accuracy to 1. `fall`: log of test loss over its peak. `climb`: log of the peak over the
first test loss. `log_norm…`: of V = ‖θ‖². Rates are per step, over the last `WINDOW` evaluations. Roughness: root mean
square of second differences, over the same. `stage`: index into `STAGES`."""

STAGES = ("learning", "memorized", "turned", "rising", "close")
"""Before memorization; after it; test loss has turned; test accuracy half way up; nine tenths of the way."""


@dataclass
class Progress:
    """One run so far. `see` takes its rows in order."""

    lr: float
    wd: float
    step: int = 0
    evaluations: int = 0
    memorized: float = math.nan
    onset: float = math.nan
    turn: float = math.nan
    _latest: dict[str, float] = field(default_factory=dict)
    _first: dict[str, float] = field(default_factory=dict)
    _peak: float = -math.inf
    _norm_memorized: float = math.nan
    _window: deque[tuple[float, float, float, float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _detections: Detections = field(default_factory=lambda: _landmarks({}))

    @classmethod
    def of(cls, facts: Mapping[str, Fact]) -> "Progress":
        """Of a run with these settings, before its first row."""
        return cls(_number(facts, "optimizer.lr"), _number(facts, "optimizer.wd"), _detections=_landmarks(facts))

    def see(self, step: int, cells: Mapping[str, float]) -> None:
        """A row: the signals that were recorded at `step`, all of them finite."""
        self.step = step
        self._latest.update(cells)
        for name, value in cells.items():
            self._first.setdefault(name, value)
        for watched, detected in self._detections.see_row(step, cells):
            if watched.key == MEMORIZED:
                self.memorized = step
                self._norm_memorized = self._log_norm()
            elif watched.key == ONSET:
                self.onset = detected.step
            elif watched.key == TURN_RULE:
                self.turn = step
        self._peak = max(self._peak, cells.get("test_loss", -math.inf))
        if "test_accuracy" in cells:
            self.evaluations += 1
            self._window.append((step, self._log_loss(), self._log_norm(), self._logit(), cells["test_accuracy"]))

    def features(self) -> Floats:
        """[len(FEATURES)]."""
        latest, gain = self._latest, self._gain()
        loss_rate, norm_rate, logit_rate, loss_roughness, accuracy_roughness = self._window_shape()
        log_norm, log_loss = self._log_norm(), self._log_loss()
        return np.array(
            [
                self.step,
                self.lr,
                self.wd,
                self.memorized,
                self.onset,
                self.turn,
                latest.get("train_accuracy", math.nan),
                latest.get("test_accuracy", math.nan),
                gain,
                log_loss,
                log_loss - _log(self._peak),
                _log(self._peak) - _log(self._first.get("test_loss", math.nan)),
                log_norm,
                self._norm_memorized,
                log_norm - 2 * _log(self._first.get("weight_norm", math.nan)),
                norm_rate,
                loss_rate,
                self._logit(),
                logit_rate,
                loss_roughness,
                accuracy_roughness,
                STAGES.index(self.stage()),
            ]
        )

    def stage(self) -> str:
        """Where it stands, as it can be seen."""
        gain = self._gain()
        for stage, reached in (
            ("close", gain >= 0.9),
            ("rising", gain >= 0.5),
            ("turned", not math.isnan(self.turn)),
            ("memorized", not math.isnan(self.memorized)),
        ):
            if reached:
                return stage
        return "learning"

    def _gain(self) -> float:
        first = self._first.get("test_accuracy", math.nan)
        return (self._latest.get("test_accuracy", math.nan) - first) / max(1 - first, SMALLEST)

    def _logit(self) -> float:
        accuracy = min(max(self._latest.get("test_accuracy", math.nan), 1e-3), 1 - 1e-3)
        return math.log(accuracy / (1 - accuracy))

    def _log_norm(self) -> float:
        return 2 * _log(self._latest.get("weight_norm", math.nan))

    def _log_loss(self) -> float:
        return _log(self._latest.get("test_loss", math.nan))

    def _window_shape(self) -> tuple[float, float, float, float, float]:
        """Slopes of log test loss, log ‖θ‖² and logit; roughness of log test loss and of accuracy."""
        if len(self._window) < 3:
            return (math.nan,) * 5
        steps, losses, norms, logits, accuracies = zip(*self._window, strict=True)
        middle = sum(steps) / len(steps)
        offsets = [step - middle for step in steps]
        spread: float = sum(offset * offset for offset in offsets)

        def slope(values: tuple[float, ...]) -> float:
            total: float = sum(map(mul, offsets, values))
            return total / spread

        return slope(losses), slope(norms), slope(logits), _roughness(losses), _roughness(accuracies)


def progress_of(trajectory: Trajectory) -> Progress:
    """A recorded run, to its last row."""
    progress = Progress.of(trajectory.facts)
    for step, cells in rows_of(trajectory):
        progress.see(step, cells)
    return progress


def _landmarks(facts: Mapping[str, Fact]) -> Detections:
    """The detections that a forecast looks at."""
    rules = rules_of_table([], memorization_of(facts))
    return Detections([each for each in rules if each.key in {MEMORIZED, ONSET, TURN_RULE}])


def _number(facts: Mapping[str, Fact], key: str) -> float:
    value = facts.get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def _roughness(values: tuple[float, ...]) -> float:
    seconds = [c - 2 * b + a for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return math.sqrt(sum(each * each for each in seconds) / len(seconds))


def _log(value: float) -> float:
    return math.log(max(value, SMALLEST)) if value > -math.inf else math.nan

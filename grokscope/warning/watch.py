"""All detectors of one run, fed with its events.

A watch is a fold over the log and nothing more: feeding it the events of a run again brings it to the same state. What
is not finite is null there, so it is passed over here too.
"""

import math
from typing import Any, TypeGuard, TypeVar

from grokscope.contract.tasks import TaskSpec
from grokscope.events import Detection, Evaluated, Event, Grokked, Measured, Memorized, Number, Onset, Rule
from grokscope.settings.config import RunConfig
from grokscope.warning.detectors import DefectRecord, Detected, Grokking, Memorization, TestLossTurn, onset_rule

DetectionT = TypeVar("DetectionT", bound=Detection)


class Watch:
    """The rules that a configuration names, and what they have found."""

    def __init__(self, config: RunConfig, task: TaskSpec) -> None:
        criterion = config.detect.grokking or task.default_criterion
        self._memorization = Memorization(config.detect.memorization)
        self._onset = onset_rule(config.detect.onset)
        self._grokking = Grokking(criterion, task.criteria[criterion])
        self._turn = TestLossTurn()
        self._metric = task.metric
        self._evaluate_every = config.evaluate.every
        self._measure_every = config.measure.every
        self._last: Evaluated | None = None
        self.memorized: Detected | None = None
        self.onset: Detected | None = None
        self.grokked: Detected | None = None
        self.turned: Detected | None = None

    @property
    def found(self) -> frozenset[str]:
        """Names of the detections so far."""
        named = {
            "memorized": self.memorized, "onset": self.onset, "test-loss-turn": self.turned, "grokked": self.grokked,
        }  # fmt: skip
        return frozenset(name for name, detected in named.items() if detected is not None)

    def see(self, event: Event) -> list[Detection]:
        """What this event settles, as events to be recorded after it."""
        if isinstance(event, Evaluated):
            return self._see_evaluated(event)
        if isinstance(event, Measured):
            return self._see_measured(event)
        return []

    def replay(self, event: dict[str, Any]) -> None:
        """See an event of the log again; what it settles stands there already."""
        if event["event"] == "evaluated":
            self.see(Evaluated.model_validate(event))
        elif event["event"] == "measured":
            self.see(Measured.model_validate(event))

    def result(self) -> dict[str, Any]:
        """What the run came to, for its last event."""
        steps = {
            "memorized_step": _step(self.memorized),
            "onset_step": _step(self.onset),
            "test_loss_turn_step": _step(self.turned),
            "grokked_step": _step(self.grokked),
        }
        lead = None
        if self.onset is not None and self.grokked is not None:
            lead = self.grokked.step - self.onset.step
        scores = {}
        if self._last is not None:
            scores = {split: getattr(getattr(self._last, split), self._metric) for split in ("train", "test")}
        return {**steps, "lead_steps": lead, "metric": self._metric, **scores}

    def _see_evaluated(self, event: Evaluated) -> list[Detection]:
        self._last = event
        step = event.step or 0
        train_accuracy = getattr(event.train, self._metric)
        memorized = self._memorization.update(step, train_accuracy)
        grokked = self._grokking.update(step, event.test.model_dump())
        loss = event.test.loss
        turned = self._turn.update(step, loss) if _is_finite(loss) else None
        self.memorized = self.memorized or memorized
        self.grokked = self.grokked or grokked
        self.turned = self.turned or turned
        found = [_event(Memorized, memorized, self._evaluate_every), _event(Grokked, grokked, self._evaluate_every)]
        return [detection for detection in found if detection is not None]

    def _see_measured(self, event: Measured) -> list[Detection]:
        median = event.defect.median
        if not _is_finite(median):
            return []
        samples = [sample for sample in event.defect.samples if _is_finite(sample)]
        record = DefectRecord(event.step or 0, median, samples, event.below_floor)
        onset = self._onset.update(record)
        self.onset = self.onset or onset
        detection = _event(Onset, onset, self._measure_every)
        return [] if detection is None else [detection]


def _is_finite(value: Number) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _step(detected: Detected | None) -> int | None:
    return None if detected is None else detected.step


def _event(kind: type[DetectionT], detected: Detected | None, cadence: int) -> DetectionT | None:
    if detected is None:
        return None
    return kind(
        step=detected.step,
        rule=Rule(**detected.rule),
        value=detected.value,
        cadence=cadence,
        confirmed_at=detected.confirmed_at,
    )

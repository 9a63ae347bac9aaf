"""All detectors of one run, fed with its events.

A watch is a fold over the log and nothing more: feeding it the events of a run again brings it to the same state. What
was not finite is null there, and passed over.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from grokscope.contract.tasks import GrokCriterion
from grokscope.events import Detection, Grokked, Memorized, Onset, Rule
from grokscope.warning.detectors import DefectRecord, Detected, Grokking, Memorization, TestLossTurn, onset_rule

DetectionT = TypeVar("DetectionT", bound=Detection)


class Watch:
    """The rules that a run acts on, and what they have found."""

    def __init__(self, started: Mapping[str, Any]) -> None:
        """`started`: the run's first event, with its metric, criteria, rules and cadences."""
        rules, config = started["rules"], started["config"]
        criterion = rules["grokked"]["name"]
        self._memorization = Memorization(rules["memorized"]["threshold"])
        self._onset = onset_rule(rules["onset"]["name"])
        self._grokking = Grokking(criterion, GrokCriterion(**started["criteria"][criterion]))
        self._turn = TestLossTurn()
        self._metric: str = started["metric"]
        self._evaluate_every: int = config["evaluate"]["every"]
        self._measure_every: int = config["measure"]["every"]
        self._last: Mapping[str, Any] | None = None
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

    def see(self, event: Mapping[str, Any]) -> list[Detection]:
        """What this event settles, as events to be recorded after it. Where the log is read again, they stand there
        already."""
        if event["event"] == "evaluated":
            return self._see_evaluated(event)
        if event["event"] == "measured":
            return self._see_measured(event)
        return []

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
        last = self._last or {}
        scores = {split: last[split].get(self._metric) for split in ("train", "test") if split in last}
        return {**steps, "lead_steps": lead, "metric": self._metric, **scores}

    def _see_evaluated(self, event: Mapping[str, Any]) -> list[Detection]:
        self._last = event
        step, test = event["step"], event.get("test", {})
        loss, accuracy = test.get("loss"), event.get("train", {}).get(self._metric)
        memorized = None if accuracy is None else self._memorization.update(step, accuracy)
        grokked = None if test.get(self._metric) is None else self._grokking.update(step, test)
        turned = None if loss is None else self._turn.update(step, loss)
        self.memorized = self.memorized or memorized
        self.grokked = self.grokked or grokked
        self.turned = self.turned or turned
        found = [_event(Memorized, memorized, self._evaluate_every), _event(Grokked, grokked, self._evaluate_every)]
        return [detection for detection in found if detection is not None]

    def _see_measured(self, event: Mapping[str, Any]) -> list[Detection]:
        defect = event["defect"]
        if defect["median"] is None:
            return []
        samples = [sample for sample in defect["samples"] if sample is not None]
        onset = self._onset.update(DefectRecord(event["step"], defect["median"], samples, event["below_floor"]))
        self.onset = self.onset or onset
        detection = _event(Onset, onset, self._measure_every)
        return [] if detection is None else [detection]


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

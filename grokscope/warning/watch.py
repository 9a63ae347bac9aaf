"""The rules of one run as it goes on: a fold over its log that tells what they find as events to be recorded.

Feeding it the events of a run again brings it to the same state.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.events import Detection, Fired, Grokked, Memorized, Onset, Regressed, Rule, Turned
from grokscope.warning.detection import (
    GROKKED,
    MEMORIZED,
    TURN_RULE,
    Clock,
    Detections,
    WatchedRule,
    adaptive_cadence,
    rules_of_run,
)
from grokscope.warning.rules import Detected
from grokscope.words.fields import section

_EVENTS: Mapping[str, type[Detection]] = {
    "memorized": Memorized,
    "onset": Onset,
    "turned": Turned,
    "grokked": Grokked,
    "regressed": Regressed,
}


class Watch:
    """All rules of a run, and what they have found."""

    def __init__(self, started: Mapping[str, Any]) -> None:
        """`started`: the run's first event, with its metric, criteria, rules, signals and cadences."""
        self._rules = [each for each in rules_of_run(started) if each.acted or each.kind == "fired"]
        self._detections = Detections(self._rules, started["metric"])
        self._clock = Clock()
        self._metric: str = started["metric"]
        settled = adaptive_cadence(section(started["config"], "measure")) is None
        self._evaluate_every: int | None = section(started["config"], "evaluate").get("every") if settled else None
        self._measure_every: int | None = section(started["config"], "measure").get("every") if settled else None
        self._last: Mapping[str, Any] = {}

    @property
    def memorized(self) -> Detected | None:
        return self._acted("memorized")

    @property
    def onset(self) -> Detected | None:
        return self._acted("onset")

    @property
    def turned(self) -> Detected | None:
        return self._acted("turned")

    @property
    def grokked(self) -> Detected | None:
        return self._acted("grokked")

    @property
    def regressed(self) -> Detected | None:
        return self._acted("regressed")

    @property
    def found(self) -> frozenset[str]:
        """Names of the detections so far, as a schedule waits for them."""
        named = {"memorized": MEMORIZED, "turned": TURN_RULE, "grokked": GROKKED}
        found = [each for each in self._rules if each.key in self._detections.found]
        return frozenset(each.key if each.kind == "fired" else named.get(each.kind, each.kind) for each in found)

    def see(self, event: Mapping[str, Any]) -> list[Detection]:
        """What this event settles, as events to be recorded after it. Where the log is read again, they stand there
        already."""
        if event["event"] == "evaluated":
            self._last = event
        self._clock.see(event)
        return [self._event(watched, detected) for watched, detected in self._detections.see(event, self._clock)]

    def see_columns(self, columns: Mapping[str, Floats]) -> list[Detection]:
        """What whole columns of a run settle, `step` among them, in the order in which it could be known."""
        scores = {split: columns[f"{split}_accuracy"] for split in ("train", "test") if f"{split}_accuracy" in columns}
        self._last = {
            split: {self._metric: float(values[np.isfinite(values)][-1])}
            for split, values in scores.items()
            if np.isfinite(values).any()
        }
        named = {f"test.{self._metric}": scores["test"]} if "test" in scores else {}
        found = self._detections.see_columns({**columns, **named})
        return [self._event(watched, detected) for watched, detected in found]

    def result(self) -> dict[str, Any]:
        """What the run came to, for its last event."""
        scores = {split: self._last[split].get(self._metric) for split in ("train", "test") if split in self._last}
        return {
            "memorized_step": _step(self.memorized),
            "onset_step": _step(self.onset),
            "test_loss_turn_step": _step(self.turned),
            "grokked_step": _step(self.grokked),
            "regressed_step": _step(self.regressed),
            "lead_steps": self._lead_steps(),
            "metric": self._metric,
            **scores,
        }

    def _event(self, watched: WatchedRule, detected: Detected) -> Detection:
        fields: dict[str, Any] = {
            "step": detected.step,
            "rule": Rule(**detected.rule),
            "value": detected.value,
            "cadence": self._measure_every if watched.kind == "onset" else self._evaluate_every,
            "confirmed_at": detected.confirmed_at,
        }
        if watched.kind == "fired":
            return Fired(signal=watched.number, **{**fields, "rule": Rule(**{**detected.rule, "name": watched.key})})
        if watched.kind == "grokked":
            return Grokked(lead_steps=self._lead_steps(), lead_seconds=self._lead_seconds(), **fields)
        return _EVENTS[watched.kind](**fields)

    def _acted(self, kind: str) -> Detected | None:
        found = (self._detections.found.get(each.key) for each in self._rules if each.kind == kind)
        return next((detected for detected in found if detected is not None), None)

    def _lead_steps(self) -> int | None:
        onset, grokked = self.onset, self.grokked
        return None if onset is None or grokked is None else grokked.step - onset.step

    def _lead_seconds(self) -> float | None:
        """None also where the clock was set back in between: less time than none has not passed."""
        first, last = (None if found is None else found.seconds for found in (self.onset, self.grokked))
        if first is None or last is None:
            return None
        return last - first if (last - first) * (self._lead_steps() or 0) >= 0 else None


def _step(detected: Detected | None) -> int | None:
    return None if detected is None else detected.step

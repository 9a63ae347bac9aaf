"""The forecast of a run that is going on, fed with its events.

Like the watch it is a fold over the log: feeding it a run's events again brings it to the same state, and it says what
it would have said of the recorded run at that step.
"""

import math
from collections.abc import Mapping
from typing import Any

from grokscope.contract.signals import Number
from grokscope.events import Forecast, Interval
from grokscope.warning.forecast.bank import projection_of
from grokscope.warning.forecast.forecaster import Projection
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.progress import Progress
from grokscope.warning.trajectory import TREATED_FROM, cells_of, facts_of
from grokscope.words.fields import section

MATERIAL_STEPS = 0.05
"""A grok step or an end of its interval has changed when it moved by more than this part"""
MATERIAL_PROBABILITY = 0.05


class LiveForecast:
    """What is said of one run, and when it is worth an event."""

    def __init__(self, started: Mapping[str, Any]) -> None:
        """`started`: the run's first event. Nothing is forecast where it names no budget, or does not ask for it."""
        config = started["config"]
        asked, budget = section(config, "forecast"), section(config, "train").get("steps")
        self._enabled: bool = budget is not None and asked.get("enabled", False)
        self._bank: str = asked.get("bank", "")
        self._task: str = started["task"]
        self._metric: str = started["metric"]
        self._budget: int = budget or 0
        self._facts = facts_of(config)
        self._progress = Progress.of(self._facts)
        self._row: dict[str, float] = {}
        self._row_step = 0
        self._grokked = False
        self._said: Mapping[str, Any] | None = None

    def see(self, event: Mapping[str, Any]) -> None:
        """An event of the run, as it is recorded. A forecast is one that need not be said again."""
        if not self._enabled:
            return
        if event["event"] == "forecast":
            self._said = event
        elif event["event"] == "grokked":
            self._grokked = True
        elif event["event"] == "intervened" and event["state"] == "on":
            self._facts.setdefault(TREATED_FROM, event["step"])
        else:
            cells = cells_of(event, self._metric)
            if cells:
                self._take(event["step"], cells)

    def projection(self) -> Projection:
        """Of all rows seen."""
        self._close()
        return projection_of(
            self._progress, self._facts, self._budget, grokked=self._grokked, task=self._task, bank=self._bank
        )

    def changed(self, seconds_left: float | None) -> Forecast | None:
        """What is to be said now that all of a step's records are in; None where it would be nothing new.

        `seconds_left` to the end of the budget, at the run's own pace.
        """
        if not (self._enabled and self._row):
            return None
        projection = self.projection()
        pace = None if seconds_left is None else seconds_left / max(1, self._budget - projection.step)
        event = forecast_event(projection, pace)
        if self._said is not None and not materially_different(self._said, event.model_dump()):
            return None
        return event

    def _take(self, step: int, cells: Mapping[str, float]) -> None:
        if step != self._row_step:
            self._close()
        self._row_step = step
        self._row.update(cells)

    def _close(self) -> None:
        if self._row:
            self._progress.see(self._row_step, self._row)
            self._row = {}


def forecast_event(projection: Projection, seconds_per_step: float | None = None) -> Forecast:
    """A projection as an event; steps are whole there."""
    lead = None if projection.grok_step is None else max(0.0, projection.grok_step - projection.step)
    interval = None
    if projection.low is not None and projection.high is not None:
        interval = Interval(level=FORECAST_LEVEL, low=float(round(projection.low)), high=float(round(projection.high)))
    return Forecast(
        step=projection.step,
        stage=projection.stage,
        probability=projection.probability,
        law=projection.law,
        grok_step=_whole(projection.grok_step),
        interval=interval,
        no_interval=projection.no_interval,
        lead_steps=_whole(lead),
        lead_seconds=None if lead is None or seconds_per_step is None else lead * seconds_per_step,
        abstained=projection.abstained,
        candidates={name: float(round(step)) for name, step in projection.candidates.items()},
    )


def materially_different(said: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Another reason, a grok step or an interval that moved by a twentieth, a probability that moved by as much."""
    if said.get("abstained") != now["abstained"] or said.get("no_interval") != now["no_interval"]:
        return True
    if _moved(said.get("probability"), now["probability"], lambda a, b: abs(a - b) > MATERIAL_PROBABILITY):
        return True
    before, after = (event.get("interval") or {} for event in (said, now))
    pairs = [(said.get("grok_step"), now["grok_step"]), *((before.get(end), after.get(end)) for end in ("low", "high"))]
    return any(_moved(a, b, lambda a, b: abs(math.log(max(b, 1) / max(a, 1))) > MATERIAL_STEPS) for a, b in pairs)


def _moved(before: Number, after: Number, by_much: Any) -> bool:
    if before is None or after is None:
        return before is not after
    return bool(by_much(before, after))


def _whole(value: Number) -> Number:
    return None if value is None else float(round(value))

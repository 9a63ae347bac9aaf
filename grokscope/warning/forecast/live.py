"""The forecast of a run that is going on, fed with its events.

Like the watch it is a fold over the log: feeding it a run's events again brings it to the same state, and it says what
it would have said of the recorded run at that step.
"""

import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number
from grokscope.events import BankSaid, ChanceSaid, Forecast, Interval, WhenSaid
from grokscope.warning.forecast.answers import Chance, Projection, When
from grokscope.warning.forecast.asked import RunSoFar
from grokscope.warning.forecast.bank import Bank, projection_of
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.trajectory import TREATED_FROM, Trajectory, cells_of, chance_of, facts_of, origin_of, sizes_of
from grokscope.words.fields import section

MATERIAL_STEPS = 0.05
"""A grok step or an end of its interval has changed when it moved by more than this part"""
MATERIAL_PROBABILITY = 0.05
WATCHED = ("train_accuracy", "test_accuracy", "train_loss", "test_loss", "weight_norm", "decay_time", "elasticity",
           "norm_slope", "fourier_growth")  # fmt: skip
"""The numbers of a run that a forecast can come to look at"""


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
        self._facts = facts_of(config) | origin_of(started) | chance_of(started) | sizes_of(started)
        self._steps = array("d")
        self._columns = {name: array("d") for name in WATCHED}
        self._evaluated = False
        self._grokked: int | None = None
        self._said: Mapping[str, Any] | None = None

    def see(self, event: Mapping[str, Any]) -> None:
        """An event of the run, as it is recorded. A forecast is one that need not be said again."""
        if not self._enabled:
            return
        if event["event"] == "forecast":
            self._said = event
        elif event["event"] == "grokked":
            self._grokked = event["step"]
        elif event["event"] == "intervened" and event["state"] == "on":
            self._facts.setdefault(TREATED_FROM, event["step"])
        else:
            cells = cells_of(event, self._metric)
            if cells:
                self._take(event["step"], cells)

    def projection(self) -> tuple[Projection, Bank | None]:
        """Of all rows seen, and by which bank."""
        return projection_of(RunSoFar.of(self._so_far()), self._task, self._bank)

    def changed(self, seconds_left: float | None) -> Forecast | None:
        """What is to be said now that all of a step's records are in; None where it would be nothing new.

        `seconds_left` to the end of the budget, at the run's own pace.
        """
        if not (self._enabled and self._evaluated):
            return None
        self._evaluated = False  # until the next evaluation nothing new can be said
        projection, bank = self.projection()
        pace = None if seconds_left is None else seconds_left / max(1, self._budget - projection.step)
        event = forecast_event(projection, bank, pace)
        if self._said is not None and not materially_different(self._said, event.model_dump()):
            return None
        return event

    def _take(self, step: int, cells: Mapping[str, float]) -> None:
        if not self._steps or step != self._steps[-1]:
            self._steps.append(step)
            self._evaluated = False
            for column in self._columns.values():
                column.append(math.nan)
        self._evaluated |= "test_accuracy" in cells
        for name in self._columns.keys() & cells.keys():
            self._columns[name][-1] = cells[name]

    def _so_far(self) -> Trajectory:
        columns: dict[str, Floats] = {name: np.array(column) for name, column in self._columns.items()}
        columns = {name: column for name, column in columns.items() if np.isfinite(column).any()}
        steps = np.array(self._steps)
        return Trajectory(
            "", self._task, self._facts, {"step": steps, **columns}, self._grokked, int(steps[-1]), self._budget
        )


def forecast_event(projection: Projection, bank: Bank | None, seconds_per_step: float | None = None) -> Forecast:
    """A projection as an event; steps are whole there."""
    named = None
    if bank is not None:
        named = BankSaid(name=bank.name.name, digest=bank.name.digest, runs=bank.forecaster.runs)
    return Forecast(
        step=projection.step,
        generalizes=_chance(projection.generalizes),
        reaches=_chance(projection.reaches),
        when=_when(projection.when, projection.step, seconds_per_step),
        basis=projection.basis,
        not_before_step=projection.not_before_step,
        decay_time=projection.decay_time,
        bank=named,
        rivals={name: _whole(rival.grok_step) for name, rival in projection.rivals.items()},
    )


def _chance(chance: Chance) -> ChanceSaid:
    refused = chance.refused
    return ChanceSaid(
        probability=chance.probability,
        base_rate=chance.base_rate,
        abstained=None if refused is None else refused.in_words(),
        refusal=None if refused is None else refused.refusal.code,
    )


def _when(when: When, now: int, seconds_per_step: float | None) -> WhenSaid:
    lead = None if when.grok_step is None else max(0.0, when.grok_step - now)
    interval = None
    if when.low is not None and when.high is not None:
        interval = Interval(level=FORECAST_LEVEL, low=float(round(when.low)), high=float(round(when.high)))
    return WhenSaid(
        grok_step=_whole(when.grok_step),
        interval=interval,
        no_interval=when.no_interval,
        lead_steps=_whole(lead),
        lead_seconds=None if lead is None or seconds_per_step is None else lead * seconds_per_step,
        law=None if when.law is None else when.law.value,
        abstained=None if when.refused is None else when.refused.in_words(),
        refusal=None if when.refused is None else when.refused.refusal.code,
    )


def materially_different(said: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Another reason, a grok step or an interval that moved by a twentieth, a probability that moved by as much."""
    for question in ("generalizes", "reaches", "when"):
        before, after = section(said, question), now[question]
        if any(before.get(name) != after.get(name) for name in ("abstained", "no_interval", "law")):
            return True
        if _moved(before.get("probability"), after.get("probability"), lambda a, b: abs(a - b) > MATERIAL_PROBABILITY):
            return True
    dates = [_dates(section(event, "when")) for event in (said, now)]
    return any(
        _moved(a, b, lambda a, b: abs(math.log(max(b, 1) / max(a, 1))) > MATERIAL_STEPS)
        for a, b in zip(*dates, strict=True)
    )


def _dates(when: Mapping[str, Any]) -> list[Number]:
    interval = section(when, "interval")
    return [when.get("grok_step"), interval.get("low"), interval.get("high")]


def _moved(before: Number, after: Number, by_much: Any) -> bool:
    if before is None or after is None:
        return before is not after
    return bool(by_much(before, after))


def _whole(value: Number) -> Number:
    return None if value is None else float(round(value))

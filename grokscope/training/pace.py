"""How fast a run goes, and how long it will take."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from grokscope.settings.config import RunConfig

SETTLED_STEPS = 20
SETTLED_SECONDS = 10.0


class Pace:
    """Times the training steps apart from what is done between them.

    A GPU works on after a step returns; its time is caught where the loss is read, before `stop`, at every `trained`
    event.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.tokens = 0
        """Tokens of the batches since the last reading"""
        self._clock = clock
        self._evaluating = 0.0
        self._sampling = 0.0
        self._training = 0.0
        self._since = 0.0
        self._steps = 0
        self._all_steps = 0
        self._all_training = 0.0
        self._seconds_per_step: float | None = None

    def start(self) -> None:
        """A training step begins."""
        self._since = self._clock()

    def stop(self) -> None:
        """It has ended."""
        taken = self._clock() - self._since
        self._training += taken
        self._all_training += taken
        self._steps += 1
        self._all_steps += 1

    def see(self, event: Mapping[str, Any]) -> None:
        """Learn from an event what an evaluation takes, or a sample of the defect."""
        if event["event"] == "evaluated":
            self._evaluating = event["seconds"]
        elif event["event"] == "measured":
            self._sampling = event["seconds"] / len(event["defect"]["samples"])

    def read(self) -> tuple[float | None, float | None]:
        """Training steps and tokens a second since the last reading; None where no step was taken."""
        if not self._steps:
            return None, None
        seconds = max(self._training, 1e-9)
        speeds = self._steps / seconds, self.tokens / seconds
        self._seconds_per_step = seconds / self._steps
        self.tokens, self._steps, self._training = 0, 0, 0.0
        return speeds

    @property
    def settled(self) -> bool:
        """Whether enough was timed to say how long the run will take: a first step alone also loads and compiles."""
        return self._all_steps >= SETTLED_STEPS or self._all_training >= SETTLED_SECONDS

    def remaining_seconds(self, config: RunConfig, step: int) -> float | None:
        """Until the last step, evaluations and measurements included; None before the first reading."""
        if self._seconds_per_step is None:
            return None
        per_step = self._seconds_per_step + self._evaluating / config.evaluate.every
        if config.measure.estimator != "off":
            per_step += self._sampling * config.measure.samples / config.measure.every
        return per_step * (config.train.steps - step)

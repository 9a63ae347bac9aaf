"""When a probe looks: every so many steps, or as seldom as keeps it within its share of the loop's time.

How much is measured stays the same; how often follows what it costs. Steps at which something is recorded are always
multiples of the distance that was asked for, and a distance is always that one times a power of two.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EASY = 0.8
"""Part of the share that records at half the distance may need before it is halved: costs vary"""


class Cadence:
    """The distance of records, and what they have cost. Time counts from the first step of the loop."""

    def __init__(self, every: int, share: float | None, clock: Callable[[], float] = time.perf_counter) -> None:
        """`every`: steps between records, at least. `share`: of the loop's own time that the probe may take on top;
        None: whatever it takes."""
        self.every = every
        """Steps between records now"""
        self._least = every
        self._share = share
        self._clock = clock
        self._probing = 0.0
        self._looping = 0.0
        self._steps = 0
        self._cost = 0.0
        self._left: float | None = None
        self._began: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a share to be kept."""
        return self._share is not None

    @property
    def overhead(self) -> float:
        """The probe's time as a part of the loop's own, so far."""
        return self._spent() / self._looping if self._looping else 0.0

    def _spent(self) -> float:
        return self._probing + (0.0 if self._began is None else self._clock() - self._began)

    def begin(self, cost: float) -> None:
        """The loop begins; a record is expected to take `cost` seconds."""
        self._cost, self._left = cost, self._clock()

    @contextmanager
    def probing(self) -> Iterator[None]:
        """The time that passes inside is the probe's, what passed since the last time is the loop's."""
        self._began = self._clock()
        self._looping += 0.0 if self._left is None else self._began - self._left
        try:
            yield
        finally:
            self._probing, self._began, self._left = self._spent(), None, self._clock()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A record is made: what it takes is what the next one is expected to take."""
        began = self._clock()
        yield
        self._cost = max(self._clock() - began, self._cost / 2)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside of `probing`: somebody has paused the loop, which is nobody's time."""
        began = self._clock()
        try:
            yield
        finally:
            self._give_back(self._clock() - began)

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Inside of `probing`: a device does what the loop has asked of it, which is the loop's time."""
        began = self._clock()
        yield
        passed = self._clock() - began
        self._give_back(passed)
        self._looping += passed

    def _give_back(self, seconds: float) -> None:
        if self._began is not None:
            self._began += seconds

    def stepped(self) -> None:
        """The loop has taken a step."""
        self._steps += 1

    def due(self, step: int) -> bool:
        """Whether a record is due at a step; where it would cost too much, the distance grows instead."""
        if step % self.every:
            return False
        if self.affordable():
            return True
        self.every *= 2
        while self._looping and not self._affordable_in(self.every - step % self.every):
            self.every *= 2
        return False

    def affordable(self) -> bool:
        """Whether one more record keeps within the share now."""
        return self._affordable_in(0)

    def recorded(self) -> None:
        """A record was made: the distance shrinks again where that is easy."""
        share, per_step = self._share, self._looping / max(1, self._steps)
        while share is not None and self.every > self._least and self._spent() <= share * self._looping:
            if self._cost > EASY * share * per_step * (self.every // 2):
                return
            self.every //= 2

    def _affordable_in(self, steps: int) -> bool:
        if self._share is None:
            return True
        ahead = self._looping * (1 + steps / max(1, self._steps))
        return self._spent() + self._cost <= self._share * ahead

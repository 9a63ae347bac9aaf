"""When a probe looks: every so many steps, or as seldom as keeps it within its share of the loop's time.

How much is measured stays the same; how often follows what it costs. Steps at which something is recorded are always
multiples of the distance that was asked for, and a distance is always that one times a power of two.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HOOK = 8e-6
"""Seconds that counting a step takes, PyTorch's way there included, where the step has emptied the caches (November
2026: 8 µs behind a step of 0.4 ms, 11 µs behind one of 1.5 ms): to ask a clock at each step would cost as much again"""
EASY = 0.8
"""Part of the share that records at half the distance may need before it is halved: costs vary"""

UNSEEN = 0.03
"""Part of a loop's time that a probe takes where no account of its own sees it: short steps are so much slower between
records, for caches and a heap that second derivatives have been through. November 2026, loops with a probe beside loops
without: 0.02 for an MLP and a transformer, 0.027 for an LSTM (medians)"""
LEAST = 0.4
"""Part of what was asked for that the account keeps, however little was asked for"""


def share_to_keep(asked: float | None) -> float | None:
    """The share that the account keeps, so that the one that was asked for is kept as seen from outside."""
    return None if asked is None else max(asked - UNSEEN, LEAST * asked)


class Clocks:
    """Seconds for a share of a loop's time, from now on: on a CPU those that this process has computed, in all its
    threads, which hold on a busy machine too; on an accelerator those of the clock on the wall, for it computes in
    nobody's threads. Which device it is may be known later."""

    def __init__(self) -> None:
        self._computed, self._passed = time.process_time(), time.perf_counter()

    def on(self, device: str) -> Callable[[], float]:
        """The clock for a device."""
        if device == "cpu":
            return lambda: time.process_time() - self._computed
        return lambda: time.perf_counter() - self._passed


class Cadence:
    """The distance of records, and what they have cost: what comes before the loop's first step is paid back too."""

    def __init__(self, every: int, share: float | None, clock: Callable[[], float]) -> None:
        """`every`: steps between records, at least. `share`: of the loop's own time that the probe may take on top;
        None: whatever it takes. What `clock` shows now, it has taken already."""
        self.every = every
        """Steps between records now"""
        self._least = every
        self._share = share
        self._clock = clock
        self._probing = clock()
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

    def begin(self, part: float) -> None:
        """The loop begins; a record is expected to take a `part` of what the first one has."""
        self._cost *= part

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

    def stepped(self, steps: int) -> None:
        """Inside of `probing`: the loop has taken so many steps since the last time."""
        self._steps += steps
        self._probing += steps * HOOK
        self._looping = max(0.0, self._looping - steps * HOOK)

    def due(self, step: int) -> bool:
        """Whether a record is due at a step: one that is not affordable yet is left out, and the distance grows where
        the next ones would not be either."""
        if step % self.every:
            return False
        if self.affordable():
            return True
        while self._looping and not self._kept_up(self.every, 1.0):
            self.every *= 2
        return False

    def affordable(self) -> bool:
        """Whether one more record keeps within the share now."""
        return self._share is None or self._spent() + self._cost <= self._share * self._looping

    def recorded(self) -> None:
        """A record was made: the distance shrinks again where that is easy."""
        while self._share is not None and self.every > self._least and self._kept_up(self.every // 2, EASY):
            self.every //= 2

    def _kept_up(self, every: int, part: float) -> bool:
        """Whether records at a distance need no more than a part of what the share of the steps between them is."""
        share = 0.0 if self._share is None else self._share
        return self._cost <= part * share * every * self._looping / max(1, self._steps)

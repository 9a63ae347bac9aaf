"""When a probe must look up: between, a step of the loop costs it the comparison of two numbers.

The clock is not read at every step. What somebody asks of the run is read a few times a second, and a loop that becomes
slower is found out after a few of its steps.
"""

import sys
import time
from collections.abc import Iterable

from grokscope.training.control import INBOX_POLL_SECONDS, Control

_LOOKS = 4
"""How often the clock is read while the inbox is not"""
FARTHEST = 16
"""Steps without a look at the clock, at most"""


class Lookout:
    """The next step at which anything may be due."""

    def __init__(self, control: Control, step: int) -> None:
        self.next = step + 1
        """The step; it is past where nobody has looked yet"""
        self._control = control
        self._step, self._time = step, time.monotonic()

    def due(self, step: int, distances: Iterable[int]) -> bool:
        """Whether anything is to be done at a step: one of the `distances` divides it (0 divides none), or the inbox is
        to be read."""
        if any(each and step % each == 0 for each in distances) or not self._control.idle:
            return True
        self.look_again(step, distances)
        return False

    def look_again(self, step: int, distances: Iterable[int]) -> None:
        """Nothing more is to be done at a step."""
        now = time.monotonic()
        pace = (now - self._time) / max(1, step - self._step)
        self._step, self._time = step, now
        clock = min(FARTHEST, max(1, int(INBOX_POLL_SECONDS / _LOOKS / pace))) if self._control.idle and pace else 1
        self.next = min(step + clock, *((step // each + 1) * each for each in distances if each))

    def end(self) -> None:
        """Nothing is to be done any more."""
        self.next = sys.maxsize

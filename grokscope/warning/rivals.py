"""Rules for signals that have no published one, so that every signal can be scored as a warning.

Each is the simplest rule that has a meaning, named, with one parameter that was set before any run was scored. Like all
detectors they are fed records in order, answer once, and know nothing of what comes later.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from grokscope.warning.detectors import Detected


class SignalRule(Protocol):
    """A rule on one signal."""

    def update(self, step: int, value: float) -> Detected | None:
        """What `value` settles; None before and after."""


@dataclass
class _Lasting:
    """A condition that must hold for `consecutive` records in a row; dated to the first of them."""

    name: str
    consecutive: int
    run: list[tuple[int, float]] = field(default_factory=list)
    found: bool = False

    def settle(self, holds: bool, step: int, value: float, **rule: Any) -> Detected | None:
        self.run = [*self.run, (step, value)] if holds else []
        if self.found or len(self.run) < self.consecutive:
            return None
        self.found = True
        first_step, first_value = self.run[0]
        return Detected(first_step, first_value, step, {"name": self.name, "consecutive": self.consecutive, **rule})


class Fall:
    """The signal is at most `part` of its peak so far."""

    def __init__(self, name: str, part: float, consecutive: int = 1) -> None:
        self.part = part
        self.peak = -math.inf
        self._lasting = _Lasting(name, consecutive)

    def update(self, step: int, value: float) -> Detected | None:
        self.peak = max(self.peak, value)
        return self._lasting.settle(value <= self.part * self.peak, step, value, part=self.part, peak=self.peak)


class Rise:
    """The signal is at least `factor` times its first value."""

    def __init__(self, name: str, factor: float, consecutive: int = 1) -> None:
        self.factor = factor
        self.first: float | None = None
        self._lasting = _Lasting(name, consecutive)

    def update(self, step: int, value: float) -> Detected | None:
        if self.first is None:
            self.first = value
            return None
        holds = value >= self.factor * self.first
        return self._lasting.settle(holds, step, value, factor=self.factor, first=self.first)


class Turn:
    """The signal falls twice in a row right after its highest value so far; dated to the first of the two falls.

    The published rule for trajectory PC1 (arXiv 2602.16967: "two consecutive decreases after the maximum"), without
    its knowledge of which maximum will be the last.
    """

    def __init__(self, name: str, decreases: int = 2) -> None:
        self.peak = -math.inf
        self.last = math.inf
        self._lasting = _Lasting(name, decreases)

    def update(self, step: int, value: float) -> Detected | None:
        if value >= self.peak:
            self.peak = value
            falls = False
        else:
            falls = value < self.last
        self.last = value
        return self._lasting.settle(falls, step, value, peak=self.peak)


RIVALS: Mapping[str, tuple[str, Callable[[], SignalRule]]] = {
    "commutator-norm-rise": ("commutator_norm", lambda: Rise("commutator-norm-rise", 10.0, 3)),
    "relative-commutator-fall": ("relative_commutator", lambda: Fall("relative-commutator-fall", 0.5, 3)),
    "gradient-norm-collapse": ("gradient_norm", lambda: Fall("gradient-norm-collapse", 0.1, 2)),
    "weight-norm-halved": ("weight_norm", lambda: Fall("weight-norm-halved", 0.5)),
    "pc1-turn": ("pc1", lambda: Turn("pc1-turn")),
}
"""By name: the signal, and a fresh rule for it."""

"""Decay time of somebody's own loop: what weight decay has been given to do, in the paper's sum of lr · wd."""

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.own_models import OwnOptimizer
from grokscope.contract.signals import Number


class LoopDecay:
    """The sum of lr · wd over the steps of a loop, as its optimizer has them at each."""

    def __init__(self, optimizer: OwnOptimizer | None) -> None:
        self._optimizer = optimizer
        self.time: Number = None if self._share() is None else 0.0
        """None where it is not known, or is not the same for all parameters"""

    def go_on(self, step: int, steps: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        """The loop goes on at `step`: from what its log holds, [n] and [n], and as much a step as now from there on."""
        share = self._share()
        if share is None:
            self.time = None
        elif len(steps):
            self.time = float(times[-1]) + share * (step - int(steps[-1]))
        else:
            self.time = share * step

    def stepped(self) -> None:
        """The optimizer has taken a step."""
        share = self._share()
        self.time = None if share is None or self.time is None else self.time + share

    def _share(self) -> float | None:
        return None if self._optimizer is None else self._optimizer.decay()

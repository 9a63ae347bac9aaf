"""Decay time of somebody's own loop: what weight decay has been given to do, in the paper's sum of lr · wd."""

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.own_models import OwnOptimizer
from grokscope.contract.signals import Number


class LoopDecay:
    """The sum of lr · wd over the steps of a loop, as its optimizer has them at each. It is added up where it is asked
    for: most steps have the lr and the weight decay of the step before."""

    def __init__(self, optimizer: OwnOptimizer | None) -> None:
        self._optimizer = optimizer
        self._share = self._read()
        self._step = 0
        self._time: Number = None if self._share is None else 0.0

    def go_on(self, step: int, steps: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        """The loop goes on at `step`: from what its log holds, [n] and [n], and as much a step as now from there on."""
        self._share = share = self._read()
        self._step = step
        if share is None:
            self._time = None
        elif len(steps):
            self._time = float(times[-1]) + share * (step - int(steps[-1]))
        else:
            self._time = share * step

    def changed_at(self, step: int) -> None:
        """The optimizer has taken this step with another lr or weight decay than the one before."""
        self.at(step - 1)
        self._share = self._read()

    def at(self, step: int) -> Number:
        """Behind so many steps. None where it is not known, or was not the same for all parameters."""
        for _ in range(step - self._step):
            self._time = None if self._share is None or self._time is None else self._time + self._share
        self._step = step
        return self._time

    def _read(self) -> float | None:
        return None if self._optimizer is None else self._optimizer.decay()

"""`contraction`: how much of the pull of weight decay is not undone by gradients, at the moment."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.signals.trends import joined_series, slope


class ContractionParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(5, ge=2, description="evaluations, the last ones, over which the rate is taken")


class Contraction:
    """(d‖θ‖² / dτ) / (−2 ‖θ‖²)"""

    def __init__(self, window: int) -> None:
        self._window = window

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        decay_time, length = (column[-self._window :] for column in joined_series(vantage, "decay_time", "weight_norm"))
        if len(decay_time) < self._window or decay_time[-1] <= decay_time[0] or length.min() <= 0:
            return {}
        return {"contraction": -slope(decay_time, np.log(length))}


def _open(parameters: ContractionParameters, subject: Subject) -> Contraction:
    return Contraction(parameters.window)


SPEC = SignalSpec(
    name="contraction",
    words="contraction",
    summary="(d‖θ‖² / dτ) / (−2 ‖θ‖²) over the last evaluations: 1 where decay alone moves the weights, 0 where their "
    "norm stands; on the zero-loss manifold it is the tangential share of θ.",
    source="arXiv 2511.01938",
    cost="recorded",
    open=_open,
    parameters=ContractionParameters,
    default=True,
)

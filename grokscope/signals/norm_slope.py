"""`norm_slope`: how fast the weights shrink, in decay time."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.signals import Number, SignalSpec, Vantage
from grokscope.signals.trends import recent, slope


class NormSlope:
    """d log ‖θ‖² / dτ over the last 40 % of the run so far: −2 under decay alone, 0 where gradients hold it up."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        seen = recent(vantage, "weight_norm")
        if seen is None:
            return {}
        decay_time, length = seen
        return {"norm_slope": slope(decay_time, 2 * np.log(length)) if length.min() > 0 else None}


SPEC = SignalSpec(
    name="norm_slope",
    words="slope of log ‖θ‖²",
    summary="d log ‖θ‖² / dτ by least squares over the last 40 % of the run so far in decay time τ; −2 under decay "
    "alone, 0 where gradients and decay balance.",
    cost="recorded",
    open=lambda parameters, subject: NormSlope(),
    default=True,
)

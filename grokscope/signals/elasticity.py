"""`elasticity`: how much the test loss falls for each per cent that the weights shrink."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage
from grokscope.signals.trends import recent, slope

LEAST_SHRINKING = 0.02
"""Where log ‖θ‖² falls by less per unit of τ, the quotient means nothing"""


class Elasticity:
    """(d log L / dτ) / (d log ‖θ‖² / dτ), positive where the test loss falls as the weights shrink."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        seen = recent(vantage, "test_loss", "weight_norm")
        if seen is None:
            return {}
        decay_time, loss, length = seen
        if loss.min() <= 0 or length.min() <= 0:
            return {"elasticity": None}
        shrinking = -slope(decay_time, 2 * np.log(length))
        falling = -slope(decay_time, np.log(loss))
        return {"elasticity": falling / shrinking if shrinking >= LEAST_SHRINKING else None}


SPEC = SignalSpec(
    name="elasticity",
    words="elasticity of test loss",
    summary="(d log L / dτ) / (d log ‖θ‖² / dτ) of the test loss L, slopes by least squares over the last 40 % of the "
    "run so far in decay time τ; none where log ‖θ‖² falls by less than 0.02 per unit of τ.",
    cost="recorded",
    open=lambda parameters, subject: Elasticity(),
    rules=(SignalRule("elasticity-above-0.15", "above", threshold=0.15, consecutive=3),),
    higher=True,
    default=True,
)

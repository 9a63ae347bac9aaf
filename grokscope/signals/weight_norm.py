"""`weight_norm`: how long the parameter vector is."""

from collections.abc import Mapping

from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage
from grokscope.geometry.commutator import norm


class WeightNorm:
    """‖θ‖"""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        return {"weight_norm": norm(vantage.theta)}


SPEC = SignalSpec(
    name="weight_norm",
    words="weight norm",
    summary="Length of the vector of all parameters, ‖θ‖.",
    source="Liu et al. 2022, arXiv 2210.01117",
    cost="free",
    open=lambda parameters, subject: WeightNorm(),
    rules=(SignalRule("weight-norm-halved", "falls", "weight norm halved", factor=0.5),),
    log=True,
    higher=False,
    default=True,
)

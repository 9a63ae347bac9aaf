"""`decay_time`: the clock by which weight decay shrinks the parameters."""

from collections.abc import Mapping

from grokscope.contract.signals import Number, SignalSpec, Vantage


class DecayTime:
    """τ"""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        return {"decay_time": vantage.decay_time}


SPEC = SignalSpec(
    name="decay_time",
    words="decay time",
    summary="Steps in units of the time in which weight decay shrinks parameters by e, τ = Σ lr · wd.",
    cost="free",
    open=lambda parameters, subject: DecayTime(),
    default=True,
)

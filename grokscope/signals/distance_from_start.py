"""`distance_from_start`: how far the parameters are from where they began."""

from collections.abc import Mapping

from grokscope.contract.arrays import Array
from grokscope.contract.signals import Number, SignalSpec, Vantage
from grokscope.geometry.commutator import norm


class DistanceFromStart:
    """‖θ − θ_0‖"""

    def __init__(self) -> None:
        self._start: Array | None = None

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        if self._start is None:
            self._start = vantage.asarray(vantage.start)
        return {"distance_from_start": norm(vantage.theta - self._start)}


SPEC = SignalSpec(
    name="distance_from_start",
    words="distance from start",
    summary="Length of the displacement of all parameters since step 0, ‖θ − θ_0‖.",
    cost="free",
    open=lambda parameters, subject: DistanceFromStart(),
    default=True,
)

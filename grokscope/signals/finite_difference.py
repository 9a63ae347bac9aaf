"""`finite_difference_defect`: the commutator defect as published, which in float32 is mostly rounding once a model has
memorized; its floor says where."""

from typing import Any

from pydantic import Field

from grokscope.contract.arrays import Array
from grokscope.contract.signals import NoParameters, SignalRule, SignalSpec, Subject, Vantage, Work
from grokscope.geometry.commutator import PAPER_ETA, CommutatorSample, finite_difference
from grokscope.signals.defect import PAPER, CommutatorSignal


class FiniteDifferenceParameters(NoParameters):
    eta: float = Field(PAPER_ETA, gt=0, description="length of a step over that of its gradient, before adaptation")


def _open(parameters: FiniteDifferenceParameters, subject: Subject) -> CommutatorSignal:
    def sample(vantage: Vantage, theta: Array, batch_a: Any, batch_b: Any) -> CommutatorSample:
        landscape, precision = vantage.landscape, vantage.precision
        return finite_difference(landscape, theta, batch_a, batch_b, precision=precision, eta=parameters.eta)

    return CommutatorSignal("finite_difference_defect", "finite_difference_floor", "finite-difference", sample)


SPEC = SignalSpec(
    name="finite_difference_defect",
    words="defect, finite difference",
    summary="Commutator defect in the published form, ‖θ_AB − θ_BA‖ / (‖η g_A‖ ‖η g_B‖), after two steps each way.",
    source=f"{PAPER}, eq. (defect)",
    cost="gradients",
    open=_open,
    parameters=FiniteDifferenceParameters,
    rules=(SignalRule("onset-finite-difference", "paper", "onset, finite difference"),),
    log=True,
    floor="finite_difference_floor",
    work=lambda parameters, pairs: Work(gradients=4 * pairs),
)

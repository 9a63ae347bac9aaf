"""`gradient_alignment`: whether descending the loss means growing along the weights."""

from collections.abc import Mapping

from grokscope.contract.signals import Number, SignalSpec, Vantage, Work
from grokscope.geometry.commutator import dot, norm


class GradientAlignment:
    """cos(−g, θ) of the gradient of one batch: 1 where the descent only makes the weights longer."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        batch, _ = vantage.draw(0)
        _, gradient = vantage.landscape.gradient(vantage.point, batch)
        lengths = norm(gradient) * norm(vantage.point)
        return {"gradient_alignment": -dot(gradient, vantage.point) / lengths if lengths else None}


SPEC = SignalSpec(
    name="gradient_alignment",
    words="alignment of descent and weights",
    summary="cos(−g, θ) of the gradient g of a batch drawn as training batches are: 1 where descent only scales the "
    "weights up (naive loss minimization).",
    source="arXiv 2501.04697",
    cost="gradients",
    open=lambda parameters, subject: GradientAlignment(),
    higher=False,
    work=lambda parameters, pairs: Work(gradients=1),
)

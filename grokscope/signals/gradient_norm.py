"""`gradient_norm`: how long the gradient of the last training batch was."""

from collections.abc import Mapping

from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage


class GradientNorm:
    """‖g‖ of the step before, before clipping; nothing at step 0."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        return {} if vantage.outcome is None else {"gradient_norm": float(vantage.outcome.gradient_norm)}


SPEC = SignalSpec(
    name="gradient_norm",
    words="gradient norm",
    summary="Length of the gradient of the last training batch before clipping, ‖g‖.",
    cost="free",
    open=lambda parameters, subject: GradientNorm(),
    rules=(SignalRule("gradient-norm-collapse", "falls", "gradient norm collapsed", factor=0.1, consecutive=2),),
    log=True,
    default=True,
)

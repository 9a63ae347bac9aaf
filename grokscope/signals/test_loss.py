"""`test_loss`: what every evaluation records, and the rule that it turns long before test accuracy does."""

from grokscope.contract.signals import SignalRule, SignalSpec

TURN = SignalRule("test-loss-turn", "falls", "test loss turned", factor=0.9, climbed=True)
"""Test loss has climbed above its first value, and has now fallen by a tenth below its peak. Where it never climbs (no
memorization phase) the rule never fires."""

SPEC = SignalSpec(
    name="test_loss",
    words="test loss",
    summary="Mean cross-entropy of the test split.",
    unit="nats",
    cost="recorded",
    rules=(TURN,),
    log=True,
    higher=False,
)

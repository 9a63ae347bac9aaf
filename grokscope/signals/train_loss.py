"""`train_loss`: what every evaluation records, the level at which decay and gradient balance."""

from grokscope.contract.signals import SignalSpec

SPEC = SignalSpec(
    name="train_loss",
    words="training loss",
    summary="Mean cross-entropy of the whole training set.",
    unit="nats",
    cost="recorded",
    log=True,
)

"""`logit_scale`: how large the logits are, which decides how far softmax lets gradients through."""

from collections.abc import Mapping
from math import sqrt

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalSpec, Vantage
from grokscope.signals.readings import Classes, mean_over_reads


class LogitScale:
    """The root of the mean, over the labels of the test, of the variance of the logits over the classes."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        def variance(logits: Floats, labels: Classes) -> Floats:
            return np.asarray(logits.var(axis=1))

        return {"logit_scale": sqrt(mean_over_reads(vantage, variance))}


SPEC = SignalSpec(
    name="logit_scale",
    words="logit scale",
    summary="Standard deviation of the logits over the classes, root mean square over the labels of the test.",
    source="arXiv 2606.18465",
    cost="evaluation",
    open=lambda parameters, subject: LogitScale(),
    log=True,
    details=True,
)

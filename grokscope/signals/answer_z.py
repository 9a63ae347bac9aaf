"""`answer_z`: how far the right answer's logit stands out, on the test set."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalSpec, Vantage
from grokscope.signals.readings import Classes, mean_over_reads


class AnswerZ:
    """(z_y − mean z) / std z of the logits z of each label y, mean over the test; 0 where all logits are equal."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        def score(logits: Floats, labels: Classes) -> Floats:
            right = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
            spread = logits.std(axis=1)
            return np.asarray((right - logits.mean(axis=1)) / np.where(spread > 0, spread, 1))

        return {"answer_z": mean_over_reads(vantage, score)}


SPEC = SignalSpec(
    name="answer_z",
    words="z-score of the right answer",
    summary="(z_y − mean z) / std z, the logit of the right class in units of the spread of all classes, mean over the "
    "labels of the test.",
    cost="evaluation",
    open=lambda parameters, subject: AnswerZ(),
    higher=True,
    details=True,
)

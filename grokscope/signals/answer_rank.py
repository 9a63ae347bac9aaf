"""`answer_rank`: how many wrong answers the model likes better than the right one, on the test set."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalSpec, Vantage
from grokscope.signals.readings import Classes, mean_over_reads


class AnswerRank:
    """The mean over the test of the share of wrong classes above the right one, ties by half: 0 best, 0.5 chance."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        def rank(logits: Floats, labels: Classes) -> Floats:
            right = np.take_along_axis(logits, labels[:, None], axis=1)
            above = (logits > right).sum(axis=1) + ((logits == right).sum(axis=1) - 1) / 2
            return np.asarray(above / max(1, logits.shape[1] - 1))

        return {"answer_rank": mean_over_reads(vantage, rank)}


SPEC = SignalSpec(
    name="answer_rank",
    words="rank of the right answer",
    summary="Share of the wrong classes whose logit is above that of the right one, mean over the labels of the test: "
    "0 where the model is right, 0.5 where it guesses.",
    cost="evaluation",
    open=lambda parameters, subject: AnswerRank(),
    higher=False,
    details=True,
)

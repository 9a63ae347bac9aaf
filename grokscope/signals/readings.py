"""What signals of predictions share: reads of the test set put together, each with its weight.

No signal itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import NotOffered, Vantage

Classes = NDArray[np.int64]

SPLIT = "test"


def mean_over_reads(vantage: Vantage, number: Callable[[Floats, Classes], Floats]) -> float:
    """The mean over the labels of the test of `number(logits, labels)`, [reads, classes] and [reads] -> [reads].

    Raises `NotOffered` where the run keeps no logits.
    """
    total, labels = 0.0, 0
    for answers in vantage.answers(SPLIT):
        if answers.prediction.logits is None:
            raise NotOffered("this run keeps no logits")
        logits = np.asarray(answers.prediction.logits, dtype=np.float64)
        total += float(answers.times @ number(logits, answers.labels))
        labels += int(answers.times.sum())
    return total / labels


def representations(vantage: Vantage) -> tuple[Floats, Classes, Floats]:
    """What the read-out is applied to on the test, [reads, width], the right classes [reads], and the share of the
    test's labels that each read stands for [reads]. Raises `NotOffered` where the run keeps none."""
    parts = []
    for answers in vantage.answers(SPLIT):
        if answers.prediction.representations is None:
            raise NotOffered("this run keeps no representations")
        parts.append((answers.prediction.representations, answers.labels, answers.times))
    vectors, labels, times = (np.concatenate(each) for each in zip(*parts, strict=True))
    return np.asarray(vectors, dtype=np.float64), labels, times / times.sum()

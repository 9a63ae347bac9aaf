"""Scores of a whole split: loss, token accuracy, sequence accuracy. Every distinct example is computed once."""

from typing import Any

import numpy as np

from grokscope.contract.arrays import Array
from grokscope.contract.backends import Prediction, Session
from grokscope.contract.examples import Chunk, Evaluation
from grokscope.events import Scores


class PreparedSplit:
    """A split, packed and on the device, to be scored again and again."""

    def __init__(self, evaluation: Evaluation, session: Session) -> None:
        self._session = session
        self._chunks: list[tuple[Chunk, Any]] = [(chunk, session.prepare(chunk.batch)) for chunk in evaluation.chunks]

    def scores(self, theta: Array) -> Scores:
        """Score the split at `theta` [size]. Sums run in float64."""
        totals = np.zeros(5)
        for chunk, prepared in self._chunks:
            totals += _sums(chunk, self._session.predict(theta, prepared))
        loss, correct, labels, whole, examples = totals
        return Scores(loss=loss / labels, accuracy=correct / labels, sequence_accuracy=whole / examples)


def _sums(chunk: Chunk, prediction: Prediction) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Sums over a chunk, each example as often as it occurs: loss, right labels, labels, right examples, examples."""
    answered = chunk.read_of >= 0
    losses = np.where(answered, np.asarray(prediction.losses, dtype=np.float64)[chunk.read_of], 0.0)
    right = np.where(answered, (prediction.classes == chunk.batch.labels)[chunk.read_of], True)
    counts = chunk.counts
    return np.array(
        [
            counts @ losses.sum(axis=1),
            counts @ (right & answered).sum(axis=1),
            counts @ answered.sum(axis=1),
            counts @ right.all(axis=1),
            counts.sum(),
        ],
        dtype=np.float64,
    )

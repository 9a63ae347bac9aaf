"""Scores of a whole split: loss, token accuracy, sequence accuracy. Every distinct example is computed once."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Array
from grokscope.contract.backends import Prediction, Session
from grokscope.contract.examples import CACHED_NODES, Chunk, Packer
from grokscope.contract.signals import Answers
from grokscope.events import Scores

ACCELERATED_NODES = 2**16
"""Nodes of a chunk on an accelerator, whose time goes to starting operations rather than to arithmetic"""


class PreparedSplit:
    """A split, packed and on the device, to be scored again and again."""

    def __init__(self, packer: Packer, session: Session) -> None:
        self._session = session
        evaluation = packer.whole(CACHED_NODES if session.device == "cpu" else ACCELERATED_NODES)
        self._chunks: list[tuple[Chunk, Any]] = [(chunk, session.prepare(chunk.batch)) for chunk in evaluation.chunks]

    def predictions(self, theta: Array, *, details: bool = False) -> Iterator[Prediction]:
        """The predictions at `theta` [size], chunk by chunk; with `details` logits and representations too."""
        return (self._session.predict(theta, prepared, details=details) for _, prepared in self._chunks)

    def scores(self, theta: Array) -> Scores:
        """Score the split at `theta` [size]."""
        return self.scored(self.predictions(theta))

    def scored(self, predictions: Iterable[Prediction]) -> Scores:
        """The scores of `predictions`, one a chunk. Sums run in float64."""
        totals = np.zeros(5)
        for (chunk, _), prediction in zip(self._chunks, predictions, strict=True):
            totals += _sums(chunk, prediction)
        loss, correct, labels, whole, examples = totals
        return Scores(loss=loss / labels, accuracy=correct / labels, sequence_accuracy=whole / examples)

    def answers(self, predictions: Iterable[Prediction]) -> Iterator[Answers]:
        """The same predictions beside the right classes."""
        for (chunk, _), prediction in zip(self._chunks, predictions, strict=True):
            yield Answers(*_reads(chunk), prediction)


def _sums(chunk: Chunk, prediction: Prediction) -> NDArray[np.float64]:
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


def _reads(chunk: Chunk) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The right class of every read, and how many labels it answers, [reads] each."""
    answered = chunk.read_of >= 0
    times = np.zeros(len(chunk.batch.labels), dtype=np.int64)
    np.add.at(times, chunk.read_of[answered], np.broadcast_to(chunk.counts[:, None], answered.shape)[answered])
    return chunk.batch.labels, times

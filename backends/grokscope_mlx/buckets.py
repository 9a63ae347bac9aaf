"""Packed batches rounded up to a few sizes, because a compiled step is traced again for every new shape.

What is added changes no number: nodes that nobody attends to or reads, and reads of weight 0, at the end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.examples import Batch, Stream

SEQUENCES, LENGTH, NODES, READS = 16, 8, 256, 256
"""Sizes are rounded up to multiples of these."""


def bucketed(batch: Batch) -> Batch:
    """The same loss, in one of a few shapes. The batch's own reads come first, and they alone have weight."""
    target = None if batch.target is None else _stream(batch.target)
    return Batch(
        source=_stream(batch.source),
        target=target,
        source_of_target=None if target is None else _filled(batch.source_of_target, len(target.rectangle)),
        outputs=_filled(batch.outputs, _rounded(len(batch.outputs), NODES)),
        reads=_filled(batch.reads, _rounded(len(batch.reads), READS)),
        labels=_filled(batch.labels, _rounded(len(batch.labels), READS)),
        weights=_filled(batch.weights, _rounded(len(batch.weights), READS)),
    )


def _stream(stream: Stream) -> Stream:
    sequences, length = stream.rectangle.shape
    more = _rounded(sequences, SEQUENCES)
    if stream.dense:  # it stays dense: whole sequences of token 0 are added
        nodes = np.arange(more * length)
        return Stream(
            tokens=_filled(stream.tokens, len(nodes)),
            positions=nodes % length,
            rectangle=nodes.reshape(more, length),
            home=nodes,
            key_lengths=_filled(stream.key_lengths, more, 1),
        )
    longer, nodes_there = _rounded(length, LENGTH), _rounded(len(stream.tokens), NODES)
    row, position = np.divmod(stream.home, length)
    return Stream(
        tokens=_filled(stream.tokens, nodes_there),
        positions=_filled(stream.positions, nodes_there),
        rectangle=np.pad(stream.rectangle, ((0, more - sequences), (0, longer - length))),
        home=_filled(row * longer + position, nodes_there),
        key_lengths=_filled(stream.key_lengths, more, 1),
    )


def _rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _filled(values: Any, size: int, value: int = 0) -> NDArray[Any]:
    """`values` with `value` behind them, [size]"""
    return np.pad(values, (0, size - len(values)), constant_values=value)

"""`embedding_share`: how much of the weights' length lies in the embeddings."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.arrays import FloatArray
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage


class EmbeddingShare:
    """‖E‖² / ‖θ‖²"""

    def __init__(self, slices: list[tuple[int, int]]) -> None:
        self._slices = slices

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        whole = _square(vantage.parameters)
        part = sum(_square(vantage.parameters[start:stop]) for start, stop in self._slices)
        return {"embedding_share": part / whole if whole else None}


def _square(values: FloatArray) -> float:
    return float(np.dot(values, values))


def _open(parameters: object, subject: Subject) -> EmbeddingShare:
    slices = subject.layout.groups().get("embedding") if subject.layout else None
    if not slices:
        raise ValueError("it needs a model with embeddings")
    return EmbeddingShare(slices)


SPEC = SignalSpec(
    name="embedding_share",
    words="share of embeddings",
    summary="Share of the squared weight norm that lies in the embeddings of tokens and positions, ‖E‖² / ‖θ‖².",
    source="arXiv 2505.15624",
    cost="free",
    open=_open,
    default=True,
)

"""`query_gap`: the gap between the two largest singular values of the query matrices of attention."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.geometry.blocks import queries_and_keys


class QueryGap:
    """σ₁ − σ₂ of W_Q, the mean over attentions."""

    def __init__(self, layout: Layout) -> None:
        self._attentions = queries_and_keys(layout)

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        values = [np.linalg.svd(query.of(vantage.parameters), compute_uv=False) for query, _ in self._attentions]
        return {"query_gap": float(np.mean([largest - second for largest, second, *_ in values]))}


def _open(parameters: object, subject: Subject) -> QueryGap:
    if subject.layout is None:
        raise ValueError("it needs a model")
    return QueryGap(subject.layout)


SPEC = SignalSpec(
    name="query_gap",
    words="σ₁ − σ₂ of W_Q",
    summary="Gap between the two largest singular values of W_Q, the mean over attentions.",
    source="spectral notes beside arXiv 2602.16967",
    cost="free",
    open=_open,
    log=True,
)

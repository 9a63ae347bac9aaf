"""`matrix_commutator`: how far the query and the key matrices of attention are from commuting."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.geometry.blocks import queries_and_keys


class MatrixCommutator:
    """‖W_Q W_K − W_K W_Q‖_F, the mean over attentions."""

    def __init__(self, layout: Layout) -> None:
        self._attentions = queries_and_keys(layout)

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        pairs = ((query.of(vantage.parameters), key.of(vantage.parameters)) for query, key in self._attentions)
        return {"matrix_commutator": float(np.mean([np.linalg.norm(q @ k - k @ q) for q, k in pairs]))}


def _open(parameters: object, subject: Subject) -> MatrixCommutator:
    if subject.layout is None:
        raise ValueError("it needs a model")
    return MatrixCommutator(subject.layout)


SPEC = SignalSpec(
    name="matrix_commutator",
    words="‖[W_Q, W_K]‖",
    summary="Frobenius norm of W_Q W_K − W_K W_Q, the mean over attentions.",
    source="spectral notes beside arXiv 2602.16967",
    cost="free",
    open=_open,
    log=True,
)

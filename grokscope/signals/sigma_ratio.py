"""`sigma_ratio`: the largest singular value of the token embedding over that of the weight matrices behind it.

By LAPACK, not by power iteration: at these sizes it costs the same, and no start is orthogonal to the answer.
"""

from collections.abc import Mapping
from math import prod

import numpy as np

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.geometry.blocks import weight_blocks


class SigmaRatio:
    """σ_max(E) / σ_max(W), the median over the matrices W of attention and MLP."""

    def __init__(self, layout: Layout, embedding: str) -> None:
        self._embedding = layout.by_name[embedding]
        self._matrices = weight_blocks(layout)

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        table = self._embedding
        of_embedding = _sigma_max(vantage, table.offset, table.shape)
        of_matrices = float(np.median([_sigma_max(vantage, each.start, each.shape) for each in self._matrices]))
        return {
            "sigma_ratio": of_embedding / of_matrices if of_matrices else None,
            "sigma_ratio_embedding": of_embedding,
            "sigma_ratio_matrices": of_matrices,
        }


def _sigma_max(vantage: Vantage, start: int, shape: tuple[int, ...]) -> float:
    matrix = vantage.parameters[start : start + prod(shape)].reshape(shape)
    return float(np.linalg.norm(matrix, 2))


def _open(parameters: object, subject: Subject) -> SigmaRatio:
    layout = subject.layout
    tables = [each.name for each in layout or () if each.block == "embedding" and len(each.shape) == 2]
    if layout is None or not tables or not weight_blocks(layout):
        raise ValueError("it needs a model with an embedding and weight matrices in layers")
    return SigmaRatio(layout, tables[0])


SPEC = SignalSpec(
    name="sigma_ratio",
    words="σ_max ratio",
    summary="Largest singular value of the token embedding over the median of those of the weight matrices of "
    "attention and MLP, σ_max(E) / σ_max(W).",
    source="arXiv 2505.15624, the adaptive ratio of learning rates",
    cost="free",
    open=_open,
    log=True,
)

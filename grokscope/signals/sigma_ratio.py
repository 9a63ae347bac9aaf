"""`sigma_ratio`: the largest singular value of the token embedding over that of the weight matrices behind it."""

from collections.abc import Mapping

from grokscope.contract.parameters import Layout
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.geometry.blocks import sigma_max, token_embedding, weight_blocks


class SigmaRatio:
    """σ_max(E) / σ_max(W), the median over the matrices W of attention and MLP."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        of_embedding, of_matrices = sigma_max(self._layout, vantage.parameters)
        return {
            "sigma_ratio": of_embedding / of_matrices if of_matrices else None,
            "sigma_ratio_embedding": of_embedding,
            "sigma_ratio_matrices": of_matrices,
        }


def _open(parameters: object, subject: Subject) -> SigmaRatio:
    layout = subject.layout
    if layout is None or token_embedding(layout) is None or not weight_blocks(layout):
        raise ValueError("it needs a model with an embedding and weight matrices in layers")
    return SigmaRatio(layout)


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

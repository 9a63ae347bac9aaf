"""`spectral_entropy`: over how many directions the last representations spread."""

from collections.abc import Mapping
from math import log

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage
from grokscope.signals.readings import representations


def normalized_entropy(vectors: Floats, weights: Floats) -> float | None:
    """−Σ p log p / log d of the shares p of the d eigenvalues of the covariance of `vectors` [reads, d].

    `weights` [reads] sum to 1. 1 where all directions are alike, 0 where there is one; None without any variance.
    """
    centred = vectors - weights @ vectors
    eigenvalues = np.linalg.eigvalsh((centred * weights[:, None]).T @ centred)
    positive = eigenvalues[eigenvalues > 0]
    if len(eigenvalues) < 2 or not len(positive):
        return None
    shares = positive / positive.sum()
    return float(-(shares @ np.log(shares)) / log(len(eigenvalues)))


class SpectralEntropy:
    """On the test set, of what the read-out is applied to."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        vectors, _, weights = representations(vantage)
        return {"spectral_entropy": normalized_entropy(vectors, weights)}


SPEC = SignalSpec(
    name="spectral_entropy",
    words="spectral entropy",
    summary="Entropy of the shares of the eigenvalues of the covariance of representations, over its largest value "
    "log d, on the test, of what the read-out is applied to.",
    source="arXiv 2604.13123; alarm below 0.61",
    cost="evaluation",
    open=lambda parameters, subject: SpectralEntropy(),
    rules=(SignalRule("spectral-entropy-0.61", "below", threshold=0.61),),
    higher=False,
    details=True,
)

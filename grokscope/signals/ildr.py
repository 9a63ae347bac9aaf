"""`ildr`: how far apart the classes lie in the last representations, over how wide each of them is."""

from collections.abc import Mapping

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalRule, SignalSpec, Vantage
from grokscope.signals.readings import Classes, representations


def distance_ratio(vectors: Floats, labels: Classes, weights: Floats) -> float | None:
    """Mean distance between the centroids of two classes over the mean distance of a vector from its own centroid.

    `vectors` [reads, width], `labels` [reads], `weights` [reads], which sum to 1. None where there is one class, or no
    scatter. The abstract says no more than "inter-class centroid separation to intra-class scatter": plain distances,
    not squared ones, and classes alike, are our reading.
    """
    classes, members = np.unique(labels, return_inverse=True)
    masses = np.bincount(members, weights)
    centroids = np.zeros((len(classes), vectors.shape[1]))
    np.add.at(centroids, members, vectors * weights[:, None])
    centroids /= masses[:, None]
    scatter = float(weights @ np.linalg.norm(vectors - centroids[members], axis=1))
    if len(classes) < 2 or scatter == 0:
        return None
    left, right = np.triu_indices(len(classes), 1)
    return float(np.linalg.norm(centroids[left] - centroids[right], axis=1).mean()) / scatter


class InterIntraRatio:
    """On the test set, of what the read-out is applied to."""

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        return {"ildr": distance_ratio(*representations(vantage))}


SPEC = SignalSpec(
    name="ildr",
    words="inter/intra-class distance",
    summary="Mean distance between class centroids over the mean distance of a representation from its own, on the "
    "test, of what the read-out is applied to.",
    source="arXiv 2604.20923; alarm at 2.5 times the first value",
    cost="evaluation",
    open=lambda parameters, subject: InterIntraRatio(),
    rules=(SignalRule("ildr-2.5", "rises", factor=2.5),),
    log=True,
    higher=True,
    details=True,
)

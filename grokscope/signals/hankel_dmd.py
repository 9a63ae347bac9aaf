"""`hankel_dmd`: how badly a linear law of motion explains the last evaluations' distribution of log-probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import Number, SignalSpec, Subject, Vantage
from grokscope.signals.readings import SPLIT
from grokscope.signals.trends import joined_series

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Quantiles: in one dimension the Wasserstein distance is that between the quantile functions"""
NAMES = tuple(f"hankel_dmd_q{round(100 * level)}" for level in LEVELS)


class HankelParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(20, ge=4, description="evaluations, the last ones, that the law is fitted to")
    delays: int = Field(5, ge=1, description="evaluations in a row that make up one state")
    rank: int = Field(4, ge=1, description="dimensions of the law of motion, at most")

    @model_validator(mode="after")
    def _enough(self) -> "HankelParameters":
        if self.window < self.delays + 2:
            raise ValueError(f"a window of {self.window} evaluations has no two pairs of states of {self.delays}")
        return self


def weighted_quantiles(values: Floats, weights: NDArray[Any], levels: Floats) -> Floats:
    """The smallest of `values` [n] at or below which a share of at least each level of the `weights` [n] lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return np.asarray(values[order][np.minimum(np.searchsorted(reached, levels - 1e-12), len(values) - 1)])


def residual(series: Floats, delays: int, rank: int) -> float | None:
    """‖X' − U Uᵀ X' V Σ⁻¹ Uᵀ X‖ / ‖X'‖ of the states X and their successors X', with X ≈ U Σ Vᵀ of at most `rank`.

    `series` [times, coordinates], centred over time; a state is `delays` rows in a row. 0 where a linear law of that
    rank holds exactly; None where nothing moves.
    """
    centred = series - series.mean(axis=0)
    count = len(centred) - delays + 1
    states = np.stack([centred[first : first + delays].ravel() for first in range(count)], axis=1)
    before, after = states[:, :-1], states[:, 1:]
    size = float(np.linalg.norm(after))
    left, values, right = np.linalg.svd(before, full_matrices=False)
    kept = min(rank, int((values > 1e-10 * values[0]).sum())) if values[0] else 0
    if not kept or not size:
        return None
    left, values, right = left[:, :kept], values[:kept], right[:kept]
    law = left.T @ after @ right.T / values
    return float(np.linalg.norm(after - left @ (law @ (left.T @ before)))) / size


class HankelDMD:
    """The residual over the last evaluations, and this evaluation's quantiles."""

    def __init__(self, parameters: HankelParameters) -> None:
        self._parameters = parameters

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        answers = list(vantage.answers(SPLIT))
        losses = np.concatenate([np.asarray(each.prediction.losses, dtype=np.float64) for each in answers])
        times = np.concatenate([each.times for each in answers])
        now = weighted_quantiles(-losses, times, np.array(LEVELS))
        seen: dict[str, Number] = dict(zip(NAMES, map(float, now), strict=True))
        before = np.stack(joined_series(vantage, *NAMES), axis=1)
        series = np.concatenate([before, now[None]])[-self._parameters.window :]
        if len(series) < self._parameters.window:
            return seen
        return {"hankel_dmd": residual(series, self._parameters.delays, self._parameters.rank), **seen}


def _open(parameters: HankelParameters, subject: Subject) -> HankelDMD:
    return HankelDMD(parameters)


SPEC = SignalSpec(
    name="hankel_dmd",
    words="Hankel-DMD residual",
    summary="Relative residual of a linear law of motion (dynamic mode decomposition of delayed states, truncated SVD) "
    "for the nine deciles of the log-probabilities of the right answers on the test, over a window of evaluations.",
    source="arXiv 2605.08237; window, delays, rank and centring are ours, the abstract gives none",
    cost="evaluation",
    open=_open,
    parameters=HankelParameters,
    log=True,
    higher=True,
)

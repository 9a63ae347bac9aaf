"""What the lead-time law looks like where onset knows nothing: three nulls for one exponent.

Lead = grok − onset has the grok step on both sides of the law. With any onset that is small beside it, lead ∝ grok^1
and R² ≈ 1 follow by algebra, and exponents above 1 too: subtracting about the same from every grok step shortens small
leads most. A fitted exponent says something only where these nulls say something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.streams import generator
from grokscope.warning.fits import DRAWS, PowerLaw, Resampled, power_law, resampled, slopes
from grokscope.warning.ranking import ranks

FLOOR_RECORDS = 2
"""The published rule cannot report an onset before this many cadences."""


@dataclass(frozen=True)
class Permuted:
    """Onsets dealt out to the runs at random; leads that come out at or below 0 are dropped, as in the fit itself."""

    exponents: Resampled
    at_least_observed: float
    """Share of draws with an exponent at least as large as the observed one: the p-value"""


@dataclass(frozen=True)
class Constant:
    """One onset for every run."""

    onset: float
    which: str
    """`smallest` or `median` of the observed onsets"""
    fit: PowerLaw | None


@dataclass(frozen=True)
class Nulls:
    """None where a null cannot be computed: too few runs, or a cadence that is not known."""

    permuted: Permuted | None
    constant: tuple[Constant, ...]
    cadence_floor: PowerLaw | None
    """Onset at twice the measuring cadence in every run, the earliest that the published rule can say"""
    at_floor: int | None
    """Runs whose own onset is not later than that"""


def nulls(
    grok: Floats, onset: Floats, cadences: Sequence[int | None], observed: float, draws: int = DRAWS, seed: int = 0
) -> Nulls:
    """All three for runs with grok steps [n], onset steps [n] and the `observed` exponent."""
    smallest, median = float(onset.min()), float(np.median(onset))
    known = [cadence for cadence in cadences if cadence is not None]
    floors = FLOOR_RECORDS * np.array(known, dtype=np.float64) if len(known) == len(grok) else None
    return Nulls(
        permuted=permuted(grok, onset, observed, draws, seed),
        constant=(
            Constant(smallest, "smallest", _lead_law(grok, np.full(len(grok), smallest))),
            Constant(median, "median", _lead_law(grok, np.full(len(grok), median))),
        ),
        cadence_floor=None if floors is None else _lead_law(grok, floors),
        at_floor=None if floors is None else int((onset <= floors).sum()),
    )


def permuted(grok: Floats, onset: Floats, observed: float, draws: int = DRAWS, seed: int = 0) -> Permuted | None:
    """The exponent's distribution when onset has nothing to do with grokking. None where no draw can be fitted."""
    random = generator(seed, "analysis", 1)
    leads = grok - random.permuted(np.broadcast_to(onset, (draws, len(onset))), axis=1)
    kept = leads > 0
    exponents = slopes(np.log(grok)[None], np.log(np.where(kept, leads, 1.0)), kept.astype(np.float64))
    summary = resampled(exponents)
    if summary is None:
        return None
    fitted = exponents[np.isfinite(exponents)]
    return Permuted(summary, float((np.sum(fitted >= observed - 1e-12) + 1) / (len(fitted) + 1)))


def permuted_correlation(onset: Floats, grok: Floats, draws: int = DRAWS, seed: int = 0) -> float | None:
    """Two-sided p of the rank correlation of onset and grok step. None where nothing varies.

    An onset that tells when grokking comes gives leads in proportion, an exponent near 1, often below what permuted
    onsets give: that exponent is no test of whether onset tells anything. This is.
    """
    u, v = (values - values.mean() for values in (ranks(onset), ranks(grok)))
    if not (u.any() and v.any()):
        return None
    drawn = generator(seed, "analysis", 3).permuted(np.broadcast_to(u, (draws, len(u))), axis=1) @ v
    return float((np.sum(np.abs(drawn) >= abs(u @ v) - 1e-9) + 1) / (draws + 1))


def _lead_law(grok: Floats, onset: Floats) -> PowerLaw | None:
    ahead = grok > onset
    return power_law(grok[ahead], grok[ahead] - onset[ahead])

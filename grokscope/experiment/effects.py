"""The effect of a condition as a ratio of grok steps, with an interval from the noise between runs of one seed.

In the author's files, runs of one seed that differ only in the order of batches grok up to 13 % apart. An effect is the
mean over seeds of log(grok step of the treated run / grok step of the reference run of the same seed). Its standard
error is σ √2 / √n, with σ from replicates, pooled within seeds. A treated run and its reference also share their
batches, which makes them more alike, so the interval is rather too wide. If the seeds disagree by more than σ allows,
the interval is widened by Birge's ratio. It uses Student's distribution, because there are only a few replicates.

A second interval needs no replicates: Student's interval of the log ratios of the seeds, with one degree of freedom
fewer than seeds. It is narrow for a treatment that hardly changes a run, because a treated run and its reference share
their batches. The first interval decides whether there is an effect, the second whether there is none.

A run that did not grok in N steps gives a bound: its ratio is at least N / reference. A baseline that did not grok
gives no information about the noise. If too few baselines grokked, the noise is unknown, and there is no interval and
no verdict.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from grokscope.experiment.outcomes import Outcome

LEVEL = 0.95
POWER = 0.8

PUBLISHED_REPLICATES: tuple[tuple[int, ...], ...] = (
    (3000, 3200, 3300), (3000, 3400), (2600, 2800),
    (3300, 3400, 3500), (3400, 3800), (3700, 3800),
    (2700, 2800), (3000, 3100), (2600, 2800),
    (2300, 2600, 2700), (2600, 2700),
)  # fmt: skip
"""Grok steps of one seed in several of the author's files (modular add, sub, mul, x2_y2; lr 1e-3), at cadence 100"""


EffectKind = Literal["estimate", "at least", "at most", "open"]
RatioCell = tuple[float | None, float | None, float | None, EffectKind]
"""A ratio or its bound, the low and high end of its interval (None: open), and the kind of the effect"""


@dataclass(frozen=True)
class ReplicateNoise:
    """The noise of grok steps between runs of one seed."""

    sigma: float
    """Standard deviation of the natural logarithm of the grok step; infinite if unknown"""
    degrees: int
    """Degrees of freedom of `sigma`"""
    source: Literal["replicates", "published", "unknown"]
    censored: int = 0
    """Number of baselines that did not grok and are left out"""

    @property
    def known(self) -> bool:
        return math.isfinite(self.sigma)

    @property
    def quantile(self) -> float:
        """The quantile of Student's distribution for an interval at `LEVEL`."""
        return _student(0.5 + LEVEL / 2, self.degrees) if self.known else math.inf

    @property
    def text(self) -> str:
        """The noise in words, after "Noise between runs of one seed: "."""
        left_out = f"; {self.censored} baselines did not grok and are left out" if self.censored else ""
        if not self.known:
            return f"unknown, because too few baselines grokked{left_out}; so there are no intervals and no p values"
        whose = "the" if self.source == "replicates" else "the published"
        return f"{100 * self.sigma:.1f} % ({self.degrees} degrees of freedom, from {whose} replicates){left_out}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "sigma_log": self.sigma if self.known else None,
            "degrees": self.degrees,
            "source": self.source,
            "censored": self.censored,
        }


@dataclass(frozen=True)
class Effect:
    """Treated runs against reference runs of the same seeds and batches. Ratios of grok steps: above 1 is later."""

    pairs: int
    grokked: int
    """Treated runs that grokked, of `pairs`"""
    reference_grokked: int
    low_log: float
    """Mean log ratio, or its lower bound if some treated runs did not grok"""
    high_log: float
    """Mean log ratio, or its upper bound; infinite if some treated runs did not grok"""
    standard_error: float
    widened: float
    """Factor by which the interval is widened because the seeds disagree; 1: not widened"""
    quantile: float
    p: float | None
    """Two-sided p value of no effect; for a bound, an upper limit of the p value"""
    by_seed: tuple[tuple[int, float, float], ...]
    """Each seed, with the lower and upper bound of its log ratio"""
    detectable_log: float
    """Smallest log ratio that would be found with 80 % power"""
    over_seeds: tuple[float, float] | None = None
    """Interval of the ratio over seeds; None with fewer than two pairs, or if a run did not grok"""

    @property
    def kind(self) -> EffectKind:
        if self.low_log == self.high_log:
            return "estimate"
        if math.isfinite(self.low_log):
            return "at least"
        return "at most" if math.isfinite(self.high_log) else "open"

    @property
    def ratio(self) -> float | None:
        """The estimate or the bound; None if there is neither."""
        match self.kind:
            case "estimate" | "at least":
                return math.exp(self.low_log)
            case "at most":
                return math.exp(self.high_log)
            case _:
                return None

    @property
    def neither_groks(self) -> bool:
        """Whether no run of the pairs grokked, neither treated nor reference."""
        return not self.grokked and not self.reference_grokked

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The interval of the ratio; None for an open end."""
        reach = self.quantile * self.standard_error
        low, high = self.low_log - reach, self.high_log + reach
        return math.exp(low) if math.isfinite(low) else None, math.exp(high) if math.isfinite(high) else None

    @property
    def cell(self) -> RatioCell:
        """The ratio as a cell of a table."""
        return self.ratio, *self.interval, self.kind

    @property
    def noise_known(self) -> bool:
        """Whether the noise is known, so that there is an interval."""
        return math.isfinite(self.standard_error)

    @property
    def direction(self) -> int:
        """1 if the whole interval is above 1 (later), −1 if it is below 1 (sooner), else 0."""
        low, high = self.interval
        if low is not None and low > 1:
            return 1
        return -1 if high is not None and high < 1 else 0

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "pairs": self.pairs,
            "grokked": self.grokked,
            "reference_grokked": self.reference_grokked,
            "kind": self.kind,
            "ratio": self.ratio,
            "low": low,
            "high": high,
            "level": LEVEL,
            "p": self.p,
            "over_seeds": None if self.over_seeds is None else list(self.over_seeds),
            "widened": self.widened,
            "detectable": _finite_exp(self.detectable_log),
            "by_seed": [
                {"seed": seed, "low": _finite_exp(low), "high": _finite_exp(high)} for seed, low, high in self.by_seed
            ],
        }


def replicate_noise(baselines: Sequence[Outcome]) -> ReplicateNoise:
    """σ of log grok step between baselines of one seed that grokked, pooled over seeds.

    If no seed has two baselines, σ comes from the published runs. If replicates exist but did not grok, or no baseline
    grokked, σ is unknown. σ is never below the resolution of the evaluations.
    """
    known = [outcome for outcome in baselines if outcome.known]
    grokked = [outcome for outcome in known if outcome.grokked]
    groups: dict[int, list[float]] = {}
    for outcome in grokked:
        groups.setdefault(outcome.seed, []).append(outcome.time)
    floor = max((outcome.cadence / max(outcome.time, 1) / math.sqrt(12) for outcome in grokked), default=0.0)
    censored = len(known) - len(grokked)
    replicated = len(known) > len({outcome.seed for outcome in known})
    pooled = _pooled(list(groups.values()))
    if pooled is None and censored and (replicated or not grokked):
        return ReplicateNoise(math.inf, 0, "unknown", censored)
    if pooled is None or pooled[0] == 0 == floor:
        sigma, degrees = _pooled(PUBLISHED_REPLICATES) or (0.0, 1)
        return ReplicateNoise(max(sigma, floor), degrees, "published", censored)
    return ReplicateNoise(max(pooled[0], floor), pooled[1], "replicates", censored)


def effect(treated: Sequence[Outcome], reference: Sequence[Outcome], noise: ReplicateNoise) -> Effect | None:
    """The effect over all pairs of runs with the same seed and replicate; None without a pair."""
    others = {(outcome.seed, outcome.replicate): outcome for outcome in reference if outcome.known}
    pairs = [
        (outcome, others[outcome.seed, outcome.replicate])
        for outcome in treated
        if outcome.known and (outcome.seed, outcome.replicate) in others
    ]
    if not pairs:
        return None
    bounds = [_log_ratio(*pair) for pair in pairs]
    low, high = (sum(side) / len(pairs) for side in zip(*bounds, strict=True))
    error = noise.sigma * math.sqrt(2 / len(pairs))
    widened = _birge([low for low, _ in bounds], noise.sigma) if low == high else 1.0
    error *= widened
    quantile = noise.quantile
    return Effect(
        pairs=len(pairs),
        grokked=sum(outcome.grokked for outcome, _ in pairs),
        reference_grokked=sum(other.grokked for _, other in pairs),
        low_log=low,
        high_log=high,
        standard_error=error,
        widened=widened,
        quantile=quantile,
        p=_p(low, high, error, noise.degrees),
        by_seed=tuple((outcome.seed, *bound) for (outcome, _), bound in zip(pairs, bounds, strict=True)),
        detectable_log=(quantile + _student(POWER, noise.degrees)) * error if noise.known else math.inf,
        over_seeds=_over_seeds([low for low, _ in bounds], _grid(pairs)) if low == high else None,
    )


@dataclass(frozen=True)
class Slope:
    """The slope of log grok step against dose, over the doses at which every run grokked; the baseline is dose 0."""

    slope: float
    """Change of log grok step per unit of dose"""
    low: float
    high: float
    doses: tuple[float, ...]
    left_out: tuple[float, ...]
    """Doses at which some run did not grok; the fit does not use them"""

    def to_dict(self) -> dict[str, Any]:
        return {
            "slope": self.slope, "low": self.low, "high": self.high, "level": LEVEL, "doses": list(self.doses),
            "left_out": list(self.left_out),
        }  # fmt: skip


def dose_slope(treated: Sequence[Outcome], reference: Sequence[Outcome], noise: ReplicateNoise) -> Slope | None:
    """Least squares of log grok step on dose, with one level per seed. The error comes from σ, or from the residuals.

    None with fewer than two doses at which all runs grokked, or with unknown noise.
    """
    if not noise.known:
        return None
    seeds = {outcome.seed for outcome in treated if outcome.known}
    points = [(outcome.arm.dose or 0.0, outcome) for outcome in treated if outcome.known]
    left_out = sorted({dose for dose, outcome in points if not outcome.grokked})
    points = [(dose, outcome) for dose, outcome in points if dose not in left_out]
    doses = sorted({dose for dose, _ in points})
    points += [(0.0, outcome) for outcome in reference if outcome.grokked and outcome.seed in seeds]
    if len(doses) < 2:
        return None
    x = np.array([dose for dose, _ in points])
    y = np.array([math.log(outcome.time) for _, outcome in points])
    seed = np.array([outcome.seed for _, outcome in points])
    for each in np.unique(seed):
        inside = seed == each
        x[inside] -= x[inside].mean()
        y[inside] -= y[inside].mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    degrees = len(x) - len(np.unique(seed)) - 1
    left = y - slope * x
    sigma = max(noise.sigma, math.sqrt(float(left @ left) / degrees) if degrees > 0 else 0.0)
    reach = noise.quantile * sigma / math.sqrt(spread)
    return Slope(slope, slope - reach, slope + reach, tuple(doses), tuple(left_out))


def _log_ratio(treated: Outcome, reference: Outcome) -> tuple[float, float]:
    """Lower and upper bound of log(treated / reference); equal if both runs grokked."""
    value = math.log(max(treated.time, 1) / max(reference.time, 1))
    return value if reference.grokked else -math.inf, value if treated.grokked else math.inf


def _p(low: float, high: float, error: float, degrees: int) -> float | None:
    """Two-sided p value of no effect. Between bounds, the log ratio nearest to 0 is used. None for open bounds."""
    from scipy.special import stdtr

    if not math.isfinite(error):
        return None
    nearest = max(low, 0.0) if math.isfinite(low) and low > 0 else min(high, 0.0)
    if not math.isfinite(low) and not math.isfinite(high):
        return None
    return float(2 * stdtr(degrees, -abs(nearest) / error)) if error > 0 else float(nearest == 0)


def _over_seeds(values: Sequence[float], grid: float) -> tuple[float, float] | None:
    """Student's interval of the ratio from log ratios [n]. Their spread is taken as at least `grid`."""
    if len(values) < 2:
        return None
    spread = max(float(np.std(values, ddof=1)), grid)
    reach = _student(0.5 + LEVEL / 2, len(values) - 1) * spread / math.sqrt(len(values))
    middle = sum(values) / len(values)
    return math.exp(middle - reach), math.exp(middle + reach)


def _grid(pairs: Sequence[tuple[Outcome, Outcome]]) -> float:
    """Standard deviation of a log ratio that comes only from the cadence of the evaluations."""
    return max(math.hypot(*(each.cadence / each.time / math.sqrt(12) for each in pair)) for pair in pairs)


def _birge(values: Sequence[float], sigma: float) -> float:
    """Birge's ratio: the spread of the log ratios [n] over σ √2; at least 1."""
    if len(values) < 2 or sigma == 0:
        return 1.0
    return max(1.0, float(np.std(values, ddof=1)) / (sigma * math.sqrt(2)))


def _pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """Standard deviation of logarithms within groups, and its degrees of freedom; None without degrees of freedom."""
    logs = [np.log(np.maximum(group, 1.0)) for group in groups]
    degrees = sum(len(group) - 1 for group in logs)
    if degrees == 0:
        return None
    squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in logs)
    return math.sqrt(squares / degrees), degrees


def _student(probability: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _finite_exp(value: float) -> float | None:
    return math.exp(value) if math.isfinite(value) else None

"""A bank made into a forecaster: laws fitted, the best of them chosen, its errors known, its limits too.

What it says depends on a run's rows so far and its settings. Every law is judged on configurations that it was not
fitted to, over the whole way to grokking; the one with the smallest error speaks first, and where it is silent the
next. A choice for each stage of its own was tried: on a bank of a dozen configurations it picks what was lucky there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.forecast.familiar import Known, fact_in_words, is_complete, known_settings, outside
from grokscope.warning.forecast.intervals import fewest_configurations, interval, share_until, votes
from grokscope.warning.forecast.landmarks import (
    FEWEST_EVALUATIONS,
    FeatureColumns,
    Landmarks,
    Mask,
    landmarks_of,
    settled,
)
from grokscope.warning.forecast.laws import FEWEST_RUNS, LAWS, Fitted, ForecastLaw
from grokscope.warning.forecast.probability import Logistic, fit_logistic, probability
from grokscope.warning.forecast.progress import FEATURES, STAGES, Progress, progress_of
from grokscope.warning.forecast.similarity import Neighbours, fit_neighbours, strangeness
from grokscope.warning.trajectory import TREATED_FROM, Fact, Trajectory

LIKELY = 0.25
"""Below this probability no grok step is projected. On the shipped bank, modular with weight decay: at a quarter nearly
every run that groks is given one from the start, and so are 44 % of the answers about runs that never did; at one half
15 %, but until half way most runs that grok are refused one"""
LEAST_COVERAGE = 0.8
"""Share of rows that a law must speak to: of a stage's, to speak there; of all, to go before those that do"""

ALREADY = "already grokked"
TREATED = "this run was intervened in from step {:,} on, and none of those it was calibrated on was"
USED_UP = "the budget is used up"
TOO_EARLY = f"too early: fewer than {FEWEST_EVALUATIONS} evaluations"
UNLIKE = "unlike every run it was calibrated on"
"""Followed by the settings that none of them had, if there are any"""
UNLIKELY = "grokking within the budget is unlikely"
UNCONTROLLED = "no weight decay, and too few runs in the bank that never grokked to compare it with"
SILENT = "no law speaks at this stage"
UNJUDGED = "too few calibration runs: without any one of its {} configurations, too few grokked to fit a law to"

CERTAIN = {ALREADY: 1.0, USED_UP: 0.0}
"""Probabilities where nothing is left to guess"""
NAMED = 3
"""Unfamiliar settings that a refusal names; the others are counted"""


@dataclass(frozen=True)
class Projection:
    """What is said of a run at a step. Either a grok step, or `abstained` with a reason; a probability beside both."""

    step: int
    stage: str
    probability: float | None = None
    """Of grokking within the run's budget"""
    law: str | None = None
    grok_step: float | None = None
    """If it groks"""
    low: float | None = None
    high: float | None = None
    """Ends of the interval at `LEVEL`, for runs that grok"""
    no_interval: str | None = None
    """Why there is none"""
    abstained: str | None = None
    candidates: Mapping[str, float] = field(default_factory=dict)
    """Grok steps by every law that speaks"""
    errors: Mapping[str, float] = field(default_factory=dict)
    """By law: its mean |log10(predicted / true)| at this stage, on configurations that it was not fitted to; empty for
    a run of other settings than the bank's, of which that says nothing"""


@dataclass(frozen=True, eq=False)
class JudgedLaw:
    """One law asked about rows of configurations that it was not fitted to: those of a stage, or all."""

    share: float
    """Of these rows that it spoke to"""
    error: float
    """Mean |log true − log predicted|, every configuration counting the same; infinite where it never spoke"""
    configurations: int
    folds: NDArray[np.int64]
    """Index of the fit without that configuration [n]"""
    signed: Floats
    """log true − log predicted [n]"""
    weights: Floats
    """Votes [n]"""


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law and what it keeps of the bank, whole and without each configuration."""

    law: ForecastLaw
    whole: Fitted
    folds: Sequence[Fitted]
    stages: Mapping[int, JudgedLaw]
    """Where it speaks `LEAST_COVERAGE`"""
    always: JudgedLaw


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Calibrated. `forecast` may be asked about any run at any step; nothing in it changes."""

    laws: Mapping[str, FittedLaw]
    ranking: Sequence[str]
    """The best first"""
    logistic: Logistic | None
    neighbours: Neighbours
    settings: Known
    """What the bank's runs had"""
    complete: bool
    """Whether it is known of some run of the bank which settings it had not"""
    horizon: float
    """Steps that the bank's runs were allowed, as a median"""
    runs: int
    grokked: int
    configurations: int
    """In which some run grokked"""
    unsettled: int
    """Runs left out because nobody waited to see whether they would grok"""
    left_out: int = 0
    """Runs left out because they are of the configuration that is asked about"""

    def forecast(self, trajectory: Trajectory) -> Projection:
        """Of a recorded run, from all its rows; cut it with `until` first to ask about an earlier step."""
        known = progress_of(trajectory)
        return self.project(known, trajectory.facts, trajectory.budget, grokked=trajectory.grok_step is not None)

    def project(self, progress: Progress, facts: Mapping[str, Fact], budget: int, *, grokked: bool) -> Projection:
        """Of a run of these settings that has come so far."""
        step, stage = progress.step, progress.stage()
        reason = reason_before_looking(progress, facts, budget, grokked=grokked)
        if reason is not None:
            return Projection(step, stage, CERTAIN.get(reason), abstained=reason)
        columns: FeatureColumns = dict(zip(FEATURES, progress.features()[:, None], strict=True))
        if strangeness(self.neighbours, columns)[0] > 1:
            return Projection(step, stage, abstained=self._unlike(facts))
        index = STAGES.index(stage)
        said = {name: float(fitted.law.log_steps(fitted.whole, columns)[0]) for name, fitted in self.laws.items()}
        said = {name: value for name, value in said.items() if math.isfinite(value)}
        chosen = next((name for name in self.ranking if name in said and index in self.laws[name].stages), None)
        likely = self._probability(columns, chosen, index, budget)
        candidates = {name: math.exp(value) for name, value in said.items()}
        errors = {} if self.unfamiliar(facts) else self.errors(index)
        told = Projection(step, stage, likely, candidates=candidates, errors=errors)
        if chosen is None:
            return replace(told, abstained=self._silence())
        if likely is None and progress.wd == 0:
            return replace(told, abstained=UNCONTROLLED)
        if likely is not None and likely < LIKELY:
            if self._unfamiliar_numbers(facts):  # neither this probability nor these laws were tried on such runs
                return Projection(step, stage, abstained=self._unlike(facts))
            return replace(told, abstained=UNLIKELY)
        low, high, no_interval = self._interval(chosen, index, columns, said[chosen], facts)
        return replace(told, law=chosen, grok_step=math.exp(said[chosen]), low=low, high=high, no_interval=no_interval)

    def errors(self, stage: int) -> dict[str, float]:
        """Mean |log10(predicted / true)| by law at a stage, on configurations left out."""
        found = {name: fitted.stages.get(stage) for name, fitted in self.laws.items()}
        return {name: known.error / math.log(10) for name, known in found.items() if known is not None}

    def unfamiliar(self, facts: Mapping[str, Fact]) -> list[str]:
        """Settings outside of what the bank has, in words."""
        return [fact_in_words(key, value, self.settings) for key, value in self._outside(facts).items()]

    def _outside(self, facts: Mapping[str, Fact]) -> Mapping[str, Fact | None]:
        return outside(self.settings, facts, complete=self.complete)

    def _unfamiliar_numbers(self, facts: Mapping[str, Fact]) -> bool:
        """Whether one is no word: a new operation is what a backtest by operation tries."""
        return any(not isinstance(value, str) for value in self._outside(facts).values())

    def _unlike(self, facts: Mapping[str, Fact]) -> str:
        strange = self.unfamiliar(facts)
        return UNLIKE + (f": {_some(strange)}" if strange else "")

    def _silence(self) -> str:
        if self.grokked < FEWEST_RUNS:
            return f"too few calibration runs: {self.grokked} grokked, and a law takes {FEWEST_RUNS}"
        if not any(fitted.stages for fitted in self.laws.values()):
            return UNJUDGED.format(self.configurations)
        return SILENT

    def _probability(self, columns: FeatureColumns, law: str | None, stage: int, budget: int) -> float | None:
        """By the logistic for the bank's horizon; for a shorter budget, times the part of it that the law allows."""
        if self.logistic is None:
            return None
        whole = float(probability(self.logistic, columns)[0])
        if law is None or budget >= self.horizon or stage not in self.laws[law].stages:
            return whole
        known = self.laws[law].stages[stage]
        said = self._fold_predictions(law, known, columns)
        until = [
            share_until(math.log(max(limit, 1)), said, known.signed, known.weights) for limit in (budget, self.horizon)
        ]
        return whole * min(1.0, until[0] / until[1])

    def _interval(
        self, law: str, stage: int, columns: FeatureColumns, point: float, facts: Mapping[str, Fact]
    ) -> tuple[float | None, float | None, str | None]:
        """From errors at this stage; where too few configurations were ever in it, from those on all of the way."""
        known = self.laws[law].stages[stage]
        if known.configurations < fewest_configurations():
            known = self.laws[law].always
        if known.configurations < fewest_configurations():
            few = f"{known.configurations} of {fewest_configurations()} configurations that grokked"
            return None, None, f"too few calibration runs: {few}"
        strange = self.unfamiliar(facts)
        if strange:
            return None, None, f"no run it was calibrated on had {_some(strange)}"
        said = self._fold_predictions(law, known, columns)
        low, high = interval(said, np.abs(known.signed), known.weights)
        now = math.log(max(columns["step"][0], 1.0))
        return math.exp(min(max(low, now), point)), math.exp(max(high, point)), None

    def _fold_predictions(self, law: str, known: JudgedLaw, columns: FeatureColumns) -> Floats:
        fitted = self.laws[law]
        whole = fitted.law.log_steps(fitted.whole, columns)[0]
        said = np.array([fitted.law.log_steps(fold, columns)[0] for fold in fitted.folds])
        result: Floats = np.where(np.isfinite(said), said, whole)[known.folds]
        return result


def calibrate(trajectories: Sequence[Trajectory]) -> Forecaster:
    """A forecaster from the runs of a bank. Raises `ValueError` where none of them is settled."""
    kept = [trajectory for trajectory in trajectories if settled(trajectory)]
    return calibrate_on(landmarks_of(kept), kept, len(trajectories) - len(kept))


def calibrate_on(landmarks: Landmarks, trajectories: Sequence[Trajectory], unsettled: int = 0) -> Forecaster:
    """The same, where the landmarks of the runs are known already."""
    laws = _fit_laws(landmarks)
    facts = [trajectory.facts for trajectory in trajectories]
    return Forecaster(
        laws=laws,
        ranking=sorted(laws, key=lambda name: (laws[name].always.share < LEAST_COVERAGE, laws[name].always.error)),
        logistic=fit_logistic(landmarks),
        neighbours=fit_neighbours(landmarks),
        settings=known_settings(facts),
        complete=any(map(is_complete, facts)),
        horizon=float(np.median([trajectory.budget for trajectory in trajectories])),
        runs=len(trajectories),
        grokked=sum(trajectory.grok_step is not None for trajectory in trajectories),
        configurations=len(np.unique(landmarks.timed.configuration)),
        unsettled=unsettled,
    )


def _fit_laws(landmarks: Landmarks) -> dict[str, FittedLaw]:
    """Every law on all rows that are on their way to grokking, and once without each configuration."""
    timed = landmarks.timed
    configurations, fold_of = np.unique(timed.configuration, return_inverse=True)
    outs = [timed.configuration == configuration for configuration in configurations]
    kept = [timed.where(~out) for out in outs]
    left = [timed.where(out).columns for out in outs]
    return {law.name: _fit_law(law, timed, kept, left, fold_of) for law in LAWS}


def _fit_law(
    law: ForecastLaw,
    timed: Landmarks,
    kept: Sequence[Landmarks],
    left: Sequence[FeatureColumns],
    fold_of: NDArray[np.int64],
) -> FittedLaw:
    folds = [law.fit(rows) for rows in kept]
    said = np.full(len(timed), np.nan)
    for index, (fitted, columns) in enumerate(zip(folds, left, strict=True)):
        said[fold_of == index] = law.log_steps(fitted, columns)
    signed, at = timed.log_grok - said, timed.columns["stage"]
    judged = {stage: _judged(signed, timed.configuration, fold_of, at == stage) for stage in range(len(STAGES))}
    often = {stage: each for stage, each in judged.items() if each.share >= LEAST_COVERAGE}
    return FittedLaw(law, law.fit(timed), folds, often, _judged(signed, timed.configuration, fold_of, at >= 0))


def _judged(signed: Floats, configuration: NDArray[np.int64], fold_of: NDArray[np.int64], rows: Mask) -> JudgedLaw:
    heard = rows & np.isfinite(signed)
    if not heard.any():
        return JudgedLaw(0.0, math.inf, 0, fold_of[heard], signed[heard], signed[heard])
    weights = votes(configuration[heard])
    error = float(np.average(np.abs(signed[heard]), weights=weights))
    count = len(np.unique(configuration[heard]))
    return JudgedLaw(heard.sum() / rows.sum(), error, count, fold_of[heard], signed[heard], weights)


def reason_before_looking(progress: Progress, facts: Mapping[str, Fact], budget: int, *, grokked: bool) -> str | None:
    """Why nothing is projected whatever the bank; None where there is no such reason."""
    if grokked:
        return ALREADY
    if progress.step >= budget:
        return USED_UP
    treated_from = facts.get(TREATED_FROM, math.inf)
    if isinstance(treated_from, int) and treated_from < progress.step:
        return TREATED.format(treated_from)
    return TOO_EARLY if progress.evaluations < FEWEST_EVALUATIONS else None


def _some(settings: Sequence[str]) -> str:
    more = [f"{len(settings) - NAMED} more"] if len(settings) > NAMED else []
    return ", ".join([*settings[:NAMED], *more])

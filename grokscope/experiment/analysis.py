"""The analysis of an experiment: every arm against the baseline, every condition against its control.

All functions are pure functions of outcomes. The p values of all arms against the baseline are corrected together by
Holm's method. A verdict is `sooner` or `later` if the corrected p is below 0.05. A question mark means that only the
uncorrected interval excludes no effect.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grokscope.experiment.conditions import BASELINE, CONDITIONS, CONTROLS, Arm, condition_named
from grokscope.experiment.effects import Effect, ReplicateNoise, Slope, dose_slope, effect, replicate_noise
from grokscope.experiment.outcomes import Outcome
from grokscope.experiment.survival import LogRank, SurvivalCurve, holm, kaplan_meier, log_rank, monotone_trend

SIGNIFICANCE = 0.05
NEVER = 1e18
"""Grok step of a run that did not grok, for statistics that use only the order"""


@dataclass(frozen=True)
class ArmResult:
    """One arm, and its comparison with the baseline."""

    arm: Arm
    outcomes: tuple[Outcome, ...]
    effect: Effect | None
    p: float | None
    """p value of the effect, corrected for the number of arms"""
    log_rank: LogRank | None
    """Log-rank test against all baselines and their replicates, within seeds"""
    log_rank_p: float | None
    """p value of the log-rank test, corrected for the number of arms"""
    restricted_mean: float | None
    """Mean of min(grok step, budget), in steps"""

    @property
    def known(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.known]

    @property
    def grokked(self) -> int:
        return sum(outcome.grokked for outcome in self.known)

    @property
    def untreated(self) -> list[Outcome]:
        """The runs in which no intervention acted. They are not analysed."""
        return [outcome for outcome in self.outcomes if outcome.fate == "never treated"]

    @property
    def strength(self) -> float | None:
        """Mean over its runs of the relative norm of its changes."""
        found = [outcome.strength for outcome in self.known if outcome.strength is not None]
        return sum(found) / len(found) if found else None

    @property
    def never(self) -> bool:
        """Whether no run grokked although the baselines of the same seeds did."""
        return self.effect is not None and self.effect.grokked == 0 < self.effect.reference_grokked

    @property
    def verdict(self) -> str:
        if self.effect is None:
            return "never treated" if self.untreated and not self.known else "no runs yet"
        if self.never:
            return f"never within {min(outcome.budget for outcome in self.known):,}"
        if self.effect.kind == "open":
            undecided = "undecided: some runs of the arm and of the baseline did not grok"
            return "neither groks" if self.effect.neither_groks else undecided
        if not self.effect.noise_known:
            return "undecided: noise unknown"
        word = {1: "later", -1: "sooner"}.get(self.effect.direction)
        if word is not None:
            return word if self.p is not None and self.p < SIGNIFICANCE else f"{word}?"
        if self.effect.kind != "estimate":
            return f"undecided: {self.grokked}/{len(self.known)} grok"
        return "no effect found"

    def to_dict(self) -> dict[str, Any]:
        return {
            "condition": self.arm.condition,
            "dose": self.arm.dose,
            "summary": self.arm.summary,
            "runs": len(self.outcomes),
            "known": len(self.known),
            "never_treated": len(self.untreated),
            "grokked": self.grokked,
            "grok_steps": [outcome.grok_step for outcome in self.known],
            "restricted_mean": self.restricted_mean,
            "relative_norm": self.strength,
            "effect": self.effect and self.effect.to_dict(),
            "p_holm": self.p,
            "log_rank": self.log_rank and _log_rank_dict(self.log_rank),
            "log_rank_p_holm": self.log_rank_p,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Contrast:
    """A condition against its control, at the same dose and on the same seeds."""

    arm: Arm
    control: Arm
    effect: Effect
    p: float | None
    """p value, corrected for the number of contrasts"""

    @property
    def verdict(self) -> str:
        if self.effect.kind == "open":
            return "neither groks" if self.effect.grokked == 0 == self.effect.reference_grokked else "undecided"
        if not self.effect.noise_known:
            return "undecided: noise unknown"
        word = {1: f"later than {self.control.condition}", -1: f"sooner than {self.control.condition}"}.get(
            self.effect.direction
        )
        if word is not None:
            return word if self.p is not None and self.p < SIGNIFICANCE else f"{word}?"
        return "no difference found" if self.effect.kind == "estimate" else "undecided"

    def to_dict(self) -> dict[str, Any]:
        return {
            "condition": self.arm.condition,
            "control": self.control.condition,
            "dose": self.arm.dose,
            "effect": self.effect.to_dict(),
            "p_holm": self.p,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class DoseResponse:
    """How the grok step depends on the dose of one condition."""

    condition: str
    slope: Slope | None
    trend: float | None
    """Kendall's S within seeds as a normal deviate; above 0 means later with dose. Runs that never grok are last"""
    trend_p: float | None

    @property
    def verdict(self) -> str:
        if self.trend is None or self.trend_p is None:
            return "no trend"
        if self.trend_p < SIGNIFICANCE:
            return "later with dose" if self.trend > 0 else "sooner with dose"
        return "no trend found"

    def to_dict(self) -> dict[str, Any]:
        return {
            "condition": self.condition,
            "slope": self.slope and self.slope.to_dict(),
            "trend_z": self.trend,
            "trend_p": self.trend_p,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Analysis:
    """The whole analysis of an experiment."""

    noise: ReplicateNoise
    arms: tuple[ArmResult, ...]
    """The baseline first; its outcomes include its replicates"""
    contrasts: tuple[Contrast, ...]
    responses: tuple[DoseResponse, ...]
    log_rank: LogRank | None
    """Log-rank test of all arms against each other, within seeds"""

    @property
    def baseline(self) -> ArmResult:
        return self.arms[0]

    def result(self, arm: Arm) -> ArmResult | None:
        return next((result for result in self.arms if result.arm == arm), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "noise": self.noise.to_dict(),
            "arms": [result.to_dict() for result in self.arms],
            "contrasts": [contrast.to_dict() for contrast in self.contrasts],
            "dose_response": [response.to_dict() for response in self.responses],
            "log_rank": self.log_rank and _log_rank_dict(self.log_rank),
        }


def analyse(
    outcomes: Iterable[Outcome], noise: ReplicateNoise | None = None, controls: Sequence[tuple[str, str]] = CONTROLS
) -> Analysis:
    """The analysis of the outcomes. Missing outcomes are allowed.

    `noise`: default: that of these baselines. `controls`: each condition with each of its controls.
    """
    by_arm: dict[Arm, list[Outcome]] = {Arm(BASELINE): []}
    for outcome in outcomes:
        by_arm.setdefault(outcome.arm, []).append(outcome)
    noise = noise or replicate_noise(by_arm[Arm(BASELINE)])
    return Analysis(
        noise,
        tuple(_arm_results(by_arm, noise)),
        tuple(_contrasts(by_arm, noise, controls)),
        tuple(_responses(by_arm, noise)),
        _log_rank([*by_arm.values()]),
    )


def curve(outcomes: Sequence[Outcome]) -> SurvivalCurve | None:
    """Share of runs that have not grokked, by step; None without a known outcome."""
    known = [outcome for outcome in outcomes if outcome.known]
    if not known:
        return None
    return kaplan_meier([outcome.time for outcome in known], [outcome.grokked for outcome in known])


def _arm_results(by_arm: dict[Arm, list[Outcome]], noise: ReplicateNoise) -> list[ArmResult]:
    baselines = by_arm[Arm(BASELINE)]
    budget = min((outcome.budget for each in by_arm.values() for outcome in each if outcome.known), default=0)
    arms = list(by_arm)
    effects = [None if arm.is_baseline else effect(by_arm[arm], baselines, noise) for arm in arms]
    tests = [None if arm.is_baseline else _log_rank([baselines, by_arm[arm]]) for arm in arms]
    corrected = holm([None if each is None or arm.is_sham else each.p for arm, each in zip(arms, effects, strict=True)])
    tests_corrected = holm([None if each is None else each.p for each in tests])
    results = []
    for index, arm in enumerate(arms):
        survived = curve(by_arm[arm])
        mean = None if survived is None else survived.restricted_mean(budget)
        results.append(
            ArmResult(
                arm, tuple(by_arm[arm]), effects[index], corrected[index], tests[index], tests_corrected[index], mean
            )
        )
    return results


def _contrasts(
    by_arm: dict[Arm, list[Outcome]], noise: ReplicateNoise, controls: Sequence[tuple[str, str]]
) -> list[Contrast]:
    found = []
    for arm, control in _pairs(by_arm, controls):
        difference = effect(by_arm[arm], by_arm[control], noise)
        if difference is not None:
            found.append((arm, control, difference))
    corrected = holm([difference.p for _, _, difference in found])
    return [Contrast(*each, p) for each, p in zip(found, corrected, strict=True)]


def _pairs(arms: Collection[Arm], controls: Sequence[tuple[str, str]]) -> Iterator[tuple[Arm, Arm]]:
    """Every arm with its controls at the same dose, then every combination with each of its parts alone."""
    treated = [arm for arm in arms if not arm.is_baseline]
    for arm in treated:
        beside = [Arm(control, arm.dose) for condition, control in controls if condition == arm.condition]
        yield from ((arm, control) for control in beside if control in arms)
    for arm in treated:
        alone = [Arm(part, condition_named(part).usual) for part in arm.parts]
        yield from ((arm, part) for part in alone if part in arms)


def _responses(by_arm: dict[Arm, list[Outcome]], noise: ReplicateNoise) -> list[DoseResponse]:
    baselines = by_arm[Arm(BASELINE)]
    responses = []
    for name in CONDITIONS:
        treated = [outcome for arm in by_arm if arm.condition == name for outcome in by_arm[arm] if outcome.known]
        if len({outcome.arm.dose for outcome in treated}) < 2:
            continue
        seeds = {outcome.seed for outcome in treated}
        own = [each for each in baselines if each.known and each.replicate == 0 and each.seed in seeds]
        ordered = [*own, *treated]
        trend = monotone_trend(
            [outcome.arm.dose or 0.0 for outcome in ordered],
            [_late(outcome) for outcome in ordered],
            [outcome.seed for outcome in ordered],
        )
        responses.append(DoseResponse(name, dose_slope(treated, baselines, noise), *(trend or (None, None))))
    return responses


def _late(outcome: Outcome) -> float:
    """The grok step, or `NEVER`, so that runs that never grok are last."""
    return float(outcome.time) if outcome.grokked else NEVER


def _log_rank(groups: Sequence[Sequence[Outcome]]) -> LogRank | None:
    """The log-rank test within seeds, because runs of different seeds differ by more than their treatment."""
    runs = [(outcome, index) for index, group in enumerate(groups) for outcome in group if outcome.known]
    if not runs:
        return None
    return log_rank(
        [outcome.time for outcome, _ in runs],
        [outcome.grokked for outcome, _ in runs],
        [index for _, index in runs],
        [outcome.seed for outcome, _ in runs],
    )


def _log_rank_dict(test: LogRank) -> dict[str, Any]:
    return {"statistic": test.statistic, "degrees": test.degrees, "p": test.p, "exact": test.exact}

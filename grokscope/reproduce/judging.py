"""The verdict on each claim, from the evidence of its study."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grokscope.experiment.analysis import Analysis, analyse
from grokscope.experiment.claims import NO_EFFECT_MARGIN, Claim, ClaimFinding
from grokscope.experiment.claims import judged as judged_by_experiment
from grokscope.experiment.conditions import Arm
from grokscope.reproduce.claims import INTERVENTION, PublishedClaim
from grokscope.reproduce.deciding import not_run, seeds_decide, what_decides, without_ratio
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.reproduce.statistics import STATISTICS
from grokscope.reproduce.verdict import (
    LEVEL_Z,
    DecisionRule,
    Estimate,
    falls_short,
    finding,
    null_does_too,
)

_DIRECTIONS: Mapping[str, DecisionRule] = {
    "none": DecisionRule(within=(1 / NO_EFFECT_MARGIN, NO_EFFECT_MARGIN)),
    "sooner": DecisionRule(below=1.0),
    "later": DecisionRule(above=1.0),
}
"""The rules of the experiment's claims, as far as a number of seeds can be estimated from them"""


@dataclass(frozen=True)
class Verdict:
    """What is known of a claim."""

    claim: PublishedClaim
    finding: ClaimFinding
    """`not tried` never occurs: a claim without runs is undecided"""
    estimate: Estimate | None
    numbers: str
    """What the runs say beside the interval; may be empty"""
    basis: str
    """Where the runs are from"""
    remark: str
    """Why a claim is undecided and what would decide it, or that the null fulfils the rule too; may be empty"""

    def to_dict(self) -> dict[str, Any]:
        claim, estimate = self.claim, self.estimate
        return {
            "claim": claim.id,
            "sentence": claim.sentence,
            "source": claim.source,
            "setting": claim.setting or None,
            "published": claim.published,
            "statistic": claim.statistic or None,
            "rule": claim.decided_by,
            "null": {"words": claim.null, **_null(estimate)},
            "refuted_by": claim.refuted_by,
            "finding": self.finding,
            "value": estimate and estimate.value,
            "low": estimate and estimate.low,
            "high": estimate and estimate.high,
            "clusters": estimate.clusters if estimate else 0,
            "runs": estimate.runs if estimate else 0,
            "study": claim.study or None,
            "basis": self.basis,
            "numbers": self.numbers or None,
            "remark": self.remark or None,
            "testable": not claim.needs,
        }


def judged_all(claims: Iterable[PublishedClaim], evidence: Mapping[str, StudyEvidence]) -> list[Verdict]:
    """The verdict on each claim. `evidence`: by study."""
    nothing = StudyEvidence("", "no runs")
    return [judge(claim, evidence.get(claim.study, nothing)) for claim in claims]


def judge(claim: PublishedClaim, evidence: StudyEvidence) -> Verdict:
    """The verdict on one claim. Without runs it is undecided."""
    if claim.needs:
        return Verdict(claim, "undecided", None, "", "–", f"not testable by this version: it lacks {claim.needs}")
    if evidence.empty:
        return Verdict(claim, "undecided", None, "", evidence.basis, not_run(claim))
    if claim.statistic == INTERVENTION:
        assert claim.intervention is not None
        return _by_experiment(claim, claim.intervention, evidence)
    assert claim.rule is not None
    estimate = STATISTICS[claim.statistic](evidence, **claim.options)
    found = finding(claim.rule, estimate)
    return Verdict(claim, found, estimate, "", evidence.basis, _remark(claim, evidence, estimate, found))


def _remark(claim: PublishedClaim, evidence: StudyEvidence, estimate: Estimate | None, found: ClaimFinding) -> str:
    assert claim.rule is not None
    if estimate is None:
        return without_ratio(claim, evidence)
    if found == "supported" and null_does_too(claim.rule, estimate):
        return "so does the null, so that the claim says nothing"
    if found == "supported" and falls_short(claim.rule, estimate):
        return f"the direction holds, but the published size ({claim.published}) is not reached"
    return what_decides(claim.rule, estimate, claim, evidence) if found == "undecided" else ""


# --- interventions, which their experiment judges ---------------------------------------------------------------------


def _by_experiment(claim: PublishedClaim, about: Claim, evidence: StudyEvidence) -> Verdict:
    """The experiment's own finding, with the ratio of grok steps, or the trend with dose, beside it."""
    analysis = analyse(evidence.outcomes)
    own = next(each for each in judged_by_experiment(about.task, analysis) if each.claim == about)
    estimate = _ratio(about, analysis) if about.dose is not None else _trend(about, analysis)
    if own.finding == "not tried" or estimate is None:
        return Verdict(claim, "undecided", None, "", evidence.basis, not_run(claim))
    rule = _DIRECTIONS.get(about.says)
    undecided = seeds_decide(about) if rule is None else what_decides(rule, estimate, claim, evidence)
    remark = undecided if own.finding == "undecided" else ""
    return Verdict(claim, own.finding, estimate, own.numbers, evidence.basis, remark)


def _ratio(about: Claim, analysis: Analysis) -> Estimate | None:
    """The ratio of grok steps to the baseline, with the interval by which the experiment judges the claim."""
    assert about.dose is not None
    result = analysis.result(Arm(about.condition, about.dose))
    effect = None if result is None else result.effect
    if result is None or effect is None or effect.ratio is None:
        return None
    low, high = effect.over_seeds or effect.interval if about.says == "none" else effect.interval
    return Estimate(effect.ratio, low, high, 1.0, effect.pairs, len(result.known), ratio=True)


def _trend(about: Claim, analysis: Analysis) -> Estimate | None:
    """Kendall's S of grok step and dose within seeds, as a normal deviate, whose standard error is 1."""
    response = next((each for each in analysis.responses if each.condition == about.condition), None)
    if response is None or response.trend is None:
        return None
    runs = [each for arm in analysis.arms if arm.arm.condition == about.condition for each in arm.known]
    seeds = len({each.seed for each in runs})
    return Estimate(response.trend, response.trend - LEVEL_Z, response.trend + LEVEL_Z, 0.0, seeds, len(runs))


def _null(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {"value": None, "low": None, "high": None}
    return {"value": estimate.null, "low": estimate.null_low, "high": estimate.null_high}

"""The published claims about each intervention, as data, and the finding of an experiment on each claim.

The claims come from the text and tables of arXiv 2602.16967 and of 2602.16746 by the same author. `evidence` is read
from the author's released figures (three seeds; means over the runs that reached the criterion), which often differ
from the claims. Claims and evidence are about the published models and doses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from grokscope.experiment.analysis import Analysis, ArmResult
from grokscope.experiment.conditions import CONDITIONS, Arm
from grokscope.experiment.effects import Effect, RatioCell
from grokscope.words.numbers import MISSING, p_value

Says = Literal["none", "never", "sooner", "later", "sooner with dose", "later with dose"]
ClaimFinding = Literal["supported", "refuted", "undecided", "not tried"]

NO_EFFECT_MARGIN = 1.13
"""A ratio within this factor counts as no effect, because runs of one seed in the author's files differ as much"""


@dataclass(frozen=True)
class Claim:
    """One published claim about a condition on a task."""

    task: str
    condition: str
    dose: float | None
    """The dose; None for a claim about all doses"""
    says: Says
    size: float | None
    """The stated ratio of grok steps; None without one"""
    text: str
    evidence: str
    """Change of the grok step in the author's released figures"""
    source: str = "2602.16967"


CLAIMS: Sequence[Claim] = (
    Claim("modular", "kick", 10.0, "none", None, "no effect", "0 % (3/3 grok)"),
    Claim("modular", "noise", 0.1, "none", None, "no effect", "-1 % (3/3)"),
    Claim("modular", "project", 0.5, "never", None, "prevents grokking", "+9 % (3/3); none only at strength 1"),
    Claim("modular", "penalty-published", 0.5, "never", None, "prevents grokking", "+1 % (3/3)"),
    Claim("modular", "project", 1.0, "never", None, "prevents grokking", "0/12 (figI10)"),
    Claim("modular", "project", None, "later with dose", None, "dose-dependent delay",
          "+2 %, +7 %, +27 % at 0.25, 0.5, 0.75 (figI10)"),
    Claim("modular", "project-random", 0.5, "none", None, "a random basis does nothing up to 0.75",
          "less than 50 steps", "2602.16746"),
    Claim("modular", "project-random", 1.0, "never", None, "a random basis prevents it too at 1", "0/3", "2602.16746"),
    Claim("dyck", "kick", 10.0, "sooner", 1500 / 2900, "50 % faster", "-6 % (3/3; 4,800 to 18,500)"),
    Claim("dyck", "noise", 0.1, "sooner", 0.6, "40 % faster", "+34 % (2/3)"),
    Claim("dyck", "project", 0.5, "later", 4500 / 2900, "50 % slower", "+5 % (1/3)"),
    Claim("dyck", "penalty-published", 0.5, "later", None, "a similar delay", "-8 % (2/3)"),
    Claim("dyck", "project", 1.0, "never", None, "prevents grokking", "0/3"),
    Claim("dyck", "kick", None, "sooner with dose", None, "stronger amplification, faster", "never swept"),
    Claim("dyck", "project", None, "later with dose", None, "dose-dependent delay",
          "9,900, 12,400, 15,900, none (one seed each)"),
    Claim("scan", "kick", 10.0, "never", None, "destabilizes: does not grok", "2/3 strict, 3/3 first at 0.99"),
    Claim("scan", "noise", 0.1, "sooner", 0.68, "32 % faster", "+8 % strict (3/3); one seed of three is faster"),
    Claim("scan", "project", 0.5, "later", 28_500 / 12_500, "2.3 times slower", "1.6 times (2/3)"),
    Claim("scan", "penalty-published", 0.5, "never", None, "prevents grokking", "2/3 strict, 3/3 first at 0.99"),
    Claim("scan", "project", 1.0, "never", None, "prevents grokking", "0/3"),
    Claim("scan", "kick", None, "sooner with dose", None, "stronger amplification, faster", "never swept"),
    Claim("scan", "project", None, "later with dose", None, "dose-dependent delay", "14,250, 21,000, none, none"),
)  # fmt: skip


@dataclass(frozen=True)
class JudgedClaim:
    """A claim, and the finding of an experiment on it."""

    claim: Claim
    finding: ClaimFinding
    numbers: str

    def to_dict(self) -> dict[str, Any]:
        claim = self.claim
        return {
            "task": claim.task,
            "condition": claim.condition,
            "dose": claim.dose,
            "claim": claim.text,
            "claimed_ratio": claim.size,
            "source": claim.source,
            "published_figures": claim.evidence,
            "ours": self.numbers,
            "finding": self.finding,
        }


def judged(task: str, analysis: Analysis) -> list[JudgedClaim]:
    """Every claim about `task`, in order. A claim that also holds for a random basis is marked."""
    return [_beside_random(_judged(claim, analysis), analysis) for claim in CLAIMS if claim.task == task]


def _beside_random(own: JudgedClaim, analysis: Analysis) -> JudgedClaim:
    """The claim, marked if a random basis supports it too: then it is no evidence for the execution subspace."""
    control = f"{own.claim.condition}-random"
    if own.finding != "supported" or own.claim.says == "none" or control not in CONDITIONS:
        return own
    same = _judged(replace(own.claim, condition=control), analysis)
    return replace(own, numbers=f"{own.numbers}; so does a random basis") if same.finding == "supported" else own


def _judged(claim: Claim, analysis: Analysis) -> JudgedClaim:
    if claim.dose is None:
        return _judged_response(claim, analysis)
    result = analysis.result(Arm(claim.condition, claim.dose))
    if result is None or result.effect is None:
        return JudgedClaim(claim, "not tried", MISSING)
    numbers = f"{ratio_in_words(result.effect.cell)}, {result.grokked}/{len(result.known)} grok"
    match claim.says:
        case "none":
            return JudgedClaim(claim, _none(result.effect), numbers)
        case "never":
            return JudgedClaim(claim, _never(result), numbers)
        case _:
            return JudgedClaim(claim, _directed(claim, result.effect), numbers)


def ratio_in_words(cell: RatioCell) -> str:
    """`1.10 [1.03, 1.17]`, or a bound. With unknown noise there is no interval."""
    ratio, low, high, kind = cell
    if ratio is None:
        return MISSING
    bound = {"at least": "≥ ", "at most": "≤ "}.get(kind, "") + f"{ratio:.2f}"
    if low is None and high is None:
        return bound
    left = "(0" if low is None else f"[{low:.2f}"
    right = "∞)" if high is None else f"{high:.2f}]"
    return f"{bound} {left}, {right}"


def _none(effect: Effect) -> ClaimFinding:
    if not effect.noise_known:
        return "undecided"
    low, high = effect.over_seeds or effect.interval
    if low is not None and high is not None and low > 1 / NO_EFFECT_MARGIN and high < NO_EFFECT_MARGIN:
        return "supported"
    return "refuted" if effect.direction else "undecided"


def _never(result: ArmResult) -> ClaimFinding:
    if result.never:
        return "supported"
    return "refuted" if result.known and result.grokked == len(result.known) else "undecided"


def _directed(claim: Claim, effect: Effect) -> ClaimFinding:
    wanted = 1 if claim.says == "later" else -1
    if effect.direction == wanted:
        return "supported"
    low, high = effect.interval
    reached = high if wanted > 0 else low
    size = claim.size or NO_EFFECT_MARGIN**wanted
    short = reached is not None and (reached < size if wanted > 0 else reached > size)
    return "refuted" if effect.direction == -wanted or short else "undecided"


def _judged_response(claim: Claim, analysis: Analysis) -> JudgedClaim:
    response = next((each for each in analysis.responses if each.condition == claim.condition), None)
    if response is None:
        return JudgedClaim(claim, "not tried", MISSING)
    numbers = "no order" if response.trend is None else f"trend z {response.trend:+.1f}, p {p_value(response.trend_p)}"
    if response.verdict == claim.says:
        return JudgedClaim(claim, "supported", numbers)
    return JudgedClaim(claim, "refuted" if "with dose" in response.verdict else "undecided", numbers)

"""The claims of the papers and the studies that test them, as data: `data/claims-*.toml` and `data/studies.toml`.

A claim holds its decision rule, so that the rule is known before the runs. The claims about interventions are those of
`grokscope.experiment.claims`, which also holds their decision rules.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from grokscope.experiment.claims import CLAIMS, NO_EFFECT_MARGIN, Claim
from grokscope.experiment.conditions import BASELINE, CONTROLS
from grokscope.reproduce.statistics import STATISTICS
from grokscope.reproduce.verdict import DecisionRule

Budget = Literal["small", "paper"]
BUDGETS: tuple[Budget, ...] = ("small", "paper")

CLAIM_FILES = ("claims-warning.toml", "claims-geometry.toml", "claims-related.toml")
INTERVENTION = "intervention"
"""The statistic of the claims that an experiment judges"""

_OWN_STUDIES: Mapping[tuple[str, str, float | None], str] = {
    ("modular", "noise", 0.1): "noise",
    ("dyck", "noise", 0.1): "noise",
    ("dyck", "kick", None): "kicks",
    ("scan", "kick", None): "kicks",
}
"""Claims about interventions that have a study of their own, by task, condition, dose; the others share one a task"""
_NULLS: Mapping[str, str] = {
    "project": "the same projection on a random basis; noise between runs of one seed",
    "kick": "a kick in a random direction; noise between runs of one seed",
}
_DECIDES: Mapping[str, tuple[str, str]] = {
    "none": (
        f"the whole interval lies within a factor of {NO_EFFECT_MARGIN:g} of 1",
        "the whole interval lies above 1, or below 1",
    ),
    "never": ("no treated run groks, and baselines of the same seeds do", "every treated run groks"),
    "sooner": ("the whole interval lies below 1", "the interval lies above 1, or does not reach the published ratio"),
    "later": ("the whole interval lies above 1", "the interval lies below 1, or does not reach the published ratio"),
    "sooner with dose": ("a trend in this direction", "a trend in the other direction"),
    "later with dose": ("a trend in this direction", "a trend in the other direction"),
}
"""What supports and what refutes a claim about an intervention, by what the claim says. Intervals are of the ratio of
grok steps to the baseline."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AtBudget(_Data):
    """What differs at one budget."""

    preset: str
    base: dict[str, Any] = {}
    """Settings of all runs, beside those of the study"""
    hours: float | None = None
    """Hours of one core for all runs of the study, as measured; None: not measured"""


class Study(_Data):
    """A set of runs that tests one or more claims: arms (a sweep), conditions (an experiment), or runs that ship."""

    name: str
    summary: str
    banks: tuple[str, ...] = ()
    """Banks that ship with grokscope"""
    table: str = ""
    """A published table that ships with grokscope"""
    task: str = ""
    seeds: tuple[int, ...] = ()
    base: dict[str, Any] = {}
    """Settings of all runs, by dotted key"""
    arms: dict[str, dict[str, Any]] = {}
    """Settings of each arm of a sweep; the arm `baseline`, where there is one, is the reference of the others"""
    controls: dict[str, str] = {}
    """Control of an arm, beside those that conditions have"""
    conditions: dict[str, list[float]] = {}
    """Doses of each condition of an experiment"""
    replicates: int = 0
    """Replicates of each baseline of an experiment"""
    small: AtBudget | None = None
    paper: AtBudget | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.banks, self.table, self.arms, self.conditions))) != 1:
            raise ValueError(f"{self.name} has exactly one of banks, table, arms, conditions")
        return self

    @property
    def setting(self) -> str:
        """What its runs learn: the task, or the operation if the study chooses one."""
        return str(self.base.get("task.operation", self.task))

    @property
    def size(self) -> int:
        """Number of its runs."""
        treated = len(self.arms) + sum(map(len, self.conditions.values()))
        baselines = 1 + self.replicates if self.conditions else 0
        return len(self.seeds) * (treated + baselines)

    @property
    def has_baseline(self) -> bool:
        """Whether its treated runs have a baseline, so that they have effects."""
        return bool(self.conditions) or BASELINE in self.arms

    @property
    def ships(self) -> bool:
        """Whether the runs ship with grokscope, so that nothing is ever trained."""
        return bool(self.banks or self.table)

    def at(self, budget: Budget) -> AtBudget | None:
        """What differs at a budget; None if the study is not run at it."""
        return self.small if budget == "small" else self.paper

    def only_for(self, claims: Sequence["PublishedClaim"]) -> "Study":
        """With those of its runs that `claims` need: the baseline, what each is about, and its control."""
        needed = {each for claim in claims for each in claim.needed_of(self)}
        conditions = {
            name: kept
            for name, doses in self.conditions.items()
            if (kept := [dose for dose in doses if (name, dose) in needed])
        }
        arms = {name: settings for name, settings in self.arms.items() if (name, None) in needed}
        if not conditions and not arms:
            return self
        fewer = self.model_copy(update={"arms": arms, "conditions": conditions})
        part = fewer.size / self.size
        return fewer.model_copy(update={name: _share(self.at(name), part) for name in BUDGETS})


class PublishedClaim(_Data):
    """One claim of a paper, with all that decides it."""

    id: str
    sentence: str
    source: str
    """Paper, with table, figure or section"""
    setting: str = ""
    """The published setting"""
    published: str
    """The published value"""
    study: str = ""
    statistic: str = ""
    options: dict[str, Any] = {}
    """Arguments of the statistic"""
    rule: DecisionRule | None = None
    null: str
    supported_by: str = ""
    """For an intervention; other claims have a rule"""
    refuted_by: str
    needs: str = ""
    """What this version lacks to test the claim; empty: nothing"""
    intervention: Claim | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.needs:
            return self
        if not self.study or self.statistic not in {*STATISTICS, INTERVENTION}:
            raise ValueError(f"{self.id} needs a study, and one of the statistics {', '.join(STATISTICS)}")
        if (self.rule is None) != (self.statistic == INTERVENTION):
            raise ValueError(f"{self.id} needs a rule")
        return self

    def needed_of(self, study: Study) -> set[tuple[str, float | None]]:
        """The arms of its study that it needs, and the conditions with their doses."""
        if self.intervention is not None:
            about = self.intervention
            names = {about.condition, *(control for treated, control in CONTROLS if treated == about.condition)}
            doses = {(name, dose) for name in names for dose in study.conditions.get(name, ())}
            return {(name, dose) for name, dose in doses if about.dose in (None, dose)}
        own = {self.options[key] for key in ("arm", "against") if key in self.options}
        return {(name, None) for name in ({BASELINE, *own} if own else study.arms)}

    @property
    def decided_by(self) -> str:
        """The decision rule in words."""
        return self.rule.words if self.rule is not None else self.supported_by or "not testable yet"


@cache
def all_studies() -> Mapping[str, Study]:
    """Every study, by name."""
    return {name: Study(name=name, **table) for name, table in _read("studies.toml").items()}


@cache
def all_claims() -> Mapping[str, PublishedClaim]:
    """Every claim, by identifier: first those of the data files, then those about interventions."""
    listed = [entry for file in CLAIM_FILES for entry in _read(file)["claim"]]
    claims = [*(PublishedClaim.model_validate(entry) for entry in listed), *map(_about_intervention, CLAIMS)]
    return {claim.id: claim for claim in claims}


def _share(at: AtBudget | None, part: float) -> AtBudget | None:
    """For a part of the runs."""
    return at if at is None or at.hours is None else at.model_copy(update={"hours": part * at.hours})


def claims_of(study: str, claims: Sequence[PublishedClaim]) -> list[PublishedClaim]:
    """The claims among `claims` that a study tests."""
    return [claim for claim in claims if claim.study == study and not claim.needs]


def _about_intervention(claim: Claim) -> PublishedClaim:
    dose = "dose" if claim.dose is None else f"{claim.dose:g}"
    kind = _OWN_STUDIES.get((claim.task, claim.condition, claim.dose), "effects")
    at = "with its dose" if claim.dose is None else f"at {claim.dose:g}"
    supported_by, refuted_by = _DECIDES[claim.says]
    return PublishedClaim(
        id=f"{claim.task}-{claim.condition}-{dose}",
        sentence=f"The intervention {claim.condition} {at} on {claim.task}: {claim.text}.",
        source=f"arXiv {claim.source}, text and intervention table; author's figures: {claim.evidence}",
        setting=f"{claim.task}, from step 500",
        published=claim.text if claim.size is None else f"{claim.text} (ratio {claim.size:.2f})",
        study=f"{kind}-{claim.task}",
        statistic=INTERVENTION,
        null=_NULLS.get(claim.condition, "noise between runs of one seed"),
        supported_by=supported_by,
        refuted_by=refuted_by,
        intervention=claim,
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("grokscope.reproduce").joinpath("data", name).read_text(encoding="utf-8"))

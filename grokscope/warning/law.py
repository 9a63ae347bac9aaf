"""The lead-time law: how long before grokking a rule fires, as published, and held against what says nothing.

The published form fits ln lead on ln grok over runs that both fired and grokked, in that order. It leaves out false
alarms, missed and late ones, and has the grok step on both sides. So every run stays in the counts, the nulls stand
beside the fit, and the form that predicts (onset → grok), which has grok on one side only, is fitted too, with its
error on configurations that it has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import names_of
from grokscope.warning.configuration import configuration_of
from grokscope.warning.detection import described, detections, own_rule_numbers, rule_numbers
from grokscope.warning.fits import (
    DRAWS,
    CensoredPowerLaw,
    LeaveOneOut,
    PowerLaw,
    Resampled,
    bootstrap,
    censored_power_law,
    leave_one_out,
    power_law,
    theil_sen,
)
from grokscope.warning.nulls import Nulls, nulls, permuted_correlation
from grokscope.warning.ranking import Correlation, spearman
from grokscope.warning.rules import Detected
from grokscope.warning.trajectory import Trajectory
from grokscope.words.names import in_words


@dataclass(frozen=True)
class Case:
    """One run as the law sees it."""

    name: str
    configuration: str
    """Runs that differ in their seeds alone share it"""
    onset_step: int | None
    known_at: int | None
    """When the rule could say so"""
    grok_step: int | None
    steps: int
    """Last step seen"""
    budget: int
    cadence: int | None = None
    """Steps between records of the rule's signal"""
    recorded: bool = True
    """Whether the run has the rule's signal at all: without it, silence says nothing"""

    @property
    def outcome(self) -> str:
        """`led`, `late` (fired at or after grokking), `false alarm`, `missed`, or `quiet` (neither).

        `not recorded` where the rule had nothing to look at, `unfinished` for a run that has not grokked and was not
        seen to the end of its budget: it may still grok.
        """
        if not self.recorded:
            return "not recorded"
        if self.grok_step is None and self.steps < self.budget:
            return "unfinished"
        if self.grok_step is None:
            return "quiet" if self.onset_step is None else "false alarm"
        if self.onset_step is None:
            return "missed"
        return "led" if self.onset_step < self.grok_step else "late"


@dataclass(frozen=True)
class Counts:
    """Every run once."""

    led: int
    late: int
    missed: int
    false_alarms: int
    """Fired, and not grokked within the budget"""
    quiet: int
    unfinished: int
    """Not grokked, and ended, or standing, before their budget: neither a false alarm nor quiet yet"""
    not_recorded: int
    """Without the rule's signal; outside `runs`"""

    @property
    def runs(self) -> int:
        """Those that the rule could say something of."""
        return self.led + self.late + self.missed + self.false_alarms + self.quiet + self.unfinished


@dataclass(frozen=True)
class PublishedForm:
    """The published form, lead = C · grok^alpha, on the runs that led, and how much of it hangs on single runs."""

    fit: PowerLaw
    leave_one_out: LeaveOneOut | None
    by_run: Resampled | None
    by_configuration: Resampled | None
    theil_sen: float | None
    nulls: Nulls


@dataclass(frozen=True)
class PredictiveForm:
    """The form that predicts: grok = C · onset^b."""

    fit: PowerLaw
    """On runs that fired and grokked, late ones too"""
    censored: CensoredPowerLaw | None
    """On all runs that fired; those that have not grokked by their last step count as later than it"""
    error: float | None
    """Median of |predicted / grok step − 1|, each configuration predicted from the others"""
    naive_error: float | None
    """The same for the geometric mean of the other configurations' grok steps: no signal at all"""
    correlation: Correlation | None
    """Of onset and grok step, by rank, on the runs of `fit`"""
    p: float | None
    """Of that correlation, two-sided, onsets permuted among the runs"""


@dataclass(frozen=True)
class LeadTimeLaw:
    """One rule's lead-time law on a set of runs. Forms that cannot be fitted are None."""

    rule: str
    cases: tuple[Case, ...]
    counts: Counts
    published: PublishedForm | None
    prediction: PredictiveForm | None
    words: str = ""
    """What a person calls the rule; empty: its name"""

    @property
    def points(self) -> tuple[Case, ...]:
        """The runs in the published fit."""
        return tuple(case for case in self.cases if case.outcome == "led")

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        cases = [{**asdict(case), "outcome": case.outcome} for case in self.cases]
        return {**asdict(self), "counts": {"runs": self.counts.runs, **asdict(self.counts)}, "cases": cases}


def lead_time_law(
    trajectories: Sequence[Trajectory], rule: str = "onset", draws: int = DRAWS, seed: int = 0
) -> LeadTimeLaw:
    """The law of one rule of `detections` on these runs. Raises `ValueError` for a rule that does not exist."""
    known = rule_numbers(trajectories)
    if rule not in known:
        raise ValueError(f"there is no rule {rule!r}; there are: {', '.join(known)}")
    fitted = law_of([case_of(trajectory, rule) for trajectory in trajectories], rule, draws, seed)
    return replace(fitted, words=in_words(rule, names_of(described(trajectories))))


def law_of(cases: Sequence[Case], rule: str, draws: int = DRAWS, seed: int = 0) -> LeadTimeLaw:
    """The law on runs that are known by their steps alone."""
    return LeadTimeLaw(
        rule, tuple(cases), counts(cases), _published(cases, draws, seed), _prediction(cases, draws, seed)
    )


def case_of(trajectory: Trajectory, rule: str, found: Mapping[str, Detected | None] | None = None) -> Case:
    """One run under one rule. `found`: its detections, where they are known already."""
    detected = (detections(trajectory) if found is None else found).get(rule)
    steps, _ = trajectory.signal(own_rule_numbers(trajectory).get(rule, rule))
    return Case(
        name=trajectory.name,
        configuration=configuration_of(trajectory),
        onset_step=None if detected is None else detected.step,
        known_at=None if detected is None else detected.confirmed_at,
        grok_step=trajectory.grok_step,
        steps=trajectory.steps,
        budget=trajectory.budget,
        cadence=int(np.median(np.diff(steps))) if len(steps) > 1 else None,
        recorded=len(steps) > 0,
    )


def split_treated(trajectories: Sequence[Trajectory]) -> tuple[list[Trajectory], list[Trajectory]]:
    """The runs that the law is about, and those that were intervened in."""
    return [run for run in trajectories if not run.treated], [run for run in trajectories if run.treated]


def treated_remark(count: int, left_out_of: str = "the law and the scoreboard") -> str:
    """The sentence on runs that were intervened in."""
    runs = "1 run was" if count == 1 else f"{count:,} runs were"
    return f"{runs} intervened in, and left out of {left_out_of}, which are about runs left to themselves."


def grouped(trajectories: Sequence[Trajectory], fact: str) -> Mapping[str, list[Trajectory]]:
    """The runs by one of their facts (or `task`), in order of its values; runs without it stand under `-`."""
    groups: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        value = trajectory.task if fact == "task" else trajectory.facts.get(fact)
        groups.setdefault("-" if value is None else str(value), []).append(trajectory)
    return dict(sorted(groups.items()))


def counts(cases: Sequence[Case]) -> Counts:
    """How many runs came to what."""
    outcomes = [case.outcome for case in cases]
    return Counts(
        led=outcomes.count("led"),
        late=outcomes.count("late"),
        missed=outcomes.count("missed"),
        false_alarms=outcomes.count("false alarm"),
        quiet=outcomes.count("quiet"),
        unfinished=outcomes.count("unfinished"),
        not_recorded=outcomes.count("not recorded"),
    )


def _published(cases: Sequence[Case], draws: int, seed: int) -> PublishedForm | None:
    led = [case for case in cases if case.outcome == "led"]
    grok = np.array([case.grok_step for case in led], dtype=np.float64)
    onset = np.array([case.onset_step for case in led], dtype=np.float64)
    lead = grok - onset
    fit = power_law(grok, lead)
    if fit is None:
        return None
    return PublishedForm(
        fit=fit,
        leave_one_out=leave_one_out(grok, lead),
        by_run=bootstrap(grok, lead, [str(index) for index in range(len(led))], draws, seed),
        by_configuration=bootstrap(grok, lead, [case.configuration for case in led], draws, seed),
        theil_sen=theil_sen(grok, lead),
        nulls=nulls(grok, onset, [case.cadence for case in led], fit.exponent, draws, seed),
    )


def _prediction(cases: Sequence[Case], draws: int, seed: int) -> PredictiveForm | None:
    # step 0 has no logarithm: an alarm there says nothing, and a run that began as grokked has nothing to predict
    fired = [case for case in cases if case.onset_step and case.grok_step != 0]
    onset = np.array([case.onset_step for case in fired], dtype=np.float64)
    last = np.array([case.grok_step or case.steps for case in fired], dtype=np.float64)
    seen = np.array([case.grok_step is not None for case in fired], dtype=bool)
    fit = power_law(onset[seen], last[seen])
    if fit is None:
        return None
    clusters = [case.configuration for case in fired if case.grok_step is not None]
    return PredictiveForm(
        fit,
        censored_power_law(onset, last, seen),
        held_out_error(onset[seen], last[seen], clusters),
        held_out_error(None, last[seen], clusters),
        spearman(onset[seen], last[seen]),
        permuted_correlation(onset[seen], last[seen], draws, seed),
    )


def held_out_error(x: Floats | None, grok: Floats, clusters: Sequence[str]) -> float | None:
    """Median of |predicted / grok − 1| for `grok` [n], every cluster predicted by a fit of the others.

    Without `x` [n] the prediction is the others' geometric mean. None where no cluster leaves enough of them.
    """
    member = np.asarray(clusters)
    errors: list[float] = []
    for cluster in dict.fromkeys(clusters):
        held = member == cluster
        if x is None:
            predicted = np.full(held.sum(), np.exp(np.log(grok[~held]).mean())) if (~held).any() else None
        else:
            fit = power_law(x[~held], grok[~held])
            predicted = None if fit is None else fit.at(x[held])
        if predicted is not None:
            errors += list(np.abs(predicted / grok[held] - 1))
    return float(np.median(errors)) if errors else None

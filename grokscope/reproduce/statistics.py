"""The statistics of the claims: pure functions of the evidence of a study. None means that there are too few runs.

Every function returns its null beside its value, and takes the rest of its arguments from the claim's data.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from grokscope.experiment.conditions import BASELINE
from grokscope.experiment.effects import effect, replicate_noise
from grokscope.geometry.trajectory import random_walk_share
from grokscope.reproduce.estimates import mean_over_clusters, ratio_over_clusters, share_over_clusters
from grokscope.reproduce.evidence import StudyEvidence, arm_of
from grokscope.reproduce.verdict import Estimate
from grokscope.warning.configuration import configuration_of
from grokscope.warning.law import Case, law_of
from grokscope.warning.nulls import FLOOR_RECORDS
from grokscope.warning.predictors import value_at
from grokscope.warning.ranking import auroc
from grokscope.warning.scoreboard import Horizon
from grokscope.warning.trajectory import Fact, Trajectory

Statistic = Callable[..., Estimate | None]
PhaseName = Literal["plateau", "after", "end"]
"""`plateau`: from memorization to grokking, or to the end. `after`: from grokking on. `end`: the last value"""

MEMORIZATION_RIVAL = "memorized"
"""The rule that is free: training accuracy has reached its threshold"""


# --- warning ----------------------------------------------------------------------------------------------------------


def lead_exponent(
    evidence: StudyEvidence, rule: str = "onset-paper", where: Mapping[str, Fact] = {}
) -> Estimate | None:
    """α of lead = C · grok^α, published form, with its bootstrap interval by configuration.

    Null: onsets permuted among the runs.
    """
    law = law_of(evidence.cases(rule, where), rule).published
    if law is None or law.nulls.permuted is None:
        return None
    null, resampled = law.nulls.permuted.exponents, law.by_configuration or law.by_run
    low, high = (None, None) if resampled is None else (resampled.low, resampled.high)
    led = [case for case in evidence.cases(rule, where) if case.outcome == "led"]
    clusters = len({case.configuration for case in led})
    return Estimate(law.fit.exponent, low, high, null.mean, clusters, len(led), null.low, null.high)


def led_share(evidence: StudyEvidence, rule: str = "onset-paper", where: Mapping[str, Fact] = {}) -> Estimate | None:
    """Share of grokking runs in which the rule fired before they grokked.

    Null: an alarm that knows nothing, see `_rivals`.
    """
    grokking = [case for case in evidence.cases(rule, where) if case.grok_step is not None]
    return share_over_clusters(
        [case.outcome == "led" for case in grokking],
        [case.configuration for case in grokking],
        _mean([rival is not None and rival < _grok(case) for case, rival in _rivals(evidence, grokking, where)]),
    )


def lead_fraction(
    evidence: StudyEvidence, rule: str = "onset-paper", where: Mapping[str, Fact] = {}
) -> Estimate | None:
    """Mean over configurations of lead / grok step, in the runs that the rule led. Null: see `_rivals`."""
    led = [case for case in evidence.cases(rule, where) if case.outcome == "led"]
    return mean_over_clusters(
        [1 - (case.onset_step or 0) / _grok(case) for case in led],
        [case.configuration for case in led],
        _mean(
            [max(0.0, 1 - rival / _grok(case)) for case, rival in _rivals(evidence, led, where) if rival is not None]
        ),
    )


def false_alarms(evidence: StudyEvidence, rule: str = "onset-paper", where: Mapping[str, Fact] = {}) -> Estimate | None:
    """Share of runs that never grok in which the rule fired. Null: the share of all grokking runs in which it fired."""
    controls = [case for case in evidence.cases(rule, where) if case.grok_step is None and case.recorded]
    grokking = [case for case in evidence.cases(rule) if case.grok_step is not None and case.recorded]
    return share_over_clusters(
        [case.onset_step is not None for case in controls],
        [case.configuration for case in controls],
        _mean([case.onset_step is not None for case in grokking]),
    )


def separation(
    evidence: StudyEvidence, number: str, decay_time: float, where: Mapping[str, Fact] = {}
) -> Estimate | None:
    """AUROC of a number at one decay time lr · wd · step: runs that will grok against runs that never do. Null: 1/2."""
    horizon = Horizon(decay_time=decay_time)
    seen = [run for run in evidence.over(where) if run.steps >= horizon.of(run) and not _grokked_by(run, horizon)]
    scored = [(run, value_at(run, number, horizon.of(run))) for run in seen]
    groups = [[(run, value) for run, value in scored if (run.grok_step is not None) == is_grokking and value == value]
              for is_grokking in (True, False)]  # fmt: skip
    values = [np.array([value for _, value in group]) for group in groups]
    clusters = [[configuration_of(run) for run, _ in group] for group in groups]
    found = auroc(values[0], values[1], clusters=(clusters[0], clusters[1]))
    if found is None:
        return None
    smaller = min(len(set(names)) for names in clusters)
    return Estimate(found.value, found.low, found.high, 0.5, smaller, found.grokking + found.controls)


# --- geometry ---------------------------------------------------------------------------------------------------------


def concentration(
    evidence: StudyEvidence, where: Mapping[str, Fact] = {}, grokking: bool | None = None, arm: str | None = None
) -> Estimate | None:
    """PC1 of the whole weight trajectory, all matrices as one block. Null: a random walk of as many snapshots."""
    runs = [run for run in _chosen(evidence, where, arm) if run.has("pc1")]
    runs = [run for run in runs if grokking is None or (run.grok_step is not None) == grokking]
    lengths = [len(run.signal("pc1")[1]) + 3 for run in runs]  # PC1 begins with the fourth snapshot
    null = _mean([random_walk_share(length) for length in lengths])
    return mean_over_clusters([float(run.signal("pc1")[1][-1]) for run in runs], _clusters(runs, arm), null)


def in_phase(
    evidence: StudyEvidence,
    number: str,
    phase: PhaseName,
    null: float,
    where: Mapping[str, Fact] = {},
    arm: str | None = None,
    ratio: bool = False,
) -> Estimate | None:
    """Mean over clusters of a number's median in one phase. `ratio`: geometric mean. The claim states the null."""
    medians = [(run, phase_median(run, number, phase)) for run in _chosen(evidence, where, arm)]
    runs = [run for run, value in medians if value is not None]
    values = [value for _, value in medians if value is not None]
    return (ratio_over_clusters if ratio else mean_over_clusters)(values, _clusters(runs, arm), null)


def phase_median(run: Trajectory, number: str, phase: PhaseName) -> float | None:
    """The median of a number in one phase of a run; None where it was not recorded."""
    steps, values = run.signal(number)
    if phase == "end":
        return float(values[-1]) if len(values) else None
    grok = run.grok_step or math.inf
    inside = values[(steps >= _memorized(run)) & (steps < grok)] if phase == "plateau" else values[steps >= grok]
    return float(np.median(inside)) if len(inside) else None


def peak_height(evidence: StudyEvidence, number: str, arm: str, against: str) -> Estimate | None:
    """Largest value of a number from memorization to grokking, over the larger of the two ends. Without a peak it is 1.

    Geometric mean over the runs of an arm. Null: that of the other arm, from memorization to the end of a run.
    """
    own, others = ([_height(run, number) for run in _chosen(evidence, {}, each)] for each in (arm, against))
    found = [height for height in own if height is not None]
    null = [height for height in others if height is not None]
    if not null:
        return None
    return ratio_over_clusters(found, [str(index) for index in range(len(found))], _geometric_mean(null))


def phase_ratio(evidence: StudyEvidence, number: str, arm: str, against: str) -> Estimate | None:
    """Median of a number from grokking on, over its median between memorization and grokking.

    Geometric mean over the runs of an arm that grok. Null: that of the other arm, each run parted at the grok step of
    the run of the same seed, and not followed for longer.
    """
    seeds = {run.facts.get("train.seed"): run for run in _chosen(evidence, {}, arm) if run.grok_step is not None}
    as_long = [
        _until(replace(run, grok_step=own.grok_step), own.steps)
        for run in _chosen(evidence, {}, against)
        if (own := seeds.get(run.facts.get("train.seed"))) is not None
    ]
    found, null = (
        [after / before for run in runs
         if (after := phase_median(run, number, "after")) and (before := phase_median(run, number, "plateau"))]
        for runs in (seeds.values(), as_long)
    )  # fmt: skip
    if not null:
        return None
    return ratio_over_clusters(found, [str(index) for index in range(len(found))], _geometric_mean(null))


# --- levers -----------------------------------------------------------------------------------------------------------


def grok_ratio(evidence: StudyEvidence, arm: str, against: str) -> Estimate | None:
    """Grok step of one arm over that of another, paired by seed. A run that did not grok gives a bound. Null: 1.

    The interval is Student's over seeds; for a bound, it comes from the noise between runs of one
    seed, of the other arm or, if none of it grokked, of the baseline.
    """
    treated, reference = evidence.arm(arm), evidence.arm(against)
    noise = next(
        (known for each in (reference, evidence.arm(BASELINE)) if (known := replicate_noise(each)).known), None
    )
    found = effect(treated, reference, noise or replicate_noise(reference))
    if found is None or found.ratio is None:
        return None
    low, high = found.over_seeds or found.interval
    return Estimate(found.ratio, low, high, 1.0, found.pairs, 2 * found.pairs, ratio=True)


def grokked_share(evidence: StudyEvidence, arm: str, against: str) -> Estimate | None:
    """Share of the runs of an arm that grok, one cluster per seed. Null: the share of the other arm."""
    treated, reference = evidence.arm(arm), evidence.arm(against)
    null = _mean([outcome.grokked for outcome in reference])
    return share_over_clusters([each.grokked for each in treated], [str(each.seed) for each in treated], null)


STATISTICS: Mapping[str, Statistic] = {
    each.__name__.replace("_", "-"): each
    for each in (
        lead_exponent, led_share, lead_fraction, false_alarms, separation, concentration, in_phase, peak_height,
        phase_ratio, grok_ratio, grokked_share,
    )
}  # fmt: skip
"""All statistics, by the names that the claims use"""


def _memorized(run: Trajectory) -> float:
    """The step of memorization; infinite if the run never memorizes."""
    steps, accuracy = run.signal("train_accuracy")
    reached = steps[accuracy >= float(run.facts.get("detect.memorization", 0.99))]
    return float(reached[0]) if len(reached) else math.inf


def _height(run: Trajectory, number: str) -> float | None:
    """See `peak_height`; None with fewer than three values, of which one could be a peak."""
    steps, values = run.signal(number)
    inside = values[(steps >= _memorized(run)) & (steps <= (run.grok_step or math.inf))]
    return float(inside.max() / max(inside[0], inside[-1])) if len(inside) > 2 else None


def _until(run: Trajectory, end: int) -> Trajectory:
    """The run up to a step."""
    kept = run.columns["step"] <= end
    return replace(run, columns={name: column[kept] for name, column in run.columns.items()})


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _chosen(evidence: StudyEvidence, where: Mapping[str, Fact], arm: str | None) -> list[Trajectory]:
    return [run for run in evidence.over(where) if arm is None or arm_of(run) == arm]


def _clusters(runs: Sequence[Trajectory], arm: str | None) -> list[str]:
    """Configurations; within one arm, which is one configuration, seeds."""
    return [configuration_of(run) if arm is None else str(run.facts.get("train.seed")) for run in runs]


def _rivals(
    evidence: StudyEvidence, cases: Sequence[Case], where: Mapping[str, Fact]
) -> list[tuple[Case, float | None]]:
    """The firing step of an alarm that is free, beside each case.

    Of runs: memorization. A published table does not have it: there the earliest onset that the cadence allows.
    """
    if evidence.table:
        return [(case, FLOOR_RECORDS * case.cadence if case.cadence else None) for case in cases]
    steps = {case.name: case.onset_step for case in evidence.cases(MEMORIZATION_RIVAL, where)}
    return [(case, steps.get(case.name)) for case in cases]


def _grok(case: Case) -> int:
    assert case.grok_step is not None
    return max(case.grok_step, 1)


def _grokked_by(run: Trajectory, horizon: Horizon) -> bool:
    return run.grok_step is not None and run.grok_step <= horizon.of(run)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan

"""Every signal and every rule as a warning, side by side on the same runs.

A lead time says nothing alone: a rule that always fires at step 500 leads by thousands of steps and knows nothing. So
each rule is also asked on how many runs that never grok it fired, and whether it fires later where grokking comes
later; each signal, how well its value at one early moment tells the runs that will grok from those that will not. What
was known at that moment is all that counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import SignalDescription, names_of
from grokscope.warning.configuration import configuration_of
from grokscope.warning.detection import MEMORIZED, TURN_RULE, described, detections, rule_numbers
from grokscope.warning.predictors import LR, WD, PredictorRow, predictors, value_at
from grokscope.warning.ranking import Auroc, Correlation, auroc, spearman, stratified_auroc
from grokscope.warning.rules import Detected
from grokscope.warning.trajectory import Trajectory
from grokscope.words.tracking import Track, untracked

STRATA = (LR, WD, "task.operation", "task.train_fraction")
DECAY_TIMES = (1.0, 1.5, 2.0, 2.5)
"""τ = lr · wd · step at which signals are scored: equal for all runs, as equal steps are not"""
BUDGET_FRACTIONS = (0.05, 0.1, 0.25)
"""Where no run has a clock"""
EVIDENT = (MEMORIZED, TURN_RULE)
"""Rules that anybody can follow without measuring a landscape: a warning that comes after them is late news."""
CLOCK = "lr·wd"
AUROC_DRAWS = 2_000


@dataclass(frozen=True)
class Quartiles:
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Race:
    """Which of two rules could say so first, over the grokking runs on which both fired."""

    runs: int
    first: int
    ahead: Quartiles | None
    """Steps from when the rule was known to when its rival was; negative where it was the later one"""


@dataclass(frozen=True)
class RuleRow:
    """One rule on the runs that recorded its signal. Leads are over grokking runs on which it fired, late ones too."""

    rule: str
    signal: str
    grokking: int
    fired: int
    """Of the grokking runs, at any time"""
    in_time: int
    """Of the grokking runs, known before the grok step"""
    controls: int
    false_alarms: int
    """Of the controls, within their budget"""
    early_false_alarms: int
    """Of the controls, known by the median grok step: the time a grokking run gives a rule to fire in"""
    lead: Quartiles | None
    """From when the rule could say so, steps"""
    lead_dated: Quartiles | None
    """From the step that it names, steps"""
    fraction_of_grok_step: Quartiles | None
    """Step at which it could say so / grok step"""
    correlation: Correlation | None
    """Of firing step and grok step"""
    within_lr: Correlation | None
    races: Mapping[str, Race]
    """By rival"""


@dataclass(frozen=True)
class Horizon:
    """One moment in every run: a step, a fraction of its budget, or a decay time."""

    step: int | None = None
    fraction: float | None = None
    decay_time: float | None = None

    def of(self, run: Trajectory) -> float:
        """The step in this run; infinite where it has no such clock."""
        if self.step is not None:
            return float(self.step)
        if self.decay_time is None:
            return (self.fraction or 0.0) * run.budget
        rate = rate_of(run)
        return self.decay_time / rate * (1 + 1e-9) if rate > 0 else float("inf")


def rate_of(run: Trajectory) -> float:
    """lr · wd; 0 where it is not known."""
    lr, wd = run.facts.get(LR), run.facts.get(WD)
    return float(lr * wd) if isinstance(lr, int | float) and isinstance(wd, int | float) else 0.0


@dataclass(frozen=True)
class AurocRow:
    """How well a signal at a horizon tells runs that will grok from controls; runs that had grokked by then are out."""

    signal: str
    kind: Literal["signal", "rule", "setting"]
    """Whether `signal` is a signal, scored by its value; a rule, scored by how long ago it fired; or settings alone"""
    horizon: Horizon
    auroc: Auroc | None
    """None where one kind of run is missing"""
    within: Mapping[str, float | None]
    """By fact: comparing only runs that share it; None where outcome and fact are confounded, or it is not known"""


@dataclass(frozen=True)
class Scoreboard:
    """Rows of rules, signals at horizons, and predictors of the grok step."""

    runs: int
    grokking: int
    controls: int
    """Never grokked within their whole budget"""
    unfinished: int
    """Not grokked, and not seen to the end of their budget: they are in no row"""
    median_grok_step: float | None
    median_control_steps: float | None
    """How long controls were watched: false alarms grow with it"""
    rules: tuple[RuleRow, ...]
    aurocs: tuple[AurocRow, ...]
    predictors: tuple[PredictorRow, ...]
    not_recorded: tuple[str, ...]
    """Signals that no run has"""
    signals: Mapping[str, SignalDescription]
    """What the names of signals and rules mean"""

    @property
    def names(self) -> dict[str, str]:
        """What a person calls the signals and rules."""
        return names_of(self.signals)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        signals = {name: signal.to_json() for name, signal in self.signals.items()}
        return {**asdict(replace(self, signals={})), "signals": signals}


class _Scored(NamedTuple):
    kind: Literal["signal", "rule", "setting"]
    name: str
    number: str
    """What it looks at"""


@dataclass(frozen=True)
class _Run:
    trajectory: Trajectory
    found: Mapping[str, Detected | None]

    @cached_property
    def configuration(self) -> str:
        return configuration_of(self.trajectory)

    @property
    def grok(self) -> float:
        return float(self.trajectory.grok_step or 0)


def scoreboard(
    trajectories: Sequence[Trajectory],
    at_steps: Sequence[int] = (),
    fractions: Sequence[float] | None = None,
    decay_times: Sequence[float] = DECAY_TIMES,
    draws: int = AUROC_DRAWS,
    seed: int = 0,
    track: Track = untracked,
) -> Scoreboard:
    """Score all rules and signals. Without `at_steps`, the fixed step is half of the earliest grok step.

    `fractions` of the budget: by default `BUDGET_FRACTIONS` where no run has a decay time, else none. `track` sees the
    scores while they are computed.
    """
    runs = [_Run(trajectory, detections(trajectory)) for trajectory in trajectories]
    grokking = [run for run in runs if run.trajectory.grok_step is not None]
    others = [run for run in runs if run.trajectory.grok_step is None]
    controls = [run for run in others if run.trajectory.steps >= run.trajectory.budget]
    steps = list(at_steps) or ([int(min(run.grok for run in grokking)) // 2] if grokking else [])
    clocked = any(rate_of(run.trajectory) > 0 for run in runs)
    parts = fractions if fractions is not None else () if clocked else BUDGET_FRACTIONS
    horizons = [
        *(Horizon(step=step) for step in steps),
        *(Horizon(decay_time=tau) for tau in decay_times if clocked),
        *(Horizon(fraction=part) for part in parts),
    ]
    signals, rules = described(trajectories), rule_numbers(trajectories)
    wanted = dict.fromkeys([*signals, *rules.values()])
    missing = tuple(name for name in wanted if not any(trajectory.has(name) for trajectory in trajectories))
    scored: list[_Scored] = [_Scored("signal", name, name) for name in signals]
    scored += [_Scored("rule", rule, number) for rule, number in rules.items()] + [_Scored("setting", CLOCK, "")]
    return Scoreboard(
        runs=len(runs),
        grokking=len(grokking),
        controls=len(controls),
        unfinished=len(others) - len(controls),
        median_grok_step=_median([run.grok for run in grokking]),
        median_control_steps=_median([float(run.trajectory.steps) for run in controls]),
        rules=tuple(
            _rule_row(rule, number, grokking, controls) for rule, number in rules.items() if number not in missing
        ),
        aurocs=tuple(
            _auroc_row(each, horizon, grokking, controls, draws, seed)
            for each, horizon in track(
                [(each, horizon) for horizon in horizons for each in scored if each.number not in missing], "scores"
            )
        ),
        predictors=predictors([run.trajectory for run in grokking], [run.found for run in grokking]),
        not_recorded=missing,
        signals=signals,
    )


def _rule_row(rule: str, signal: str, grokking: Sequence[_Run], controls: Sequence[_Run]) -> RuleRow:
    grokking = [run for run in grokking if run.trajectory.has(signal)]
    controls = [run for run in controls if run.trajectory.has(signal)]
    typical = _median([run.grok for run in grokking])
    fired = [(run, detected) for run in grokking if (detected := run.found.get(rule)) is not None]
    alarms = [detected for run in controls if (detected := run.found.get(rule)) is not None]
    grok = np.array([run.grok for run, _ in fired])
    known = np.array([detected.confirmed_at for _, detected in fired], dtype=np.float64)
    dated = np.array([detected.step for _, detected in fired], dtype=np.float64)
    return RuleRow(
        rule=rule,
        signal=signal,
        grokking=len(grokking),
        fired=len(fired),
        in_time=int((known < grok).sum()),
        controls=len(controls),
        false_alarms=len(alarms),
        early_false_alarms=sum(typical is not None and detected.confirmed_at <= typical for detected in alarms),
        lead=_quartiles(grok - known),
        lead_dated=_quartiles(grok - dated),
        fraction_of_grok_step=_quartiles(known[grok > 0] / grok[grok > 0]),
        correlation=spearman(dated, grok),
        within_lr=spearman(dated, grok, [_stratum(run, LR) or "" for run, _ in fired]),
        races={rival: _race(fired, rival) for rival in EVIDENT if rival != rule},
    )


def _race(fired: Sequence[tuple[_Run, Detected]], rival: str) -> Race:
    both = [(detected, other) for run, detected in fired if (other := run.found.get(rival)) is not None]
    ahead = np.array([other.confirmed_at - detected.confirmed_at for detected, other in both], dtype=np.float64)
    return Race(len(both), int((ahead > 0).sum()), _quartiles(ahead))


def _auroc_row(
    what: _Scored, horizon: Horizon, grokking: Sequence[_Run], controls: Sequence[_Run], draws: int, seed: int
) -> AurocRow:
    ahead = [run for run in grokking if run.grok > horizon.of(run.trajectory)]
    scored = [[(run, _score(what, run, horizon)) for run in group] for group in (ahead, controls)]
    positive, negative = ([(run, score) for run, score in group if not np.isnan(score)] for group in scored)
    values = [np.array([score for _, score in group], dtype=np.float64) for group in (positive, negative)]
    within: dict[str, float | None] = {}
    for fact in STRATA:
        strata = [[_stratum(run, fact) for run, _ in group] for group in (positive, negative)]
        known = [np.array([stratum is not None for stratum in group], dtype=bool) for group in strata]
        kept = [[stratum for stratum in group if stratum is not None] for group in strata]
        within[fact] = stratified_auroc(values[0][known[0]], values[1][known[1]], kept[0], kept[1])
    clusters = [[run.configuration for run, _ in group] for group in (positive, negative)]
    found = auroc(values[0], values[1], draws, seed, (clusters[0], clusters[1]))
    return AurocRow(what.name, what.kind, horizon, found, within)


def _score(what: _Scored, run: _Run, horizon: Horizon) -> float:
    """The signal's value as it was known at the horizon; NaN where it was not recorded, or the run not seen so far."""
    trajectory, step = run.trajectory, horizon.of(run.trajectory)
    if trajectory.steps < step:
        return float("nan")
    if what.kind == "setting":
        return rate_of(trajectory) if {LR, WD} <= trajectory.facts.keys() else float("nan")
    if what.kind == "rule":
        if not trajectory.has(what.number):
            return float("nan")
        detected = run.found.get(what.name)
        return -float(detected.confirmed_at) if detected and detected.confirmed_at <= step else -float("inf")
    return value_at(trajectory, what.name, step)


def _stratum(run: _Run, fact: str) -> str | None:
    value = run.trajectory.facts.get(fact)
    return None if value is None else str(value)


def _quartiles(values: Floats) -> Quartiles | None:
    if len(values) == 0:
        return None
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Quartiles(float(low), float(median), float(high))


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None

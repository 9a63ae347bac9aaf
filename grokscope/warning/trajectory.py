"""A run as a table: what the law, the scoreboard, the forecast and the figures read.

Ours, the bank's and other people's runs look the same here, so that one calculation serves them all. A trajectory can
be cut at any step (`until`), and what is left knows nothing of what came later.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from grokscope.contract.arrays import Floats
from grokscope.contract.signals import SignalDescription, read_descriptions
from grokscope.gate import Unreadable, real_path
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.log import OddLines, read
from grokscope.settings.signals import installed_signals
from grokscope.settings.values import dotted
from grokscope.words.fields import section

Fact = float | int | str

TREATED_FROM = "interventions.first"
"""The fact that says at which step an intervention was first switched on, by whomever"""

ORIGIN = "origin"
"""The fact that says whose loop trained a run that is not ours (see `grokscope.events.Origin`); ours do not have it"""

CHANCE = "data.chance"
"""The fact that says what guessing reaches in the task's metric; see `grokscope.contract.tasks.chance`"""

THRESHOLD = "detect.threshold"
"""The fact that says which test accuracy counts as grokked, by the criterion that the run was judged by"""

SCORES = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
"""What evaluations give a trajectory; accuracies are by the task's headline metric"""

_EXPORTED: Mapping[str, str] = {
    "train_accuracy": "train.accuracy",
    "test_accuracy": "test.accuracy",
    "train_loss": "train.loss",
    "test_loss": "test.loss",
    "defect": "defect.median",
    "defect_floor": "measured.floor",
    "commutator_norm": "measured.commutator_norm",
    "relative_commutator": "measured.relative_commutator",
    "probe_gradient_norm": "measured.gradient_norm",
    "gradient_cosine": "measured.gradient_cosine",
}


def exported(column: str) -> str:
    """What `grokscope export` calls a column of a trajectory."""
    return _EXPORTED.get(column, f"signals.{column}")


def known_columns() -> list[str]:
    """The columns that a table of runs may have: what evaluations give, and the numbers of all installed signals."""
    numbers = [name for spec in installed_signals() for name in (spec.name, spec.floor) if name]
    return list(dict.fromkeys(["step", *SCORES, *numbers]))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One run. Raises `ValueError` where columns differ in length or steps do not ascend."""

    name: str
    task: str
    """`modular`, `dyck`, …; `imported` for a stranger's"""
    facts: Mapping[str, Fact]
    """Dotted settings, only those known: optimizer.lr, optimizer.wd, train.seed, task.operation, measure.every, …"""
    columns: Mapping[str, Floats]
    """Equal lengths [n]; NaN where a record lacks the signal; `step` always, ascending"""
    grok_step: int | None
    """By the run's own criterion; None where it has not grokked by `steps`"""
    steps: int
    """Last step seen: where a run that never grokked is censored"""
    budget: int
    """Steps it was allowed"""
    grok_known_at: int | None = None
    """When the criterion was fulfilled; a criterion that asks for persistence reports an earlier step than that"""
    regress_step: int | None = None
    """When it lost again what it had grokked; see `grokscope.warning.rules.Regression`"""
    regress_known_at: int | None = None
    """When that could be known"""
    signals: Mapping[str, SignalDescription] = field(default_factory=dict)
    """What the run's log says of its signals, by name"""
    place: str = ""
    """Where it was read, which makes it the same run: its folder, or its table and its name there"""

    def __post_init__(self) -> None:
        steps = self.columns.get("step")
        if steps is None:
            raise ValueError(f"{self.name}: a trajectory has a column `step`")
        if any(len(column) != len(steps) for column in self.columns.values()):
            raise ValueError(f"{self.name}: columns differ in length")
        if len(steps) == 0 or not np.all(np.diff(steps) > 0):
            raise ValueError(f"{self.name}: steps ascend, and there is one at least")
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "signals", MappingProxyType(dict(self.signals)))
        if self.grok_step is not None and self.grok_known_at is None:
            object.__setattr__(self, "grok_known_at", self.grok_step)

    def until(self, step: int) -> "Trajectory":
        """What was known at `step`: records up to it, and grokking only where it had been confirmed by then.

        Raises `ValueError` for a step before the first record.
        """
        kept = self.columns["step"] <= step
        if not kept.any():
            raise ValueError(
                f"{self.name}: step {step:,} is before the first record, at {int(self.columns['step'][0]):,}"
            )
        known = self.grok_known_at is not None and self.grok_known_at <= step
        lost = self.regress_known_at is not None and self.regress_known_at <= step
        return replace(
            self,
            columns={name: column[kept] for name, column in self.columns.items()},
            grok_step=self.grok_step if known else None,
            grok_known_at=self.grok_known_at if known else None,
            regress_step=self.regress_step if lost else None,
            regress_known_at=self.regress_known_at if lost else None,
            steps=min(self.steps, step),
        )

    def signal(self, name: str) -> tuple[Floats, Floats]:
        """Steps and values of the records that have it, both [m]; empty where the run never recorded it."""
        if name not in self.columns:
            return np.empty(0), np.empty(0)
        finite = np.isfinite(self.columns[name])
        return self.columns["step"][finite], self.columns[name][finite]

    def has(self, name: str) -> bool:
        """Whether any record has this signal."""
        return name in self.columns and bool(np.isfinite(self.columns[name]).any())

    @property
    def treated(self) -> bool:
        """Whether anybody intervened, or was to: such a run says nothing of how runs go by themselves."""
        return any(fact.startswith("interventions.") for fact in self.facts)


def with_numbers(trajectory: Trajectory, rows: Mapping[int, Mapping[str, float]]) -> Trajectory:
    """The run with more numbers, by step and name; they count where the record has the same number at the same step."""
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {
        name: (found[0].tolist(), found[1].tolist())
        for name in trajectory.columns
        if name != "step" and len((found := trajectory.signal(name))[0])
    }
    for name in dict.fromkeys(name for numbers in rows.values() for name in numbers):
        told = {float(step): numbers[name] for step, numbers in rows.items() if name in numbers}
        steps, values = series.get(name, ((), ()))
        merged = {**dict(zip(steps, values, strict=True)), **told}
        series[name] = (sorted(merged), [merged[step] for step in sorted(merged)])
    return replace(trajectory, columns=_columns(series))


class OddLog(NoSuchRun):
    """A log that is not one of ours, or is damaged, or cannot be read; one sentence."""


Skipped = Callable[[str], None]
"""Is told, in a sentence each, which logs of a folder, or lines of a log, were left out as odd"""


def ignore_skipped(_: str) -> None:
    """Nobody is told."""


def trajectory_of(directory: RunDirectory, skipped: Skipped = ignore_skipped) -> Trajectory:
    """A run directory's log as a trajectory, finished or not. Raises `NoSuchRun` where the log holds no run."""
    odd = OddLines()
    try:
        run = trajectory_from(read(directory.events, odd), directory.name)
    except NoSuchRun:
        if odd.count:
            raise OddLog(f"{directory.events} is no log of a run ({odd.first})") from None
        raise
    except Unreadable as problem:
        raise OddLog(str(problem)) from None
    except KeyError as problem:
        raise OddLog(f"{directory.events} is no log of a run: {problem.args[0]!r} is missing") from None
    except (ValueError, TypeError, AttributeError) as problem:
        raise OddLog(f"{directory.events} is no log of a run: {problem}") from None
    if odd.count:
        skipped(odd.sentence(directory.events))
    return replace(run, place=str(real_path(directory.path)))


def trajectory_from(events: Iterable[Mapping[str, Any]], name: str) -> Trajectory:
    """The events of a log, as plain dictionaries, as a trajectory. Raises `NoSuchRun` where they hold no run."""
    started: Mapping[str, Any] | None = None
    grokked: Mapping[str, Any] | None = None
    regressed: Mapping[str, Any] | None = None
    series: dict[str, tuple[array[float], array[float]]] = {}
    treated: dict[str, Fact] = {}
    metric, last = "accuracy", 0
    for event in events:
        kind, step = event["event"], event.get("step")
        if kind == "started":
            started, metric = event, event["metric"]
        elif kind == "grokked":
            grokked = event
        elif kind == "regressed":
            regressed = event
        elif kind == "intervened" and event["state"] == "on":
            treated.setdefault(TREATED_FROM, event["step"])
        if isinstance(step, int):
            last = max(last, step)
            for number, value in cells_of(event, metric).items():
                steps, values = series.setdefault(number, (array("d"), array("d")))
                steps.append(step)
                values.append(value)
    if started is None or not series:
        raise NoSuchRun(f"{name} holds no run yet: there is nothing in its log but its beginning")
    return Trajectory(
        name=name,
        task=started["task"],
        facts=facts_of(started["config"]) | treated | origin_of(started) | _of_data(started),
        columns=_columns(series),
        grok_step=None if grokked is None else grokked["step"],
        steps=last,
        budget=section(started["config"], "train").get("steps", last),
        grok_known_at=None if grokked is None else grokked["confirmed_at"],
        regress_step=None if regressed is None else regressed["step"],
        regress_known_at=None if regressed is None else regressed["confirmed_at"],
        signals=read_descriptions(started.get("signals")),
    )


def origin_of(started: Mapping[str, Any]) -> dict[str, Fact]:
    """The fact `origin` of a run that is not ours."""
    origin = started.get("origin", "grokscope")
    return {} if origin == "grokscope" else {ORIGIN: str(origin)}


def _of_data(started: Mapping[str, Any]) -> dict[str, Fact]:
    return threshold_of(started) | chance_of(started) | sizes_of(started)


def chance_of(started: Mapping[str, Any]) -> dict[str, Fact]:
    """The fact `data.chance`, where the task declared it."""
    value = (started.get("facts") or {}).get("chance")
    return {CHANCE: float(value)} if isinstance(value, int | float) else {}


def sizes_of(started: Mapping[str, Any]) -> dict[str, Fact]:
    """The facts `data.model.width` and so on: the sizes of the model, also those that no setting states."""
    sizes = section(started, "model")
    return {f"data.model.{name}": value for name, value in sizes.items() if isinstance(value, int)}


def threshold_of(started: Mapping[str, Any]) -> dict[str, Fact]:
    """The fact `detect.threshold`, where the first event says by which criterion the run is judged."""
    criteria, rules = started.get("criteria") or {}, started.get("rules") or {}
    chosen = criteria.get((rules.get("grokked") or {}).get("name"))
    return {THRESHOLD: float(chosen["threshold"])} if chosen else {}


def cells_of(event: Mapping[str, Any], metric: str) -> dict[str, float]:
    """One event's part of a row; what was not finite is null in the log and absent here."""
    match event["event"]:
        case "evaluated":
            splits = {split: section(event, split) for split in ("train", "test")}
            cells = {f"{split}_accuracy": scores.get(metric) for split, scores in splits.items()}
            cells |= {f"{split}_loss": scores.get("loss") for split, scores in splits.items()}
        case "measured" if event["estimator"] == "finite-difference":
            cells = {
                "finite_difference_defect": event["defect"]["median"],
                "finite_difference_floor": event["floor"],
            } | _beside(event)
        case "measured":
            cells = {
                "defect": event["defect"]["median"],
                "defect_floor": event["floor"],
            } | _beside(event)
        case "observed":
            cells = event["signals"]
        case _:
            cells = {}
    return {name: float(value) for name, value in cells.items() if value is not None}


_BESIDE = {
    "commutator_norm": "commutator_norm",
    "relative_commutator": "relative_commutator",
    "probe_gradient_norm": "gradient_norm",
    "gradient_cosine": "gradient_cosine",
}
"""What a measurement records beside the defect: our columns to its fields"""


def _beside(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {column: measured.get(field) for column, field in _BESIDE.items()}


def _columns(series: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, Floats]:
    """Steps and values by name as one table; where a step has a number twice, the later one counts."""
    columns = {"step": np.unique(np.concatenate([np.array(steps) for steps, _ in series.values()]))}
    for name in [*SCORES, *sorted(series.keys() - set(SCORES))]:
        if name in series:
            steps, values = series[name]
            columns[name] = np.full(len(columns["step"]), np.nan)
            columns[name][np.searchsorted(columns["step"], steps)] = values
    return columns


_NO_FACTS = ("task.name", "train.steps", "forecast.enabled", "observe.", "log.", "snapshot.", "checkpoint.", "backend.")
"""Beginnings of settings that say nothing of a run's course or of how it was judged"""
BANK = "forecast.bank"
"""The table that a run forecasts itself from, where its settings name one"""


def facts_of(config: Mapping[str, Any]) -> dict[str, Fact]:
    """The settings as dotted keys, without those that are unset, and `train.steps`, which is the budget."""
    facts: dict[str, Fact] = {}
    for key, value in dotted(config).items():
        if isinstance(value, list):
            value = "; ".join(map(str, value))
        if value is not None and value != "" and not key.startswith(_NO_FACTS):
            facts[key] = int(value) if isinstance(value, bool) else value
    return facts

"""The runs of a report: their trajectories, and facts that only their logs have (spread, versions, commands).

All dates come from the events, so that reports of the same runs are equal byte for byte.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grokscope import registry
from grokscope.contract.arrays import Floats
from grokscope.contract.signals import names_of
from grokscope.gate import Unreadable, read_text, real_path
from grokscope.runs.directory import RunDirectory, distinct_names, find_run
from grokscope.runs.log import read
from grokscope.settings.config import FLAGS, ConfigError, resolve
from grokscope.settings.values import dotted
from grokscope.sweeps.commands import toml_of
from grokscope.sweeps.manifest import SWEEP_FILE as SWEEP
from grokscope.warning.detection import described, detections
from grokscope.warning.lookup import distinct, place_of, read_trajectories
from grokscope.warning.recorded import with_recorded
from grokscope.warning.review import TimeFold
from grokscope.warning.rules import Detected
from grokscope.warning.trajectory import Skipped, Trajectory, ignore_skipped
from grokscope.words.fields import section

EXPERIMENT = "experiment.toml"

RunOutcome = Literal["grokked", "memorized", "never memorized", "diverged", "unfinished"]
OUTCOMES: tuple[RunOutcome, ...] = ("grokked", "memorized", "never memorized", "diverged", "unfinished")


@dataclass(frozen=True)
class DefectSpread:
    """Spread of the defect over the samples of each measurement. All arrays [n]."""

    steps: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Provenance:
    """The origin of a run, from its log."""

    status: str | None
    """How the run ended; None for a run that has not ended"""
    began: str
    """RFC 3339, UTC"""
    ended: str
    """Time of the last event"""
    seconds: float
    """Wall time of all processes of the run"""
    backend: str
    device: str
    precision: str
    parameters: int
    versions: Mapping[str, str]
    estimator: str
    command: str
    """The command that repeats the run"""
    quartiles: DefectSpread | None


@dataclass(frozen=True)
class Run:
    """One run of a report."""

    trajectory: Trajectory
    found: Mapping[str, Detected | None]
    """The detection of every rule, see `detections`"""
    provenance: Provenance | None
    """None for a run from a table"""

    @property
    def name(self) -> str:
        return self.trajectory.name

    @property
    def names(self) -> Mapping[str, str]:
        """Words for the run's signals and their rules."""
        return names_of(described([self.trajectory]))

    @property
    def treated(self) -> bool:
        """Whether the run has interventions, applied or planned."""
        return self.trajectory.treated

    @property
    def outcome(self) -> RunOutcome:
        """The outcome within the recorded steps. A table does not record divergence; the run is then unfinished."""
        status = self.provenance.status if self.provenance else None
        if self.trajectory.grok_step is not None:
            return "grokked"
        if status == "diverged":
            return "diverged"
        if self.trajectory.steps < self.trajectory.budget:
            return "unfinished"
        return "memorized" if self.found["memorized"] is not None else "never memorized"

    @property
    def censored(self) -> bool:
        """Whether the run has not grokked within the recorded steps: its grok step is later, or never."""
        return self.trajectory.grok_step is None


@dataclass(frozen=True)
class ReportSource:
    """The runs that one argument names."""

    name: str
    path: Path
    kind: Literal["run", "sweep", "experiment", "folder", "table"]
    manifest: str | None
    """The text of sweep.toml or experiment.toml; None without one"""
    runs: tuple[Run, ...]


def find_source(wanted: str, folder: Path) -> Path:
    """The path of a source: a path, or the name or unique prefix of a sweep, table or run in `folder`.

    Raises `NoSuchRun`.
    """
    return place_of(wanted, folder) or find_run(wanted, folder).path


def read_sources(paths: Sequence[Path], skipped: Skipped = ignore_skipped) -> list[ReportSource]:
    """All sources, each run once. Runs and sources with the same name get their paths as names. Raises `NoSuchRun`."""
    sources, seen = [], set[str]()
    for path in paths:
        source = read_source(path, skipped)
        fresh = [run for run in source.runs if run.trajectory.place not in seen]
        seen.update(run.trajectory.place for run in fresh)
        if fresh:
            sources.append(replace(source, runs=tuple(fresh)))
    return _distinct(sources)


def read_source(path: Path, skipped: Skipped = ignore_skipped) -> ReportSource:
    """One run directory, sweep, experiment, folder of runs or trajectory table. Raises `NoSuchRun`."""
    trajectories = [with_recorded(trajectory) for trajectory in read_trajectories(path, skipped)]
    kind, manifest = _kind(path)
    name = path.name if path.is_file() else real_path(path).name
    runs = [Run(trajectory, detections(trajectory), _provenance(trajectory, kind)) for trajectory in trajectories]
    return ReportSource(name, path, kind, manifest, tuple(runs))


def _kind(path: Path) -> tuple[Literal["run", "sweep", "experiment", "folder", "table"], str | None]:
    if path.is_file():
        return "table", None
    if (path / "events.jsonl").is_file():
        return "run", None
    for file, kind in ((EXPERIMENT, "experiment"), (SWEEP, "sweep")):
        try:
            return kind, read_text(path / file)  # type: ignore[return-value]
        except Unreadable:
            continue
    return "folder", None


def _distinct(sources: Sequence[ReportSource]) -> list[ReportSource]:
    trajectories = iter(distinct(run.trajectory for source in sources for run in source.runs))
    names = distinct_names([real_path(source.path) for source in sources])
    return [
        replace(source, name=name, runs=tuple(replace(run, trajectory=next(trajectories)) for run in source.runs))
        for source, name in zip(sources, names, strict=True)
    ]


def _provenance(trajectory: Trajectory, kind: str) -> Provenance | None:
    if kind == "table":
        return None
    return provenance_of(read(RunDirectory(Path(trajectory.place)).events))


def provenance_of(events: Iterable[Mapping[str, Any]]) -> Provenance | None:
    """The origin of a run from its events; None if they hold no run."""
    time, spreads = TimeFold(), dict[int, tuple[float, float]]()
    began, last, end = None, dict[str, Any](), dict[str, Any]()
    for event in events:
        time.see(event)
        if event["event"] == "started":
            began, last, end = began or event["time"], dict(event), {}
        elif event["event"] == "finished":
            end = dict(event)
        elif event["event"] == "measured" and None not in (quartiles := _quartiles(event)):
            spreads[event["step"]] = quartiles
    if began is None:
        return None
    config = last["config"]
    return Provenance(
        status=end.get("status"),
        began=began,
        ended=time.newest,
        seconds=time.spent.total,
        backend=last["backend"],
        device=last["device"],
        precision=last["precision"],
        parameters=last["parameters"],
        versions=last["versions"],
        estimator=section(config, "measure").get("estimator", ""),
        command=run_command(config),
        quartiles=_spread(spreads),
    )


def run_command(config: Mapping[str, Any]) -> str:
    """A shell command that repeats a run. It names the settings that differ from the preset."""
    task, preset = str(section(config, "task").get("name")), str(config.get("preset", "paper"))
    own = {key: value for key, value in dotted(config).items() if key not in {"task.name", "preset"}}
    usual = _preset(task, preset)
    if usual is None:
        return f"grokscope run {shlex.quote(task)} --config config.toml"
    flags = {key: flag for flag, key in FLAGS.items() if key != "interventions.schedule"}
    words = ["grokscope", "run", task, "--preset", preset]
    for key, value in own.items():
        if value is not None and usual.get(key) != value:
            words += [f"--{flags[key]}", toml_of(value)] if key in flags else ["--set", f"{key}={toml_of(value)}"]
    return shlex.join(words)


@cache
def _preset(task: str, preset: str) -> Mapping[str, Any] | None:
    """All settings of a preset; None for a missing plugin or preset."""
    try:
        config, _ = resolve(registry.get("tasks", task), {}, preset=preset)
    except (ConfigError, registry.NoSuchPlugin):
        return None
    return dotted(config.model_dump(mode="json"))


def _quartiles(measured: Mapping[str, Any]) -> tuple[float, float]:
    return measured["defect"]["p25"], measured["defect"]["p75"]


def _spread(spreads: Mapping[int, tuple[float, float]]) -> DefectSpread | None:
    """The spread of the exact defect; None without one. The finite difference records no spread."""
    if not spreads:
        return None
    steps = sorted(spreads)
    low, high = np.array([spreads[step] for step in steps], dtype=np.float64).T
    return DefectSpread(np.array(steps, dtype=np.float64), low, high)

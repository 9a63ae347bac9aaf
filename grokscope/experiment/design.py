"""The causal experiment as a plan: which arms, on which seeds, with which settings; and where it was written down.

Two phases. First the baselines: a run a seed, with snapshots, and replicates of it that differ in the order of batches
alone: how far those lie apart is the noise that an effect has to beat. Then the treatments: each is the baseline of its
seed, same split, same initialization, same batches, but for the treatment, which works on that baseline's own
execution subspace. So the second phase can only be planned in full when the first is over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokscope import registry
from grokscope.experiment.conditions import BASELINE, CONDITIONS, Arm, condition_settings, possible
from grokscope.gate import Missing, Unreadable, read_toml
from grokscope.runs.directory import NoSuchRun, check_name, find_manifest, folders_with, write_whole
from grokscope.settings.config import ConfigError, RunConfig, resolve
from grokscope.settings.values import problem_in_words
from grokscope.sweeps.grid import Cell, Listed, Sweep, SweepFile, plan

EXPERIMENT_FILE = "experiment.toml"
PUBLISHED_START = 500
LATEST_FRACTION = 0.25
PUBLISHED_BLOCKS = {"modular": "attention"}
"""Weight matrices that the published bases span, where they are not those of attention and MLP"""


class Design(BaseModel):
    """What was asked for. Everything else follows from it, and from the baselines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str
    preset: str = "paper"
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every run, dotted keys")
    seeds: list[int] = Field(min_length=1)
    replicates: int = Field(2, ge=0, description="runs of each baseline beside itself, batches in another order")
    arms: dict[str, list[float]] = Field(default_factory=dict, description="doses by condition")
    start: Literal["auto"] | int | float = Field(
        "auto", description="first step treated; a fraction below 1 is of the grok step of the seed's baseline"
    )
    published: bool = Field(False, description="interventions as published, with their defects")
    measure: bool = Field(False, description="measure the defect in every run, not in the baselines alone")

    def treatments(self) -> Iterator[Arm]:
        """Every arm but the baseline, in the order of `CONDITIONS`."""
        for name in CONDITIONS:
            for dose in self.arms.get(name, ()):
                if possible(Arm(name, dose)):
                    yield Arm(name, dose)

    def config(self) -> RunConfig:
        """What all runs share, resolved. Raises `ConfigError`, `NoSuchPlugin`."""
        return resolve(registry.get("tasks", self.task), self.base, preset=self.preset)[0]


@dataclass(frozen=True)
class Planned:
    """A run of the experiment: a cell, and what it is there for."""

    arm: Arm
    seed: int
    replicate: int
    cell: Cell


@dataclass(frozen=True)
class Start:
    """From which step on a seed is treated."""

    step: int
    warning: str | None = None


def baselines(design: Design, runs: Path) -> list[Planned]:
    """The first phase: the baselines, then their replicates. Raises `ConfigError`."""
    turns = [(seed, replicate) for replicate in range(design.replicates + 1) for seed in design.seeds]
    arms = {run_slug(Arm(BASELINE), *turn): (Arm(BASELINE), *turn) for turn in turns}
    settings = {slug: _baseline_settings(design, seed, replicate) for slug, (_, seed, replicate) in arms.items()}
    return _planned(design, runs, arms, settings)


def treated(design: Design, runs: Path, starts: Mapping[int, Start]) -> list[Planned]:
    """The second phase, condition by condition, for the seeds that have a start. Raises `ConfigError`."""
    config = design.config()
    turns = [(arm, seed, 0) for arm in design.treatments() for seed in design.seeds if seed in starts]
    arms = {run_slug(*turn): turn for turn in turns}
    settings = {
        slug: _common_settings(design, seed)
        | ({} if design.measure else {"measure.estimator": "off"})
        | condition_settings(
            arm,
            config,
            start=starts[seed].step,
            basis=run_slug(Arm(BASELINE), seed, 0),
            published=design.published,
            blocks=PUBLISHED_BLOCKS.get(design.task) if design.published else None,
        )
        for slug, (arm, seed, _) in arms.items()
    }
    return _planned(design, runs, arms, settings)


def start_of(design: Design, seed: int, grok_step: int | None) -> Start:
    """From which step on to treat a seed whose baseline grokked at `grok_step`, on its grid of evaluations.

    `auto`: at the published step, 500, or where that is sooner after a quarter of the way to the baseline's grok step:
    a treatment that begins when all is over treats nothing.
    """
    every = design.config().evaluate.every
    asked = design.start
    if grok_step is None:
        step = PUBLISHED_START if isinstance(asked, str) or asked < 1 else int(asked)
        return Start(step, f"the baseline of seed {seed} has not grokked: treated from step {step:,} on")
    if isinstance(asked, str):
        early = max(every, int(LATEST_FRACTION * grok_step) // every * every)
        return Start(min(PUBLISHED_START, early))
    if asked < 1:
        return Start(max(1, round(asked * grok_step / every) * every))
    late = f"seed {seed} is treated from step {int(asked):,} on, but its baseline has grokked at {grok_step:,}"
    return Start(int(asked), late if asked >= grok_step else None)


def never_treated(design: Design, seed: int, start: Start) -> str | None:
    """Why no intervention will act in the runs of a seed; None where it may."""
    steps = design.config().train.steps
    if start.step < steps or all(CONDITIONS[arm.condition].kind is None for arm in design.treatments()):
        return None
    return (
        f"seed {seed} is never treated: from step {start.step:,} on, and its runs end at step {steps:,}; "
        "give an earlier --start, or more --steps"
    )


def sweep_of(design: Design, runs: Path, planned: Sequence[Planned]) -> Sweep:
    """The same as a sweep without a grid: `grokscope sweep status` knows it too. Raises `ConfigError`."""
    cells = [Listed(name=each.cell.slug, settings=dict(each.cell.settings)) for each in planned]
    file = SweepFile(name=design.name, task=design.task, preset=design.preset, cells=cells)
    return plan(file.model_dump(), runs)


def run_slug(arm: Arm, seed: int, replicate: int) -> str:
    """Name of a run: `project0.5-seed42`, `baseline-seed42-replicate1`."""
    return f"{arm.slug}-seed{seed}" + (f"-replicate{replicate}" if replicate else "")


# --- the manifest -----------------------------------------------------------------------------------------------------


def grown(design: Design, runs: Path) -> Design:
    """The design together with what was asked under its name before, for an experiment may grow.

    By seeds, replicates, conditions and doses. Raises `ConfigError` where it would become another.
    """
    folder = runs / check_name(design.name)
    if (folder / EXPERIMENT_FILE).exists():
        return _merged(read_design(folder), design)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is there and is no experiment; choose another --name")
    return design


def record_design(design: Design, runs: Path) -> Design:
    """Write down what `grown` returns, and return it. Raises `ConfigError`."""
    design, folder = grown(design, runs), runs / design.name
    try:
        write_whole(folder / EXPERIMENT_FILE, tomli_w.dumps(design.model_dump()))
    except OSError as problem:
        raise ConfigError(f"cannot write {folder}: {problem.strerror}; choose another folder with --runs") from None
    return design


def read_design(folder: Path) -> Design:
    """The design of an experiment's folder; renamed, it is an experiment of the new name. Raises `NoSuchRun`."""
    try:
        return Design.model_validate({**read_toml(folder / EXPERIMENT_FILE), "name": folder.name})
    except Missing:
        raise NoSuchRun(f"{folder} is no experiment: it has no {EXPERIMENT_FILE}") from None
    except Unreadable as problem:
        raise NoSuchRun(str(problem)) from None
    except ValidationError as problem:
        raise NoSuchRun(f"{folder / EXPERIMENT_FILE}: {problem_in_words(problem)}") from None


def find_experiment(wanted: str, runs: Path) -> Path:
    """An experiment's folder by name, unique prefix, path, or `latest`. Raises `NoSuchRun`."""
    found = find_manifest(wanted, runs, EXPERIMENT_FILE)
    if found:
        return found
    names = ", ".join(folder.name for folder in list(folders_with(EXPERIMENT_FILE, runs))[:5])
    if not names:
        raise NoSuchRun(f"there are no experiments in {runs}; `grokscope intervene modular --preset small` makes one")
    raise NoSuchRun(f"no experiment in {runs} is called {wanted!r}; there are: {names}")


def _merged(before: Design, now: Design) -> Design:
    for key in ("task", "preset", "base", "start", "published", "measure"):
        was, wanted = getattr(before, key), getattr(now, key)
        if was != wanted:
            raise ConfigError(f"{before.name} was begun with {key} {was!r}, not {wanted!r}; choose another --name")
    arms = {
        name: sorted({*before.arms.get(name, ()), *now.arms.get(name, ())})
        for name in CONDITIONS
        if name in before.arms or name in now.arms
    }
    seeds = [*before.seeds, *(seed for seed in now.seeds if seed not in before.seeds)]
    replicates = max(before.replicates, now.replicates)
    return now.model_copy(update={"arms": arms, "seeds": seeds, "replicates": replicates})


# --- settings ---------------------------------------------------------------------------------------------------------


def _common_settings(design: Design, seed: int) -> dict[str, Any]:
    """One thread a run, for bits depend on how many; parallel are the runs."""
    return {"backend.threads": 1} | design.base | {"train.seed": seed}


def _baseline_settings(design: Design, seed: int, replicate: int) -> dict[str, Any]:
    settings = _common_settings(design, seed)
    if replicate:
        off = {} if design.measure else {"measure.estimator": "off"}
        return settings | off | {"train.replicate": replicate}
    return {"snapshot.every": design.config().evaluate.every} | settings


def _planned(
    design: Design, runs: Path, arms: Mapping[str, tuple[Arm, int, int]], settings: Mapping[str, Mapping[str, Any]]
) -> list[Planned]:
    if not arms:
        return []
    cells = [Listed(name=slug, settings=dict(settings[slug])) for slug in arms]
    file = SweepFile(name=design.name, task=design.task, preset=design.preset, cells=cells)
    return [Planned(*arms[cell.slug], cell) for cell in plan(file.model_dump(), runs).cells]

"""The design of a causal experiment: its arms, seeds and settings, and the file that records them.

An experiment has two phases. The first phase runs the baselines: per seed one run with snapshots, and replicates that
differ only in the order of batches. The spread of the replicates is the noise, which an effect must exceed. The second
phase runs the treatments. A treated run has the split, initialization and batches of the baseline of its seed, and the
treatment uses the execution subspace of this baseline. So the second phase can be planned in full only after the first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokscope import registry
from grokscope.experiment.conditions import (
    BASELINE,
    Arm,
    condition_named,
    condition_settings,
    conditions_in_order,
    possible,
)
from grokscope.gate import Missing, Unreadable, read_toml
from grokscope.runs.directory import NoSuchRun, check_name, find_manifest, folders_with, not_there, write_whole
from grokscope.settings.config import ConfigError, RunConfig, resolve
from grokscope.settings.values import problem_in_words
from grokscope.sweeps.grid import Cell, Listed, Sweep, SweepFile, plan

EXPERIMENT_FILE = "experiment.toml"
PUBLISHED_START = 500
LATEST_FRACTION = 0.25
PUBLISHED_BLOCKS = {"modular": "attention"}
"""Weight matrices that the published bases span, for tasks where these are not attention and MLP"""


class Design(BaseModel):
    """The design of an experiment. The design and the baselines determine all runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str
    preset: str = "paper"
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every run, dotted keys")
    seeds: list[int] = Field(min_length=1)
    replicates: int = Field(2, ge=0, description="repeats of each baseline, with another order of batches")
    arms: dict[str, list[float]] = Field(default_factory=dict, description="doses by condition")
    start: Literal["auto"] | int | float = Field(
        "auto", description="first treated step; a fraction below 1 means of the grok step of the seed's baseline"
    )
    published: bool = Field(False, description="interventions as published, with their defects")
    measure: bool = Field(False, description="measure the defect in all runs, not only in the baselines")

    def treatments(self) -> Iterator[Arm]:
        """Every arm except the baseline."""
        for name in conditions_in_order(self.arms):
            for dose in self.arms[name]:
                if possible(Arm(name, dose)):
                    yield Arm(name, dose)

    def config(self) -> RunConfig:
        """The resolved settings that all runs share. Raises `ConfigError`, `NoSuchPlugin`."""
        return resolve(registry.get("tasks", self.task), self.base, preset=self.preset)[0]


@dataclass(frozen=True)
class Planned:
    """A run of the experiment: its cell, arm, seed and replicate."""

    arm: Arm
    seed: int
    replicate: int
    cell: Cell


@dataclass(frozen=True)
class Start:
    """The first treated step of a seed."""

    step: int
    warning: str | None = None


def baselines(design: Design, runs: Path) -> list[Planned]:
    """The first phase: the baselines, then their replicates. Raises `ConfigError`."""
    turns = [(seed, replicate) for replicate in range(design.replicates + 1) for seed in design.seeds]
    arms = {run_slug(Arm(BASELINE), *turn): (Arm(BASELINE), *turn) for turn in turns}
    settings = {slug: _baseline_settings(design, seed, replicate) for slug, (_, seed, replicate) in arms.items()}
    return _planned(design, runs, arms, settings)


def treated(design: Design, runs: Path, starts: Mapping[int, Start]) -> list[Planned]:
    """The second phase, by condition, for the seeds in `starts`. Raises `ConfigError`."""
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
    """The first treated step of a seed whose baseline grokked at `grok_step`, rounded to a step with an evaluation.

    `auto`: the published step 500, or a quarter of `grok_step` if this is earlier, because a treatment must start well
    before the grok step.
    """
    every = design.config().evaluate.every
    asked = design.start
    if grok_step is None:
        step = PUBLISHED_START if isinstance(asked, str) or asked < 1 else int(asked)
        return Start(step, f"the baseline of seed {seed} has not grokked; the seed is treated from step {step:,} on")
    if isinstance(asked, str):
        early = max(every, int(LATEST_FRACTION * grok_step) // every * every)
        return Start(min(PUBLISHED_START, early))
    if asked < 1:
        return Start(max(1, round(asked * grok_step / every) * every))
    late = f"seed {seed} is treated from step {int(asked):,} on, but its baseline has grokked at {grok_step:,}"
    return Start(int(asked), late if asked >= grok_step else None)


def never_treated(design: Design, seed: int, start: Start) -> str | None:
    """A sentence that says why no intervention will act on a seed; None if interventions can act."""
    steps = design.config().train.steps
    if start.step < steps or all(condition_named(arm.condition).kind is None for arm in design.treatments()):
        return None
    return (
        f"seed {seed} is never treated: treatments start at step {start.step:,}, but its runs end at step {steps:,}; "
        "give an earlier --start, or more --steps"
    )


def sweep_of(design: Design, runs: Path, planned: Sequence[Planned]) -> Sweep:
    """The planned runs as a sweep without a grid, which `grokscope sweep status` can show. Raises `ConfigError`."""
    cells = [Listed(name=each.cell.slug, settings=dict(each.cell.settings)) for each in planned]
    file = SweepFile(name=design.name, task=design.task, preset=design.preset, cells=cells)
    return plan(file.model_dump(), runs)


def run_slug(arm: Arm, seed: int, replicate: int) -> str:
    """Name of a run: `project0.5-seed42`, `baseline-seed42-replicate1`."""
    return f"{arm.slug}-seed{seed}" + (f"-replicate{replicate}" if replicate else "")


# --- the manifest -----------------------------------------------------------------------------------------------------


def grown(design: Design, runs: Path) -> Design:
    """The design, with the seeds, replicates, conditions and doses recorded earlier under its name.

    Raises `ConfigError` if any other part of the design differs from the recorded one.
    """
    folder = runs / check_name(design.name)
    if (folder / EXPERIMENT_FILE).exists():
        return _merged(read_design(folder), design)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} exists and is not an experiment; choose another --name")
    return design


def record_design(design: Design, runs: Path) -> Design:
    """Write the design that `grown` returns, and return it. Raises `ConfigError`, `OSError`."""
    design, folder = grown(design, runs), runs / design.name
    try:
        write_whole(folder / EXPERIMENT_FILE, tomli_w.dumps(design.model_dump()))
    except OSError as problem:
        raise not_there(problem, folder) from None
    return design


def read_design(folder: Path) -> Design:
    """The design in an experiment's folder, with the name of the folder. Raises `NoSuchRun`."""
    try:
        return Design.model_validate({**read_toml(folder / EXPERIMENT_FILE), "name": folder.name})
    except Missing:
        raise NoSuchRun(f"{folder} is not an experiment: it has no {EXPERIMENT_FILE}") from None
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
        raise NoSuchRun(f"there are no experiments in {runs}; `grokscope intervene modular --preset small` starts one")
    raise NoSuchRun(f"no experiment in {runs} is called {wanted!r}; there are: {names}")


def _merged(before: Design, now: Design) -> Design:
    for key in ("task", "preset", "base", "start", "published", "measure"):
        was, wanted = getattr(before, key), getattr(now, key)
        if was != wanted:
            raise ConfigError(f"{before.name} was started with {key} {was!r}, not {wanted!r}; choose another --name")
    arms = {
        name: sorted({*before.arms.get(name, ()), *now.arms.get(name, ())})
        for name in conditions_in_order({**before.arms, **now.arms})
    }
    seeds = [*before.seeds, *(seed for seed in now.seeds if seed not in before.seeds)]
    replicates = max(before.replicates, now.replicates)
    return now.model_copy(update={"arms": arms, "seeds": seeds, "replicates": replicates})


# --- settings ---------------------------------------------------------------------------------------------------------


def _common_settings(design: Design, seed: int) -> dict[str, Any]:
    """The settings of all runs. A run uses one thread, because the number of threads changes its bits."""
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

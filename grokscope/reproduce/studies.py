"""The runs of a study: planned, trained by the sweep and experiment engines, and read as evidence.

The runs of a study stand in one folder, which is a sweep or an experiment like any other. A repeated call leaves ended
runs as they are and continues the others. A study may be narrowed to the runs that some of its claims need.
"""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from grokscope.experiment.conduct import OnWarning, all_outcomes, all_planned, conduct, sweep_to_show
from grokscope.experiment.design import EXPERIMENT_FILE, Design, grown, read_design, record_design
from grokscope.reproduce.claims import AtBudget, Budget, Study, all_studies
from grokscope.reproduce.evidence import StudyEvidence, read_outcomes_table
from grokscope.runs.directory import NoSuchRun
from grokscope.sweeps.engine import Engine, Failure
from grokscope.sweeps.grid import Cell, Sweep, plan
from grokscope.sweeps.manifest import record_sweep
from grokscope.sweeps.standing import OnChange, left_to_do
from grokscope.warning.forecast.bank import SHIPPED
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.published import published
from grokscope.warning.recorded import with_recorded
from grokscope.warning.trajectory import Skipped, ignore_skipped
from grokscope.words.numbers import listed

THREADS = {"backend.threads": 1}
"""A run uses one thread, because the number of threads changes its bits"""


def folder_name(study: Study, budget: Budget) -> str:
    """The name of a study's folder in the folder of runs."""
    return f"reproduce-{study.name}" + ("" if budget == "small" else f"-{budget}")


def study_cells(study: Study, budget: Budget, runs: Path) -> list[Cell]:
    """Every run of a study; none if the study is not run at this budget. Raises `ConfigError`."""
    if study.at(budget) is None:
        return []
    if study.conditions:
        return [each.cell for each in all_planned(grown(_design(study, budget), runs), runs)]
    return list(_sweep(study, budget, runs).cells)


def shown(study: Study, budget: Budget, runs: Path) -> Sweep:
    """All runs of a study as one sweep, for the progress display. Raises `ConfigError`."""
    if study.conditions:
        return sweep_to_show(grown(_design(study, budget), runs), runs)
    return _sweep(study, budget, runs)


def train(
    study: Study, budget: Budget, runs: Path, engine: Engine, on_change: OnChange, on_warning: OnWarning
) -> list[Failure]:
    """Run what is left to do of a study, and of what was asked of its experiment before. Returns the failed runs.

    Raises `ConfigError`.
    """
    if study.conditions:
        return conduct(record_design(_design(study, budget), runs), runs, engine, on_change, on_warning)
    record_sweep(_sweep(all_studies()[study.name], budget, runs))
    return engine.run(left_to_do(_sweep(study, budget, runs).cells), on_change)


def evidence_of(study: Study, budget: Budget, runs: Path, skipped: Skipped = ignore_skipped) -> StudyEvidence:
    """The evidence of a study: its own runs in `runs`, or without any the shipped results, which are of budget small.

    Raises `NoSuchRun` for a broken folder.
    """
    if study.table:
        table = next(each for each in published() if each.task == study.table)
        return StudyEvidence(study.name, table.source, table=table.cases)
    if study.banks:
        basis = f"the shipped {'bank' if len(study.banks) == 1 else 'banks'} {listed(study.banks)}"
        return _of_trajectories(study, basis, *(SHIPPED / f"{bank}.jsonl.gz" for bank in study.banks))
    folder = runs / folder_name(study, budget)
    own = _own_evidence(study, folder, skipped)
    if not own.empty or budget != "small":
        return own
    return shipped_evidence(study)


def shipped_results(study: Study) -> Path:
    """Where the shipped results of a study are, or would be."""
    return (
        Path(str(files("grokscope.reproduce"))) / "data" / f"{study.name}.{'csv' if study.conditions else 'jsonl.gz'}"
    )


def _own_evidence(study: Study, folder: Path, skipped: Skipped) -> StudyEvidence:
    nothing = StudyEvidence(study.name, "no runs")
    if study.conditions:
        if not (folder / EXPERIMENT_FILE).exists():
            return nothing
        design = read_design(folder)
        return StudyEvidence(study.name, str(folder), outcomes=tuple(all_outcomes(design, folder.parent)), own=True)
    try:
        return replace(_of_trajectories(study, str(folder), folder, skipped=skipped), own=True)
    except NoSuchRun:
        return nothing


def shipped_evidence(study: Study) -> StudyEvidence:
    """The runs of a study that ship with grokscope; empty if none do."""
    file = shipped_results(study)
    if not file.exists():
        return StudyEvidence(study.name, "no runs")
    if study.conditions:
        return StudyEvidence(study.name, "shipped results", outcomes=tuple(read_outcomes_table(file)))
    return _of_trajectories(study, "shipped results", file)


def _of_trajectories(study: Study, basis: str, *places: Path, skipped: Skipped = ignore_skipped) -> StudyEvidence:
    """With the signals that the record alone gives."""
    found = [with_recorded(run) for place in places for run in read_trajectories(place, skipped)]
    return StudyEvidence(study.name, basis, trajectories=tuple(found))


def _sweep(study: Study, budget: Budget, runs: Path) -> Sweep:
    at = _at(study, budget)
    cells = [
        {"name": f"{arm}-seed{seed}", "settings": settings | {"train.seed": seed}}
        for seed in study.seeds
        for arm, settings in study.arms.items()
    ]
    base = THREADS | study.base | at.base
    name = folder_name(study, budget)
    return plan({"name": name, "task": study.task, "preset": at.preset, "base": base, "cells": cells}, runs)


def _design(study: Study, budget: Budget) -> Design:
    at = _at(study, budget)
    return Design(
        name=folder_name(study, budget),
        task=study.task,
        preset=at.preset,
        base=study.base | at.base,
        seeds=list(study.seeds),
        replicates=study.replicates,
        arms=study.conditions,
    )


def _at(study: Study, budget: Budget) -> AtBudget:
    at = study.at(budget)
    assert at is not None
    return at

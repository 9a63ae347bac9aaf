"""What a claim is judged by: runs as trajectories, runs of an experiment as outcomes, or a published table as cases."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grokscope.experiment.conditions import Arm
from grokscope.experiment.outcomes import Fate, Outcome
from grokscope.gate import write_file
from grokscope.warning.law import Case, case_of
from grokscope.warning.tables import write_table
from grokscope.warning.trajectory import Fact, Trajectory
from grokscope.words.table import Table

_SEED = re.compile(r"-seed\d+$")


@dataclass(frozen=True)
class StudyEvidence:
    """The runs of one study, in one of three forms."""

    study: str
    basis: str
    """Where the runs are from, in words"""
    trajectories: tuple[Trajectory, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    table: tuple[Case, ...] = ()
    """The rows of a published table"""
    own: bool = False
    """Whether the runs are from the folder of runs, and do not ship with grokscope"""

    @property
    def empty(self) -> bool:
        return not (self.trajectories or self.table or any(outcome.over for outcome in self.outcomes))

    def over(self, where: Mapping[str, Fact] = {}) -> list[Trajectory]:
        """The runs that grokked or were seen to the end of their budget, and whose facts agree with `where`."""
        return [run for run in self.trajectories if _over(run) and all(run.facts.get(k) == v for k, v in where.items())]

    def arm(self, name: str) -> list[Outcome]:
        """The runs of one arm of a sweep, as outcomes."""
        return [each for each in self.all_outcomes() if each.arm.condition == name]

    def all_outcomes(self) -> list[Outcome]:
        """The outcomes of an experiment, or the runs of all arms of a sweep as outcomes."""
        return list(self.outcomes) or [_outcome(run, arm_of(run)) for run in self.trajectories if _over(run)]

    def cases(self, rule: str, where: Mapping[str, Fact] = {}) -> list[Case]:
        """Every run under one detection rule. The rows of a published table have their own rule."""
        return list(self.table) or [case_of(run, rule) for run in self.over(where)]


def arm_of(run: Trajectory) -> str:
    """The arm that a run's name says: `decay` of `decay-seed42`."""
    return _SEED.sub("", run.name.rpartition("/")[2])


def write_evidence(evidence: StudyEvidence, folder: Path) -> Path:
    """Write the runs of a study as one small file, in the form of the shipped results. Raises `OSError`."""
    if evidence.trajectories:
        file = folder / f"{evidence.study}.jsonl.gz"
        write_table(file, evidence.trajectories)
        return file
    file = folder / f"{evidence.study}.csv"
    over = [outcome.to_dict() for outcome in evidence.outcomes if outcome.over]
    write_file(file, Table.of_records("runs", "Runs", over).csv())
    return file


def read_outcomes_table(path: Path) -> list[Outcome]:
    """The outcomes in a CSV, as `write_evidence` writes it."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_read_outcome(row) for row in csv.DictReader(file)]


def _read_outcome(row: Mapping[str, str]) -> Outcome:
    fate: Fate = row["fate"]  # type: ignore[assignment]
    return Outcome(
        arm=Arm(row["condition"], float(row["dose"]) if row["dose"] else None),
        seed=int(row["seed"]),
        replicate=int(row["replicate"]),
        fate=fate,
        grok_step=int(row["grok_step"]) if row["grok_step"] else None,
        budget=int(row["budget"]),
        cadence=int(row["cadence"]),
        accuracy=float(row["test"]) if row["test"] else None,
        strength=float(row["relative_norm"]) if row["relative_norm"] else None,
        seconds=float(row["seconds"]),
        name=row["run"],
    )


def _over(run: Trajectory) -> bool:
    return run.grok_step is not None or run.steps >= run.budget


def _outcome(run: Trajectory, arm: str) -> Outcome:
    every = run.facts.get("evaluate.every", 1)
    seed = run.facts.get("train.seed", 0)
    return Outcome(
        arm=Arm(arm),
        seed=int(seed),
        replicate=0,
        fate="not grokked" if run.grok_step is None else "grokked",
        grok_step=run.grok_step,
        budget=run.steps,
        cadence=int(every),
        name=run.name,
    )

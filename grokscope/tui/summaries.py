"""The runs of a folder, as the list of runs shows and filters them. A run has the same state as in `grokscope ls`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.gate import Unreadable
from grokscope.runs.directory import RunDirectory, groups_in, runs_in
from grokscope.runs.filtering import Filter, run_facts
from grokscope.runs.state import RunState, read_state
from grokscope.settings.values import setting
from grokscope.tui.run_look import RunLook
from grokscope.words.clean import clean
from grokscope.words.numbers import counted


@dataclass(frozen=True)
class Summary:
    """One run of the list."""

    name: str
    """The name of the run: in a list with sweeps `sweep/cell`"""
    run_state: RunState

    @property
    def run(self) -> RunDirectory:
        return self.run_state.directory

    @property
    def state(self) -> RunLook:
        return RunLook[self.run_state.condition.upper()]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The values that a filter may use, by name."""
        return run_facts(self.run_state)

    def holds(self, chosen: Filter) -> bool:
        """Whether the filter accepts the run."""
        return chosen.holds(self.name, self.facts)

    def setting(self, name: str) -> str:
        """A setting as text; empty for a missing setting."""
        value = setting(self.run_state.config, name)
        return "" if value is None else clean(f"{value:g}" if isinstance(value, float) else value, 20)


@dataclass(frozen=True)
class SweepSummary:
    """A folder of runs in the list: a sweep, an experiment, an import."""

    folder: Path
    runs: tuple[Summary, ...]

    @property
    def name(self) -> str:
        return f"{self.folder.name}/"

    def holds(self, chosen: Filter) -> bool:
        """Whether the filter accepts the folder's name, or one of its runs."""
        return chosen.holds(self.name, {}) or any(item.holds(chosen) for item in self.runs)

    @property
    def words(self) -> str:
        """How its runs stand: `9 runs, 4 grokked`."""
        grokked = sum(item.run_state.detected_step("grokked") is not None for item in self.runs)
        return f"{counted(len(self.runs), 'run')}, {grokked:,} grokked"


def summaries(folder: Path) -> list[Summary]:
    """All runs of a folder, the newest first."""
    try:
        return [Summary(run.name, read_state(run, listed=True)) for run in runs_in(folder)]
    except Unreadable:
        return []


def sweep_summaries(folder: Path) -> list[SweepSummary]:
    """All folders of runs in a folder, the newest first."""
    try:
        found = groups_in(folder)
    except Unreadable:
        return []
    return [
        SweepSummary(path, tuple(Summary(f"{path.name}/{run.name}", read_state(run, listed=True)) for run in runs))
        for path, runs in found.items()
    ]

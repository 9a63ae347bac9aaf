"""The runs of a folder, as the list of runs shows and filters them. A run has the same state as in `grokscope ls`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.gate import Unreadable
from grokscope.runs.directory import RunDirectory, groups_in, runs_in
from grokscope.runs.filtering import run_facts
from grokscope.runs.state import RunState, read_state
from grokscope.settings.values import setting
from grokscope.tui.run_look import RunLook
from grokscope.words.clean import clean


@dataclass(frozen=True)
class Summary:
    """One run of the list."""

    name: str
    """Path below the folder: `run`, or `sweep/cell`"""
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

    def setting(self, name: str) -> str:
        """A setting as text; empty for a missing setting."""
        value = setting(self.run_state.config, name)
        return "" if value is None else clean(f"{value:g}" if isinstance(value, float) else value, 20)


def summaries(folder: Path) -> list[Summary]:
    """All runs of a folder, the newest first; then the runs of each sweep in the folder."""
    try:
        named = [(run.name, run) for run in runs_in(folder)]
        named += [(f"{group.name}/{run.name}", run) for group, runs in groups_in(folder).items() for run in runs]
    except Unreadable:
        return []
    return [Summary(name, read_state(run, listed=True)) for name, run in named]

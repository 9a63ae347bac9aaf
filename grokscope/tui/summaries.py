"""The runs of a folder as the list shows them: each stands as `ls` says, and as its own filter finds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.gate import Unreadable
from grokscope.runs.directory import RunDirectory, groups_in, runs_in
from grokscope.runs.state import DETECTED, RunState, read_state, summary
from grokscope.settings.values import setting
from grokscope.tui.run_look import RunLook
from grokscope.words.clean import clean

_OF_STARTED = ("task", "backend", "device", "precision", "parameters", "host")


@dataclass(frozen=True)
class Summary:
    """One run of the list."""

    name: str
    """Below the folder: `run`, or `sweep/cell`"""
    run_state: RunState

    @property
    def run(self) -> RunDirectory:
        return self.run_state.directory

    @property
    def state(self) -> RunLook:
        return RunLook[self.run_state.condition.upper()]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a filter may ask for."""
        started, about = self.run_state.last.get("started", {}), summary(self.run_state)
        found = {kind: self.run_state.detected_step(kind) for kind in DETECTED}
        # deepest last: a setting is found by the shallowest path
        return {
            "state": self.state.word,
            "status": self.run_state.status or "",
            "step": self.run_state.step or 0,
            "accuracy": {split: about[split] for split in ("train", "test")},
            **{kind: step for kind, step in found.items() if step is not None},
            **{key: started[key] for key in _OF_STARTED if key in started},
            "config": self.run_state.config,
        }

    def setting(self, name: str) -> str:
        """A setting as text; empty where there is none."""
        value = setting(self.run_state.config, name)
        return "" if value is None else clean(f"{value:g}" if isinstance(value, float) else value, 20)


def summaries(folder: Path) -> list[Summary]:
    """All runs of a folder, the newest first, and behind them those of each sweep in it."""
    try:
        named = [(run.name, run) for run in runs_in(folder)]
        named += [(f"{group.name}/{run.name}", run) for group, runs in groups_in(folder).items() for run in runs]
    except Unreadable:
        return []
    return [Summary(name, read_state(run, listed=True)) for name, run in named]

"""A run in one line, from the head and the tail of its log: cheap enough to list hundreds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope.runs.directory import RunDirectory, runs_in
from grokscope.runs.heartbeat import age_seconds
from grokscope.runs.state import Signs, process_lives
from grokscope.settings.values import setting
from grokscope.tui.bulk import Folder
from grokscope.tui.liveness import State, state
from grokscope.tui.view import View
from grokscope.words.clean import clean

_PEEK = 1 << 16


@dataclass(frozen=True)
class Summary:
    run: RunDirectory
    state: State
    view: View
    """Of the head and the tail of the log: configuration, newest values, maybe not all detections."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a filter may ask for."""
        started = self.view.started
        own = {key: started.get(key) for key in ("task", "backend", "device", "precision", "parameters", "host")}
        accuracy = {split: self.view.curve(f"{split}.{self.view.metric}").last for split in ("train", "test")}
        found = {item.name: item.step for item in self.view.detected}
        # deepest last: a setting is found by the shallowest path
        return {
            "state": self.state.word,
            "status": self.view.phase_reason,
            "step": self.view.step,
            "accuracy": accuracy,
            **found,
            **{key: value for key, value in own.items() if value is not None},
            "config": self.view.config,
        }

    def setting(self, name: str) -> str:
        """A setting as text; empty where there is none."""
        value = setting(self.view.config, name)
        return "" if value is None else clean(f"{value:g}" if isinstance(value, float) else value, 20)


def summary(run: RunDirectory) -> Summary:
    """Raises `OSError` where the log cannot be read."""
    view = Folder().fold(View(), _ends(run.events))
    signs = Signs(age_seconds(run.heartbeat), process_lives(view.started))
    return Summary(run, state(view, signs), view)


def summaries(folder: Path) -> list[Summary]:
    """All runs in a folder, the newest first; one that cannot be read is left out."""
    found = []
    for run in runs_in(folder):
        try:
            found.append(summary(run))
        except OSError:
            continue
    return found


def _ends(file: Path) -> list[bytes]:
    with file.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        head = log.read(_PEEK)
        if size <= 2 * _PEEK:
            head += log.read()
            return head[: head.rfind(b"\n") + 1].splitlines()
        log.seek(size - _PEEK)
        tail = log.read()
    return [
        *head[: head.rfind(b"\n") + 1].splitlines(),
        *tail[tail.find(b"\n") + 1 : tail.rfind(b"\n") + 1].splitlines(),
    ]

"""Removing and renaming runs: never one that a trainer may be writing, never a file that is not a run's own.

A run directory may stand anywhere, also in a folder that holds somebody's other work.
"""

import os
import shutil
from pathlib import Path

from grokscope.runs.directory import DRAFT_SUFFIX, RunDirectory, check_name, find_run, groups_in
from grokscope.runs.log import RunBusy, is_locked
from grokscope.runs.state import bytes_in, read_state

LOG = "events.jsonl"
OWN_FILES = frozenset(
    {LOG, "config.toml", "heartbeat", "lock", "control", "snapshots", "checkpoint", "trainer.stderr", "slurm.job"}
)
"""What a run directory holds"""
MANIFESTS = ("sweep.toml", "experiment.toml")
OWN_GROUP_FILES = frozenset({*MANIFESTS, "slurm"})
"""What a folder of runs holds beside its runs"""


class NotRemovable(ValueError):
    """What was named may not be removed or renamed. The message is one sentence."""


class Removable:
    """A run, or a folder of runs such as a sweep, that is to be removed or renamed."""

    def __init__(self, path: Path, runs: list[RunDirectory]) -> None:
        self.path = path
        self.runs = runs

    @property
    def bytes(self) -> int:
        return bytes_in(self.path)

    def check(self) -> None:
        """Raises `RunBusy` where a trainer may be at work."""
        for run in self.runs:
            state = read_state(run, listed=True)
            if is_locked(run.lock) or state.listens:
                raise RunBusy(f"{run.name} is {state.condition}; `grokscope control {run.name} stop` first")

    def remove(self) -> None:
        """Raises `RunBusy`, `NotRemovable` before anything is removed; `OSError`."""
        self.check()
        foreign = [file for run in self.runs for file in _foreign(run.path, OWN_FILES)]
        if self.is_group:
            foreign += _foreign(self.path, OWN_GROUP_FILES | {run.name for run in self.runs})
        if foreign:
            raise NotRemovable(f"{foreign[0]} is no file of a run, so nothing was removed; move that file away first")
        for run in self.runs:
            _remove_run(run.path)
        if self.is_group:
            shutil.rmtree(self.path)

    def rename(self, name: str) -> Path:
        """The new path. Raises `RunBusy`, `BadRunName`, `NotRemovable`, `OSError`."""
        self.check()
        target = self.path.with_name(check_name(name))
        if os.path.lexists(target):
            raise NotRemovable(f"{target} is there already; choose another name")
        if not self.is_group and any((self.path.parent / file).exists() for file in MANIFESTS):
            raise NotRemovable(f"{self.path.name} is a run of {self.path.parent.name}, which knows it by this name")
        self.path.rename(target)
        return target

    @property
    def is_group(self) -> bool:
        return [run.path for run in self.runs] != [self.path]


def find_removable(wanted: str, folder: Path) -> Removable:
    """A run by its whole name, by path or as `latest`, or a folder of runs. Raises `NoSuchRun`, `NotRemovable`.

    The beginning of a name is not enough: it may fit another run tomorrow.
    """
    groups = groups_in(folder)
    group = folder / wanted.rstrip("/")
    if group in groups:
        return Removable(group, groups[group])
    run = find_run(wanted, folder)
    if os.path.islink(wanted) or run.path.is_symlink():
        raise NotRemovable(f"{wanted} is a link; name the folder that it leads to")
    if wanted != "latest" and run.name != Path(wanted).name:
        raise NotRemovable(f"{wanted!r} is only the beginning of {run.name}; give the whole name")
    return Removable(run.path, [run])


def _foreign(folder: Path, own: frozenset[str]) -> list[Path]:
    """What is in a folder beside its `own` files and drafts."""
    return sorted(path for path in folder.iterdir() if path.name not in own and not path.name.endswith(DRAFT_SUFFIX))


def _remove_run(folder: Path) -> None:
    """The log goes last: what is interrupted here is still a run, and can be removed again."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == LOG):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    folder.rmdir()

"""A new run from before the first intervention of another one, whose log, settings and state it begins with.

The trainer of a run keeps its state when somebody first switches an intervention on; going on from there tells what the
intervention has changed.
"""

import json
import shutil
from itertools import islice
from pathlib import Path

from grokscope.gate import Unreadable
from grokscope.runs.directory import NoSuchRun, RunDirectory, write_whole
from grokscope.runs.log import read
from grokscope.runs.sealed import read_sealed
from grokscope.runs.snapshots import step_files


def untreated_step(directory: RunDirectory) -> int | None:
    """The step of the state from before the first intervention; None where none was kept."""
    return next(iter(step_files(directory.untreated)), None)


def untreated_name(directory: RunDirectory) -> str:
    """A name for the new run that no run beside it has."""
    stem = f"{directory.name[:80]}-untreated"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (directory.path.parent / name).exists())


def fork_untreated(directory: RunDirectory, name: str) -> RunDirectory:
    """Make the run `name` beside a run, up to the step before its first intervention; `run --resume` goes on with it.

    Raises `NoSuchRun` where no state was kept, `Unreadable`, `OSError`.
    """
    step = untreated_step(directory)
    if step is None:
        raise NoSuchRun(f"{directory.name} kept no state from before an intervention")
    checkpoint = step_files(directory.untreated)[step]
    events = _events_before(directory, checkpoint, name)
    fork = RunDirectory(directory.path.parent / name)
    fork.path.mkdir()
    for folder in (fork.control, fork.checkpoints, fork.snapshots):
        folder.mkdir()
    shutil.copyfile(directory.config, fork.config)
    shutil.copyfile(checkpoint, fork.checkpoints / checkpoint.name)
    for taken, snapshot in step_files(directory.snapshots).items():
        if taken <= step:
            shutil.copyfile(snapshot, fork.snapshots / snapshot.name)
    write_whole(fork.events, "".join(events))  # last: with a log it is a run
    return fork


def _events_before(directory: RunDirectory, checkpoint: Path, name: str) -> list[str]:
    """The lines of the log before a checkpoint, as those of the run `name`. Raises `Unreadable`."""
    try:
        count = int(read_sealed(checkpoint).about["place"]["seq"])
    except (KeyError, TypeError, ValueError):
        raise Unreadable(f"{checkpoint} does not say where in the log it stands") from None
    events = list(islice(read(directory.events), count))
    if [event["seq"] for event in events] != list(range(count)):
        raise Unreadable(f"{directory.events} does not hold the {count:,} events before {checkpoint.name}")
    return [json.dumps({**event, "run": name}, separators=(",", ":"), allow_nan=False) + "\n" for event in events]

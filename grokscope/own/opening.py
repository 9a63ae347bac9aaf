"""The run directory of somebody's own loop: opened as its one writer, fresh or where the loop's checkpoint stands."""

import os
import platform
import socket
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grokscope import __version__
from grokscope.contract.arrays import FloatArray
from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.contract.parameters import Layout
from grokscope.contract.signals import NotOffered, SignalDescription
from grokscope.events import Criterion, Rule, Started
from grokscope.gate import Unreadable
from grokscope.own.one_defect import ProbeWarning
from grokscope.own.options import Judgement
from grokscope.runs.checkpoints import remove_ahead
from grokscope.runs.directory import BadRunName, RunDirectory, check_name, new_name, remove_drafts
from grokscope.runs.heartbeat import Heartbeat
from grokscope.runs.log import EventLog, RunBusy, RunUnwritable
from grokscope.runs.resumption import events_until
from grokscope.runs.snapshots import read_snapshot, snapshot_file
from grokscope.training.recorder import Listener, ListenerFailed, Recorder
from grokscope.warning.detection import MEMORIZATION_RULE

if TYPE_CHECKING:
    from grokscope.sinks.following import Followers


@dataclass(frozen=True)
class OpenedRun:
    """A run that is being written."""

    recorder: Recorder
    closing: ExitStack
    """Heartbeat and lock end with it"""


def run_directory_of(run: str | os.PathLike[str] | None, task: str) -> RunDirectory:
    """A path, a name in the folder `runs`, or None for a new name there. Raises `CannotProbe`."""
    folder = Path(os.environ.get("GROKSCOPE_RUNS") or "runs")
    if not isinstance(run, str | os.PathLike | None):
        raise CannotProbe(f"run= is of type {type(run).__name__}: give a name or a path")
    path = Path(run) if run is not None else Path(new_name(task))
    try:
        check_name(path.name)
    except BadRunName as problem:
        raise CannotProbe(str(problem)) from None
    return RunDirectory(folder / path if len(path.parts) == 1 else path)


def opened_run(
    directory: RunDirectory, started: Started, resume_at: int | None, followers: "Followers | None"
) -> OpenedRun:
    """Write the first event, behind what the log holds up to step `resume_at`. Raises `CannotProbe`."""
    there = directory.events.exists() and directory.events.stat().st_size > 0
    if there and resume_at is None:
        raise CannotProbe(
            f"there is a run in {directory.path}: choose another run=, or say resume_at=STEP where the loop goes on "
            "from a checkpoint of its own"
        )
    if resume_at and not there:
        raise CannotProbe(f"there is no run in {directory.path} that could go on at step {resume_at:,}")
    with ExitStack() as stack:
        try:
            directory.control.mkdir(parents=True, exist_ok=True)
            log = EventLog(directory.events, directory.lock, directory.name)
            stack.callback(log.close)
            if there:
                kept = events_until(directory.events, resume_at or 0)
                log.keep(kept if resume_at else 0)
                remove_ahead(directory.snapshots, resume_at or -1)
        except RunUnwritable as problem:
            raise CannotProbe(str(problem.strerror)) from None
        except OSError as problem:
            raise CannotProbe(f"cannot write {directory.path}: {problem.strerror}") from None
        except (RunBusy, Unreadable) as problem:
            raise CannotProbe(f"cannot write {directory.path}: {problem}") from None
        for folder in (directory.path, directory.snapshots):
            remove_drafts(folder)
        stack.enter_context(Heartbeat(directory.heartbeat))
        listeners: list[Listener] = []
        if followers is not None:
            following = stack.enter_context(followers.following(directory.path, _warn))
            listeners += [partial(_heard, each) for each in following]
        return OpenedRun(Recorder(directory, log, started, listeners), stack.pop_all())
    raise AssertionError


def _heard(listener: Listener, event: Mapping[str, Any]) -> None:
    """Tell a listener; its failure is said to who runs the loop too. Raises `ListenerFailed`."""
    try:
        listener(event)
    except ListenerFailed as problem:
        _warn(str(problem))
        raise


def _warn(problem: str) -> None:
    """A tracker or a command has failed, which is no business of the loop's."""
    warnings.warn(f"{problem}; training goes on", ProbeWarning, stacklevel=2)


def started_of_loop(
    model: OwnModel,
    config: Mapping[str, Any],
    judged: Judgement,
    signals: Mapping[str, SignalDescription],
    resume_at: int | None,
) -> Started:
    """What a reader must know of somebody's own loop."""
    return Started(
        step=resume_at or 0,
        config=dict(config),
        task=config["task"]["name"],
        origin="own loop",
        metric=judged.metric,
        criteria={
            judged.name: Criterion(metric=judged.metric, threshold=judged.threshold, consecutive=judged.consecutive)
        },
        rules={
            "memorized": Rule(name=MEMORIZATION_RULE, threshold=config["detect"]["memorization"]),
            "onset": Rule(name=config["detect"]["onset"]),
            "grokked": Rule(name=judged.name),
        },
        backend=model.backend,
        device=model.device,
        precision=model.precision,
        parameters=model.layout.size,
        versions={"grokscope": __version__, "python": platform.python_version(), "numpy": np.__version__},
        host=socket.gethostname(),
        process=os.getpid(),
        facts={"model": model.name},
        signals={name: about.to_json() for name, about in signals.items()},
        resumed_from=resume_at or None,
    )


def parameters_at_start(directory: RunDirectory, layout: Layout) -> FloatArray:
    """The parameters at step 0 of a run that goes on, [size]: those of its snapshot. Raises `NotOffered`."""
    try:
        found = read_snapshot(snapshot_file(directory.snapshots, 0))
    except Unreadable:
        raise NotOffered("the parameters at step 0 are not known: they are where snapshots are taken") from None
    if not found.layout.fits(layout):
        raise NotOffered("the snapshot of step 0 is of another model")
    return found.parameters

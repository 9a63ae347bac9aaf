"""Signals that a run did not look at while it trained, from its snapshots and its log.

A number is the one that the run would have recorded at that step, for a signal sees the same moment. What is gone is
the last optimizer step, so that signals of it have nothing to say.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grokscope import registry
from grokscope.contract.arrays import FloatArray
from grokscope.contract.backends import Session, TrainingState
from grokscope.contract.examples import Packer
from grokscope.contract.parameters import layout
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.events import Observed, to_line
from grokscope.gate import Unreadable
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.log import read
from grokscope.runs.snapshots import Snapshot, read_snapshot, step_files
from grokscope.settings.config import ConfigError, RunConfig, known_keys, read_settings_file, resolve
from grokscope.settings.signals import asked_signals
from grokscope.training.launch import available_backend
from grokscope.training.observation import Observer, OpenSignal, open_signals
from grokscope.warning.trajectory import Trajectory, cells_of, with_numbers


def observed_afterwards(directory: RunDirectory, signals: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What `signals` (`NAME[:PARAMETER=VALUE,…]`) say of a run at each of its snapshots, as `observed` events.

    On the backend that the run asked for. Raises `NoSuchRun` without a configuration or snapshots, `ConfigError` for a
    signal that the run cannot have, `Unavailable`, `Unreadable`.
    """
    files = list(step_files(directory.snapshots).values())
    if not files:
        raise NoSuchRun(f"{directory.name} has no snapshots to look at; a run takes them with --set snapshot.every=50")
    task, config, data = _asked(directory, signals)
    session = _session(config, data, read_snapshot(files[0]))
    opened = _opened(config, data)
    observer = _observer(directory, config, data, session, opened, task.metric)
    events = iter([*read(directory.events), {"event": "end", "step": np.inf}])
    event = next(events)
    for file in files:
        snapshot = read_snapshot(file)
        while (event.get("step") or 0) <= snapshot.step:
            observer.see(_without(event, opened))
            event = next(events)
        session.restore(_state(snapshot.step, snapshot.parameters))
        for seen in observer.again(snapshot.step):
            if not isinstance(seen, Observed):
                raise ConfigError(seen.reason)
            told: dict[str, Any] = json.loads(to_line(seen))
            observer.see(told)
            yield told


def with_signals(trajectory: Trajectory, signals: Sequence[str]) -> Trajectory:
    """A run as `grokscope.warning.trajectory` reads it, with what `signals` say of its snapshots.

    Raises what `observed_afterwards` raises.
    """
    directory = RunDirectory(Path(trajectory.place))
    told = {event["step"]: cells_of(event, "") for event in observed_afterwards(directory, signals)}
    return with_numbers(trajectory, told)


def _asked(directory: RunDirectory, signals: Sequence[str]) -> tuple[TaskSpec, RunConfig, TaskData]:
    """The run's own configuration, looking at `signals`. Settings that are known no more are passed over."""
    if not directory.config.is_file():
        raise NoSuchRun(f"{directory.path} has no config.toml, so nobody knows what it trained on")
    own = read_settings_file(directory.config)
    task = registry.get("tasks", str(own.get("task.name")))
    known = {key: value for key, value in own.items() if key in known_keys(task)}
    wanted = {"observe.signals": list(signals), "measure.estimator": "off"}
    config, options = resolve(task, known, wanted, preset=str(own.get("preset", "paper")))
    return task, config, task.load(options, config.train.seed)


def _session(config: RunConfig, data: TaskData, first: Snapshot) -> Session:
    spec, device = available_backend(config)
    model, section = config.model_of(data.model), config.backend
    if not first.layout.fits(layout(model)):
        raise Unreadable("the snapshots are of another model than the run's configuration")
    precision, threads = section.precision, section.threads
    return spec.open(model, first.parameters, device=device, precision=precision, threads=threads)


def _opened(config: RunConfig, data: TaskData) -> list[OpenSignal]:
    """The signals that are asked for, without those that every run looks at."""
    asked = {each.spec.name for each in asked_signals(config.observe.signals, config.snapshot.every)}
    where = layout(config.model_of(data.model))
    return [each for each in open_signals(config, data, where) if each.spec.name in asked]


def _observer(
    directory: RunDirectory, config: RunConfig, data: TaskData, session: Session, opened: list[OpenSignal], metric: str
) -> Observer:
    model = config.model_of(data.model)
    packers = {name: Packer(split, model) for name, split in {"train": data.train, **data.splits}.items()}
    return Observer(config, data, packers, session, layout(model), opened, directory.snapshots, metric)


def _without(event: Mapping[str, Any], opened: Sequence[OpenSignal]) -> Mapping[str, Any]:
    """An event of the log without what is looked at again: it would stand there twice."""
    if event["event"] != "observed":
        return event if event["event"] in {"evaluated", "measured"} else {**event, "event": "passed"}
    kept = {name: value for name, value in event["signals"].items() if not any(each.spec.owns(name) for each in opened)}
    return {**event, "signals": kept}


def _state(step: int, parameters: FloatArray) -> TrainingState:
    nothing = np.zeros_like(parameters)
    return TrainingState(step, parameters, nothing, nothing)

"""From a configuration to a trainer on a run directory: fresh, or resumed from its newest checkpoint."""

import os
import platform
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grokscope import __version__, registry
from grokscope.contract.backends import BackendSpec, Unavailable
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.tasks import TaskSpec
from grokscope.interventions.treatment import objections
from grokscope.runs.directory import NoSuchRun, RunDirectory, check_name, write_whole
from grokscope.runs.heartbeat import Heartbeat
from grokscope.runs.log import EventLog, read
from grokscope.runs.snapshots import Checkpoint, newest_checkpoint
from grokscope.runs.state import read_state
from grokscope.settings.config import ConfigError, RunConfig, read_toml, resolve
from grokscope.settings.values import dotted
from grokscope.training.loop import Circumstances, Listener, Trainer
from grokscope.training.observation import open_signals
from grokscope.warning.forecast.bank import bank_objection

CHANGEABLE_ON_RESUME = ("train.steps", "train.stop_after_grok", "backend.name", "backend.device", "backend.threads")
"""Settings a resumed run may change: how long it goes on, and on what."""


class RunExists(ConfigError):
    """A fresh run was to get the name of one that is there."""


@dataclass(frozen=True)
class Launched:
    """A trainer ready to run, and the events it has already."""

    trainer: Trainer
    recorded: list[dict[str, Any]]


def available_backend(config: RunConfig) -> tuple[BackendSpec, str]:
    """The backend a run will use and the device to open it on; `auto` takes the one that suits the machine best.

    Raises `Unavailable` where it cannot work here, `registry.NoSuchPlugin`.
    """
    name = config.backend.name
    if name != "auto":
        return registry.get("backends", name), config.backend.device
    missing = []
    for spec in _by_preference():
        try:
            spec.devices()
        except Unavailable:
            missing.append(spec.install)
            continue
        return spec, config.backend.device
    raise Unavailable(f"no backend works here; install one: {' or '.join(missing)}")


@contextmanager
def launched(
    directory: RunDirectory,
    config: RunConfig,
    task: TaskSpec,
    options: Any,
    *,
    resume: bool,
    listeners: Iterable[Listener] = (),
) -> Iterator[Launched]:
    """Open the run directory as its one writer and yield its trainer; heartbeat and lock end with the block.

    Raises `ConfigError`, `Unavailable`, `grokscope.runs.log.RunBusy`, `NoSuchRun`, `RunUnwritable`.
    """
    unusable = None if resume or not config.forecast.enabled else bank_objection(config.forecast.bank, task.name)
    if unusable is not None:
        raise ConfigError(f"forecast.bank: {unusable}")
    spec, device = available_backend(config)
    try:
        data = task.load(options, config.train.seed)
    except ValueError as problem:
        raise ConfigError(f"{task.name}: {problem}") from None
    model = config.model_of(data.model)
    for objection in objections(config, directory.path, layout(model)):
        raise ConfigError(objection)
    open_signals(config, data, layout(model))  # refused before anything is written
    session = spec.open(
        model,
        initial_parameters(model, config.train.seed),
        device=device,
        precision=config.backend.precision,
        threads=config.backend.threads,
    )
    checkpoint = None
    if resume:
        checkpoint = newest_checkpoint(directory.checkpoints, sum(1 for _ in read(directory.events)))
        if checkpoint and checkpoint.state.step > config.train.steps:
            raise ConfigError(f"{directory.name} is at step {checkpoint.state.step:,} already; give it more --steps")
    log = open_log(directory, config, resume=resume)
    try:
        recorded: list[dict[str, Any]] = []
        if resume:
            recorded = log.truncate(checkpoint.seq if checkpoint else 0)
            if checkpoint:
                session.restore(checkpoint.state)
        circumstances = _circumstances(spec, checkpoint)
        with Heartbeat(directory.heartbeat):
            trainer = Trainer(config, task, data, session, directory, log, circumstances, listeners)
            yield Launched(trainer, recorded)
    finally:
        log.close()


def open_log(directory: RunDirectory, config: RunConfig, *, resume: bool) -> EventLog:
    """The directory made or found, locked, and its configuration written."""
    check_name(directory.name)
    if directory.events.exists() and directory.events.stat().st_size and not resume:
        raise RunExists(f"there is a run called {directory.name}; resume it with --resume, or choose another --name")
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
        directory.control.mkdir(exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"cannot make {directory.path}: {problem.strerror}; choose another folder with --runs"
        ) from None
    log = EventLog(directory.events, directory.lock, directory.name)
    write_whole(directory.config, config.to_toml())
    return log


def resumed_config(directory: RunDirectory, changes: Mapping[str, Any]) -> tuple[TaskSpec, RunConfig, Any]:
    """A run's own configuration with what a resumption may change.

    Raises `NoSuchRun` without a readable one, `ConfigError` for a change that would make it another run.
    """
    if not directory.config.is_file():
        raise NoSuchRun(f"{directory.path} has no config.toml, so there is nothing to resume")
    own = read_toml(directory.config)
    forbidden = sorted(key for key in changes if key not in CHANGEABLE_ON_RESUME and own.get(key) != changes[key])
    if forbidden:
        allowed = ", ".join(CHANGEABLE_ON_RESUME)
        raise ConfigError(f"a resumed run keeps its {', '.join(forbidden)}; it may change {allowed}")
    task = registry.get("tasks", str(own.get("task.name")))
    config, options = resolve(task, own, changes, preset=str(own.get("preset", "paper")))
    return task, config, options


def continuation(directory: RunDirectory, config: RunConfig) -> Literal["start", "resume", "over"]:
    """What is left to do for a run of this name with this configuration, whether it has begun or not.

    A run that completed, grokked, diverged or was stopped is over, unless `config` lets it go on for longer. Raises
    `ConfigError` where the run that is there is another one.
    """
    if not directory.events.exists() or not directory.events.stat().st_size:
        return "start"
    _, own, _ = resumed_config(directory, {})
    changed = changes_between(own, config)
    for key, (was, now) in changed.items():
        if key not in CHANGEABLE_ON_RESUME:
            raise ConfigError(f"{directory.name} has begun with {key} {was!r}, not {now!r}; choose another --name")
    state = read_state(directory)
    over = state.phase == "finished" and state.status != "interrupted"
    return "over" if over and not {"train.steps", "train.stop_after_grok"} & changed.keys() else "resume"


def changes_between(own: RunConfig, other: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Dotted keys of what is not the same in two configurations, with both values."""
    before, after = dotted(own.model_dump()), dotted(other.model_dump())
    keys = sorted(before.keys() | after.keys())
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def _by_preference() -> list[BackendSpec]:
    """Installed backends in the order in which `auto` tries them."""
    specs = [registry.get("backends", name) for name in registry.names("backends")]
    return sorted(specs, key=lambda spec: -spec.preference())


def _circumstances(spec: BackendSpec, checkpoint: Checkpoint | None) -> Circumstances:
    versions = {"grokscope": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return Circumstances(
        backend=spec.name,
        versions=versions | dict(spec.details()),
        host=socket.gethostname(),
        process=os.getpid(),
        resumed_from=checkpoint.state.step if checkpoint else None,
        seconds_before=checkpoint.seconds if checkpoint else 0.0,
    )


def run_directory(folder: Path, name: str) -> RunDirectory:
    """The directory of the run `name` in `folder`. Raises `BadRunName`."""
    return RunDirectory(folder / check_name(name))

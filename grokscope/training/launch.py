"""From a configuration to a trainer on a run directory: fresh, or resumed from its newest checkpoint."""

import os
import platform
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from grokscope import __version__, registry
from grokscope.contract.backends import BackendSpec, Session, Unavailable
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.contract.tasks import TaskData, TaskSpec
from grokscope.events import Criterion, Rule, Started
from grokscope.interventions.treatment import objections, offered
from grokscope.runs.directory import NoSuchRun, RunDirectory, check_name, not_there, remove_drafts, write_whole
from grokscope.runs.heartbeat import Heartbeat
from grokscope.runs.log import EventLog
from grokscope.runs.resumption import Resumption, make_way, resumption
from grokscope.runs.state import read_state
from grokscope.settings.config import ConfigError, RunConfig, read_settings_file, resolve
from grokscope.settings.values import dotted
from grokscope.training.interruption import Interruption
from grokscope.training.loop import Trainer
from grokscope.training.observation import OpenSignal, descriptions, open_signals
from grokscope.training.recorder import Listener, Recorder
from grokscope.training.run_size import check_data, check_model
from grokscope.warning.forecast.bank import bank_objection

CHANGEABLE_ON_RESUME = ("train.steps", "train.stop_after_grok", "backend.name", "backend.device", "backend.threads")
"""Settings a resumed run may change: how long it goes on, and on what."""
_LENGTH = frozenset(CHANGEABLE_ON_RESUME[:2])


class RunExists(ConfigError):
    """A fresh run was to get the name of one that is there."""


def available_backend(config: RunConfig) -> tuple[BackendSpec, str]:
    """The backend a run will use and the device to open it on; `auto` takes the one that suits the machine best.

    Raises `Unavailable` where it cannot work here, `registry.NoSuchPlugin`.
    """
    name = config.backend.name
    if name != "auto":
        return registry.get("backends", name), config.backend.device
    missing: list[str] = []
    failed: list[str] = []
    for spec in _by_preference():
        try:
            spec.devices()
        except Unavailable:
            missing.append(spec.install)
        except (Exception, SystemExit) as problem:  # somebody else's plugin, or a machine that is short of memory
            failed.append(f"{spec.name} failed ({type(problem).__name__}: {problem})")
        else:
            return spec, config.backend.device
    install = [f"install one: {'; or '.join(missing)}"] if missing else []
    raise Unavailable("; ".join(["no backend works here", *failed, *install]))


def loaded_data(task: TaskSpec, options: Any, seed: int) -> TaskData:
    """The task made concrete. Raises `ConfigError` where its options cannot be, or would not fit into memory."""
    check_data(task, options)
    try:
        return task.load(options, seed)
    except ValueError as problem:
        raise ConfigError(f"{task.name}: {problem}") from None


@contextmanager
def launched(
    directory: RunDirectory,
    config: RunConfig,
    task: TaskSpec,
    options: Any,
    *,
    resume: bool,
    discard_events: bool = False,
    listeners: Iterable[Listener] = (),
    interruption: Interruption | None = None,
) -> Iterator[Trainer]:
    """Open the run directory as its one writer and yield its trainer; heartbeat and lock end with the block.

    `discard_events`: whether a resumed run may lose events that do not come again. Raises `ConfigError`, `Unavailable`,
    `grokscope.runs.log.RunBusy`, `NoSuchRun`, `grokscope.runs.resumption.WouldLose`, `RunUnwritable`; `Interrupted`
    where the end is asked for before anything was written down.
    """
    interruption = interruption or Interruption()
    with interruption:  # nothing is there yet that could be lost
        spec, data, signals, session = _ready(directory, config, task, options, interruption.check, resume=resume)
    where = layout(config.model_of(data.model))
    with _opened_log(directory, resume=resume) as log:
        plan, before = None, 0.0
        if resume:
            plan = resumption(directory, where, longer=_goes_on(directory, config), discard=discard_events)
            before = _restored(directory, session, plan, config)
            make_way(directory, plan)
            log.keep(plan.place.seq)
        for folder in (directory.path, directory.checkpoints, directory.snapshots):
            remove_drafts(folder)
        write_whole(directory.config, config.to_toml())
        with Heartbeat(directory.heartbeat):
            started = _started(config, task, data, session, signals, spec, plan)
            recorder = Recorder(
                directory, log, started, listeners, interruption=interruption, seconds_before=before,
                warnings=data.remarks if plan is None else plan.warnings,
            )  # fmt: skip
            yield Trainer(config, data, session, signals, recorder, plan)


class _Ready(NamedTuple):
    """What a run needs before anything of it is written down."""

    spec: BackendSpec
    data: TaskData
    signals: list[OpenSignal]
    session: Session


def _ready(
    directory: RunDirectory,
    config: RunConfig,
    task: TaskSpec,
    options: Any,
    check: Callable[[], None],
    *,
    resume: bool,
) -> _Ready:
    """Data loaded, signals and a session opened; `check` is called in between. Raises `ConfigError`, `Unavailable`."""
    if not resume and directory.events.exists() and directory.events.stat().st_size:
        raise RunExists(f"there is a run called {directory.name}; resume it with --resume, or choose another --name")
    unusable = None if resume or not config.forecast.enabled else bank_objection(config.forecast.bank, task.name)
    if unusable is not None:
        raise ConfigError(f"forecast.bank: {unusable}")
    spec, device = available_backend(config)
    check()
    data = loaded_data(task, options, config.train.seed)
    check()
    model = config.model_of(data.model)
    check_model(config, model, len(data.train))
    for objection in objections(config, directory.path, model):
        raise ConfigError(objection)
    signals = open_signals(config, data, layout(model))
    session = spec.open(
        model,
        initial_parameters(model, config.train.seed),
        device=device,
        precision=config.backend.precision,
        threads=config.backend.threads,
    )
    check()
    return _Ready(spec, data, signals, session)


@contextmanager
def _opened_log(directory: RunDirectory, *, resume: bool) -> Iterator[EventLog]:
    """The log, locked; where the run is new its directory is made."""
    check_name(directory.name)
    if not resume:
        try:
            directory.path.mkdir(parents=True, exist_ok=True)
            directory.control.mkdir(exist_ok=True)
        except OSError as problem:
            raise not_there(problem, directory.path) from None
    with closing(EventLog(directory.events, directory.lock, directory.name)) as log:
        yield log


def _restored(directory: RunDirectory, session: Session, plan: Resumption, config: RunConfig) -> float:
    """Put the session where the run goes on; returns the seconds that it has taken so far. Raises `ConfigError`."""
    found = plan.checkpoint
    if found is None:
        return 0.0
    if found.state.step > config.train.steps:
        raise ConfigError(f"{directory.name} is at step {found.state.step:,} already; give it more --steps")
    session.restore(found.state)
    return found.seconds


def judged_by(config: RunConfig, task: TaskSpec) -> dict[str, Any]:
    """What `started` says of a run's metric, of what may count as grokking, and of the rules that it acts on."""
    detect = config.detect
    return {
        "metric": task.metric,
        "criteria": {name: Criterion(**asdict(criterion)) for name, criterion in task.criteria.items()},
        "rules": {
            "memorized": Rule(name="train-accuracy", threshold=detect.memorization),
            "onset": Rule(name=detect.onset),
            "grokked": Rule(name=detect.grokking or task.default_criterion),
        },
    }


def _started(
    config: RunConfig,
    task: TaskSpec,
    data: TaskData,
    session: Session,
    signals: Sequence[OpenSignal],
    spec: BackendSpec,
    plan: Resumption | None,
) -> Started:
    versions = {"grokscope": __version__, "python": platform.python_version(), "numpy": np.__version__}
    kinds, checkpoint = offered(), None if plan is None else plan.checkpoint
    model = config.model_of(data.model)
    return Started(
        step=session.state().step,
        config=config.model_dump(mode="json"),
        task=task.name,
        **judged_by(config, task),
        backend=spec.name,
        device=session.device,
        precision=session.precision,
        parameters=layout(model).size,
        model={size: getattr(model, size) for size in ("width", "layers", "heads", "feed_forward")},
        versions=versions | dict(spec.details()),
        host=socket.gethostname(),
        process=os.getpid(),
        facts=dict(data.facts),
        signals={name: about.to_json() for name, about in descriptions(signals).items()},
        interventions=list(kinds),
        intervention_parameters=kinds,
        resumed_from=None if checkpoint is None else checkpoint.state.step,
    )


def resumed_config(directory: RunDirectory, changes: Mapping[str, Any]) -> tuple[TaskSpec, RunConfig, Any]:
    """A run's own configuration with what a resumption may change.

    Raises `NoSuchRun` without a readable one, `ConfigError` for a change that would make it another run.
    """
    if not directory.config.is_file():
        raise NoSuchRun(f"{directory.path} has no config.toml, so there is nothing to resume")
    own = read_settings_file(directory.config)
    forbidden = sorted(key for key in changes if key not in CHANGEABLE_ON_RESUME and own.get(key) != changes[key])
    if forbidden:
        allowed = ", ".join(CHANGEABLE_ON_RESUME)
        raise ConfigError(f"a resumed run keeps its {', '.join(forbidden)}; it may change {allowed}")
    task = registry.get("tasks", str(own.get("task.name")))
    preset = str(own.get("preset", "paper"))
    config, options = resolve(task, own, changes, preset=preset)
    if changes:
        _keeps_its_schedule(resolve(task, own, preset=preset)[0], config)
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
    _keeps_its_schedule(own, config)
    state = read_state(directory)
    over = state.phase == "finished" and state.status != "interrupted"
    return "over" if over and not _LENGTH & changed.keys() else "resume"


def _goes_on(directory: RunDirectory, config: RunConfig) -> bool:
    """Whether a run may go on beyond the step at which it was to end."""
    own = read_settings_file(directory.config)
    return any(own.get(key) != value for key, value in dotted(config.model_dump()).items() if key in _LENGTH)


def _keeps_its_schedule(own: RunConfig, other: RunConfig) -> None:
    """Raises `ConfigError` where a longer run would have had other learning rates from its first step on."""
    if own.optimizer.schedule != "constant" and own.train.steps != other.train.steps:
        raise ConfigError(
            f"a resumed run keeps its train.steps where optimizer.schedule is {own.optimizer.schedule}: the learning "
            "rates of all steps hang on it"
        )


def changes_between(own: RunConfig, other: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Dotted keys of what is not the same in two configurations, with both values."""
    before, after = dotted(own.model_dump()), dotted(other.model_dump())
    keys = sorted(before.keys() | after.keys())
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def _by_preference() -> list[BackendSpec]:
    """Installed backends in the order in which `auto` tries them."""
    return sorted(registry.sound("backends"), key=lambda spec: -_preference(spec))


def _preference(spec: BackendSpec) -> int:
    try:
        return int(spec.preference())
    except (Exception, SystemExit):  # somebody else's plugin, that does not know this machine
        return -1


def run_directory(folder: Path, name: str) -> RunDirectory:
    """The directory of the run `name` in `folder`. Raises `BadRunName`."""
    return RunDirectory(folder / check_name(name))

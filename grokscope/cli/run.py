"""`grokscope run`: train, measure, record."""

import json as json_format
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.completion import offered_interventions, offered_runs
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, RunsFolder, events_of
from grokscope.cli.signals import on_signals
from grokscope.cli.sinks import NotifyOption, SinkOption, followers_of, following
from grokscope.cli.training import (
    BackendOption,
    BatchSizeOption,
    DeviceOption,
    EstimatorOption,
    EvalEveryOption,
    LearningRateOption,
    MeasureEveryOption,
    OptionalTask,
    PrecisionOption,
    PresetOption,
    SamplesOption,
    SeedOption,
    SettingOption,
    SignalsOption,
    StepsOption,
    WeightDecayOption,
    flag_settings,
)

if TYPE_CHECKING:
    from grokscope.contract.tasks import TaskSpec
    from grokscope.runs.directory import RunDirectory
    from grokscope.settings.config import RunConfig
    from grokscope.sinks.following import Followers
    from grokscope.training.interruption import Interruption
    from grokscope.training.recorder import Listener


def run(
    task: OptionalTask = None,
    *,
    backend: BackendOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    preset: PresetOption = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    setting: SettingOption = None,
    lr: LearningRateOption = None,
    wd: WeightDecayOption = None,
    seed: SeedOption = None,
    steps: StepsOption = None,
    batch_size: BatchSizeOption = None,
    eval_every: EvalEveryOption = None,
    measure_every: MeasureEveryOption = None,
    samples: SamplesOption = None,
    estimator: EstimatorOption = None,
    signal: SignalsOption = None,
    intervene: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[@WHEN[..UNTIL]][:NAME=VALUE,…]",
            help="Schedule an intervention: `project@500:strength=0.5`, `noise@onset..2000`, `noise@3000:off`; "
            "repeatable. WHEN and UNTIL: a step, memorized, onset, test-loss-turn or grokked. "
            "`grokscope interventions` lists the kinds.",
            autocompletion=offered_interventions,
            rich_help_panel="Interventions",
        ),
    ] = None,
    replay_interventions: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Repeat all interventions on this run, at the same steps.",
            autocompletion=offered_runs,
            rich_help_panel="Interventions",
        ),
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    name: Annotated[str | None, typer.Option(help="Name of the run; default: task, time and 4 hex digits.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Continue a run from its newest checkpoint.", autocompletion=offered_runs),
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option("--continue", help="Start the run named by --name, or resume it; do nothing if it has finished."),
    ] = False,
    discard_events: Annotated[
        bool,
        typer.Option(
            "--discard-events",
            help="With --resume or --continue: allow that recorded events are lost, as without a usable checkpoint.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Events on stdout, one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")] = False,
    sink: SinkOption = None,
    notify: NotifyOption = None,
    tui: Annotated[bool, typer.Option("--tui", help="Train in a separate process, and watch it.")] = False,
    fail_on: Annotated[
        Literal["not-grokked"] | None, typer.Option(help="Exit with 5 if the run ends without grokking.")
    ] = None,
) -> None:
    """Train a model; measure and record it.

    The command prints the run's directory at the end. The file events.jsonl in this directory records every event.
    With --continue you or a scheduler can repeat the same command after a crash, until the run has finished.
    """
    flags = flag_settings(
        backend=backend, device=device, precision=precision, lr=lr, wd=wd, seed=seed, steps=steps,
        batch_size=batch_size, eval_every=eval_every, measure_every=measure_every, samples=samples,
        estimator=estimator, signal=signal, intervene=_interventions(intervene, replay_interventions, runs, quiet),
    )  # fmt: skip
    if tui and (json or not sys.stdout.isatty()):
        reason = "and --json both need stdout" if json else "needs a terminal, and stdout is not a terminal"
        raise typer.BadParameter(f"{reason}; leave out --tui", param_hint="--tui")
    if resume is not None and name is not None:
        raise typer.BadParameter("a resumed run keeps its name", param_hint="--name")
    if discard_events and resume is None and not go_on:
        raise typer.BadParameter("a new run has no events to discard; give --resume RUN", param_hint="--discard-events")
    if go_on and name is None:
        raise typer.BadParameter("needs the run's --name", param_hint="--continue")
    followers = followers_of(sink or [], notify)
    directory, spec, settings, options = _planned(task, preset, config, setting or [], flags, runs, name, resume)
    begun = resume is not None
    if go_on:
        from grokscope.training.launch import continuation

        what = continuation(directory, settings)
        if what == "over":
            raise typer.Exit(_repeat_ending(directory, quiet, fail_on))
        begun = what == "resume"
    if tui:
        raise typer.Exit(_train_and_watch(directory))
    raise typer.Exit(_train(directory, spec, settings, options, begun, discard_events, json, quiet, fail_on, followers))


def _interventions(given: list[str] | None, replayed: str | None, runs: Path, quiet: bool) -> list[str] | None:
    """The schedule from flags: the replayed interventions, then the given ones. Raises `NoSuchRun`."""
    if replayed is None:
        return given or None
    from grokscope.runs.directory import find_run
    from grokscope.settings import schedule

    directory = find_run(replayed, runs)
    had = schedule.replayed(events_of(directory))
    if not had and not quiet:
        complain(f"{directory.name} had no interventions, so there are none to replay")
    return had + (given or [])


def _planned(
    task: str | None,
    preset: str | None,
    config: Path | None,
    assignments: list[str],
    flags: dict[str, Any],
    runs: Path,
    name: str | None,
    resume: str | None,
) -> "tuple[RunDirectory, TaskSpec, RunConfig, Any]":
    """The run's directory, task, settings and task options.

    Raises `ConfigError`, `NoSuchRun`, `BadRunName`, `NoSuchPlugin`, `typer.BadParameter`.
    """
    from grokscope import registry
    from grokscope.runs.directory import find_run, new_name
    from grokscope.settings import config as configuration
    from grokscope.training import launch

    changes = configuration.read_assignments(assignments) | flags
    if resume is not None:
        directory = find_run(resume, runs)
        spec, settings, options = launch.resumed_config(directory, changes)
        if task not in (None, spec.name):
            raise configuration.ConfigError(
                f"{directory.name} is a run of {spec.name}, not of {task}; leave out {task}"
            )
        return directory, spec, settings, options
    file = {} if config is None else configuration.read_settings_file(config)
    task = task or file.get("task.name")
    if task is None:
        raise typer.BadParameter(f"give one of: {', '.join(registry.names('tasks'))}", param_hint="TASK")
    spec = registry.get("tasks", task)
    environment = configuration.read_environment(spec)
    layers = (preset, environment.pop("preset", None), file.pop("preset", None), "paper")
    chosen = next(layer for layer in layers if layer is not None)
    settings, options = configuration.resolve(spec, file, environment, changes, preset=str(chosen))
    return launch.run_directory(runs, name or new_name(spec.name)), spec, settings, options


def _train(
    directory: "RunDirectory",
    spec: "TaskSpec",
    settings: "RunConfig",
    options: Any,
    resume: bool,
    discard_events: bool,
    json: bool,
    quiet: bool,
    fail_on: str | None,
    followers: "Followers | None",
) -> int:
    from grokscope.cli.output import say
    from grokscope.training.interruption import Interrupted, Interruption
    from grokscope.training.launch import launched

    interruption = Interruption()
    printers = [_printer(interruption)] if json else []
    with (
        ended_by_signals(interruption) as received,
        _display(quiet=quiet) as show,
        following(followers, directory, received, quiet=quiet) as listeners,
    ):
        try:
            with launched(
                directory, settings, spec, options, resume=resume, discard_events=discard_events,
                listeners=[show, *printers, *listeners], interruption=interruption,
            ) as trainer:  # fmt: skip
                status = trainer.run()
        except Interrupted:
            complain("interrupted before the run started")
            return 128 + received[0]
    if not json:
        say(str(directory.path))
    if status == "interrupted":
        if not quiet:
            complain(f"`{_for_run('run --resume', directory)}` continues from step {trainer.step:,}")
        return 128 + received[0] if received else ExitCode.INTERRUPTED
    if status == "diverged":
        complain(f"training diverged at step {trainer.step}: the loss is not finite; try a smaller --lr")
        return ExitCode.DIVERGED
    if not json and not quiet:
        complain(f"`{_for_run('watch', directory)}` shows its curves, `{_for_run('show', directory)}` its detections")
    if fail_on == "not-grokked" and trainer.recorder.watch.grokked is None:
        return ExitCode.NOT_GROKKED
    return ExitCode.FINISHED


def _display(*, quiet: bool) -> AbstractContextManager["Listener"]:
    """A quiet run shows nothing, and imports nothing to show it with."""
    if quiet:
        return nullcontext(lambda event: None)
    from grokscope.cli.display import display

    return display()


def _for_run(command: str, directory: "RunDirectory") -> str:
    """A command about a run, for the present working directory."""
    from grokscope.gate import real_path

    folder = directory.path.parent
    where = "" if real_path(folder) == real_path(DEFAULT_RUNS) else f" --runs {shlex.quote(str(folder))}"
    return f"grokscope {command} {directory.name}{where}"


def _repeat_ending(directory: "RunDirectory", quiet: bool, fail_on: str | None) -> int:
    """Print how a finished run ended. Returns the exit code that the run had."""
    from grokscope.cli.output import say
    from grokscope.runs.state import read_state

    state = read_state(directory)
    last = state.last
    if not quiet:
        complain(f"{directory.name} has finished: {state.word} at step {last['finished']['steps']:,}")
    say(str(directory.path))
    if last["finished"]["status"] == "diverged":
        return ExitCode.DIVERGED
    return ExitCode.NOT_GROKKED if fail_on == "not-grokked" and "grokked" not in last else ExitCode.FINISHED


def _printer(interruption: "Interruption") -> "Listener":
    """Prints events on stdout. When the reader closes the pipe, the run stops as if interrupted."""
    read, out = True, sys.stdout

    def show(event: Mapping[str, Any]) -> None:
        nonlocal read
        if not read:
            return
        try:
            out.write(json_format.dumps(event, allow_nan=False, separators=(",", ":")) + "\n")
            out.flush()
        except BrokenPipeError:
            read = False
            interruption.ask()
            with suppress(OSError):  # flushing the buffer at exit would fail again
                os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())

    return show


@contextmanager
def ended_by_signals(interruption: "Interruption") -> Iterator[list[int]]:
    """A signal asks the trainer to write a checkpoint and stop; further signals change nothing.

    Yields the list of received signals: 2 for SIGINT, 15 for SIGTERM or a closed terminal.
    """
    received: list[int] = []

    def end(number: int) -> None:
        received.append(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
        interruption.ask()

    with on_signals(end, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield received


def _train_and_watch(directory: "RunDirectory") -> int:
    """Run the same command without `--tui` in a process that outlives the TUI, and open the TUI.

    Returns the exit code of the trainer, or 0 while the trainer runs. The trainer's last error goes to stderr.
    """
    from grokscope.cli.output import say
    from grokscope.gate import last_line
    from grokscope.tui.app import open_app
    from grokscope.tui.trainer import start_trainer, trainer_output

    arguments = [argument for argument in sys.argv[1:] if argument != "--tui"]
    if "--name" not in arguments and not any(argument.startswith(("--name=", "--resume")) for argument in arguments):
        arguments += ["--name", directory.name]
    errors = trainer_output(directory)
    trainer = start_trainer(directory, arguments)
    open_app(directory.path, trainer=trainer)
    code = trainer.poll()
    if code is None:
        complain(f"{directory.name} is still running; `grokscope watch {directory.name}` shows it again")
    elif error := last_line(errors):
        complain(error.removeprefix("grokscope: "))
    say(str(directory.path))
    return ExitCode.FINISHED if code is None else code if code >= 0 else 128 - code

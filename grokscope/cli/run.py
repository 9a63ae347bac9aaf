"""`grokscope run`: train, measure, record."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, RunsFolder

if TYPE_CHECKING:
    from grokscope.config import RunConfig
    from grokscope.events import Event
    from grokscope.protocols import TaskSpec
    from grokscope.runs.directory import RunDirectory
    from grokscope.trainer import Listener, Trainer


def run(
    task: Annotated[str | None, typer.Argument(help="scan, dyck, modular, or any plugin (`grokscope tasks`).")] = None,
    *,
    backend: Annotated[
        str | None, typer.Option(help="torch, mlx, any plugin, or auto.", rich_help_panel="Where")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps or gpu.", rich_help_panel="Where")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or float64.", rich_help_panel="Where")] = None,
    preset: Annotated[
        str | None, typer.Option(help="paper (the author's values) or quick (the whole story in minutes).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any setting; repeatable.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", rich_help_panel="Training")] = None,
    wd: Annotated[float | None, typer.Option(help="Weight decay.", rich_help_panel="Training")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.", rich_help_panel="Training")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps at most.", rich_help_panel="Training")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples in a batch.", rich_help_panel="Training")] = None,
    eval_every: Annotated[
        int | None, typer.Option(help="Steps between evaluations.", rich_help_panel="Measuring")
    ] = None,
    measure_every: Annotated[
        int | None, typer.Option(help="Steps between measurements.", rich_help_panel="Measuring")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Pairs of batches a measurement.", rich_help_panel="Measuring")
    ] = None,
    estimator: Annotated[
        str | None, typer.Option(help="exact, finite-difference or off.", rich_help_panel="Measuring")
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    name: Annotated[str | None, typer.Option(help="Name of the run; default: task, time and 4 hex digits.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run from its newest checkpoint.")
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option("--continue", help="Start the run called --name, or go on with it; nothing where it is over."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Events on stdout, one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
    tui: Annotated[bool, typer.Option("--tui", help="Train in a process of its own, and watch it.")] = False,
    fail_on: Annotated[
        Literal["not-grokked"] | None, typer.Option(help="Exit with 5 if the run ends without grokking.")
    ] = None,
) -> None:
    """Train, measure, record.

    The run's directory is printed when it ends; everything that happened is in its events.jsonl. With --continue the
    same command may be given again after whatever happened, by a scheduler say, until the run is over.
    """
    from grokscope.config import FLAGS

    given = {
        "backend": backend, "device": device, "precision": precision, "lr": lr, "wd": wd, "seed": seed, "steps": steps,
        "batch-size": batch_size, "eval-every": eval_every, "measure-every": measure_every, "samples": samples,
        "estimator": estimator,
    }  # fmt: skip
    flags = {FLAGS[flag]: value for flag, value in given.items() if value is not None}
    if tui and (json or not sys.stdout.isatty()):
        reason = "and --json both want stdout" if json else "needs a terminal, and stdout is none"
        raise typer.BadParameter(f"{reason}; leave out --tui", param_hint="--tui")
    if resume is not None and name is not None:
        raise typer.BadParameter("a resumed run keeps its name", param_hint="--name")
    if go_on and name is None:
        raise typer.BadParameter("goes on with which run? give its --name", param_hint="--continue")
    directory, spec, settings, options = _planned(task, preset, config, setting or [], flags, runs, name, resume)
    begun = resume is not None
    if go_on:
        from grokscope.launch import continuation

        what = continuation(directory, settings)
        if what == "over":
            raise typer.Exit(_leave_alone(directory, quiet, fail_on))
        begun = what == "resume"
    if tui:
        _train_and_watch(directory)
        return
    raise typer.Exit(_train(directory, spec, settings, options, begun, json, quiet, fail_on))


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
    """Which run, of what task, with which settings. Raises what `exits` knows."""
    from grokscope import config as configuration
    from grokscope import launch, registry
    from grokscope.runs.directory import find_run, new_name

    changes = configuration.read_assignments(assignments) | flags
    if resume is not None:
        directory = find_run(resume, runs)
        spec, settings, options = launch.resumed_config(directory, changes)
        if task not in (None, spec.name):
            raise configuration.ConfigError(f"{directory.name} is a run of {spec.name}, not of {task}")
        return directory, spec, settings, options
    file = {} if config is None else configuration.read_toml(config)
    task = task or file.get("task.name")
    if task is None:
        raise typer.BadParameter(f"which one? {', '.join(registry.names('tasks'))}", param_hint="TASK")
    spec = registry.get("tasks", task)
    environment = configuration.read_environment(spec)
    chosen = preset or environment.pop("preset", None) or file.pop("preset", None) or "paper"
    file.pop("preset", None)
    settings, options = configuration.resolve(spec, file, environment, changes, preset=str(chosen))
    return launch.run_directory(runs, name or new_name(spec.name)), spec, settings, options


def _train(
    directory: "RunDirectory",
    spec: "TaskSpec",
    settings: "RunConfig",
    options: Any,
    resume: bool,
    json: bool,
    quiet: bool,
    fail_on: str | None,
) -> int:
    from grokscope.cli.display import display
    from grokscope.launch import launched

    with (
        display(quiet=quiet) as show,
        launched(directory, settings, spec, options, resume=resume, listeners=[show]) as start,
        _stopped_by_signals(start.trainer) as received,
    ):
        if json:
            start.trainer.listeners.append(_printer(start.trainer))
        status = start.trainer.run(start.recorded)
    if not json:
        typer.echo(directory.path)
    if status == "interrupted":
        return 128 + received[0] if received else ExitCode.INTERRUPTED
    if status == "diverged":
        complain(f"training diverged at step {start.trainer.step}: the loss is not finite; try a smaller --lr")
        return ExitCode.DIVERGED
    if fail_on == "not-grokked" and start.trainer.watch.grokked is None:
        return ExitCode.NOT_GROKKED
    return ExitCode.FINISHED


def _leave_alone(directory: "RunDirectory", quiet: bool, fail_on: str | None) -> int:
    """Say of a run that is over what it said when it ended."""
    from grokscope.runs.state import read_state

    last = read_state(directory).last
    if not quiet:
        complain(f"{directory.name} is over: {last['finished']['status']} at step {last['finished']['steps']:,}")
    typer.echo(directory.path)
    if last["finished"]["status"] == "diverged":
        return ExitCode.DIVERGED
    return ExitCode.NOT_GROKKED if fail_on == "not-grokked" and "grokked" not in last else ExitCode.FINISHED


def _printer(trainer: "Trainer") -> "Listener":
    """Prints events on stdout. When nobody reads them any more, the run stops as if interrupted."""

    def show(event: "Event", line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            trainer.listeners.remove(show)
            trainer.interrupted = True
            with suppress(OSError):  # what the buffer still holds would break the pipe once more at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return show


@contextmanager
def _stopped_by_signals(trainer: "Trainer") -> Iterator[list[int]]:
    """The first signal asks the trainer to stop behind its step, with a checkpoint; a second one takes effect at once.

    Yields the list of signals received, 2 for SIGINT and 15 for SIGTERM or a closed terminal.
    """
    received: list[int] = []

    def stop(number: int, frame: object) -> None:
        received.append(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
        trainer.interrupted = True
        for signal_number in before:
            signal.signal(signal_number, signal.default_int_handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # `nohup` and `&` ask not to be stopped
            signal.signal(number, stop)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _train_and_watch(directory: "RunDirectory") -> None:
    """The same command without `--tui`, in a process that outlives the screen, and the TUI beside it."""
    from grokscope.tui.app import watch

    arguments = [argument for argument in sys.argv[1:] if argument != "--tui"]
    if "--name" not in arguments and not any(argument.startswith(("--name=", "--resume")) for argument in arguments):
        arguments += ["--name", directory.name]
    directory.path.mkdir(parents=True, exist_ok=True)
    errors = directory.path / "trainer.stderr"
    with errors.open("wb") as stderr:
        trainer = subprocess.Popen(
            [sys.executable, "-m", "grokscope", *arguments, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    watch(directory.path, trainer=trainer, trainer_errors=errors)
    if trainer.poll() is None:
        typer.echo(f"{directory.name} goes on; `grokscope watch {directory.name}` shows it again", err=True)
    typer.echo(directory.path)

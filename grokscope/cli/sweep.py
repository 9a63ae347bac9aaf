"""`grokscope sweep`: run a grid of runs, show its progress, and resume it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grokscope.cli.command import DefaultsToRun, PlainHelpCommand
from grokscope.cli.completion import offered_settings, offered_sweeps
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder
from grokscope.cli.signals import on_signals
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
    from grokscope.sweeps.engine import Engine, Failure
    from grokscope.sweeps.grid import Cell, Sweep
    from grokscope.sweeps.local import LocalEngine


sweep = typer.Typer(
    name="sweep",
    cls=DefaultsToRun,
    help="Run a grid of runs, and show its progress.\n\n"
    "`sweep TASK …` makes and runs the cells; `sweep status` lists them.",
    rich_markup_mode=None,
)

EngineName = Annotated[
    Literal["local", "replicas", "auto", "slurm", "plan"],
    typer.Option(
        help="local processes; replicas: many cells as one batched model; auto: the faster of both; slurm jobs; "
        "plan: print each cell's command.",
        rich_help_panel="How",
    ),
]
Replicas = Annotated[
    int | None,
    typer.Option(min=1, help="Cells per batched model, at most; also of a slurm job.", rich_help_panel="How"),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Cells at a time; default: 1 locally, all on a cluster.", rich_help_panel="How"),
]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="For the job array: partition, time (minutes), gpus, cpus_per_task, any option of sbatch; repeatable.",
        rich_help_panel="How",
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Exit after queueing the slurm jobs.", rich_help_panel="How")]
RetryDiverged = Annotated[
    bool, typer.Option("--retry-diverged", help="Resume diverged cells too.", rich_help_panel="How")
]
AsJsonLines = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line: each change of a cell's state, then a summary.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")]


@sweep.command("run", cls=PlainHelpCommand)
def run_sweep(
    task: OptionalTask = None,
    *,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,VALUE",
            help="A setting and its values; repeatable. The first axis is slowest.",
            autocompletion=offered_settings,
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file: a sweep, or settings of all cells.")] = None,
    preset: PresetOption = None,
    setting: SettingOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep; default: the file's, or task and axes.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells and the hours that each needs; run nothing.")
    ] = False,
    timing: Annotated[
        bool,
        typer.Option("--timing/--no-timing", help="For the hours of --dry-run: time a step of each kind of cell."),
    ] = True,
    engine: EngineName = "local",
    jobs: Jobs = None,
    replicas: Replicas = None,
    slurm: SlurmOption = None,
    detach: Detach = False,
    retry_diverged: RetryDiverged = False,
    backend: BackendOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
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
    json: AsJsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Run every combination of the values of the axes.

    Each cell is a separate run in RUNS/NAME/. The file RUNS/NAME/sweep.toml defines the cells. If you repeat the
    command, finished cells stay as they are, interrupted cells continue from their checkpoints, and missing cells
    start. You may add values to the axes. Ctrl-C stops all cells, each with a checkpoint. A failed cell does not stop
    the other cells. The exit code is that of the failed cells, or 1 if their codes differ. A cell that diverges counts
    as a result, not as a failure. A cell that another process runs is skipped.

    The number of threads per cell comes from --set backend.threads, else from OMP_NUM_THREADS; by default the cells
    share the cores equally.

    The command of a cell is `grokscope run … --name CELL --continue`. A scheduler may kill and repeat this command.
    --engine plan prints the commands of all cells.
    """
    flags = flag_settings(
        backend=backend, device=device, precision=precision, lr=lr, wd=wd, seed=seed, steps=steps,
        batch_size=batch_size, eval_every=eval_every, measure_every=measure_every, samples=samples,
        estimator=estimator,
        signal=signal,
    )  # fmt: skip
    planned = _planned(task, axis or [], config, preset, setting or [], flags, name, runs)
    if dry_run:
        from grokscope.cli.sweep_output import say_cell_hours
        from grokscope.sweeps.manifest import check

        check(planned)
        say_cell_hours(planned, jobs or 1, timing, json)
        return
    _run(planned, _engine(engine, planned, jobs, replicas, slurm, detach, json), engine, retry_diverged, json, quiet)


@sweep.command(cls=PlainHelpCommand)
def status(
    wanted: Annotated[
        str | None,
        typer.Argument(
            metavar="SWEEP",
            help="A name, a unique prefix, a path, or `latest`; default: list all sweeps.",
            autocompletion=offered_sweeps,
        ),
    ] = None,
    *,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Show the progress of a sweep, cell by cell.

    The command works at any time, on any machine that can read the sweep's folder.
    """
    from grokscope.cli.sweep_output import say_cells, say_sweeps
    from grokscope.sweeps.manifest import find_sweep, read_sweep, sweeps_in

    if wanted is None:
        say_sweeps(_read_sweeps(sweeps_in(runs)), runs, json)
    else:
        say_cells(read_sweep(find_sweep(wanted, runs)), json)


@sweep.command(cls=PlainHelpCommand)
def resume(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP", help="A name, a unique prefix, a path, or `latest`.", autocompletion=offered_sweeps
        ),
    ],
    *,
    runs: RunsFolder = DEFAULT_RUNS,
    engine: EngineName = "local",
    jobs: Jobs = None,
    replicas: Replicas = None,
    slurm: SlurmOption = None,
    detach: Detach = False,
    retry_diverged: RetryDiverged = False,
    json: AsJsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Continue a sweep as its sweep.toml defines it. Finished cells stay as they are."""
    from grokscope.sweeps.manifest import find_sweep, read_sweep

    planned = read_sweep(find_sweep(wanted, runs))
    _run(planned, _engine(engine, planned, jobs, replicas, slurm, detach, json), engine, retry_diverged, json, quiet)


@sweep.command(name="replicas", cls=PlainHelpCommand)
def run_replicas(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP", help="A name, a unique prefix, a path, or `latest`.", autocompletion=offered_sweeps
        ),
    ],
    cells: Annotated[list[str], typer.Argument(metavar="CELL", help="Names of cells.")],
    *,
    threads: Annotated[int, typer.Option(min=1, help="Threads on the CPU.")] = 1,
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Train some cells as one batched model, in this process.

    It is what --engine replicas and slurm start. A scheduler may kill and repeat it: finished cells stay as they are,
    and begun cells go on. A cell's error goes to the trainer.stderr of the cell.
    """
    from contextlib import redirect_stderr

    from grokscope.cli.exits import leave
    from grokscope.cli.run import ended_by_signals
    from grokscope.sweeps.commands import stderr_file
    from grokscope.sweeps.manifest import find_sweep, read_sweep
    from grokscope.sweeps.replicas import train_together
    from grokscope.training.interruption import Interruption

    planned = {cell.slug: cell for cell in read_sweep(find_sweep(wanted, runs)).cells}
    unknown = [slug for slug in cells if slug not in planned]
    if unknown:
        raise typer.BadParameter(f"{wanted} has no cell {unknown[0]}; `grokscope sweep status` lists them")
    codes: list[int] = []

    def failed(cell: "Cell", problem: Exception) -> None:
        with stderr_file(cell).open("a") as file, redirect_stderr(file):
            codes.append(leave(problem))

    interruption = Interruption()
    with ended_by_signals(interruption) as received:
        train_together([planned[slug] for slug in dict.fromkeys(cells)], threads, interruption, failed)
    if received:
        raise typer.Exit(128 + received[0])
    if codes:
        raise typer.Exit(codes[0] if len(set(codes)) == 1 else ExitCode.FAULT)


def _planned(
    task: str | None,
    axes: list[str],
    config: Path | None,
    preset: str | None,
    assignments: list[str],
    flags: dict[str, Any],
    name: str | None,
    runs: Path,
) -> "Sweep":
    from grokscope import registry
    from grokscope.settings.config import read_assignments
    from grokscope.sweeps.grid import merged, plan, read_axes, read_tables, task_of

    file = {} if config is None else read_tables(config)
    found = task or task_of(file)
    if found is None:
        raise typer.BadParameter(f"give one of: {', '.join(registry.names('tasks'))}", param_hint="TASK")
    changes = read_assignments(assignments) | flags
    stem = None if config is None else config.stem
    return plan(merged(file, read_axes(axes), changes, task=found, name=name, preset=preset, stem=stem), runs)


def _engine(
    name: str,
    planned: "Sweep",
    jobs: int | None,
    replicas: int | None,
    slurm: list[str] | None,
    detach: bool,
    json: bool,
) -> "Engine":
    if name != "slurm" and (slurm or detach):
        raise typer.BadParameter("needs --engine slurm", param_hint="--slurm" if slurm else "--detach")
    if replicas is not None and name in {"local", "plan"}:
        raise typer.BadParameter("needs --engine replicas, auto or slurm", param_hint="--replicas")
    if name == "slurm":
        from grokscope.settings.config import read_assignments
        from grokscope.sweeps.slurm import SlurmEngine

        return SlurmEngine(
            planned.folder, read_assignments(slurm or []), jobs=jobs, detach=detach, replicas=replicas or 1
        )
    if name == "plan":
        from grokscope.cli.sweep_output import say_command, say_command_json
        from grokscope.sweeps.commands import PlanEngine

        return PlanEngine(say_command_json if json else say_command)
    from grokscope.sweeps.local import LocalEngine
    from grokscope.sweeps.replicas import REPLICAS, check_backend

    if name == "local":
        return LocalEngine(jobs or 1)
    check_backend(planned.cells)
    together = LocalEngine(jobs or 1, replicas=replicas or REPLICAS)
    return _faster(together, planned) if name == "auto" else together


def _faster(together: "LocalEngine", planned: "Sweep") -> "Engine":
    """The engine that trains the cells faster by a short measurement: `together`, or one that runs each cell alone."""
    from grokscope.sweeps.local import LocalEngine
    from grokscope.sweeps.replicas import gain

    gained = gain(planned.cells, together.replicas, together.threads)
    pays = gained is not None and gained > 1
    if gained is not None:
        complain(f"{'cells train as one' if pays else 'each cell trains alone'}: as one, {gained:.2g} times as fast")
    return together if pays else LocalEngine(together.jobs, together.threads)


def _run(planned: "Sweep", engine: "Engine", name: str, retry_diverged: bool, json: bool, quiet: bool) -> None:
    """Run the cells that are left to do, show their progress, and exit with the code of the sweep."""
    from grokscope.cli.output import say_json_line
    from grokscope.cli.sweep_display import sweep_display
    from grokscope.cli.sweep_output import say_sweep_end
    from grokscope.sweeps.manifest import record_sweep
    from grokscope.sweeps.standing import left_to_do, read_standing

    record_sweep(planned)
    cells = left_to_do(planned.cells, retry_diverged=retry_diverged)
    if name == "plan":
        engine.run(cells, lambda standing: None)
        return
    with stopped_by_signals() as received, sweep_display(planned, quiet=quiet) as show:
        states: dict[str, str] = {}

        def see(standing: Any) -> None:
            show(standing)
            if json and states.get(standing.cell.slug) != standing.state:
                say_json_line({"event": "cell", "sweep": planned.name, **standing.to_dict()})
            states[standing.cell.slug] = standing.state

        try:
            failures = engine.run(cells, see)
        except KeyboardInterrupt:
            failures = None
    standings = [read_standing(cell) for cell in planned.cells]
    say_sweep_end(planned, standings, failures or [], json)
    if failures is None:
        complain(f"interrupted; `grokscope sweep resume {planned.name}` continues the sweep")
        raise typer.Exit(received[0] if received else ExitCode.INTERRUPTED)
    _leave(planned, standings, failures)


def _leave(planned: "Sweep", standings: list[Any], failures: "list[Failure]") -> None:
    """Report failed cells and cells of other processes. Raises `typer.Exit` with the code of the failed cells."""
    from grokscope.sweeps.standing import runs_elsewhere

    for failure in failures:
        complain(f"{failure.cell.slug} failed: {failure.reason}")
    elsewhere = sum(map(runs_elsewhere, standings))
    if elsewhere:
        complain(
            f"{elsewhere} of {len(standings)} cells are being run by another process; "
            "`grokscope sweep status` lists them"
        )
    if failures:
        codes = {failure.code for failure in failures}
        raise typer.Exit(codes.pop() if len(codes) == 1 and min(codes) > 0 else ExitCode.FAULT)


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """SIGTERM and a closed terminal raise `KeyboardInterrupt`, as Ctrl-C does.

    Yields a list. After SIGTERM or SIGHUP it holds the exit code.
    """
    received: list[int] = []

    def end(number: int) -> None:
        received.append(ExitCode.TERMINATED)
        raise KeyboardInterrupt

    with on_signals(end, signal.SIGTERM, signal.SIGHUP):
        yield received


def _read_sweeps(folders: "Iterator[Path]") -> "list[Sweep]":
    """The sweeps that can be read. The others are reported on stderr."""
    from grokscope.cli.exits import exit_code_of
    from grokscope.sweeps.manifest import read_sweep

    found = []
    for folder in folders:
        try:
            found.append(read_sweep(folder))
        except Exception as problem:
            if exit_code_of(problem) is None:
                raise
            complain(f"{folder} is skipped: {problem}")
    return found

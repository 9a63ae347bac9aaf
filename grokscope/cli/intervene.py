"""`grokscope intervene`: run the causal experiment, show its results, and compare several experiments."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.command import DefaultsToRun, PlainHelpCommand
from grokscope.cli.completion import offered_conditions, offered_doses, offered_experiments, several
from grokscope.cli.exits import ExitCode, complain
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder, not_stdout
from grokscope.cli.training import (
    BackendOption,
    BatchSizeOption,
    DeviceOption,
    EstimatorOption,
    EvalEveryOption,
    LearningRateOption,
    MeasureEveryOption,
    PrecisionOption,
    PresetOption,
    SamplesOption,
    SettingOption,
    SignalsOption,
    StepsOption,
    TaskName,
    WeightDecayOption,
    flag_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from grokscope.experiment.analysis import Analysis
    from grokscope.experiment.design import Design
    from grokscope.sweeps.engine import Failure


intervene = typer.Typer(
    name="intervene",
    cls=DefaultsToRun,
    help="Run the causal experiment, and show its results.\n\n"
    "An experiment has baselines, interventions at several doses, and their controls, on several seeds.",
    rich_markup_mode=None,
)

HOW = "How"
EXPERIMENT_HELP = "A name, a unique prefix, a path, or `latest`."
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", callback=not_stdout, metavar="DIR", help="Folder for tables (CSV, Markdown) and figures."
    ),
]


@intervene.command("run", cls=PlainHelpCommand)
def run_experiment(
    task: TaskName,
    *,
    preset: PresetOption = None,
    conditions: Annotated[
        str,
        typer.Option(
            help="core, all, levers, or names with commas; ONE+OTHER for two. A wrong name prints all names.",
            autocompletion=several(offered_conditions),
        ),
    ] = "core",
    doses: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION=DOSE,…",
            help="Doses of a condition and its controls; repeatable.",
            autocompletion=offered_doses,
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds with commas.")] = "42,137,2024",
    replicates: Annotated[
        int, typer.Option(min=0, help="Repeats of each baseline with another order of batches, for the noise floor.")
    ] = 2,
    start: Annotated[
        str,
        typer.Option(
            help="First treated step: a step, or a fraction (below 1) of the grok step of the seed's baseline. "
            "auto: step 500 as published, or a quarter of the grok step if this is earlier."
        ),
    ] = "auto",
    published: Annotated[
        bool, typer.Option("--published", help="The interventions exactly as published, from step 500.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the defect in all runs, not only in the baselines.")
    ] = False,
    setting: SettingOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the experiment; default: task and preset.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs; run nothing.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; default: one per core.", rich_help_panel=HOW)
    ] = None,
    backend: BackendOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    lr: LearningRateOption = None,
    wd: WeightDecayOption = None,
    steps: StepsOption = None,
    batch_size: BatchSizeOption = None,
    eval_every: EvalEveryOption = None,
    measure_every: MeasureEveryOption = None,
    samples: SamplesOption = None,
    estimator: EstimatorOption = None,
    signal: SignalsOption = None,
    output: Output = None,
    json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors on stderr.")] = False,
) -> None:
    """Run the baselines, interventions and controls.

    First, each seed gets a baseline with snapshots, and replicates of the baseline with another order of batches. The
    replicates show how much runs of one seed differ without a treatment. Then each condition runs at each dose, with
    the seed, split, initialization and batches of the baseline. The treatment acts on the execution subspace of the
    baseline. All runs stand in RUNS/NAME/. If you repeat the command, finished runs stay as they are and the others
    continue. You may add seeds, conditions, doses and replicates. `grokscope intervene results NAME` shows the results
    at any time.
    """  # fmt: skip
    flags = flag_settings(
        backend=backend, device=device, precision=precision, lr=lr, wd=wd, steps=steps, batch_size=batch_size,
        eval_every=eval_every, measure_every=measure_every, samples=samples, estimator=estimator,
        signal=signal,
    )  # fmt: skip
    design = _design(
        task, preset, conditions, doses or [], seeds, replicates, start, published, measure, setting or [], flags, name
    )
    if dry_run:
        _say_plan(design, runs, json)
        return
    failures = _conduct(design, runs, jobs, quiet)
    _say_results(runs / design.name, output, json)
    for failure in failures:
        complain(f"{failure.cell.slug} failed: {failure.reason}")
    if failures:
        codes = {failure.code for failure in failures}
        raise typer.Exit(codes.pop() if len(codes) == 1 and min(codes) > 0 else ExitCode.FAULT)


@intervene.command(cls=PlainHelpCommand)
def results(
    wanted: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help=EXPERIMENT_HELP, autocompletion=offered_experiments)
    ] = "latest",
    *,
    runs: RunsFolder = DEFAULT_RUNS,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Show the results of an experiment.

    Not all its runs need to have ended. The tables have the grok steps of each condition; the ratio of each condition
    to the baselines of the same seeds, with an interval from the noise between replicates; each dose against its
    controls; and which of the published claims these runs support.
    """
    from grokscope.experiment.design import find_experiment

    _say_results(find_experiment(wanted, runs), output, json)


@intervene.command(cls=PlainHelpCommand)
def spectrum(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT…]", help=f"Several of: {EXPERIMENT_HELP.lower()}", autocompletion=offered_experiments
        ),
    ] = None,
    *,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Also the runs that ship with grokscope, one column a task.")
    ] = False,
    runs: RunsFolder = DEFAULT_RUNS,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Compare several experiments, one column each.

    Which task is more sensitive to which lever? The table has the ratios of grok steps to those of the baselines.
    --shipped needs no runs: it shows what all levers and interventions did in the runs that ship with grokscope.
    """
    from grokscope.cli.output import say, say_json, say_table
    from grokscope.experiment.tables import spectrum_table
    from grokscope.reproduce.spectrum import levers_table

    if not wanted and not shipped:
        raise typer.BadParameter("name experiments, or give --shipped", param_hint="EXPERIMENT")
    compared = _compared(wanted or [], runs) | (_shipped_spectrum() if shipped else {})
    tables = [spectrum_table(compared), levers_table(compared)]
    if output is not None:
        from grokscope.gate import filling, write_file
        from grokscope.report.interventions import write_spectrum

        with filling(output):
            for table in tables:
                write_file(output / f"{table.slug}.md", table.markdown())
                write_file(output / f"{table.slug}.csv", table.csv())
            _drawn(lambda: write_spectrum(compared, output))
    if json:
        say_json({name: analysis.to_dict() for name, analysis in compared.items()})
        return
    for table in tables:
        say_table(table)
        say("")


def _compared(wanted: "Sequence[str]", runs: Path) -> "dict[str, Analysis]":
    from grokscope.experiment.analysis import analyse
    from grokscope.experiment.conduct import all_outcomes
    from grokscope.experiment.design import find_experiment, read_design
    from grokscope.gate import real_path
    from grokscope.runs.directory import distinct_names

    folders = list(dict.fromkeys(real_path(find_experiment(each, runs)) for each in wanted))
    return {
        name: analyse(all_outcomes(read_design(folder), folder.parent))
        for name, folder in zip(distinct_names(folders), folders, strict=True)
    }


def _shipped_spectrum() -> "dict[str, Analysis]":
    from grokscope.reproduce.claims import all_studies
    from grokscope.reproduce.spectrum import spectrum_of
    from grokscope.reproduce.studies import shipped_evidence

    studies = all_studies().values()
    return spectrum_of({study.name: shipped_evidence(study) for study in studies if study.has_baseline})


def _design(
    task: str,
    preset: str | None,
    conditions: str,
    doses: list[str],
    seeds: str,
    replicates: int,
    start: str,
    published: bool,
    measure: bool,
    assignments: list[str],
    flags: dict[str, Any],
    name: str | None,
) -> "Design":
    """The experiment that the flags describe. Raises `ConfigError`, `NoSuchPlugin`, `typer.BadParameter`."""
    from grokscope import registry
    from grokscope.experiment.conditions import condition_named, doses_of, read_conditions, read_doses
    from grokscope.experiment.design import PUBLISHED_START, Design
    from grokscope.settings.config import read_assignments, read_environment
    from grokscope.sweeps.grid import spelt_out

    environment = read_environment(registry.get("tasks", task))
    chosen = preset or environment.pop("preset", "paper")
    given = read_doses(doses)
    names = read_conditions(conditions)
    stray = [each for each in given if each not in names]
    if stray:
        raise typer.BadParameter(
            f"{stray[0]} is not among the chosen conditions: {', '.join(names)}; add it to --conditions",
            param_hint="--doses",
        )
    for whole, part in ((name, part) for name in names for part in condition_named(name).parts):
        usual = condition_named(part).usual
        if usual not in given.get(part, [usual]):
            raise typer.BadParameter(
                f"{whole} takes {part} at its usual dose, {usual:g}, which is not among the doses of {part}; add it",
                param_hint="--doses",
            )
    design = Design(
        name=name or "-".join(["intervene", task, chosen, *(["published"] if published else [])]),
        task=task,
        preset=chosen,
        base=environment | spelt_out(read_assignments(assignments) | flags),
        seeds=_numbers(seeds),
        replicates=replicates,
        arms={each: doses_of(each, given, grid="all" in conditions.split(",")) for each in names},
        start=PUBLISHED_START if published and start == "auto" else _start(start),
        published=published,
        measure=measure,
    )
    steps = design.config().train.steps
    treats = any(condition_named(name).kind is not None for name in names)
    if treats and not isinstance(design.start, str) and design.start >= steps:
        raise typer.BadParameter(
            f"no run would be treated, because runs end at step {steps:,}; give a step before it, not {design.start:,}",
            param_hint="--start",
        )
    return design


def _numbers(text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise typer.BadParameter(f"give whole numbers with commas, not {text!r}", param_hint="--seeds") from None


def _start(text: str) -> Any:
    if text == "auto":
        return text
    try:
        step = float(text)
    except ValueError:
        step = -1.0
    if not (0 < step < 1 or (step >= 1 and step.is_integer())):
        raise typer.BadParameter(
            f"give a step (1, 2, …), a fraction below 1, or auto, not {text!r}", param_hint="--start"
        )
    return step if step < 1 else int(step)


def _conduct(design: "Design", runs: Path, jobs: int | None, quiet: bool) -> "list[Failure]":
    from grokscope.cli.sweep import stopped_by_signals
    from grokscope.cli.sweep_display import sweep_display
    from grokscope.experiment.conduct import conduct, sweep_to_show
    from grokscope.experiment.design import record_design
    from grokscope.sweeps.local import LocalEngine, cores

    design = record_design(design, runs)
    with stopped_by_signals() as received, sweep_display(sweep_to_show(design, runs), quiet=quiet) as show:
        try:
            return conduct(design, runs, LocalEngine(jobs or cores()), show, complain)
        except KeyboardInterrupt:
            pass
    complain(f"interrupted; repeat the command to continue, or see `grokscope intervene results {design.name}`")
    raise typer.Exit(received[0] if received else ExitCode.INTERRUPTED)


def _say_plan(design: "Design", runs: Path, json: bool) -> None:
    from grokscope.cli.output import say, say_json, say_table
    from grokscope.experiment.conduct import all_planned, assumed_starts, check_design
    from grokscope.experiment.design import grown, never_treated
    from grokscope.experiment.tables import experiment_plan_table
    from grokscope.sweeps.standing import read_standing

    design = grown(design, runs)
    check_design(design, runs)
    planned = [(each, read_standing(each.cell)) for each in all_planned(design, runs)]
    started = assumed_starts(design, runs)
    if json:
        say_json(
            {
                "design": design.model_dump(),
                "runs": [{**standing.to_dict(), "settings": dict(each.cell.settings)} for each, standing in planned],
            }
        )
        return
    for seed in design.seeds:
        late = never_treated(design, seed, started[seed]) if seed in started else None
        if late is not None:
            complain(late)
    waiting = sum(not standing.ended for _, standing in planned)
    say(f"{design.name}: {len(planned)} runs of at most {design.config().train.steps:,} steps, {waiting} to do")
    say("")
    say_table(experiment_plan_table(planned), titled=False)


def _drawn(draw: "Callable[[], object]") -> None:
    """Draw figures. Without Matplotlib only a message is printed, because the tables do not need figures."""
    from grokscope.contract.backends import Unavailable

    try:
        draw()
    except Unavailable as problem:
        complain(str(problem))


def _say_results(folder: Path, output: Path | None, json: bool) -> None:
    from grokscope.experiment.analysis import analyse
    from grokscope.experiment.claims import judged
    from grokscope.experiment.conduct import all_outcomes
    from grokscope.experiment.design import read_design

    design = read_design(folder)
    outcomes = all_outcomes(design, folder.parent)
    analysis = analyse(outcomes)
    claims = judged(design.task, analysis)
    if output is not None:
        from grokscope.experiment.tables import write_tables
        from grokscope.gate import filling
        from grokscope.report.interventions import write_figures

        with filling(output):
            write_tables(design, analysis, claims, output)
            _drawn(lambda: write_figures(analysis, output))
    if json:
        from grokscope.cli.output import say_json

        say_json(
            {
                "design": design.model_dump(),
                **analysis.to_dict(),
                "claims": [claim.to_dict() for claim in claims],
                "runs": [outcome.to_dict() for outcome in outcomes],
            }
        )
        return
    from grokscope.cli.output import say, say_table, say_wrapped
    from grokscope.experiment.tables import experiment_headline, experiment_tables, remarks

    say_wrapped(experiment_headline(design, analysis))
    for sentence in remarks(analysis):
        say_wrapped(sentence)
    for table in experiment_tables(analysis, claims):
        say("")
        say_table(table)

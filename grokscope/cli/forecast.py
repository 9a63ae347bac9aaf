"""`grokscope forecast`: will this run grok, and when; and what such a forecast is worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.warning.forecast.backtest import Backtest
    from grokscope.warning.forecast.forecaster import Forecaster, Projection
    from grokscope.warning.trajectory import Trajectory


def forecast(
    runs_wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="A run; for --backtest and --build-bank folders and tables of runs."),
    ] = None,
    *,
    at: Annotated[int | None, typer.Option(min=0, metavar="STEP", help="What was to be said at that step.")] = None,
    bank: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Runs to calibrate on; default: those shipped for the task.")
    ] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="What forecasts are worth: on RUN..., --bank, or the shipped banks.")
    ] = False,
    build_bank: Annotated[
        bool, typer.Option("--build-bank", help="Make a bank of RUN..., into the file of -o.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Of --build-bank.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Estimate whether and when a run will grok.

    Several laws are fitted to a bank of runs; the one that was nearest, over configurations it had not seen,
    gives the grok step. The interval holds for runs that grok; the probability says whether this is one.
    """
    wanted = runs_wanted or []
    if build_bank:
        _build_bank(wanted, runs, output, other=backtest or bank is not None or at is not None)
    elif output is not None:
        raise typer.BadParameter("-o is for --build-bank")
    elif backtest:
        _backtest(wanted, runs, bank, at, json)
    elif len(wanted) != 1:
        raise typer.BadParameter("name one run, or ask for --backtest or --build-bank")
    else:
        _of_run(wanted[0], runs, bank, at, json)


# --- one run ----------------------------------------------------------------------------------------------------------


def _of_run(wanted: str, runs: Path, bank: Path | None, at: int | None, json: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say_json
    from grokscope.warning.forecast.bank import bank_file, forecast_of, forecaster_for
    from grokscope.warning.forecast.forecaster import Forecaster
    from grokscope.warning.lookup import find_trajectories
    from grokscope.warning.trajectory import BANK

    found = find_trajectories(wanted, runs, complain)
    if len(found) > 1:
        raise typer.BadParameter(
            f"{wanted} holds {len(found)} runs; name one, as {wanted}/{found[0].name.rpartition('/')[2]}, or ask for "
            "--backtest"
        )
    if bank is not None:
        _check_bank(found[0].task, bank)
    trajectory = found[0] if at is None else _until(found[0], at)
    projection = forecast_of(trajectory, bank or "")
    task, chosen = trajectory.task, bank or str(trajectory.facts.get(BANK, ""))
    file, forecaster = bank_file(task, chosen), forecaster_for(task, chosen, trajectory.facts)
    known = forecaster if isinstance(forecaster, Forecaster) else None
    if json:
        say_json(_to_json(trajectory, projection, known, file))
    else:
        _say_projection(trajectory, projection, known, file)


def _check_bank(task: str, bank: Path) -> None:
    """A bank that somebody names is to be used: one that cannot be is no bank to go without."""
    from grokscope.warning.forecast.bank import bank_objection

    problem = bank_objection(bank, task)
    if problem is not None:
        raise typer.BadParameter(problem, param_hint="--bank")


def _until(trajectory: "Trajectory", at: int) -> "Trajectory":
    from grokscope.cli.exits import complain

    first = int(trajectory.columns["step"][0])
    if at < first:
        raise typer.BadParameter(f"the first record of {trajectory.name} is at step {first}", param_hint="--at")
    if at > trajectory.steps:
        complain(f"{trajectory.name} has come to step {trajectory.steps:,}: that is what is said, not step {at:,}")
    return trajectory.until(at)


def _to_json(
    trajectory: "Trajectory", projection: "Projection", forecaster: "Forecaster | None", file: Path | None
) -> dict[str, Any]:
    from dataclasses import asdict

    from grokscope.warning.forecast.live import forecast_event
    from grokscope.warning.relapse import relapse_of

    event = forecast_event(projection).model_dump()
    said = {key: event[key] for key in _SAID}
    return {
        "run": trajectory.name,
        "task": trajectory.task,
        "budget": trajectory.budget,
        "grokked_step": trajectory.grok_step,
        "relapse": None if (relapse := relapse_of(trajectory)) is None else asdict(relapse),
        **said,
        "errors": dict(projection.errors),
        "bank": None if forecaster is None else {"file": str(file), **_about(forecaster)},
    }


_SAID = (
    "step", "stage", "probability", "law", "grok_step", "interval", "no_interval", "lead_steps", "abstained",
    "candidates",
)  # fmt: skip


def _about(forecaster: "Forecaster") -> dict[str, int]:
    return {
        "runs": forecaster.runs, "grokked": forecaster.grokked, "unsettled": forecaster.unsettled,
        "left_out": forecaster.left_out,
    }  # fmt: skip


def _say_projection(
    trajectory: "Trajectory", projection: "Projection", forecaster: "Forecaster | None", file: Path | None
) -> None:
    from grokscope.cli.output import say, say_labelled, say_table
    from grokscope.warning.forecast.projection_tables import answers, candidates_table, projection_headline

    say(projection_headline(trajectory, projection))
    say_labelled(answers(trajectory, projection))
    if projection.candidates:
        say("")
        say_table(candidates_table(projection), titled=False)
    if forecaster is not None and file is not None:
        say(f"calibrated on {file.name}: {forecaster.runs} runs, {forecaster.grokked} grokked")
        if forecaster.left_out:
            say(f"left out: {forecaster.left_out} of the bank's runs, because they have this run's configuration")


# --- the backtest -----------------------------------------------------------------------------------------------------


def _backtest(wanted: Sequence[str], runs: Path, bank: Path | None, at: int | None, json: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say_json
    from grokscope.runs.directory import NoSuchRun
    from grokscope.warning.forecast.backtest import backtest
    from grokscope.warning.forecast.bank import shipped_banks
    from grokscope.warning.lookup import gathered
    from grokscope.warning.tables import read_table

    if at is not None or (wanted and bank is not None):
        raise typer.BadParameter("--backtest takes runs, or --bank, or the shipped banks")
    if wanted:
        found = gathered(wanted, runs, complain)
    else:
        try:
            found = [each for file in ([bank] if bank else shipped_banks()) for each in read_table(file)]
        except NoSuchRun as problem:
            raise typer.BadParameter(str(problem), param_hint="--bank") from None
    if not found:
        raise typer.BadParameter("no bank is shipped with this installation; name runs, or a --bank")
    results: dict[str, list[Backtest]] = {}
    reasons: list[str] = []
    for task in sorted({trajectory.task for trajectory in found}):
        for left_out in ("configuration", "operation"):
            try:
                done = backtest([each for each in found if each.task == task], left_out)
            except ValueError as problem:
                reasons.append(f"{task}, by {left_out}: {problem}")
            else:
                results.setdefault(task, []).append(done)
    if json:
        say_json(
            {
                "backtests": {task: [done.to_dict() for done in each] for task, each in results.items()},
                "skipped": reasons,
            }
        )
    else:
        _say_backtests(results, reasons)


def _say_backtests(results: "Mapping[str, Sequence[Backtest]]", reasons: Sequence[str]) -> None:
    """By task, and by way of leaving runs out. `reasons`: why some could not be tested."""
    from grokscope.cli.output import say, say_table, say_wrapped
    from grokscope.warning.forecast.backtest_tables import backtest_headline, backtest_tables, backtest_verdict

    for task, tested in ((task, each) for task, of_task in results.items() for each in of_task):
        say_wrapped(f"{task}: {backtest_headline(tested)}")
        for table in backtest_tables(tested):
            say("")
            say_table(table)
        say("")
        for sentence in backtest_verdict(tested):
            say_wrapped(sentence)
        say("")
    for reason in reasons:
        say(f"skipped: {reason}")


# --- a bank -----------------------------------------------------------------------------------------------------------


def _build_bank(wanted: Sequence[str], runs: Path, output: Path | None, *, other: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.warning.configuration import configuration_of
    from grokscope.warning.forecast.bank import build_bank
    from grokscope.warning.forecast.budgets import giveaway
    from grokscope.warning.forecast.intervals import fewest_configurations
    from grokscope.warning.forecast.laws import FEWEST_RUNS
    from grokscope.warning.lookup import gathered
    from grokscope.warning.tables import TABLE_SUFFIXES, write_table

    if other or not wanted or output is None:
        raise typer.BadParameter("--build-bank takes runs and -o FILE, and nothing else")
    if not output.name.endswith(TABLE_SUFFIXES):
        raise typer.BadParameter(
            f"a bank is named {' or '.join(f'*{suffix}' for suffix in TABLE_SUFFIXES)}", param_hint="-o"
        )
    built = build_bank(gathered(wanted, runs, complain))
    if not built.kept:
        raise typer.BadParameter("none of these runs has grokked or used up its budget untreated")
    grokked = sum(trajectory.grok_step is not None for trajectory in built.kept)
    if not grokked:
        raise typer.BadParameter(f"none of these {len(built.kept)} runs has grokked: a bank of them could date nothing")
    write_table(output, built.kept)
    if (leak := giveaway(built.kept)) is not None:
        complain(leak)
    left_out = [
        f"{len(names)} {why}"
        for names, why in (
            (built.unsettled, "neither grokked nor used up their budget"),
            (built.treated, "were treated"),
        )
        if names
    ]
    complain(
        f"{output}: {len(built.kept)} runs, {grokked} grokked, {output.stat().st_size:,} bytes"
        + (f"; left out: {'; '.join(left_out)}" if left_out else "")
    )
    configurations = len({configuration_of(each) for each in built.kept if each.grok_step is not None})
    if grokked < FEWEST_RUNS:
        complain(f"too few for any forecast: {grokked} grokked, and a law takes {FEWEST_RUNS}")
    elif configurations < fewest_configurations():
        complain(f"too few for an interval: {configurations} of {fewest_configurations()} configurations that grokked")

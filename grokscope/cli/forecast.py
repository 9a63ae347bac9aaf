"""`grokscope forecast`: will this run grok, and when; and what such a forecast is worth."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokscope.cli.completion import offered_runs, offered_signals, offered_splits, several
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder, not_stdout

if TYPE_CHECKING:
    from grokscope.events import Forecast
    from grokscope.warning.forecast.backtest import Backtest, Split
    from grokscope.warning.forecast.bank import Bank
    from grokscope.warning.trajectory import Trajectory


SHIPPED_BANK = "shipped"


def forecast(
    runs_wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="A run; for --backtest and --build-bank folders and tables of runs.",
            autocompletion=offered_runs,
        ),
    ] = None,
    *,
    at: Annotated[int | None, typer.Option(min=0, metavar="STEP", help="What was to be said at that step.")] = None,
    bank: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Runs to calibrate on: a table, a folder of tables, or `shipped`, the default."
        ),
    ] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="What forecasts are worth: on RUN..., --bank, or the shipped banks.")
    ] = False,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPLIT",
            help="What --backtest leaves out together: configuration, lr, wd, operation, fraction, size, seed; "
            "operation+fraction leaves out what shares either; repeatable. Default: configuration, then operation.",
            autocompletion=several(offered_splits, "+"),
        ),
    ] = None,
    build_bank: Annotated[
        bool, typer.Option("--build-bank", help="Make a bank of RUN..., into the file of -o.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", callback=not_stdout, metavar="FILE", help="Of --build-bank.")
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:k=v]",
            help="For --build-bank: also this one, from the runs' snapshots; repeatable.",
            autocompletion=offered_signals,
        ),
    ] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Estimate whether and when a run will grok.

    Three questions are answered: will the run generalize, will it grok within its budget, and when. Each has its own
    answer, or the reason why there is none. The answers rest on a bank: runs whose outcome is known, compared at equal
    decay time lr · wd · step. The interval holds for runs that grok.

    --backtest asks about runs that are left out of the bank, and shows beside each score what is free: the base rate
    of the bank, and lr · wd alone. With RUN... and --bank it asks about the runs, calibrated on the bank alone.
    """
    wanted = runs_wanted or []
    if leave_out and not backtest:
        raise typer.BadParameter("--leave-out is for --backtest")
    if build_bank:
        _build_bank(wanted, runs, output, signal or [], other=backtest or bank is not None or at is not None)
    elif output is not None or signal:
        raise typer.BadParameter("-o and --signal are for --build-bank")
    elif backtest:
        if at is not None:
            raise typer.BadParameter("--backtest asks at parts of the usual κ, and takes no --at")
        _backtest(wanted, runs, bank, _splits(leave_out or []), json)
    elif len(wanted) != 1:
        raise typer.BadParameter("name one run, or ask for --backtest or --build-bank")
    else:
        _of_run(wanted[0], runs, bank, at, json)


def _splits(named: Sequence[str]) -> "list[tuple[Split, ...]]":
    from grokscope.warning.forecast.backtest import Split

    wanted = [tuple(dict.fromkeys(names.split("+"))) for names in dict.fromkeys(named)]
    unknown = [name for names in wanted for name in names if name not in set(Split)]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(Split)}", param_hint="--leave-out")
    return [tuple(map(Split, names)) for names in wanted]


# --- one run ----------------------------------------------------------------------------------------------------------


def _of_run(wanted: str, runs: Path, bank: Path | None, at: int | None, json: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json, say_labelled
    from grokscope.warning.forecast.bank import forecast_of
    from grokscope.warning.forecast.live import forecast_event
    from grokscope.warning.forecast.projection_tables import answers, bank_in_words, projection_headline
    from grokscope.warning.lookup import find_trajectories

    found = find_trajectories(wanted, runs, complain)
    if len(found) > 1:
        raise typer.BadParameter(
            f"{wanted} holds {len(found)} runs; name one, as {wanted}/{found[0].name.rpartition('/')[2]}, or ask for "
            "--backtest"
        )
    chosen = _named(bank)
    if chosen:
        _check_bank(found[0].task, chosen)
    trajectory = found[0] if at is None else _until(found[0], at)
    projection, used = forecast_of(trajectory, chosen)
    said = forecast_event(projection, used)
    if json:
        say_json(_to_json(trajectory, said, used))
        return
    say(projection_headline(trajectory, said))
    say_labelled(answers(trajectory, said))
    for sentence in [] if used is None else bank_in_words(used):
        say(sentence)


def _check_bank(task: str, bank: str) -> None:
    """Raise `BadParameter` if the bank that --bank names cannot be used: no other bank stands in for it."""
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


def _to_json(trajectory: "Trajectory", said: "Forecast", bank: "Bank | None") -> dict[str, Any]:
    from dataclasses import asdict

    from grokscope.warning.relapse import relapse_of

    event = said.model_dump()
    envelope = {"v", "run", "seq", "time", "event"}
    about = None
    if bank is not None:
        about = {
            **event["bank"], "files": [str(file) for file in bank.files], "grokked": bank.forecaster.grokked,
            "of_no_use": bank.of_no_use, "left_out": bank.forecaster.left_out,
        }  # fmt: skip
    return {
        "run": trajectory.name,
        "task": trajectory.task,
        "budget": trajectory.budget,
        "grokked_step": trajectory.grok_step,
        "relapse": None if (relapse := relapse_of(trajectory)) is None else asdict(relapse),
        **{name: value for name, value in event.items() if name not in envelope},
        "bank": about,
    }


# --- the backtest -----------------------------------------------------------------------------------------------------


def _backtest(
    wanted: Sequence[str], runs: Path, bank: Path | None, splits: "Sequence[tuple[Split, ...]]", json: bool
) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say_json
    from grokscope.cli.progress import tracked
    from grokscope.runs.directory import NoSuchRun
    from grokscope.warning.forecast.backtest import Split, backtest_new
    from grokscope.warning.forecast.bank import runs_of
    from grokscope.warning.lookup import gathered_as_they_are

    if wanted and bank is not None and splits:
        raise typer.BadParameter("with runs and a --bank the runs are asked, and nothing is left out: no --leave-out")
    found = gathered_as_they_are(wanted, runs, complain, tracked)
    try:
        held = runs_of(_named(bank)) if bank is not None or not wanted else []
    except NoSuchRun as problem:
        raise typer.BadParameter(str(problem), param_hint="--bank") from None
    ways: list[Callable[[str], Backtest]]
    if wanted and bank is not None:
        ways = [lambda task: backtest_new(_of(found, task), _of(held, task), track=tracked)]
    else:
        found = found or held
        chosen = splits or ((Split.CONFIGURATION,), (Split.OPERATION,))
        ways = [partial(_by_split, found, together) for together in chosen]
    results: dict[str, list[Backtest]] = {}
    reasons: list[str] = []
    for task, way in product(sorted({trajectory.task for trajectory in found}), ways):
        try:
            done = way(task)
        except ValueError as problem:
            reasons += [said] if (said := f"{task}: {problem}") not in reasons else []
        else:
            results.setdefault(task, []).append(done)
    if json:
        tested = {task: [done.to_dict() for done in each] for task, each in results.items()}
        say_json({"backtests": tested, "skipped": reasons})
    else:
        _say_backtests(results, reasons)


def _by_split(runs: "Sequence[Trajectory]", together: "tuple[Split, ...]", task: str) -> "Backtest":
    from grokscope.cli.progress import tracked
    from grokscope.warning.forecast.backtest import backtest

    return backtest(_of(runs, task), *together, track=tracked)


def _named(bank: Path | None) -> str:
    """The bank as `grokscope.warning.forecast.bank` takes it: empty is the one that is shipped."""
    return "" if bank is None or str(bank) == SHIPPED_BANK else str(bank)


def _of(runs: "Sequence[Trajectory]", task: str) -> "list[Trajectory]":
    return [run for run in runs if run.task == task]


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


def _build_bank(wanted: Sequence[str], runs: Path, output: Path | None, signals: Sequence[str], *, other: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.progress import tracked
    from grokscope.warning.configuration import configuration_of
    from grokscope.warning.forecast.bank import build_bank
    from grokscope.warning.forecast.budgets import giveaway
    from grokscope.warning.forecast.forecaster import FEWEST_GROKKED
    from grokscope.warning.forecast.intervals import fewest_configurations
    from grokscope.warning.lookup import gathered_as_they_are
    from grokscope.warning.tables import TABLE_SUFFIXES, unfit_for_table, write_table

    if other or not wanted or output is None:
        raise typer.BadParameter(
            "--build-bank takes runs and -o FILE, and nothing else: `grokscope forecast RUNS... --build-bank -o "
            f"FILE{TABLE_SUFFIXES[-1]}`"
        )
    if not output.name.endswith(TABLE_SUFFIXES):
        raise typer.BadParameter(
            f"a bank is named {' or '.join(f'*{suffix}' for suffix in TABLE_SUFFIXES)}", param_hint="-o"
        )
    fit = []
    for run in gathered_as_they_are(wanted, runs, complain, tracked):
        if problem := unfit_for_table(run):
            complain(f"{run.place} is left out: {problem}")
        else:
            fit.append(run)
    built = build_bank(fit)
    if not built.kept:
        raise typer.BadParameter("none of these runs has grokked or used up its budget untreated")
    grokked = sum(trajectory.grok_step is not None for trajectory in built.kept)
    if not grokked:
        raise typer.BadParameter(f"none of these {len(built.kept)} runs has grokked: a bank of them could date nothing")
    write_table(output, [_with_signals(run, signals) for run in tracked(built.kept, "runs")])
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
    if grokked < FEWEST_GROKKED:
        complain(f"too few for any grok step: {grokked} grokked, and one takes {FEWEST_GROKKED}")
    elif configurations < fewest_configurations():
        complain(f"too few for an interval: {configurations} of {fewest_configurations()} configurations that grokked")


def _with_signals(run: "Trajectory", signals: Sequence[str]) -> "Trajectory":
    """What was computed from snapshots beside what was recorded; a run of a table has none."""
    from grokscope.gate import Unreadable
    from grokscope.runs.directory import NoSuchRun
    from grokscope.settings.config import ConfigError
    from grokscope.training.afterwards import with_signals

    try:
        return with_signals(run, signals) if signals else run
    except (NoSuchRun, ConfigError, Unreadable) as problem:
        raise typer.BadParameter(str(problem), param_hint="--signal") from None

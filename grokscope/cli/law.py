"""`grokscope law`: the lead-time law beside its nulls, and the scoreboard."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.warning.fits import PowerLaw
    from grokscope.warning.law import Case, Law
    from grokscope.warning.published import PublishedTable, Stated
    from grokscope.warning.trajectory import Trajectory

NAMED = 4
"""Runs that are named before the others are counted."""


def law(
    runs_wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUNS]...", help="Runs, sweeps, folders of runs, banks."),
    ] = None,
    *,
    published: Annotated[bool, typer.Option("--published", help="The published tables instead of runs.")] = False,
    onset: Annotated[
        str, typer.Option(metavar="RULE", help="Rule whose lead is fitted: onset, onset-paper, memorized, …")
    ] = "onset",
    by: Annotated[
        str | None, typer.Option(metavar="FACT", help="A fit for each value of this setting, as task.operation.")
    ] = None,
    at: Annotated[list[int] | None, typer.Option(min=0, help="Step at which signals are scored; repeatable.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Ask what a warning says about when grokking comes: lead time against grok step, and what says as much for free.

    The fit is the published one (least squares on logarithms, over runs that fired before they grokked). Beside it
    stand what single runs do to it, the nulls (onsets permuted among the runs, the same onset for all, the earliest
    one that the measuring cadence allows), and the form that predicts, onset to grok step. Runs that fired late, never
    fired or never grokked are counted; runs that were intervened in are left out. Then the scoreboard: every rule and
    every signal on the same runs.

    With --published, the fits of arXiv 2602.16967 are recomputed from its own tables.
    """
    if published == bool(runs_wanted):
        raise typer.BadParameter("name runs, or ask for --published" + (", not both" if published else ""))
    if published:
        _published(json)
        return
    _of_runs(runs_wanted or [], runs, onset, by, at or [], json)


def _published(json: bool) -> None:
    from dataclasses import asdict

    from grokscope.cli.output import say, say_json
    from grokscope.warning.law import law_of
    from grokscope.warning.published import published

    laws = [(table, law_of(table.cases, "onset-paper")) for table in published()]
    if json:
        about = ("task", "criterion", "source", "stated", "remark")
        say_json(
            {
                "published": [
                    {**{key: value for key, value in asdict(table).items() if key in about}, "law": fitted.to_json()}
                    for table, fitted in laws
                ]
            }
        )
        return
    for index, (table, fitted) in enumerate(laws):
        if index:
            say("")
        say(f"{table.task}: {table.source}")
        say(f"grokked: {table.criterion}")
        _say_law(fitted, table)


def _of_runs(wanted: Sequence[str], folder: Path, onset: str, by: str | None, at: Sequence[int], json: bool) -> None:
    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json, say_wrapped
    from grokscope.cli.scoreboard import say_scoreboard
    from grokscope.warning.law import RULES, grouped, left_alone, said_of_treated
    from grokscope.warning.law import law as fit
    from grokscope.warning.lookup import gathered
    from grokscope.warning.scoreboard import scoreboard

    onset = {"persistent": "onset", "paper": "onset-paper", "paper-slow": "onset-paper-slow"}.get(onset, onset)
    if onset not in RULES:
        raise typer.BadParameter(f"there is no rule {onset!r}; there are: {', '.join(RULES)}", param_hint="--onset")
    trajectories, treated = left_alone(gathered(wanted, folder, complain))
    remark = said_of_treated(len(treated)) if treated else None
    groups = grouped(trajectories, by) if by else {"": trajectories}
    if by and set(groups) == {"-"}:
        raise typer.BadParameter(f"no run has a setting {by!r}; they have: {', '.join(_facts(trajectories))}")
    laws = {value: fit(group, onset) for value, group in groups.items()}
    board = scoreboard(trajectories, at_steps=at)
    if json:
        fitted = [{"group": value, **each.to_json()} if by else each.to_json() for value, each in laws.items()]
        left_out = {"runs": [run.name for run in treated], "why": remark}
        say_json({"rule": onset, "by": by, "left_out": left_out, "laws": fitted, "scoreboard": board.to_json()})
        return
    if remark:
        say_wrapped(remark)
        say("")
    for value, each in laws.items():
        say(f"{by} {value}, rule {onset}" if by else f"rule {onset}")
        _say_law(each, None)
        say("")
    say_scoreboard(board)


def _facts(trajectories: "Sequence[Trajectory]") -> list[str]:
    return sorted({"task", *(key for run in trajectories for key in run.facts)})


def _say_law(law: "Law", table: "PublishedTable | None") -> None:
    from grokscope.cli.output import say, say_table, say_wrapped

    say_wrapped(_counts(law))
    for outcome in ("late", "missed", "false alarm", "unfinished"):
        if named := [case for case in law.cases if case.outcome == outcome]:
            say_wrapped(f"{outcome}: {_named(named)}")
    if law.published is None:
        say("no fit: too few different grok steps among the runs that led")
    else:
        fit = law.published.fit
        say(f"lead = {_form(fit.constant, fit)}, p {fit.p:.1g}")
    if table is not None:
        say(f"printed {_form(table.stated.constant, table.stated)}")
        if table.remark:
            say_wrapped(table.remark)
    rows = [*_fit_rows(law), *_prediction_rows(law)]
    if rows:
        say("")
        say_table(["", "exponent", "95 %", ""], rows, numeric=["exponent"])
        say("")
    for sentence in _verdict(law):
        say_wrapped(sentence)


def _form(constant: float, fit: "PowerLaw | Stated") -> str:
    return f"{constant:.3f} · grok^{fit.exponent:.3f}: SE {fit.standard_error:.3f}, R² {fit.r_squared:.3f}, n {fit.n}"


def _counts(law: "Law") -> str:
    tally = law.counts
    unrecorded = f"; {tally.not_recorded} more did not record its signal" if tally.not_recorded else ""
    return (
        f"{tally.runs} runs: {tally.led} led, {tally.late} late, {tally.missed} missed, "
        f"{tally.false_alarms} false alarms, {tally.quiet} quiet, {tally.unfinished} unfinished{unrecorded}"
    )


def _named(cases: "Sequence[Case]") -> str:
    more = f"; {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return "; ".join(case.name for case in cases[:NAMED]) + more


def _fit_rows(law: "Law") -> list[list[str]]:
    form = law.published
    if form is None:
        return []
    rows = [["least squares", f"{form.fit.exponent:.3f}", _range(form.fit.low, form.fit.high), "of lead on grok step"]]
    if form.leave_one_out is not None:
        left = form.leave_one_out
        rows.append(["leave one out", "", _range(left.low, left.high), ""])
    for name, drawn in (("runs", form.by_run), ("configurations", form.by_configuration)):
        if drawn is not None:
            rows.append([f"bootstrap, {name}", f"{drawn.mean:.3f}", _range(drawn.low, drawn.high), ""])
    if form.theil_sen is not None:
        rows.append(["Theil-Sen", f"{form.theil_sen:.3f}", "", "median of pairs"])
    return rows + _null_rows(law)


def _null_rows(law: "Law") -> list[list[str]]:
    assert law.published is not None
    nulls, exponent = law.published.nulls, law.published.fit.exponent
    rows = []
    if nulls.permuted is not None:
        drawn, chance = nulls.permuted.exponents, nulls.permuted.at_least_observed
        about = f"P(≥ {exponent:.3f}) {chance:.2g} of {drawn.draws:,}"
        rows.append(["null: onsets permuted", f"{drawn.mean:.3f}", _range(drawn.low, drawn.high), about])
    fits = [(f"null: onset {each.onset:g} in all", each.fit, f"the {each.which} onset") for each in nulls.constant]
    at_floor = f"{nulls.at_floor} of {len(law.points)} onsets stand there"
    for name, fit, about in [*fits, ("null: onset 2 x cadence", nulls.cadence_floor, at_floor)]:
        if fit is not None:
            rows.append([name, f"{fit.exponent:.3f}", _range(fit.low, fit.high), about])
    return rows


def _prediction_rows(law: "Law") -> list[list[str]]:
    form = law.prediction
    if form is None:
        return []
    fit = form.fit
    about = f"R² {fit.r_squared:.3f}, n {fit.n}"
    rows = [["grok step from onset", f"{fit.exponent:.3f}", _range(fit.low, fit.high), about]]
    if form.censored is not None and form.censored.censored:
        low, high = (form.censored.exponent + sign * 1.96 * form.censored.standard_error for sign in (-1, 1))
        about = f"{form.censored.censored} of {form.censored.n} censored"
        rows.append(["  maximum likelihood", f"{form.censored.exponent:.3f}", _range(low, high), about])
    return rows


def _verdict(law: "Law") -> list[str]:
    sentences = []
    form, prediction = law.published, law.prediction
    if form is not None and form.leave_one_out is not None:
        left = form.leave_one_out
        sentences.append(f"Without {law.points[left.without_low].name} the exponent is {left.low:.3f}.")
    if form is not None and form.nulls.permuted is not None:
        chance = form.nulls.permuted.at_least_observed
        sentences.append(
            f"Onsets dealt to the runs at random give an exponent as large or larger in {100 * chance:.0f} % of draws."
        )
    if prediction is not None and prediction.correlation is not None and prediction.p is not None:
        sentences.append(
            f"Onset and grok step correlate by rank with {prediction.correlation.rho:.2f} "
            f"(permutation p {prediction.p:.2g}, {prediction.correlation.n} runs)."
        )
    if prediction is not None and prediction.error is not None:
        naive = prediction.naive_error
        beside = "" if naive is None else f"; without any signal, by {100 * naive:.0f} %"
        sentences.append(
            f"In configurations left out, the grok step from onset is off by {100 * prediction.error:.0f} %{beside}."
        )
    if form is not None:
        sentences.append("Least squares sees the runs that led, and no others; so do the nulls.")
    return sentences


def _range(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"

"""`grokscope law`: the lead-time law beside its nulls, and the scoreboard."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokscope.cli.completion import offered_facts, offered_rules, offered_runs
from grokscope.cli.shared import DEFAULT_RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from grokscope.warning.law import LeadTimeLaw
    from grokscope.warning.published import PublishedTable
    from grokscope.warning.trajectory import Trajectory


def law(
    runs_wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUNS]...", help="Runs, sweeps, folders of runs, banks.", autocompletion=offered_runs),
    ] = None,
    *,
    published: Annotated[bool, typer.Option("--published", help="The published tables instead of runs.")] = False,
    onset: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="Rule whose lead is fitted: onset, onset-paper, memorized, …",
            autocompletion=offered_rules,
        ),
    ] = "onset",
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FACT",
            help="A fit for each value of this setting, as task.operation.",
            autocompletion=offered_facts,
        ),
    ] = None,
    at: Annotated[list[int] | None, typer.Option(min=0, help="Step at which signals are scored; repeatable.")] = None,
    runs: RunsFolder = DEFAULT_RUNS,
    json: AsJson = False,
) -> None:
    """Fit lead time against grok step, and rank all signals.

    The fit is the published one: least squares on logarithms, over the runs whose onset preceded grokking. Null models
    stand beside the fit: onsets permuted among the runs, one onset for all runs, the earliest onset that the cadence of
    measuring allows. So do the influence of single runs, and the fit that predicts: onset against grok step. Runs that
    fired late, never fired or never grokked are counted. Runs with interventions are left out. Two tables follow: a
    verdict on each published claim about warning, and the scoreboard of every rule and every signal.

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
    from dataclasses import asdict

    from grokscope.cli.exits import complain
    from grokscope.cli.output import say, say_json, say_table, say_wrapped
    from grokscope.cli.progress import tracked
    from grokscope.reproduce.on_any_runs import judged_on, warning_claims_table
    from grokscope.warning.detection import rule_numbers
    from grokscope.warning.law import grouped, split_treated, treated_remark
    from grokscope.warning.law import lead_time_law as fit
    from grokscope.warning.lookup import gathered
    from grokscope.warning.relapse import relapse_of, relapses_in_words
    from grokscope.warning.scoreboard import scoreboard
    from grokscope.warning.scoreboard_tables import scoreboard_headline, scoreboard_tables

    onset = {"persistent": "onset", "paper": "onset-paper", "paper-slow": "onset-paper-slow"}.get(onset, onset)
    trajectories, treated = split_treated(gathered(wanted, folder, complain, tracked))
    rules = rule_numbers(trajectories)
    if onset not in rules:
        raise typer.BadParameter(f"there is no rule {onset!r}; there are: {', '.join(rules)}", param_hint="--onset")
    remark = treated_remark(len(treated)) if treated else None
    relapses = relapses_in_words(trajectories)
    groups = grouped(trajectories, by) if by else {"": trajectories}
    if by and set(groups) == {"-"}:
        raise typer.BadParameter(f"no run has a setting {by!r}; they have: {', '.join(_facts(trajectories))}")
    laws = {value: fit(group, onset) for value, group in tracked(list(groups.items()), "laws")}
    board = scoreboard(trajectories, at_steps=at, track=tracked)
    verdicts = judged_on(trajectories, onset)
    if json:
        fitted = [{"group": value, **each.to_json()} if by else each.to_json() for value, each in laws.items()]
        left_out = {"runs": [run.name for run in treated], "why": remark}
        lost = {run.name: asdict(relapse) for run in trajectories if (relapse := relapse_of(run)) is not None}
        said = {"rule": onset, "by": by, "left_out": left_out, "relapses": lost}
        claims = [verdict.to_dict() for verdict in verdicts]
        say_json({**said, "laws": fitted, "claims": claims, "scoreboard": board.to_json()})
        return
    for sentence in filter(None, (remark, relapses)):
        say_wrapped(sentence)
        say("")
    for value, each in laws.items():
        say(f"{by} {value}, rule {onset}" if by else f"rule {onset}")
        _say_law(each, None)
        say("")
    say_table(warning_claims_table(verdicts))
    say("")
    say_wrapped(f"scoreboard: {scoreboard_headline(board)}")
    for table in scoreboard_tables(board):
        say("")
        say_table(table)


def _facts(trajectories: "Sequence[Trajectory]") -> list[str]:
    return sorted({"task", *(key for run in trajectories for key in run.facts)})


def _say_law(law: "LeadTimeLaw", table: "PublishedTable | None") -> None:
    from grokscope.cli.output import say, say_table, say_wrapped
    from grokscope.warning.law_tables import (
        counts_in_words,
        exponents_table,
        law_in_words,
        law_verdict,
        unexpected_in_words,
    )

    say_wrapped(counts_in_words(law.counts))
    for sentence in unexpected_in_words(law.cases):
        say_wrapped(sentence)
    if law.published is None:
        say("no fit: too few different grok steps among the runs that led")
    else:
        say(f"lead = {law_in_words(law.published.fit)}")
    if table is not None:
        say(f"printed {law_in_words(table.stated)}")
        if table.remark:
            say_wrapped(table.remark)
    exponents = exponents_table(law)
    if exponents.rows:
        say("")
        say_table(exponents)
        say("")
    for sentence in law_verdict(law):
        say_wrapped(sentence)

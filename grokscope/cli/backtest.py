"""A backtest on a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from grokscope.cli.output import say, say_table, say_wrapped
from grokscope.words.numbers import fixed, percent

if TYPE_CHECKING:
    from grokscope.warning.forecast.backtest import Backtest, Errors

REASONS = 4
"""Why nothing was projected: so many are named, the most frequent first"""

_SHORT = fixed(2)


def say_backtests(results: "Mapping[str, Sequence[Backtest]]", reasons: Sequence[str]) -> None:
    """By task: the figures of all ways of leaving runs out; errors and intervals of the first. `reasons`: of gaps."""
    for place, (task, (first, *others)) in enumerate(results.items()):
        if place:
            say("")
        say(
            f"{task}: {first.runs} runs in {first.configurations} configurations, {first.grokked} grokked. "
            f"Left out by {first.left_out}."
        )
        _say_errors("mean error in %, at fractions of the way to grokking", first.errors, "{:.0%}".format)
        _say_errors("mean error in %, at steps", first.errors_by_step, "{:,.0f}".format)
        _say_coverage(first)
        for done in (first, *others):
            _say_odds(done)
        _say_reasons(first)
    for reason in reasons:
        say(f"skipped: {reason}")


def _say_errors(title: str, errors: "Sequence[Errors]", form: Callable[[float], str]) -> None:
    places = sorted({error.at for error in errors})
    cells = {(error.candidate, error.at): error for error in errors}
    rows = [
        [name, *(fixed(0)(cells[name, at].mean_percent) for at in places)]
        for name in dict.fromkeys(error.candidate for error in errors)
    ]
    last = rows[-1][0]
    rows.append([f"  {last}s", *(str(cells[last, at].runs) for at in places)])
    say("")
    say(title)
    say_table(["", *(form(at) for at in places)], rows, numeric=[form(at) for at in places])


def _say_reasons(done: "Backtest") -> None:
    if done.reasons:
        total = sum(done.reasons.values())
        often = [f"{reason} ({times:,})" for reason, times in list(done.reasons.items())[:REASONS]]
        say("")
        say_wrapped(f"answers without a grok step, {total:,} in all: {'; '.join(often)}")


def _say_coverage(done: "Backtest") -> None:
    if not any(each.projected for each in done.coverage):
        return
    say("")
    say(f"intervals of {done.level:.0%} for runs that grok; {percent(done.covered)} of all hold")
    columns = ["way", "runs", "projected", "intervals", "hold", "high / low"]
    rows = [
        [
            f"{each.at:.0%}", str(each.runs), str(each.projected), str(each.intervals), percent(each.covered),
            _SHORT(each.width),
        ]
        for each in done.coverage
    ]  # fmt: skip
    say_table(columns, rows, numeric=columns)


def _say_odds(done: "Backtest") -> None:
    say("")
    if not done.odds:
        say(f"no probability, with runs left out by {done.left_out}: too few grokked, or too few did not")
        return
    say(f"probability of grokking within the budget, runs left out by {done.left_out}")
    columns = ["budget", "waiting", "grok", "AUROC", "Brier", "base Brier"]
    rows = [
        [
            f"{each.at:.0%}", str(each.waiting), str(each.grokked), _SHORT(each.auroc),
            fixed(3)(each.brier), fixed(3)(each.base_brier), each.runs,
        ]
        for each in done.odds
    ]  # fmt: skip
    say_table([*columns, "runs"], rows, numeric=columns)
    say("")
    say("what was said and what came, of answers at all these fractions")
    columns = ["probability", "answers", "distinct runs", "mean", "grokked"]
    rows = [
        [
            f"{each.low:.1f} to {each.high:.1f}", str(each.answers), str(each.distinct), f"{each.said:.2f}",
            f"{each.grokked:.2f}", each.runs,
        ]
        for each in done.reliability
    ]  # fmt: skip
    say_table([*columns, "runs"], rows, numeric=columns)
    say(f"answers about runs that never grokked that projected a grok step: {done.false_projections:.0%}")
    say(f"of them about runs without weight decay: {done.false_projections_without_decay:.0%}")

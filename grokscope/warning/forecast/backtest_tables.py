"""A backtest as tables, and the sentences around them."""

from collections.abc import Callable, Sequence

from grokscope.warning.forecast.backtest import FORECAST, Backtest, Errors
from grokscope.words.numbers import count, counted, fixed, percent, whole_percent
from grokscope.words.table import Column, Table

MOST_REASONS = 4
"""Why nothing was projected: so many reasons are named, the most frequent first"""


def backtest_headline(tested: Backtest) -> str:
    """What was tested on what, and how."""
    return (
        f"{counted(tested.runs, 'run')} in {counted(tested.configurations, 'configuration')}, {tested.grokked} "
        f"grokked. Each {tested.left_out} was left out in turn: the forecaster was calibrated on the others and asked "
        "about the runs left out at many steps, never seeing beyond them."
    )


def backtest_verdict(tested: Backtest) -> list[str]:
    """How far intervals and projections can be trusted, and why the forecaster was silent."""
    sentences = []
    if tested.covered is not None:
        sentences.append(
            f"Intervals of {whole_percent(tested.level)} held the grok step in {percent(tested.covered)} of cases."
        )
    sentences.append(
        f"Of the answers about runs that never grokked, {percent(tested.false_projections)} projected a grok step; of "
        f"those about runs without weight decay, {percent(tested.false_projections_without_decay)}."
    )
    if tested.reasons:
        reasons = [f"{reason} ({count(times)})" for reason, times in list(tested.reasons.items())[:MOST_REASONS]]
        total = sum(tested.reasons.values())
        sentences.append(f"{count(total)} answers projected no grok step: {'; '.join(reasons)}.")
    return sentences


def backtest_tables(tested: Backtest) -> list[Table]:
    """Errors, intervals and probabilities; those that have rows."""
    tables = (
        errors_table("forecast-errors", "Error of the grok step, by fraction of it", tested.errors, whole_percent),
        errors_table("forecast-errors-by-step", "Error of the grok step, by step", tested.errors_by_step, count),
        coverage_table(tested),
        *probability_tables(tested),
    )
    return [table for table in tables if table.rows]


def errors_table(slug: str, title: str, errors: Sequence[Errors], at_words: Callable[[float], str]) -> Table:
    """A row a candidate, a column a moment."""
    moments = sorted({error.at for error in errors})
    cells = {(error.candidate, error.at): error for error in errors}
    candidates = list(dict.fromkeys(error.candidate for error in errors))
    measures = ("mean error (%)", "median error (%)", "mean |log10|", "runs")
    return Table(
        slug,
        title,
        (
            Column("law"),
            *(
                Column(
                    at_words(at),
                    _mean,
                    parts=tuple(f"{at_words(at)}: {each}" for each in measures),
                )
                for at in moments
            ),
        ),
        tuple(
            (
                candidate,
                *(
                    (each.mean_percent, each.median_percent, each.mean_log10, each.runs)
                    for each in (cells[candidate, at] for at in moments)
                ),
            )
            for candidate in candidates
        ),
        (
            "Mean of |predicted / true − 1| in %, over the runs for which the law gave a grok step.",
            f"{FORECAST}: the law that was chosen on the other runs, where a grok step was projected.",
        ),
    )


def _mean(cell: Sequence[float | None]) -> str:
    return fixed(0)(cell[0])


def coverage_table(tested: Backtest) -> Table:
    """A row a moment: how often there was an interval, and how often it held."""
    spoke = any(each.projected for each in tested.coverage)
    return Table(
        "forecast-coverage",
        f"Intervals of {whole_percent(tested.level)}",
        (
            Column("at", whole_percent, "of the grok step"),
            Column("runs", count),
            Column("projected", count),
            Column("intervals", count),
            Column("hold", percent),
            Column("high / low", fixed(2), "median"),
        ),
        tuple(
            (each.at, each.runs, each.projected, each.intervals, each.covered, each.width) for each in tested.coverage
        )
        if spoke
        else (),
        ("Runs that grok, at fractions of the grok step.",),
    )


def probability_tables(tested: Backtest) -> tuple[Table, Table]:
    """How well the probability of grokking within the budget told runs apart, and whether it came true."""
    odds = Table(
        "forecast-probability",
        "Probability of grokking within the budget",
        (
            Column("runs"),
            Column("at", whole_percent, "of the budget"),
            Column("waiting", count),
            Column("grokked", count),
            Column("AUROC", fixed(2)),
            Column("Brier", fixed(3)),
            Column("base Brier", fixed(3)),
        ),
        tuple(
            (each.runs, each.at, each.waiting, each.grokked, each.auroc, each.brier, each.base_brier)
            for each in tested.odds
        ),
        (
            "waiting: runs that had not grokked by then and were given a probability.",
            "base Brier: the score of always giving the share that groks. 0 is perfect.",
        ),
        folded=True,
    )
    reliability = Table(
        "forecast-reliability",
        "Probabilities given, and what came true",
        (
            Column("runs"),
            Column("probability", lambda cell: f"{cell[0]:.1f} to {cell[1]:.1f}", parts=("probability from", "to")),
            Column("answers", count),
            Column("distinct runs", count),
            Column("mean probability", fixed(2)),
            Column("grokked", fixed(2), "share"),
        ),
        tuple(
            (each.runs, (each.low, each.high), each.answers, each.distinct, each.said, each.grokked)
            for each in tested.reliability
        ),
        ("Answers at all fractions of the budget. One run gives up to nine answers.",),
        folded=True,
    )
    return odds, reliability

"""A backtest as tables, and the sentences around them."""

from grokscope.warning.forecast.backtest import Backtest
from grokscope.warning.forecast.backtest_scores import ChanceScore, DateScore, Lead
from grokscope.words.numbers import count, counted, estimate, fixed, interval_form, percent, whole_percent
from grokscope.words.table import Column, Table, TableCell

MOST_REASONS = 4
"""Why nothing was said: so many reasons a question are named, the most frequent first"""
QUESTION_WORDS = {
    "generalizes": "will it generalize at all",
    "reaches": "will it grok within the budget",
    "when": "when",
}


def backtest_headline(tested: Backtest) -> str:
    """What was tested on what, and how."""
    runs = (
        f"{counted(tested.runs, 'run')} with weight decay in {counted(tested.configurations, 'configuration')}, "
        f"{tested.grokked} grokked. "
    )
    if not tested.splits:
        return runs + (
            "None is in the bank that the forecaster was calibrated on. It was asked about them at equal parts of the "
            "usual κ, never seeing beyond."
        )
    return runs + (
        f"Left out in turn: each {_joined(tested)} of {tested.groups}. The forecaster was calibrated on the others and "
        "asked about the runs left out at equal parts of the usual κ, never seeing beyond."
    )


def _left_out(tested: Backtest) -> str:
    return f"with each {_joined(tested)} left out" if tested.splits else "of runs that are not in the bank"


def _joined(tested: Backtest) -> str:
    return " and ".join(tested.splits)


def _slug(tested: Backtest) -> str:
    return "-".join(tested.splits) or "new"


def backtest_verdict(tested: Backtest) -> list[str]:
    """Whether the answers beat what is free, and why the forecaster was silent."""
    sentences = []
    worse = [each for each in tested.dates if each.better_high is not None and each.better_high < 0]
    better = [each for each in tested.dates if each.better_low is not None and each.better_low > 0]
    if any(each.answered for each in tested.dates):
        sentences.append(
            "Against lr · wd alone the grok step is nearer beyond the noise at "
            f"{_parts(better)} of κ, and farther beyond the noise at {_parts(worse)}."
        )
    sentences += _lead_in_words(tested.lead)
    for question, reasons in tested.refusals.items():
        if reasons:
            named = [f"{code} ({count(times)})" for code, times in list(reasons.items())[:MOST_REASONS]]
            sentences.append(f"No answer to “{QUESTION_WORDS[question]}”: {', '.join(named)}.")
    return sentences


def _lead_in_words(lead: Lead) -> list[str]:
    if not lead.came:
        return []
    before = (
        "" if lead.steps is None else f", {count(round(lead.steps))} steps or {percent(lead.share)} of the way before"
    )
    return [
        f"Of {counted(lead.came, 'run')} whose test accuracy came half way up, {lead.foreseen} were foreseen: said to, "
        f"and never unsaid{before} (medians)."
    ]


def _parts(scores: list[DateScore]) -> str:
    return ", ".join(fixed(1)(each.part) for each in scores) or "no part"


def backtest_tables(tested: Backtest) -> list[Table]:
    """Probabilities, grok steps, and whether probabilities came true; those that have rows."""
    return [table for table in (chances_table(tested), dates_table(tested), reliability_table(tested)) if table.rows]


def chances_table(tested: Backtest) -> Table:
    """A row a question and a moment."""
    return Table(
        f"forecast-probability-{_slug(tested)}",
        f"Whether, {_left_out(tested)}",
        (
            Column("question"),
            Column("at", fixed(1), "of the usual κ"),
            Column("asked", count),
            Column("answered", count),
            Column("came to it", count),
            Column("AUROC", estimate(fixed(2)), parts=("AUROC", "95 % low", "95 % high")),
            Column("Brier", fixed(3)),
            Column("base Brier", fixed(3)),
            Column("log score", fixed(2), rank=1),
            Column("base log score", fixed(2), rank=1),
            Column("false alarms", count),
            Column("misses", count),
        ),
        tuple(
            (
                QUESTION_WORDS[each.question], each.part, each.asked, each.answered, each.came, _auroc(each),
                each.brier, each.base_brier, each.log_score, each.base_log_score, each.false_alarms, each.misses,
            )
            for each in tested.chances
            if each.answered
        ),
        (
            "asked: runs that had not come to it by then.",
            "AUROC: with its 95 % interval, configurations drawn with replacement; that of lr · wd alone is 0.50 where "
            "budgets are equal in decay time.",
            "base: of always giving the share of the bank's runs that came to it from there. 0 is perfect.",
            "false alarms, misses: answers on the wrong side of one half.",
        ),
    )  # fmt: skip


def _auroc(score: ChanceScore) -> TableCell:
    found = score.auroc
    return None if found is None else (found.value, found.low, found.high)


def dates_table(tested: Backtest) -> Table:
    """A row a moment: errors and intervals beside those of the clock."""
    return Table(
        f"forecast-dates-{_slug(tested)}",
        f"When, {_left_out(tested)}",
        (
            Column("at", fixed(1), "of the usual κ"),
            Column("asked", count),
            Column("answered", count),
            Column("error", percent),
            Column("error of lr · wd", percent),
            Column("better by", interval_form(percent), "95 %", parts=("better by, low", "better by, high")),
            Column("intervals", count),
            Column("hold", percent),
            Column("high / low", fixed(2), "median"),
            Column("of lr · wd", fixed(2), "median"),
        ),
        tuple(
            (
                each.part, each.asked, each.answered, each.error, each.clock_error,
                None if each.better_low is None else (each.better_low, each.better_high),
                each.intervals, each.covered, each.width, each.clock_width,
            )
            for each in tested.dates
            if each.answered
        ),
        (
            "Runs that grok and had not yet. error: mean of |predicted / true − 1|, on the same runs.",
            "better by: error of lr · wd alone less the error, paired, configurations drawn with replacement.",
            f"hold: share of the intervals at {whole_percent(tested.level)} with the grok step in them.",
            *_seeds_in_words(tested),
        ),
    )  # fmt: skip


def _seeds_in_words(tested: Backtest) -> list[str]:
    if tested.seed_error is None:
        return []
    return [
        f"The mean grok step of other seeds of the same configuration is off by {percent(tested.seed_error)} "
        f"({counted(tested.seed_runs, 'run')}): so far apart are runs that differ in chance alone."
    ]


def reliability_table(tested: Backtest) -> Table:
    """Whether what was said came true."""
    return Table(
        f"forecast-reliability-{_slug(tested)}",
        f"Probabilities given, and what came true, {_left_out(tested)}",
        (
            Column("question"),
            Column("probability", lambda cell: f"{cell[0]:.1f} to {cell[1]:.1f}", parts=("probability from", "to")),
            Column("answers", count),
            Column("distinct runs", count),
            Column("mean probability", fixed(2)),
            Column("came", fixed(2), "share"),
        ),
        tuple(
            (QUESTION_WORDS[each.question], (each.low, each.high), each.answers, each.distinct, each.said, each.came)
            for each in tested.reliability
        ),
        ("Answers at all parts of κ. One run gives several.",),
        folded=True,
    )

"""The answer of a report, before everything else: a few sentences with numbers, each with a link to its figure.

What grokked, what warned and how early, what null models say, and what these runs do not decide.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from grokscope.report.parts import Section, Sentence, ShortAnswer
from grokscope.report.sources import Run
from grokscope.warning.law import LeadTimeLaw
from grokscope.warning.ranking import Auroc
from grokscope.warning.scoreboard import CLOCK, Horizon, RuleRow, Scoreboard
from grokscope.warning.scoreboard_tables import at_words
from grokscope.words.names import in_words
from grokscope.words.numbers import bracketed, count, counted, fixed, whole_percent

_SIGNAL, _RULE = "defect", "onset"
"""The signal and the rule that the answer is about"""
_COIN = 0.5
_CHANCE_SHARE = 0.05
"""A null model that does as well in a larger share of its draws explains the finding"""


def section(
    found: Sequence[tuple[str, Sequence[Run], Scoreboard, LeadTimeLaw]],
    experiments: Sequence[Sentence] = (),
    *,
    untreated: str = "run",
) -> Section:
    """The answer: about each task, from its untreated runs, their scoreboard and the law of the onset, and
    the sentences about `experiments`. `untreated`: what one of these runs is called."""
    sentences = [each for task, runs, board, law in found for each in _sentences(task, runs, board, law, untreated)]
    sentences += experiments
    return Section("answer", "The answer", (), (ShortAnswer(tuple(sentences)),) if sentences else ())


def _sentences(
    task: str, runs: Sequence[Run], board: Scoreboard, law: LeadTimeLaw, untreated: str
) -> Iterator[Sentence]:
    yield Sentence(_grokked(task, runs, board, untreated), f"overview-{task}", "all-runs")
    onset = next((row for row in board.rules if row.rule == _RULE), None)
    if onset is not None and board.grokking:
        yield Sentence(_warned(onset), f"scoreboard-{task}", f"scoreboard-{task}")
    best = _best(board)
    if best is not None and best.rule != _RULE:
        yield Sentence(_separates(best, board), f"scoreboard-{task}", f"scoreboard-{task}")
    if law.published is not None and law.published.nulls.permuted is not None:
        yield Sentence(_null(law), f"law-{task}-{_RULE}", f"law-{task}")
    told = _told_apart(board)
    if told is not None:
        yield Sentence(_auroc(*told), f"auroc-{task}", f"scoreboard-{task}")
    undecided = list(_undecided(board, None if told is None else told[1]))
    if undecided:
        yield Sentence(f"Not decided by these runs: {'; '.join(undecided)}.", f"auroc-{task}", f"scoreboard-{task}")


def _grokked(task: str, runs: Sequence[Run], board: Scoreboard, untreated: str) -> str:
    steps = [step for run in runs if (step := run.trajectory.grok_step) is not None]
    middle = "in the median " if len(steps) > 1 else ""
    when = f", {middle}at step {count(median(steps))}" if steps else ""
    between = f" ({count(min(steps))} to {count(max(steps))})" if len(steps) > 1 else ""
    never = f"; {board.controls:,} never did within their budget" if board.controls else ""
    return f"{task}: {len(steps):,} of {counted(len(runs), untreated)} grokked{when}{between}{never}."


def _warned(row: RuleRow) -> str:
    early = f", in the median {count(row.lead.median)} steps before" if row.lead is not None and row.in_time else ""
    false = f"; by the median grok step it was known on {row.early_false_alarms:,} of {row.controls:,} that never did"
    return (
        f"The onset of the defect was known before grokking in {row.in_time:,} of {row.grokking:,} runs that "
        f"grokked{early}{false if row.controls else ''}."
    )


def _best(board: Scoreboard) -> RuleRow | None:
    """The rule that fires most often in time where runs grok, and least often where they never do."""
    rows = [row for row in board.rules if row.grokking and row.controls]
    return max(rows, key=lambda row: row.in_time / row.grokking - row.early_false_alarms / row.controls, default=None)


def _separates(row: RuleRow, board: Scoreboard) -> str:
    return (
        f"Of {counted(len(board.rules), 'rule')}, {in_words(row.rule, board.names)} separates best: in time on "
        f"{row.in_time:,} of {row.grokking:,} runs that grokked, and fired on {row.early_false_alarms:,} of "
        f"{row.controls:,} that never did."
    )


def _null(law: LeadTimeLaw) -> str:
    assert law.published is not None
    assert law.published.nulls.permuted is not None
    share = law.published.nulls.permuted.at_least_observed
    says = "says nothing of the warning" if share > _CHANCE_SHARE else "is more than such onsets give"
    return (
        f"Lead grows as the grok step to the power {law.published.fit.exponent:.2f}; onsets dealt to the runs at "
        f"random give as much in {whole_percent(share)} of draws, so the exponent {says}."
    )


def _told_apart(board: Scoreboard) -> tuple[Horizon, Auroc, Auroc | None] | None:
    """A moment, the score of the defect there, and that of lr · wd: at equal decay time where there is one."""
    scores = {(row.signal, row.horizon): row.auroc for row in board.aurocs if row.auroc is not None}
    moments = [horizon for signal, horizon in scores if signal == _SIGNAL]
    at = next((each for each in moments if each.decay_time is not None), next(iter(moments), None))
    return None if at is None else (at, scores[_SIGNAL, at], scores.get((CLOCK, at)))


def _auroc(at: Horizon, defect: Auroc, clock: Auroc | None) -> str:
    beside = f"; lr · wd alone has {_interval(clock)}" if clock is not None else ""
    moment = at_words(at) if at.decay_time is None else f"lr · wd · step = {at.decay_time:g}"
    return (
        f"At {moment}, the defect tells runs that will grok from those that never do with an AUROC of "
        f"{_interval(defect)}{beside} (a coin has {_COIN})."
    )


def _interval(score: Auroc) -> str:
    return f"{score.value:.2f} {bracketed(score.low, score.high, fixed(2))}"


def _undecided(board: Scoreboard, defect: Auroc | None) -> Iterator[str]:
    if not board.grokking:
        yield "whether anything warns, because no run grokked"
    elif not board.controls:
        yield "whether a warning is false, because no run was watched to the end of its budget without grokking"
    if defect is not None and defect.low <= _COIN <= defect.high:
        yield "whether the defect tells these runs apart at all, because the interval of its AUROC holds a coin's"
    if board.unfinished:
        yield f"the outcome of {counted(board.unfinished, 'unfinished run')}"

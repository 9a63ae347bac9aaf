"""The scoreboard on a terminal."""

from typing import TYPE_CHECKING

from grokscope.cli.output import say, say_table, say_wrapped
from grokscope.words.numbers import count, fixed, percent

if TYPE_CHECKING:
    from grokscope.warning.ranking import Correlation
    from grokscope.warning.scoreboard import AurocRow, Quartiles, Race, Scoreboard


def say_scoreboard(board: "Scoreboard") -> None:
    """The scoreboard in tables of at most 80 columns."""
    typical, watched = (
        count(None if value is None else round(value)) for value in (board.median_grok_step, board.median_control_steps)
    )
    say_wrapped(
        f"scoreboard: {board.grokking} runs grokked (median step {typical}), {board.controls} never did "
        f"(watched {watched}), {board.unfinished} unfinished"
    )
    _say_rules(board)
    _say_races(board)
    _say_aurocs(board)
    _say_predictors(board)
    if board.not_recorded:
        say("")
        say_wrapped(f"not recorded: {', '.join(board.not_recorded)}")


def _say_rules(board: "Scoreboard") -> None:
    if not board.rules:
        return
    rows = [
        [
            row.rule, f"{row.in_time}/{row.fired}/{row.grokking}",
            f"{row.early_false_alarms}/{row.false_alarms}/{row.controls}",
            _lead(row.lead), _SHORT(None if row.way is None else row.way.median),
            _rho(row.correlation), _rho(row.within_lr),
        ]
        for row in board.rules
    ]  # fmt: skip
    columns = ["rule", "warned", "false", "lead", "way", "rho", "at lr"]
    say("")
    say_table(columns, rows, numeric=columns[1:])
    say_wrapped(
        "warned: in time / at all / of the runs that grok; false: by the median grok step / ever / of the runs that "
        "never do; lead: median and quartiles, from when the rule could say so; way: that step as a part of the grok "
        "step; rho: rank correlation of firing and grok step; at lr: among runs of one learning rate"
    )


def _say_races(board: "Scoreboard") -> None:
    from grokscope.warning.scoreboard import EVIDENT

    raced = [row for row in board.rules if any(race.runs for race in row.races.values())]
    rivals = [rival for rival in EVIDENT if any(rival in row.races and row.races[rival].runs for row in raced)]
    if not rivals:
        return
    rows = [[row.rule, *(cell for rival in rivals for cell in _race(row.races.get(rival)))] for row in raced]
    columns = [column for rival in rivals for column in (f"before {rival}", "by")]
    say("")
    say_table(["rule", *columns], rows, numeric=columns)
    say_wrapped(
        "before: of the grokking runs on which both fired, those in which the rule could say so first; by: steps in "
        "the median, negative where it was later"
    )


def _race(race: "Race | None") -> tuple[str, str]:
    if race is None or race.ahead is None:
        return "-", "-"
    return f"{race.first}/{race.runs}", _steps(race.ahead.median)


def _say_aurocs(board: "Scoreboard") -> None:
    if not any(row.auroc for row in board.aurocs):
        say("")
        say("no AUROC: it takes runs that grok and runs that never do")
        return
    horizons = list(dict.fromkeys(row.horizon for row in board.aurocs))
    titles = [f"step {at.step:,}" if at.step is not None else f"{100 * (at.fraction or 0):g} %" for at in horizons]
    cells = {(row.signal, row.horizon): row for row in board.aurocs}
    rows = []
    for signal in dict.fromkeys(row.signal for row in board.aurocs):
        first, *others = (cells[signal, horizon] for horizon in horizons)
        if any(row.auroc for row in (first, *others)):
            strata = [_SHORT(first.within.get(fact)) for fact in ("optimizer.wd", "task.operation")]
            rows.append([signal, _value(first), _interval(first), *strata, *map(_value, others)])
    columns = ["AUROC of grokking", titles[0], "95 %", "at wd", "at op", *titles[1:]]
    say("")
    say_table(columns, rows, numeric=columns[1:])
    say_wrapped(
        f"interval and strata (among runs of one weight decay, of one operation) belong to {titles[0]}; percentages "
        "are of the budget; below 0.5 small values mean grokking; rules score by how early they fired"
    )


def _say_predictors(board: "Scoreboard") -> None:
    rows = [
        [row.name, str(row.runs), *(percent(value) for value in (row.median_error, row.mean_error, row.naive_error)),
         percent(row.way)]
        for row in board.predictors
        if row.runs
    ]  # fmt: skip
    if rows:
        columns = ["grok step from", "runs", "median off", "mean", "naive", "way"]
        say("")
        say_table(columns, rows, numeric=columns[1:])
        say_wrapped("each configuration predicted from the others; naive: their geometric mean, on the same runs")


_SHORT = fixed(2)


def _lead(lead: "Quartiles | None") -> str:
    return "-" if lead is None else f"{_steps(lead.median)} [{_steps(lead.low)}, {_steps(lead.high)}]"


def _steps(value: float) -> str:
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value / 1000:.0f}k"


def _rho(correlation: "Correlation | None") -> str:
    return _SHORT(None if correlation is None else correlation.rho)


def _value(row: "AurocRow") -> str:
    return _SHORT(None if row.auroc is None else row.auroc.value)


def _interval(row: "AurocRow") -> str:
    return "-" if row.auroc is None else f"{row.auroc.low:.2f}-{row.auroc.high:.2f}"

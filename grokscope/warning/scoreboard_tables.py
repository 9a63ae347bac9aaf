"""The scoreboard as tables, and the sentence above them."""

from collections.abc import Mapping, Sequence
from functools import partial

from grokscope.warning.ranking import Correlation
from grokscope.warning.scoreboard import EVIDENT, AurocRow, Horizon, Quartiles, Race, RuleRow, Scoreboard
from grokscope.words.names import in_words
from grokscope.words.numbers import Form, count, counted, estimate, fixed, parts_of_whole, percent, short_count
from grokscope.words.table import Column, Table, TableCell

_SPREAD = estimate(short_count)
_AUROC = estimate(fixed(2))


def scoreboard_headline(board: Scoreboard) -> str:
    """How many runs grokked, how many never did, and how long they were watched."""
    typical = "" if board.median_grok_step is None else f" (median step {count(board.median_grok_step)})"
    watched = "" if board.median_control_steps is None else f" (watched for {count(board.median_control_steps)} steps)"
    unrecorded = ", ".join(in_words(name, board.names) for name in board.not_recorded)
    return (
        f"{counted(board.grokking, 'run')} grokked{typical}, {board.controls} never did{watched}, "
        f"{board.unfinished} unfinished." + (f" No run recorded: {unrecorded}." if unrecorded else "")
    )


def scoreboard_tables(board: Scoreboard) -> list[Table]:
    """Rules, races between them, signals at a moment, and predictors; those that have rows."""
    tables = (rules_table(board), races_table(board), auroc_table(board), predictors_table(board))
    return [table for table in tables if table.rows]


def rules_table(board: Scoreboard) -> Table:
    """A row a rule: how often it warned, how often for nothing, and how early."""
    return Table(
        "scoreboard",
        "Rules as warnings",
        (
            Column("rule", _named(board)),
            Column("signal", _named(board), detail=True),
            Column("warned", parts_of_whole, parts=("in time", "fired", "grokking")),
            Column(
                "false", parts_of_whole, parts=("false alarms by the median grok step", "false alarms", "controls")
            ),
            Column("lead", _SPREAD, "steps", ("lead, median (steps)", "lead, p25", "lead, p75")),
            Column("dated lead", _SPREAD, "steps", ("dated lead, median (steps)", "dated lead, p25", "dated lead, p75"),
                   detail=True),
            Column("at", fixed(2), "of the grok step"),
            Column("rho", fixed(2), rank=1),
            Column("rho at one lr", fixed(2), rank=1),
        ),
        tuple(
            (
                row.rule, row.signal, (row.in_time, row.fired, row.grokking),
                (row.early_false_alarms, row.false_alarms, row.controls), _spread(row.lead), _spread(row.lead_dated),
                None if row.fraction_of_grok_step is None else row.fraction_of_grok_step.median,
                _rho(row.correlation), _rho(row.within_lr),
            )
            for row in board.rules
        ),
        (
            "warned: before the grok step, at any time, of the runs that grok.",
            "false: by the median grok step, at any time, of the runs that never grok. The longer such runs are "
            "watched, the more false alarms there are.",
            "lead: median and quartiles, from the step at which the rule could first say so; dated lead: from the step "
            "that the rule names.",
            "at: the median fraction of the grok step at which the rule could first say so.",
            "rho: rank correlation of firing step and grok step.",
        ),
    )  # fmt: skip


def races_table(board: Scoreboard) -> Table:
    """A row a rule: whether it knew before the rules that anybody can follow."""
    raced = [row for row in board.rules if any(race.runs for race in row.races.values())]
    rivals = [rival for rival in EVIDENT if any(rival in row.races and row.races[rival].runs for row in raced)]
    named = _named(board)
    columns = [
        column
        for rival in rivals
        for column in (
            Column(f"vs {named(rival)}", parts_of_whole,
                   parts=(f"before {named(rival)}", f"runs with {named(rival)}")),
            Column("by", short_count, "steps"),
        )
    ]  # fmt: skip
    return Table(
        "scoreboard-races",
        "Who knew first",
        (Column("rule", _named(board)), *columns),
        tuple((row.rule, *(cell for rival in rivals for cell in _race(row.races.get(rival)))) for row in raced)
        if rivals
        else (),
        (
            "vs: runs in which the rule could say so first, of the grokking runs on which both rules fired.",
            "by: steps in the median; negative where the rule was later.",
        ),
    )


def auroc_table(board: Scoreboard) -> Table:
    """A row a signal, a column a horizon: how well the signal tells the runs that will grok."""
    known = [row for row in board.aurocs if row.auroc is not None]
    horizons = list(dict.fromkeys(row.horizon for row in known))
    facts = list(dict.fromkeys(fact for row in known for fact in row.within))
    cells = {(row.signal, row.horizon): row for row in known}
    names = list(dict.fromkeys(row.signal for row in known))
    strata = [(horizon, fact) for horizon in horizons for fact in facts]
    return Table(
        "auroc",
        "AUROC for “will grok”",
        (
            Column("signal or rule", _named(board)),
            *(
                Column(at_words(horizon), _AUROC, parts=_auroc_parts(at_words(horizon)), rank=2 * min(place, 1))
                for place, horizon in enumerate(horizons)
            ),
            *(
                Column(f"one {_short(fact)}", fixed(2), at_words(at), rank=1, detail=at != horizons[0])
                for at, fact in strata
            ),
        ),
        tuple(
            (
                name,
                *(_auroc(cells.get((name, horizon))) for horizon in horizons),
                *(row.within.get(fact) if (row := cells.get((name, horizon))) else None for horizon, fact in strata),
            )
            for name in names
        ),
        (
            "The chance that a run that will grok has the larger value (a rule: fired earlier) than a run that never "
            "groks, with its 95 % interval. At 0.5 the signal tells nothing; below 0.5 small values mean grokking.",
            "τ is decay time, lr · wd · step: runs without weight decay have none. A percentage is of the budget. Runs "
            "that have grokked by then are left out; seeds of a configuration are drawn together.",
            f"one …: at {at_words(horizons[0])}, among runs that share the setting." if horizons else "",
        ),
    )  # fmt: skip


def predictors_table(board: Scoreboard) -> Table:
    """A row for each way to predict the grok step from one number."""
    return Table(
        "predictors",
        "Grok step from one number",
        (
            Column("from", _named(board)),
            Column("runs", count),
            Column("median error", percent),
            Column("mean error", percent),
            Column("naive error", percent),
            Column("known at", percent, "of the grok step"),
        ),
        tuple(
            (row.name, row.runs, row.median_error, row.mean_error, row.naive_error, row.fraction_of_grok_step)
            for row in board.predictors
            if row.runs
        ),
        (
            "error: |predicted / true − 1|, each configuration predicted from the others.",
            "naive error: the median error of the geometric mean of the other configurations' grok steps, on the same "
            "runs.",
            "known at: the median fraction of the grok step at which the prediction can be made.",
        ),
    )


def at_words(horizon: Horizon) -> str:
    """`step 500`, `τ 2.5`, `10 %`."""
    if horizon.decay_time is not None:
        return f"τ {horizon.decay_time:g}"
    return f"step {count(horizon.step)}" if horizon.step is not None else percent(horizon.fraction, 0)


def rule_row_in_words(row: RuleRow, names: Mapping[str, str]) -> str:
    """The rule's row in a sentence, for those who cannot see the chart."""
    lead = "never fired" if row.lead is None else f"median lead {count(row.lead.median)} steps"
    return (
        f"{in_words(row.rule, names)}: {lead}, in time on {row.in_time} of {row.grokking}, false alarms on "
        f"{row.false_alarms} of {row.controls}"
    )


def auroc_in_words(row: AurocRow, names: Mapping[str, str]) -> str:
    """The signal's AUROC at one horizon, with its interval."""
    assert row.auroc is not None
    return f"{in_words(row.signal, names)} at {at_words(row.horizon)} {_AUROC(_auroc(row))}"


def _named(board: Scoreboard) -> Form:
    return partial(in_words, names=board.names)


def _spread(quartiles: Quartiles | None) -> TableCell:
    return None if quartiles is None else (quartiles.median, quartiles.low, quartiles.high)


def _short(fact: str) -> str:
    return fact.rpartition(".")[2]


def _rho(correlation: Correlation | None) -> float | None:
    return None if correlation is None else correlation.rho


def _race(race: Race | None) -> Sequence[TableCell]:
    return (None, None) if race is None or race.ahead is None else ((race.first, race.runs), race.ahead.median)


def _auroc(row: AurocRow | None) -> TableCell:
    found = row and row.auroc
    return (found.value, found.low, found.high, found.grokking, found.controls) if found else None


def _auroc_parts(horizon: str) -> tuple[str, ...]:
    return tuple(f"{horizon}: {part}" for part in ("AUROC", "95 % low", "95 % high", "will grok", "controls"))

"""The scoreboard, drawn: when each rule warned, how often for nothing, and how well signals tell runs apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grokscope.report.parts import Cell, LeftOut, Part, Plate, Section, Table, counted
from grokscope.report.sources import Run
from grokscope.report.style import BLUE, CYCLE, DOUBLE, FAINT, INK, VERMILLION, points, short
from grokscope.report.wording import in_words
from grokscope.warning.law import RULES
from grokscope.warning.scoreboard import EVIDENT, AurocRow, Horizon, Race, RuleRow, Scoreboard, scoreboard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.21
"""Height of a rule or signal, inches"""
LINEAR = 100
"""Steps of lead within which the axis is linear"""


def section(runs: Sequence[Run], task: str) -> Section:
    """Figures and tables of the scoreboard on a task's runs."""
    board = scoreboard([run.trajectory for run in runs])
    title = f"Scoreboard: {task}"
    watched = "" if board.median_control_steps is None else f", watched for {board.median_control_steps:,.0f} steps"
    typical = "" if board.median_grok_step is None else f" (median step {board.median_grok_step:,.0f})"
    paragraphs = [
        f"{counted(board.grokking, 'run')} grokked{typical}; {board.controls} never did within the budget{watched}; "
        f"{board.unfinished} unfinished, in no row. Leads count from the step at which a rule could first have "
        "said so. A false alarm is a rule that fired on a run that never grokked; the longer such runs are watched, "
        "the more there are, so those by the median grok step stand apart."
    ]
    if board.not_recorded:
        paragraphs.append(f"Not recorded by any run: {', '.join(map(in_words, board.not_recorded))}.")
    parts: list[Part] = [_rules_plate(board, task), _auroc_plate(board, task)]
    parts += [rules_table(board, task), auroc_table(board, task), predictors_table(board, task)]
    return Section(f"scoreboard-{task}", title, tuple(paragraphs), tuple(parts))


# --- rules ------------------------------------------------------------------------------------------------------------


def _rules_plate(board: Scoreboard, task: str) -> Plate | LeftOut:
    title = "Rules: lead, and alarms for nothing"
    if not board.rules:
        return LeftOut(title, "no run recorded a signal that a rule looks at")
    if board.grokking == 0:
        return LeftOut(title, "no run grokked, so there is nothing to lead")
    return Plate(
        slug=f"scoreboard-{task}",
        title=title,
        caption="Left: lead from confirmation over the runs that grokked, median and quartiles; left of zero the rule "
        "came too late. Middle: where that is on the way from step 0 to grokking. Right: share of runs on which the "
        "rule fired: those that grok, in time, and those that never do.",
        alt=f"Chart of rules. {'; '.join(map(_told, board.rules))}.",
        draw=lambda: draw_rules(board),
    )


def _told(row: RuleRow) -> str:
    lead = "never fired" if row.lead is None else f"median lead {row.lead.median:,.0f} steps"
    return (
        f"{in_words(row.rule)}: {lead}, in time on {row.in_time} of {row.grokking}, false alarms on {row.false_alarms} "
        f"of {row.controls}"
    )


def draw_rules(board: Scoreboard) -> "Figure":
    """A row a rule; three panels."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    rows = board.rules
    figure = Figure(figsize=(DOUBLE, 1.05 + ROW * len(rows)))
    lead, way, share = figure.subplots(1, 3, sharey=True, width_ratios=[1.35, 1, 1])
    for place, row in enumerate(rows):
        for axes, spread in ((lead, row.lead), (way, row.way)):
            if spread is not None:
                late = spread.median < 0 if axes is lead else spread.median > 1
                color = VERMILLION if late else BLUE
                axes.plot([spread.low, spread.high], [place, place], color=color, linewidth=1.8, solid_capstyle="butt")
                axes.plot([spread.median], [place], **points("led", color=color, markerfacecolor=color,
                                                             marker="v" if late else "o"))  # fmt: skip
        if row.lead is None:
            lead.annotate("never fired", (0.02, place), xycoords=("axes fraction", "data"), color=FAINT, fontsize=6.2,
                          va="center")  # fmt: skip
        _draw_shares(share, place, row)
    lead.set_xscale("symlog", linthresh=LINEAR, linscale=0.7)
    lead.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    lead.axvline(0, color=INK, linewidth=0.7)
    way.axvline(1, color=INK, linewidth=0.7)
    lead.set_xlabel("lead from confirmation (steps)")
    way.set_xlabel("way: confirmed / grok step")
    way.set_xlim(left=0)
    share.set_xlabel("share of runs")
    share.set_xlim(-0.03, 1.03)
    lead.set_yticks(range(len(rows)), [in_words(row.rule) for row in rows])
    lead.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (lead, way, share):
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    figure.legend(*share.get_legend_handles_labels(), loc="outside lower right", ncols=3, columnspacing=1.4)
    return figure


def _draw_shares(axes: "Axes", place: int, row: RuleRow) -> None:
    first = place == 0
    if row.grokking:
        axes.plot([row.in_time / row.grokking], [place - 0.17],
                  **points("grokked", markersize=6), label="grokking: in time" if first else None)  # fmt: skip
    if row.controls:
        early, ever = row.early_false_alarms / row.controls, row.false_alarms / row.controls
        axes.plot([early, ever], [place + 0.17] * 2, color=VERMILLION, linewidth=0.8)
        axes.plot([ever], [place + 0.17], **points("false alarm", filled=False, markersize=3.6),
                  label="never grokking: ever" if first else None)  # fmt: skip
        axes.plot([early], [place + 0.17], **points("false alarm", markersize=3.6),
                  label="never grokking: by the median grok step" if first else None)  # fmt: skip


def rules_table(board: Scoreboard, task: str) -> Table:
    """A row a rule."""
    columns = (
        "rule", "signal", "grokking", "fired", "in time", "controls", "false alarms",
        "false alarms by the median grok step", "lead, median (steps)", "lead, p25", "lead, p75",
        "dated lead, median (steps)", "way, median", "rank correlation with grok step", "within one lr",
        *(f"{words} {rival}" for rival in EVIDENT for words in ("runs with", "before", "steps before")),
    )  # fmt: skip
    return Table(
        f"scoreboard-{task}",
        f"Rules as warnings: {task}",
        columns,
        tuple(_rule_cells(row) for row in board.rules),
        note="lead: from the step at which the rule could say so; dated lead: from the step that it names; way: the "
        "former over the grok step; before a rival: known earlier, of the grokking runs on which both fired.",
    )


def _rule_cells(row: RuleRow) -> tuple[Cell, ...]:
    lead, dated, way = row.lead, row.lead_dated, row.way
    return (
        row.rule, row.signal, row.grokking, row.fired, row.in_time, row.controls, row.false_alarms,
        row.early_false_alarms, *((lead.median, lead.low, lead.high) if lead else (None, None, None)),
        dated.median if dated else None, way.median if way else None,
        row.correlation.rho if row.correlation else None, row.within_lr.rho if row.within_lr else None,
        *(cell for rival in EVIDENT for cell in _race_cells(row.races.get(rival))),
    )  # fmt: skip


def _race_cells(race: Race | None) -> tuple[Cell, ...]:
    if race is None or race.ahead is None:
        return None, None, None
    return race.runs, race.first, race.ahead.median


# --- signals at a moment ----------------------------------------------------------------------------------------------


def _auroc_plate(board: Scoreboard, task: str) -> Plate | LeftOut:
    title = "Signals: telling runs that will grok from those that never do"
    known = [row for row in board.aurocs if row.auroc is not None]
    if not known:
        return LeftOut(title, f"it takes runs that grok and runs that never do: {board.grokking} and {board.controls}")
    told = "; ".join(
        f"{in_words(row.signal)} at {at_words(row.horizon)} {row.auroc.value:.2f} ({row.auroc.low:.2f} to "
        f"{row.auroc.high:.2f})"
        for row in known
        if row.auroc is not None
    )
    return Plate(
        slug=f"auroc-{task}",
        title=title,
        caption="Chance that a run that will grok has the larger value (for rules: fired earlier) at one moment, with "
        "95 % bootstrap intervals by run; 0.5 tells nothing, below it small values mean grokking. Runs that had "
        "grokked by then are out. Where an operation or the decay decides both signal and outcome everything "
        "separates: the table has the values among runs that share them.",
        alt=f"Areas under the ROC curve. {told}.",
        draw=lambda: draw_aurocs(board),
    )


def at_words(horizon: Horizon) -> str:
    """`step 500`, `10 % of budget`."""
    return f"step {horizon.step:,}" if horizon.step is not None else f"{100 * (horizon.fraction or 0):g} % of budget"


def _horizons(board: Scoreboard) -> list[Horizon]:
    return list(dict.fromkeys(row.horizon for row in board.aurocs if row.auroc is not None))


def draw_aurocs(board: Scoreboard) -> "Figure":
    """A row a signal or rule, a mark a horizon."""
    from matplotlib.figure import Figure

    horizons = _horizons(board)
    known = {(row.signal, row.horizon): row for row in board.aurocs if row.auroc is not None}
    names = [name for name in dict.fromkeys(row.signal for row in board.aurocs) if any(key[0] == name for key in known)]
    figure = Figure(figsize=(DOUBLE * 0.82, 0.95 + ROW * 1.25 * len(names)))
    axes = figure.subplots()
    for index, horizon in enumerate(horizons):
        own = CYCLE[index % len(CYCLE)]
        shift = (index - (len(horizons) - 1) / 2) * 0.62 / len(horizons)
        rows = [(place, known[name, horizon].auroc) for place, name in enumerate(names) if (name, horizon) in known]
        for place, found in rows:
            if found is not None:
                axes.plot([found.low, found.high], [place + shift] * 2, color=own.color, linewidth=0.9)
        axes.plot([found.value for _, found in rows if found], [place + shift for place, found in rows if found],
                  **points(index, markersize=3.6), label=at_words(horizon))  # fmt: skip
    signals = sum(name not in RULES for name in names)
    for edge in range(1, len(names)):
        axes.axhline(edge - 0.5, color="#ececec", linewidth=0.5)
    axes.axvline(0.5, color=INK, linewidth=0.7)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_row_words(name) for name in names])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"AUROC for “will grok” ({signals} signals and settings, {len(names) - signals} rules)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, columnspacing=1.4)
    return figure


def _row_words(name: str) -> str:
    return f"fired: {in_words(name)}" if name in RULES else in_words(name)


def auroc_table(board: Scoreboard, task: str) -> Table:
    """A row a signal and horizon."""
    facts = list(dict.fromkeys(fact for row in board.aurocs for fact in row.within))
    columns = (
        "signal or rule", "at", "AUROC", "95 % low", "95 % high", "will grok", "controls",
        *(f"within one {fact}" for fact in facts),
    )  # fmt: skip
    rows = tuple(_auroc_cells(row, facts) for row in board.aurocs if row.auroc is not None)
    return Table(
        f"auroc-{task}",
        f"AUROC for “will grok”: {task}",
        columns,
        rows,
        note="within one …: comparing only runs that share it; empty where outcome and setting cannot be told apart.",
        folded=True,
    )


def _auroc_cells(row: AurocRow, facts: Sequence[str]) -> tuple[Cell, ...]:
    found = row.auroc
    assert found is not None
    within = [row.within.get(fact) for fact in facts]
    return (
        row.signal,
        at_words(row.horizon),
        found.value,
        found.low,
        found.high,
        found.grokking,
        found.controls,
        *within,
    )


def predictors_table(board: Scoreboard, task: str) -> Table:
    """A row for each way to predict the grok step."""
    rows = tuple(
        (row.name, row.runs, row.median_error, row.mean_error, row.naive_error, row.way)
        for row in board.predictors
        if row.runs
    )
    columns = ("from", "runs", "median error", "mean error", "naive median error", "known at, share of grok step")
    return Table(
        f"predictors-{task}",
        f"Grok step from one number: {task}",
        columns,
        rows,
        note="error: |predicted / true − 1|, each configuration predicted from the others; naive: the geometric mean "
        "of their grok steps, on the same runs.",
    )

"""The scoreboard, drawn: when each rule warned, how often for nothing, and how well signals tell runs apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import Run
from grokscope.report.style import BLUE, CYCLE, DOUBLE, FAINT, INK, VERMILLION, points, tick_text
from grokscope.warning.scoreboard import Horizon, RuleRow, Scoreboard, scoreboard
from grokscope.warning.scoreboard_tables import (
    at_words,
    auroc_in_words,
    rule_row_in_words,
    scoreboard_headline,
    scoreboard_tables,
)
from grokscope.words.names import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_INCHES = 0.21
"""Height of a rule or signal, inches"""
LINEAR = 100
"""Steps of lead within which the axis is linear"""


def board_of(runs: Sequence[Run]) -> Scoreboard:
    """The scoreboard on a task's runs."""
    return scoreboard([run.trajectory for run in runs])


def section(board: Scoreboard, task: str) -> Section:
    """Figures and tables of the scoreboard on a task's runs."""
    title = f"Scoreboard: {task}"
    paragraph = (
        f"{scoreboard_headline(board)} Unfinished runs are in no row. A false alarm is a rule that fired on a run that "
        "never grokked. The longer such runs are watched, the more false alarms there are, so the false alarms by the "
        "median grok step are counted apart."
    )
    parts: list[Part] = [_rules_plate(board, task), _auroc_plate(board, task)]
    parts += [table.about(task) for table in scoreboard_tables(board)]
    return Section(f"scoreboard-{task}", title, (paragraph,), tuple(parts))


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
        alt=f"Chart of rules. {'; '.join(rule_row_in_words(row, board.names) for row in board.rules)}.",
        draw=lambda: draw_rules(board),
    )


def draw_rules(board: Scoreboard) -> "Figure":
    """A row a rule; three panels."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    rows = board.rules
    figure = Figure(figsize=(DOUBLE, 1.05 + ROW_INCHES * len(rows)))
    lead, fraction, share = figure.subplots(1, 3, sharey=True, width_ratios=[1.35, 1, 1])
    for place, row in enumerate(rows):
        for axes, spread in ((lead, row.lead), (fraction, row.fraction_of_grok_step)):
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
    lead.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    lead.axvline(0, color=INK, linewidth=0.7)
    fraction.axvline(1, color=INK, linewidth=0.7)
    lead.set_xlabel("lead from confirmation (steps)")
    fraction.set_xlabel("confirmed / grok step")
    fraction.set_xlim(left=0)
    share.set_xlabel("share of runs")
    share.set_xlim(-0.03, 1.03)
    lead.set_yticks(range(len(rows)), [in_words(row.rule, board.names) for row in rows])
    lead.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (lead, fraction, share):
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


# --- signals at a moment ----------------------------------------------------------------------------------------------


def _auroc_plate(board: Scoreboard, task: str) -> Plate | LeftOut:
    title = "Signals: telling runs that will grok from those that never do"
    known = [row for row in board.aurocs if row.auroc is not None]
    if not known:
        return LeftOut(title, f"it takes runs that grok and runs that never do: {board.grokking} and {board.controls}")
    areas = "; ".join(auroc_in_words(row, board.names) for row in known)
    return Plate(
        slug=f"auroc-{task}",
        title=title,
        caption="Chance that a run that will grok has the larger value (for rules: fired earlier) at one moment, with "
        "95 % bootstrap intervals by run; 0.5 tells nothing, below it small values mean grokking. Runs that had "
        "grokked by then are out. Where an operation or the decay decides both signal and outcome everything "
        "separates: the table has the values among runs that share them.",
        alt=f"Areas under the ROC curve. {areas}.",
        draw=lambda: draw_aurocs(board),
    )


def _horizons(board: Scoreboard) -> list[Horizon]:
    return list(dict.fromkeys(row.horizon for row in board.aurocs if row.auroc is not None))


def draw_aurocs(board: Scoreboard) -> "Figure":
    """A row a signal or rule, a mark a horizon."""
    from matplotlib.figure import Figure

    horizons = _horizons(board)
    known = {(row.signal, row.horizon): row for row in board.aurocs if row.auroc is not None}
    names = [name for name in dict.fromkeys(row.signal for row in board.aurocs) if any(key[0] == name for key in known)]
    figure = Figure(figsize=(DOUBLE * 0.82, 0.95 + ROW_INCHES * 1.25 * len(names)))
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
    rules = {row.signal for row in board.aurocs if row.kind == "rule"}
    signals = sum(name not in rules for name in names)
    for edge in range(1, len(names)):
        axes.axhline(edge - 0.5, color="#ececec", linewidth=0.5)
    axes.axvline(0.5, color=INK, linewidth=0.7)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_row_words(name, name in rules, board) for name in names])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"AUROC for “will grok” ({signals} signals and settings, {len(names) - signals} rules)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, columnspacing=1.4)
    return figure


def _row_words(name: str, rule: bool, board: Scoreboard) -> str:
    words = in_words(name, board.names)
    return f"fired: {words}" if rule else words

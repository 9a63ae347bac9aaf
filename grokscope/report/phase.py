"""Outcomes by settings: every run as a mark in the cell of its learning rate, and the grok step against the rate."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grokscope.report.labels import label, on_lines, varying
from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import OUTCOMES, Run, RunOutcome
from grokscope.report.style import DOUBLE, FAINT, GREEN, INK, ORANGE, PURPLE, VERMILLION, Look, log_axis, look, points
from grokscope.warning.predictors import LR
from grokscope.words.numbers import count, counted
from grokscope.words.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 30
MOST_LINES = 8
MOST_LEVEL = 5
"""Largest number of learning rates with horizontal tick labels"""
_LABEL = 30
"""Characters of a line of settings"""
CHARACTER = 0.06
"""Inches of one, at most"""

OUTCOME_LOOKS: Mapping[RunOutcome, Look] = {
    "grokked": Look(GREEN, "-", "*"),
    "memorized": Look(ORANGE, "-", "s"),
    "never memorized": Look(FAINT, "-", "o"),
    "diverged": Look(VERMILLION, "-", "X"),
    "unfinished": Look(PURPLE, "-", "P"),
}
OUTCOME_WORDS: Mapping[RunOutcome, str] = {
    "grokked": "grokked",
    "memorized": "memorized, not grokked within budget",
    "never memorized": "not even memorized",
    "diverged": "diverged",
    "unfinished": "unfinished",
}
HOLLOW: tuple[RunOutcome, ...] = ("memorized", "never memorized")

RunsByCell = Mapping[tuple[str, float], Sequence[Run]]
"""Runs by row and learning rate"""


def section(runs: Sequence[Run], task: str) -> Section:
    """The phase diagram of a task's runs, the grok steps, and both as a table."""
    slug, title = f"phase-{task}", f"Phase diagram: {task}"
    known = [run for run in runs if isinstance(run.trajectory.facts.get(LR), int | float)]
    cells = by_cell(known)
    rows = list(dict.fromkeys(row for row, _ in cells))
    rates = sorted({rate for _, rate in cells})
    paragraphs = ("Every mark is a run. A run that has not grokked within its budget is censored: it may grok later.",)
    if len(cells) < 2:
        why = "the runs have no learning rate on record" if not known else "all runs share their settings"
        return Section(slug, title, (), (LeftOut(title, why),))
    parts: list[Part] = []
    if len(rows) <= MOST_ROWS:
        parts.append(_diagram(cells, rows, rates, task))
    else:
        parts.append(LeftOut(title, f"there are too many ({len(rows)}) combinations of other settings"))
    if len(rates) > 1 and len(rows) <= MOST_LINES * 3:
        parts.append(_steps(cells, rows, task))
    else:
        parts.append(LeftOut("Grok step against learning rate", "it needs two learning rates and few other settings"))
    parts.append(phase_table(cells, task))
    return Section(slug, title, paragraphs, tuple(parts))


def by_cell(runs: Sequence[Run]) -> RunsByCell:
    """Runs by row and learning rate. A row is a label of all other varying settings; rows are sorted by settings."""
    keys = [key for key in varying([run.trajectory for run in runs]) if key != LR]
    groups: dict[tuple[str, float], list[Run]] = {}
    for run in sorted(runs, key=lambda run: [_rank(run, key) for key in keys]):
        facts = run.trajectory.facts
        row = label(run.trajectory, keys, most=5) if keys else "all runs"
        groups.setdefault((row, float(facts[LR])), []).append(run)
    return groups


def _rank(run: Run, key: str) -> tuple[bool, float, str]:
    value = run.trajectory.facts.get(key)
    return (isinstance(value, str), float(value) if isinstance(value, int | float) else math.inf, str(value))


def _diagram(cells: RunsByCell, rows: Sequence[str], rates: Sequence[float], task: str) -> Plate:
    outcomes = "; ".join(f"{row}, lr {rate:g}: {_outcomes(runs)}" for (row, rate), runs in cells.items())
    return Plate(
        slug=f"phase-{task}",
        title="Outcome of every run",
        caption="Each mark is a run, by learning rate and the other varying settings. The number under the marks is "
        "the median grok step of the runs that grokked.",
        alt=f"Grid of outcomes by learning rate and settings. {outcomes}.",
        draw=lambda: draw_diagram(cells, rows, rates),
    )


def _outcomes(runs: Sequence[Run]) -> str:
    tally = [(outcome, sum(run.outcome == outcome for run in runs)) for outcome in OUTCOMES]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in tally if count)
    median = median_grok_step(runs)
    return counts + ("" if median is None else f" (median step {median:,.0f})")


def median_grok_step(runs: Sequence[Run]) -> float | None:
    """The median grok step of the runs that grokked; None if no run grokked."""
    steps = [run.trajectory.grok_step for run in runs if run.trajectory.grok_step is not None]
    return float(np.median(steps)) if steps else None


def draw_diagram(cells: RunsByCell, rows: Sequence[str], rates: Sequence[float]) -> "Figure":
    """Rows of settings, columns of learning rates."""
    from matplotlib.figure import Figure

    most = max(len(runs) for runs in cells.values())
    present = {run.outcome for runs in cells.values() for run in runs}
    names = [on_lines(row, _LABEL) for row in rows]
    lines = [line for name in names for line in name.split("\n")]
    across = 2 if len(rates) > 3 else 1
    width = max(3.0, 0.5 + CHARACTER * max(map(len, lines)) + 0.85 * len(rates))
    height = 0.55 + 0.17 * math.ceil(len(present) / across) + 0.2 * len(rows) + 0.14 * len(lines)
    figure = Figure(figsize=(min(DOUBLE, width), height))
    axes = figure.subplots()
    for (row, rate), runs in cells.items():
        _draw_cell(axes, rates.index(rate), rows.index(row), runs, min(0.16, 0.8 / max(most, 1)))
    for edge in range(len(rates) + 1):
        axes.axvline(edge - 0.5, color="#dcdcdc", linewidth=0.5)
    for edge in range(len(rows) + 1):
        axes.axhline(edge - 0.5, color="#dcdcdc", linewidth=0.5)
    axes.set_xlim(-0.5, len(rates) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_yticks(range(len(rows)), names)
    axes.set_xlabel("learning rate")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    handles = [
        axes.plot([], [], **_mark(outcome), label=OUTCOME_WORDS[outcome])[0]
        for outcome in OUTCOMES
        if outcome in present
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=across, columnspacing=1.4)
    return figure


def _mark(outcome: RunOutcome) -> dict[str, Any]:
    own = OUTCOME_LOOKS[outcome]
    hollow = outcome in HOLLOW
    return {
        "linestyle": "none", "marker": own.marker, "color": own.color, "markersize": 7 if own.marker == "*" else 4.6,
        "markerfacecolor": "none" if hollow else own.color, "markeredgecolor": own.color, "markeredgewidth": 0.9,
    }  # fmt: skip


def _draw_cell(axes: "Axes", column: int, row: int, runs: Sequence[Run], gap: float) -> None:
    ordered = sorted(runs, key=lambda run: OUTCOMES.index(run.outcome))
    median = median_grok_step(runs)
    height = row if median is None else row - 0.15
    for index, run in enumerate(ordered):
        across = column + (index - (len(ordered) - 1) / 2) * gap
        axes.plot([across], [height], **_mark(run.outcome))
    if median is not None:
        axes.text(column, row + 0.24, f"{median:,.0f}", ha="center", va="center", fontsize=6.2, color=INK)


def _steps(cells: RunsByCell, rows: Sequence[str], task: str) -> Plate | LeftOut:
    title = "Grok step against learning rate"
    grokked = [row for row in rows if any(r == row and median_grok_step(runs) for (r, _), runs in cells.items())]
    if not grokked:
        return LeftOut(title, "no run grokked")
    medians = "; ".join(
        f"{row} at lr {rate:g}: {median_grok_step(runs):,.0f}"
        for (row, rate), runs in cells.items()
        if median_grok_step(runs) is not None
    )
    return Plate(
        slug=f"grok-step-{task}",
        title=title,
        caption="Marks are runs, and lines join the medians of the runs that grokked. Hollow triangles stand at the "
        "last step of runs that have not grokked; their grok step is later, or never."
        + (f" The first {MOST_LINES} of {len(grokked)} settings that grok." if len(grokked) > MOST_LINES else ""),
        alt=f"Grok step against learning rate on logarithmic axes. Medians: {medians}.",
        draw=lambda: draw_steps(cells, grokked[:MOST_LINES]),
    )


def draw_steps(cells: RunsByCell, rows: Sequence[str]) -> "Figure":
    """One line per row of the diagram, on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 2.9))
    axes = figure.subplots()
    for index, row in enumerate(rows):
        own = look(index)
        mine = {rate: runs for (name, rate), runs in cells.items() if name == row}
        medians = {rate: median for rate, runs in mine.items() if (median := median_grok_step(runs)) is not None}
        axes.plot(sorted(medians), [medians[rate] for rate in sorted(medians)], color=own.color, linestyle=own.dash,
                  marker=own.marker, label=on_lines(row, _LABEL), zorder=3, markersize=4)  # fmt: skip
        for rate, runs in mine.items():
            steps = [run.trajectory.grok_step for run in runs if run.trajectory.grok_step]
            late = [run.trajectory.steps for run in runs if run.censored and run.outcome != "diverged"]
            shift = rate * 1.02 ** (index - len(rows) / 2)
            axes.plot([shift] * len(steps), steps, **points(index, markersize=2.4), alpha=0.8)
            axes.plot([shift] * len(late), late, **points(index, filled=False, marker="^", markersize=3.2))
    rates = sorted({rate for (name, rate) in cells if name in rows})
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates], rotation=45 if len(rates) > MOST_LEVEL else 0)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("learning rate")
    log_axis(axes.yaxis, "grok step")
    figure.legend(loc="outside right upper")
    return figure


def phase_table(cells: RunsByCell, task: str) -> Table:
    """One row per cell of the diagram."""
    rows = tuple(
        (
            row, rate, len(runs), *(sum(run.outcome == outcome for run in runs) for outcome in OUTCOMES),
            median_grok_step(runs), max(run.trajectory.steps for run in runs if run.censored) if any(
                run.censored for run in runs) else None,
        )
        for (row, rate), runs in cells.items()
    )  # fmt: skip
    columns = (
        *map(Column, ("settings", "lr", "runs", *OUTCOMES)),
        Column("median grok step", count),
        Column("censored at", count, "step"),
    )
    total = sum(len(runs) for runs in cells.values())
    notes = (
        f"{counted(total, 'run')} in {counted(len(cells), 'cell')}.",
        "memorized: memorized, and not grokked within the budget.",
    )
    return Table(f"phase-{task}", f"Outcomes by settings: {task}", columns, rows, notes, folded=True)

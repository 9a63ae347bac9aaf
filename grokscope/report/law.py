"""The lead-time law, drawn with what would look the same without any law: nulls, late and missed runs, false alarms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.signals import names_of
from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import Run
from grokscope.report.style import BACKGROUND, DOUBLE, FAINT, GRID, INK, line, log_axis, look, points
from grokscope.warning.detection import GROKKED, described
from grokscope.warning.fits import CONFIDENCE, PowerLaw
from grokscope.warning.law import Case, LeadTimeLaw, case_of, law_of
from grokscope.warning.law_tables import Exponent, counts_in_words, exponents, law_in_words, law_verdict, laws_table
from grokscope.warning.nulls import FLOOR_RECORDS
from grokscope.words.names import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN = ("onset", "onset-finite-difference", "memorized")
"""Rules with a figure, where something can be fitted: the paper's signal twice, and what costs nothing"""
MOST_ARROWS = 15
"""False alarms that each get an arrow to where they may come to stand"""
STRIP = 0.13
"""Part of the panel, at its foot, for runs that have no lead"""
MARGIN_ROWS = {"late": (0.09, "fired late"), "missed": (0.04, "grokked, never fired")}
"""What these runs are: how high in the panel, and what they are called"""
EDGE = 1.25
"""Room around the data, as a factor"""


def laws_of(runs: Sequence[Run]) -> list[LeadTimeLaw]:
    """The law of every rule that has a figure or fired, that of the onset first."""
    fired = {rule for run in runs for rule, found in run.found.items() if found is not None and rule != GROKKED}
    names = names_of(described(run.trajectory for run in runs))
    return [_law(runs, rule, in_words(rule, names)) for rule in [*DRAWN, *sorted(fired - set(DRAWN))]]


def section(laws: Sequence[LeadTimeLaw], task: str) -> Section:
    """Figures and one table of `laws_of` the runs of a task."""
    parts: list[Part] = [*(_plate(each, task) for each in laws if each.rule in DRAWN), laws_table(laws).about(task)]
    paragraphs = (
        "Lead is the grok step minus the step to which the rule dates its finding. The grok step is on both sides of "
        "this law, so an exponent near or above 1 and an R² near 1 follow by algebra wherever onsets are small beside "
        "grok steps, whatever they know. The nulls say how large: onsets dealt to the runs at random, the same onset "
        "for all, and the earliest onset that the measuring cadence allows.",
        "Runs that fired and have not grokked, unfinished ones too, stand as hollow squares: their grok step is later "
        "than drawn, if there is one, so lead and grok step both lie up and to the right of them.",
    )
    return Section(f"law-{task}", f"Lead-time law: {task}", paragraphs, tuple(parts))


def _law(runs: Sequence[Run], rule: str, words: str) -> LeadTimeLaw:
    return replace(law_of([case_of(run.trajectory, rule, run.found) for run in runs], rule), words=words)


def _plate(fitted: LeadTimeLaw, task: str) -> Plate | LeftOut:
    title = f"Lead against grok step: {fitted.words}"
    if fitted.counts.not_recorded and not fitted.counts.runs:
        return LeftOut(title, "no run recorded its signal")
    if fitted.published is None:
        tally = fitted.counts
        needed = "a fit takes three runs that fired before they grokked, at different steps"
        return LeftOut(title, f"{needed}; {tally.led} of {tally.runs} did")
    formula, tally_words = law_in_words(fitted.published.fit), counts_in_words(fitted.counts)
    told = f"lead = {formula}. {tally_words}. {' '.join(law_verdict(fitted))}"
    return Plate(
        slug=f"law-{task}-{fitted.rule}",
        title=title,
        caption="Left: runs, fits and nulls; no lead can lie in the grey corner, for it would exceed its grok step. "
        f"Right: exponents with 95 % intervals. {told}",
        alt=f"Scatter plot on logarithmic axes of lead time against grok step, and a chart of exponents. {told}",
        draw=lambda: draw_law(fitted),
    )


# --- figure -----------------------------------------------------------------------------------------------------------


def draw_law(fitted: LeadTimeLaw) -> "Figure":
    """Runs, fits and nulls on the left; all exponents on the right. Needs a fit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE, 3.5))
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    _draw_runs(left, fitted)
    _draw_exponents(right, fitted)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3, columnspacing=1.4)
    return figure


def _draw_arrows(axes: "Axes", cases: Sequence[Case]) -> None:
    """To where a run that has not grokked might still come to stand."""
    for case in cases:
        axes.annotate("", (case.steps, _lead(case)), xytext=(9, 9), textcoords="offset points",
                      arrowprops={"arrowstyle": "<|-,head_width=0.12,head_length=0.25", "linewidth": 0.6,
                                  "color": look("false alarm").color})  # fmt: skip


def _draw_runs(axes: "Axes", fitted: LeadTimeLaw) -> None:
    led = [case for case in fitted.cases if case.outcome == "led"]
    fired = [case for case in fitted.cases if case.outcome in {"false alarm", "unfinished"}]
    alarms = [case for case in fired if case.onset_step is not None and _lead(case) > 0]
    below = [case for case in fitted.cases if case.outcome in MARGIN_ROWS]
    low, high, bottom, top = _limits([*led, *alarms], below)
    least = bottom
    if below:
        bottom = bottom * (bottom / top) ** (STRIP / (1 - STRIP))
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    x = np.geomspace(low, high, 200)
    axes.fill_between(x, x, top, color=GRID, alpha=0.5, linewidth=0)
    _draw_fits(axes, fitted, x)
    if len(alarms) <= MOST_ARROWS:
        _draw_arrows(axes, alarms)
    _scatter(axes, alarms, "false alarm", f"fired, not grokked ({len(alarms)})", filled=False)
    _scatter(axes, led, "led", f"led ({len(led)})")
    _draw_margin(axes, fitted)
    log_axis(axes.xaxis, "grok step (last step where not grokked)")
    log_axis(axes.yaxis, "lead (steps)")
    for minor in (False, True):
        axes.set_yticks([tick for tick in axes.get_yticks(minor=minor) if tick >= least], minor=minor)


def _draw_fits(axes: "Axes", fitted: LeadTimeLaw, x: NDArray[np.float64]) -> None:
    assert fitted.published is not None
    fit, nulls = fitted.published.fit, fitted.published.nulls
    led = [case for case in fitted.cases if case.outcome == "led"]
    seen = np.array([case.grok_step for case in led], dtype=np.float64)
    inside = (x >= seen.min() / 1.05) & (x <= seen.max() * 1.05)
    middle, half = band(fit, x[inside], seen)
    axes.fill_between(x[inside], middle * np.exp(-half), middle * np.exp(half), color=INK, alpha=0.14, linewidth=0)
    axes.plot(x[inside], middle, **line("fit"), label="least squares, 95 % of its mean")
    if fitted.published.theil_sen is not None:
        slope = fitted.published.theil_sen
        level = float(np.median(np.log([_lead(case) for case in led]) - slope * np.log(seen)))
        axes.plot(x[inside], np.exp(level) * x[inside] ** slope, **line("theil-sen"), label="Theil–Sen")
    for each in nulls.constant:
        if each.which == "median":
            _curve(axes, x, each.onset, **line("constant"), label=f"null: onset {each.onset:,.0f} in all")
    cadences = {case.cadence for case in led}
    if nulls.cadence_floor is not None and len(cadences) == 1 and None not in cadences:
        floor = FLOOR_RECORDS * (cadences.pop() or 0)
        _curve(axes, x, floor, **line("cadence"), label=f"null: onset {floor:,} (2 × cadence)")


def band(fit: PowerLaw, x: NDArray[np.float64], seen: NDArray[np.float64]) -> Any:
    """The law at `x` [n], and half the 95 % interval of its mean, in logarithms. `seen`: the grok steps fitted."""
    from scipy.special import stdtrit

    u = np.log(seen)
    spread = float(((u - u.mean()) ** 2).sum())
    residual = fit.standard_error * np.sqrt(spread)
    half = (
        stdtrit(fit.n - 2, (1 + CONFIDENCE) / 2) * residual * np.sqrt(1 / fit.n + (np.log(x) - u.mean()) ** 2 / spread)
    )
    return fit.constant * x**fit.exponent, half


def _curve(axes: "Axes", x: NDArray[np.float64], onset: float, **looks: Any) -> None:
    """The lead where every run had this onset: a curve on logarithmic axes, and no law."""
    later = x > onset * 1.001
    axes.plot(x[later], x[later] - onset, **looks)


def _scatter(axes: "Axes", cases: Sequence[Case], name: str, label: str, *, filled: bool = True) -> None:
    if cases:
        axes.plot([case.grok_step or case.steps for case in cases], [_lead(case) for case in cases],
                  **points(name, filled=filled), label=label, zorder=3)  # fmt: skip


def _draw_margin(axes: "Axes", fitted: LeadTimeLaw) -> None:
    """Runs without a positive lead have no place on a logarithmic axis: they stand under it."""
    from matplotlib.patches import Rectangle

    if any(case.outcome in MARGIN_ROWS for case in fitted.cases):
        axes.add_patch(Rectangle((0, 0), 1, STRIP, transform=axes.transAxes, facecolor=BACKGROUND, edgecolor=INK,
                                 linewidth=0.7, zorder=2.5))  # fmt: skip
    for outcome, (height, words) in MARGIN_ROWS.items():
        cases = [case for case in fitted.cases if case.outcome == outcome]
        if cases:
            steps, below = [case.grok_step or 0 for case in cases], axes.get_xaxis_transform()
            axes.plot(steps, [height] * len(cases), transform=below,
                      **points(outcome), label=f"{words} ({len(cases)})", clip_on=False, zorder=3)  # fmt: skip


def _limits(cases: Sequence[Case], below: Sequence[Case]) -> tuple[float, float, float, float]:
    """Of both axes; those in the margin `below` have no lead that could be drawn."""
    across = [float(case.grok_step or case.steps) for case in (*cases, *below)]
    up = [float(_lead(case)) for case in cases]
    return min(across) / EDGE, max(across) * EDGE, min(up) / EDGE**3, max(max(up), max(across)) * EDGE


def _lead(case: Case) -> int:
    return (case.grok_step or case.steps) - (case.onset_step or 0)


_MARKS = {"fit": "o", "theil-sen": "D", "permuted": "s", "constant": "^", "cadence": "v"}


def _draw_exponents(axes: "Axes", fitted: LeadTimeLaw) -> None:
    rows = exponents(fitted)
    left, right = _span(rows)
    axes.set_xlim(left, right)
    for place, row in enumerate(rows):
        low, high, color = row.low, row.high, look(row.look).color
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
            for edge, mark, beyond in ((left, "<", low < left), (right, ">", high > right)):
                if beyond:
                    axes.plot([edge], [place], marker=mark, color=color, markersize=4, clip_on=False)
        if row.value is not None:
            mark = _MARKS[row.look]
            axes.plot([row.value], [place], **points("led", color=color, marker=mark, markerfacecolor=color))
    axes.axvline(1, color=INK, linewidth=0.6, linestyle=(0, (1, 2)))
    if rows:
        axes.axvspan(rows[0].low or 0, rows[0].high or 0, color=INK, alpha=0.07, linewidth=0)
    axes.set_yticks(range(len(rows)), [row.words for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("exponent α of lead ∝ grokᵅ")
    for tick in axes.get_yticklabels():
        if tick.get_text().startswith("null"):
            tick.set_color(FAINT)


def _span(rows: Sequence[Exponent]) -> tuple[float, float]:
    """Room for every value and null; intervals of a few runs, which may be wider than all of it, get an arrow."""
    core = [row.value for row in rows if row.value is not None] + [1.0]
    core += [end for row in rows if row.look != "fit" for end in (row.low, row.high) if end is not None]
    room = max(max(core) - min(core), 0.2)
    ends = [*core, *(end for row in rows for end in (row.low, row.high) if end is not None)]
    low, high = max(min(ends), min(core) - room), min(max(ends), max(core) + room)
    return low - 0.06 * room, high + 0.06 * room

"""The lead-time law, drawn with what would look the same without any law: nulls, late and missed runs, false alarms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grokscope.report.parts import Cell, LeftOut, Part, Plate, Section, Table, counted
from grokscope.report.sources import Run
from grokscope.report.style import DOUBLE, FAINT, GRID, INK, PAPER, line, log_axis, look, points
from grokscope.report.wording import in_words
from grokscope.warning.fits import LEVEL, PowerLaw
from grokscope.warning.law import Case, Law, law
from grokscope.warning.nulls import FLOOR_RECORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN = ("onset", "onset-finite-difference", "memorized")
"""Rules with a figure, where something can be fitted: the paper's signal twice, and what costs nothing"""
TABLED = ("onset", "onset-paper", "onset-finite-difference", "memorized", "test-loss-turn")
MOST_ARROWS = 15
"""False alarms that each get an arrow to where they may come to stand"""
STRIP = 0.13
"""Part of the panel, at its foot, for runs that have no lead"""
MARGIN = {"late": (0.09, "fired late"), "missed": (0.04, "grokked, never fired")}
"""What these runs are: how high in the panel, and what they are called"""
EDGE = 1.25
"""Room around the data, as a factor"""


def section(runs: Sequence[Run], task: str) -> Section:
    """Figures and one table for the runs of a task."""
    trajectories = [run.trajectory for run in runs]
    laws = [law(trajectories, rule) for rule in TABLED]
    parts: list[Part] = [*(_plate(each, task) for each in laws if each.rule in DRAWN), table(laws, task)]
    paragraphs = (
        "Lead is the grok step minus the step to which the rule dates its finding. The grok step is on both sides of "
        "this law, so an exponent near or above 1 and an R² near 1 follow by algebra wherever onsets are small beside "
        "grok steps, whatever they know. The nulls say how large: onsets dealt to the runs at random, the same onset "
        "for all, and the earliest onset that the measuring cadence allows.",
        "Runs that fired and have not grokked, unfinished ones too, stand as hollow squares: their grok step is later "
        "than drawn, if there is one, so lead and grok step both lie up and to the right of them.",
    )
    return Section(f"law-{task}", f"Lead-time law: {task}", paragraphs, tuple(parts))


def _plate(fitted: Law, task: str) -> Plate | LeftOut:
    title = f"Lead against grok step: {in_words(fitted.rule)}"
    if fitted.counts.not_recorded and not fitted.counts.runs:
        return LeftOut(title, "no run recorded its signal")
    if fitted.published is None:
        tally = fitted.counts
        needed = "a fit takes three runs that fired before they grokked, at different steps"
        return LeftOut(title, f"{needed}; {tally.led} of {tally.runs} did")
    fit = fitted.published.fit
    tally = fitted.counts
    told = (
        f"Least squares on {counted(fit.n, 'run')}: lead = {fit.constant:.3g} · grok^{fit.exponent:.3f} "
        f"(95 % {fit.low:.2f} to {fit.high:.2f}, R² {fit.r_squared:.3f}). "
        f"{tally.late} fired late, {tally.missed} never fired before grokking, {tally.false_alarms} fired and did not "
        f"grok within their budget, {tally.quiet} did neither."
    )
    if tally.unfinished:
        told += f" {counted(tally.unfinished, 'run')} not grokked, and not seen to the end of the budget."
    if tally.not_recorded:
        told += f" {counted(tally.not_recorded, 'run')} without this signal."
    nulls = fitted.published.nulls
    if nulls.permuted is not None:
        drawn = nulls.permuted.exponents
        told += (
            f" Onsets permuted among the runs give {drawn.mean:.3f} ({drawn.low:.2f} to {drawn.high:.2f}), and an "
            f"exponent at least as large in {100 * nulls.permuted.at_least_observed:.0f} % of draws."
        )
    return Plate(
        slug=f"law-{task}-{fitted.rule}",
        title=title,
        caption="Left: runs, fits and nulls; no lead can lie in the grey corner, for it would exceed its grok step. "
        f"Right: exponents with 95 % intervals. {told}",
        alt=f"Scatter plot on logarithmic axes of lead time against grok step, and a chart of exponents. {told}",
        draw=lambda: draw_law(fitted),
    )


# --- figure -----------------------------------------------------------------------------------------------------------


def draw_law(fitted: Law) -> "Figure":
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


def _draw_runs(axes: "Axes", fitted: Law) -> None:
    led = [case for case in fitted.cases if case.outcome == "led"]
    fired = [case for case in fitted.cases if case.outcome in {"false alarm", "unfinished"}]
    alarms = [case for case in fired if case.onset_step is not None and _lead(case) > 0]
    below = [case for case in fitted.cases if case.outcome in MARGIN]
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


def _draw_fits(axes: "Axes", fitted: Law, x: NDArray[np.float64]) -> None:
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
    half = stdtrit(fit.n - 2, (1 + LEVEL) / 2) * residual * np.sqrt(1 / fit.n + (np.log(x) - u.mean()) ** 2 / spread)
    return fit.constant * x**fit.exponent, half


def _curve(axes: "Axes", x: NDArray[np.float64], onset: float, **looks: Any) -> None:
    """The lead where every run had this onset: a curve on logarithmic axes, and no law."""
    later = x > onset * 1.001
    axes.plot(x[later], x[later] - onset, **looks)


def _scatter(axes: "Axes", cases: Sequence[Case], name: str, label: str, *, filled: bool = True) -> None:
    if cases:
        axes.plot([case.grok_step or case.steps for case in cases], [_lead(case) for case in cases],
                  **points(name, filled=filled), label=label, zorder=3)  # fmt: skip


def _draw_margin(axes: "Axes", fitted: Law) -> None:
    """Runs without a positive lead have no place on a logarithmic axis: they stand under it."""
    from matplotlib.patches import Rectangle

    if any(case.outcome in MARGIN for case in fitted.cases):
        axes.add_patch(Rectangle((0, 0), 1, STRIP, transform=axes.transAxes, facecolor=PAPER, edgecolor=INK,
                                 linewidth=0.7, zorder=2.5))  # fmt: skip
    for outcome, (height, words) in MARGIN.items():
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


Row = tuple[str, str, float | None, float | None, float | None]
"""Words, look, value and interval"""


def exponents(fitted: Law) -> list[Row]:
    """Every estimate of the exponent, then every null of it."""
    form = fitted.published
    if form is None:
        return []
    rows: list[Row] = [("least squares", "fit", form.fit.exponent, form.fit.low, form.fit.high)]
    if form.leave_one_out is not None:
        rows.append(("leave one out", "fit", None, form.leave_one_out.low, form.leave_one_out.high))
    for words, drawn in (("bootstrap, runs", form.by_run), ("bootstrap, configurations", form.by_configuration)):
        if drawn is not None:
            rows.append((words, "fit", drawn.mean, drawn.low, drawn.high))
    rows.append(("Theil–Sen", "theil-sen", form.theil_sen, None, None))
    if form.nulls.permuted is not None:
        each = form.nulls.permuted.exponents
        rows.append(("null: onsets permuted", "permuted", each.mean, each.low, each.high))
    for constant in form.nulls.constant:
        if constant.fit is not None:
            fit = constant.fit
            rows.append((f"null: {constant.which} onset in all", "constant", fit.exponent, fit.low, fit.high))
    if form.nulls.cadence_floor is not None:
        fit = form.nulls.cadence_floor
        rows.append(("null: onset at 2 × cadence", "cadence", fit.exponent, fit.low, fit.high))
    return rows


_MARKS = {"fit": "o", "theil-sen": "D", "permuted": "s", "constant": "^", "cadence": "v"}


def _draw_exponents(axes: "Axes", fitted: Law) -> None:
    rows = exponents(fitted)
    left, right = _span(rows)
    axes.set_xlim(left, right)
    for place, (_, name, value, low, high) in enumerate(rows):
        color = look(name).color
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
            for edge, mark, beyond in ((left, "<", low < left), (right, ">", high > right)):
                if beyond:
                    axes.plot([edge], [place], marker=mark, color=color, markersize=4, clip_on=False)
        if value is not None:
            axes.plot([value], [place], **points("led", color=color, marker=_MARKS[name], markerfacecolor=color))
    axes.axvline(1, color=INK, linewidth=0.6, linestyle=(0, (1, 2)))
    if rows:
        axes.axvspan(rows[0][3] or 0, rows[0][4] or 0, color=INK, alpha=0.07, linewidth=0)
    axes.set_yticks(range(len(rows)), [words for words, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("exponent α of lead ∝ grokᵅ")
    for tick in axes.get_yticklabels():
        if tick.get_text().startswith("null"):
            tick.set_color(FAINT)


def _span(rows: Sequence[Row]) -> tuple[float, float]:
    """Room for every value and null; intervals of a few runs, which may be wider than all of it, get an arrow."""
    core = [value for _, _, value, _, _ in rows if value is not None] + [1.0]
    core += [end for _, name, _, *ends in rows if name != "fit" for end in ends if end is not None]
    room = max(max(core) - min(core), 0.2)
    ends = [*core, *(end for _, _, _, *both in rows for end in both if end is not None)]
    low, high = max(min(ends), min(core) - room), min(max(ends), max(core) + room)
    return low - 0.06 * room, high + 0.06 * room


# --- table ------------------------------------------------------------------------------------------------------------


def table(laws: Sequence[Law], task: str) -> Table:
    """A row a rule: who fired when, the fit, its nulls, and the form that predicts."""
    columns = (
        "rule", "runs", "led", "late", "missed", "false alarms", "quiet", "unfinished", "not recorded",
        "exponent", "95 % low", "95 % high", "R²",
        "permuted mean", "permuted low", "permuted high", "P(permuted ≥ fitted)", "constant onset",
        "rank correlation of onset and grok", "p of it", "held-out error of grok from onset", "without any signal",
    )  # fmt: skip
    return Table(
        f"law-{task}",
        f"Lead-time law of each rule: {task}",
        columns,
        tuple(_row(each) for each in laws),
        note="unfinished: neither grokked nor seen to the end of the budget. not recorded: runs without the rule's "
        "signal, which are in no other column. constant onset: exponent where every run has the median onset. held-out "
        "error: median of |predicted / true − 1|, each configuration predicted from the others; without any signal: by "
        "their geometric mean.",
    )


def _row(fitted: Law) -> tuple[Cell, ...]:
    tally, form, ahead = fitted.counts, fitted.published, fitted.prediction
    cells: list[Cell] = [
        fitted.rule, tally.runs, tally.led, tally.late, tally.missed, tally.false_alarms, tally.quiet,
        tally.unfinished, tally.not_recorded,
    ]  # fmt: skip
    if form is None:
        cells += [None] * 9
    else:
        drawn = form.nulls.permuted
        constant = next((each.fit for each in form.nulls.constant if each.which == "median"), None)
        cells += [form.fit.exponent, form.fit.low, form.fit.high, form.fit.r_squared]
        cells += [None] * 4 if drawn is None else _permuted(drawn)
        cells.append(None if constant is None else constant.exponent)
    if ahead is None:
        return (*cells, None, None, None, None)
    rho = None if ahead.correlation is None else ahead.correlation.rho
    return (*cells, rho, ahead.p, ahead.error, ahead.naive_error)


def _permuted(drawn: Any) -> list[Cell]:
    return [drawn.exponents.mean, drawn.exponents.low, drawn.exponents.high, drawn.at_least_observed]

"""Figures of single runs: defect and accuracies against step, and above them one row per rule that fired."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from grokscope.report.labels import label, varying
from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import OUTCOMES, Run
from grokscope.report.style import DOUBLE, FAINT, line, log_axis, look, points, steps_axis
from grokscope.words.names import in_words
from grokscope.words.numbers import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_RUNS = 12
"""Default of the largest number of runs that get a figure each"""
_ROW = 0.15
"""Height of the row of a rule, in inches"""


def section(runs: Sequence[Run], most: int = MOST_RUNS) -> Section:
    """Figures of at most `most` runs."""
    chosen = chosen_runs(runs, most)
    keys = varying([run.trajectory for run in runs])
    paragraphs = [
        "Above the curves, each rule that fired has a row: the mark stands at the step of the detection, and the bar "
        "ends at the step at which the rule confirmed it. In a live run, the detection is known from the end of the "
        "bar on."
    ]
    if len(chosen) < len(runs):
        paragraphs.append(
            f"{len(chosen)} of {len(runs)} runs are drawn. They come from each outcome in turn, spread evenly over "
            "their grok steps (or last steps), with the earliest and the latest."
        )
    parts: list[Part] = [_part(run, index, keys) for index, run in enumerate(chosen, 1)]
    return Section("runs", "Runs", tuple(paragraphs), tuple(parts))


def chosen_runs(runs: Sequence[Run], most: int = MOST_RUNS) -> list[Run]:
    """All runs, or `most` runs: from each outcome in turn, spread evenly over grok (or last) steps. Sorted by name."""
    if len(runs) <= most:
        return list(runs)
    groups = [[run for run in runs if run.outcome == outcome] for outcome in OUTCOMES]
    groups = [sorted(group, key=_when) for group in groups if group]
    shares = [0] * len(groups)
    while sum(shares) < most:
        for index, group in enumerate(groups):
            if shares[index] < len(group) and sum(shares) < most:
                shares[index] += 1
    picked = [
        group[round(at)]
        for group, share in zip(groups, shares, strict=True)
        for at in np.linspace(0, len(group) - 1, share)
    ]
    return sorted(picked, key=lambda run: run.name)


def _when(run: Run) -> tuple[int, str]:
    return (run.trajectory.grok_step or run.trajectory.steps, run.name)


def _part(run: Run, number: int, keys: Sequence[str]) -> Part:
    if not any(run.trajectory.has(name) for name in ("defect", "finite_difference_defect", "test_accuracy")):
        return LeftOut(run.name, "the run recorded neither a defect nor an accuracy")
    about = label(run.trajectory, keys)
    caption = "" if about == run.name else f"{about}. "
    return Plate(
        slug=f"run-{number:02d}",
        title=run.name,
        caption=f"{caption}{_milestones(run)}",
        alt=f"Two line charts over training steps of the run {run.name}. {_milestones(run)} {_numbers(run)}",
        draw=lambda: draw_run(run),
    )


def _milestones(run: Run) -> str:
    names = run.names
    fired = [f"{in_words(rule, names)} at {_step(run, rule):,}" for rule in _fired(run)]
    text = f"{listed(fired, len(fired)).capitalize()}." if fired else "No rule fired."
    if run.censored:
        text += f" Not grokked by step {run.trajectory.steps:,} of {run.trajectory.budget:,}: {run.outcome}."
    return text


def _fired(run: Run) -> list[str]:
    """The rules that fired, in the order of their steps."""
    steps = {rule: found.step for rule, found in run.found.items() if found is not None}
    return sorted(steps, key=lambda rule: (steps[rule], rule))


def _numbers(run: Run) -> str:
    parts = []
    for name in ("defect", "finite_difference_defect"):
        _, values = run.trajectory.signal(name)
        if len(values):
            parts.append(f"The {in_words(name, run.names)} begins at {values[0]:.3g}, peaks at {values.max():.3g}")
    for name in ("train", "test"):
        _, values = run.trajectory.signal(f"{name}_accuracy")
        if len(values):
            parts.append(f"{name} accuracy ends at {values[-1]:.3f}")
    return f"{'; '.join(parts)}." if parts else ""


def draw_run(run: Run) -> "Figure":
    """Three panels over one axis of steps: rules, defect, accuracies. Panels without data are left out."""
    from matplotlib.figure import Figure

    fired = _fired(run)
    has_defect = any(_positive(run, name) for name in ("defect", "finite_difference_defect"))
    has_accuracy = any(run.trajectory.has(f"{split}_accuracy") for split in ("train", "test"))
    heights = [max(1, len(fired)) * _ROW + 0.05, *[1.35] * has_defect, *[1.15] * has_accuracy]
    figure = Figure(figsize=(DOUBLE, sum(heights) + 0.85))
    axes = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0])
    _draw_rules(axes[0], run, fired)
    if has_defect:
        _draw_defect(axes[1], run)
    if has_accuracy:
        _draw_accuracy(axes[-1], run)
    for panel in axes[1:]:
        for rule in fired:
            own = look(rule)
            panel.axvline(_step(run, rule), color=own.color, linestyle=own.dash, linewidth=0.6, zorder=0.5)
    axes[-1].set_xlim(0, max(run.trajectory.steps, 1))
    steps_axis(axes[-1].xaxis)
    figure.align_ylabels(axes[1:])
    return figure


def _draw_rules(axes: "Axes", run: Run, fired: Sequence[str]) -> None:
    for row, rule in enumerate(fired):
        detected = run.found[rule]
        assert detected is not None
        own = look(rule)
        axes.plot([detected.step, detected.confirmed_at], [row, row], color=own.color, linewidth=2.2,
                  solid_capstyle="butt", alpha=0.55, clip_on=False)  # fmt: skip
        axes.plot([detected.step], [row], **points(rule, markersize=7 if own.marker == "*" else 4.8), clip_on=False)
    axes.set_ylim(max(len(fired), 1) - 0.4, -0.6)
    names = run.names
    axes.set_yticks(range(len(fired)), [f"{in_words(rule, names)}  {_step(run, rule):,}" for rule in fired])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    if not fired:
        axes.text(0, 0, "no rule fired", color=FAINT, va="center")


def _draw_defect(axes: "Axes", run: Run) -> None:
    trajectory, spread = run.trajectory, run.provenance.quartiles if run.provenance else None
    spread_of = "finite_difference_defect" if not trajectory.has("defect") else "defect"
    for name, words in (("defect", "exact"), ("finite_difference_defect", "finite difference")):
        steps, values = trajectory.signal(name)
        kept = values > 0
        if kept.any():
            axes.plot(steps[kept], values[kept], **line(name), label=words)
        if spread is not None and name == spread_of:
            kept = spread.low > 0
            axes.fill_between(spread.steps[kept], spread.low[kept], spread.high[kept], color=look(name).color,
                              alpha=0.22, linewidth=0, label="its quartiles")  # fmt: skip
    steps, floors = trajectory.signal("finite_difference_floor")
    if (floors > 0).any():
        axes.plot(
            steps[floors > 0], floors[floors > 0], **line("floor"), label="rounding floor of the finite difference"
        )
    log_axis(axes.yaxis, "commutator defect D")
    _legend_above(axes)


def _draw_accuracy(axes: "Axes", run: Run) -> None:
    for split in ("train", "test"):
        steps, values = run.trajectory.signal(f"{split}_accuracy")
        axes.plot(steps, values, **line(split), label=split)
    axes.set_ylim(-0.02, 1.03)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("accuracy")
    _legend_above(axes)


def _legend_above(axes: "Axes") -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.1, columnspacing=1.6)


def _positive(run: Run, name: str) -> bool:
    return bool((run.trajectory.signal(name)[1] > 0).any())


def _step(run: Run, rule: str) -> int:
    detected = run.found[rule]
    assert detected is not None
    return detected.step

"""Figures of the causal experiment: effects with the noise, dose-response with the controls, survival.

The axis of ratios is logarithmic, so that 2 times later and 2 times sooner are equally far from no effect. A run that
did not grok is an arrow at its budget, which means "at least".
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokscope.experiment.analysis import Analysis, ArmResult, curve
from grokscope.experiment.conditions import condition_named
from grokscope.experiment.effects import Effect
from grokscope.report.style import (
    CYCLE,
    FAINT,
    FORMATS,
    INK,
    Look,
    log_axis,
    panels,
    steps_axis,
    style,
    write_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EFFECT_INCHES = 0.17
"""Height of one effect, in inches"""


def write_figures(analysis: Analysis, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `effects`, `dose-response` and `survival` into `folder`, without empty figures. Returns their paths.

    Raises `Unavailable` without Matplotlib, `OSError`.
    """
    written: list[Path] = []
    with style():
        drawn: Mapping[str, Figure | None] = {
            "effects": draw_effects({"": analysis}),
            "dose-response": draw_dose_response(analysis),
            "survival": draw_survival(analysis),
        }
        for name, figure in drawn.items():
            if figure is not None:
                written += _written(figure, folder / name, formats)
    return written


def write_spectrum(experiments: Mapping[str, Analysis], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `spectrum`: the effects of several experiments, by name, side by side. Raises as `write_figures`."""
    with style():
        figure = draw_effects(experiments)
        return [] if figure is None else _written(figure, folder / "spectrum", formats)


def draw_effects(experiments: Mapping[str, Analysis]) -> "Figure | None":
    """Ratio of grok steps of every arm to the baseline, with its interval; one panel per experiment, on one scale."""
    labels = list(
        dict.fromkeys(result.arm.label for each in experiments.values() for result in each.arms if result.effect)
    )
    if not labels:
        return None
    several = len(experiments) > 1
    figure, axes = panels(
        len(experiments), height=0.75 + EFFECT_INCHES * len(labels), columns=len(experiments), sharey=True, sharex=True
    )
    for (name, analysis), place in zip(experiments.items(), axes, strict=True):
        _draw_noise(place, analysis, vertical=True)
        for result in analysis.arms:
            if result.effect is not None:
                _draw_effect(place, labels.index(result.arm.label), result.effect)
        place.set_yticks(range(len(labels)), labels)
        place.set_ylim(len(labels) - 0.4, -0.6)
        place.grid(visible=several, axis="y")
        place.tick_params(axis="y", length=0)
        place.set_title(name)
    for place in axes:
        _ratio_axis(place.xaxis)
    return figure


def draw_dose_response(analysis: Analysis) -> "Figure | None":
    """Ratio to the baseline against dose, each condition with its controls; None if no condition has two doses."""
    groups = [group for group in _groups(analysis) if _doses(group) > 1]
    if not groups:
        return None
    columns = min(2, len(groups))
    figure, axes = panels(len(groups), columns=columns)
    for group, place in zip(groups, axes, strict=True):
        _draw_noise(place, analysis, vertical=False)
        parameter = condition_named(next(iter(group))).parameter
        spread = _gap(group) * 0.06
        for index, (name, results) in enumerate(group.items()):
            _draw_doses(place, results, CYCLE[index], name, (index - (len(group) - 1) / 2) * spread)
        place.set_title(next(iter(group)))
        place.set_xlabel(parameter)
        if len(group) > 1:
            place.legend()
        _ratio_axis(place.yaxis)
    return figure


def draw_survival(analysis: Analysis) -> "Figure | None":
    """Share of runs that have not grokked (Kaplan–Meier); one panel per condition, with its doses and the baseline."""
    names = list(dict.fromkeys(r.arm.condition for r in analysis.arms if r.known and not r.arm.is_baseline))
    if not names:
        return None
    dashed = CYCLE[1:]  # the first look is a solid line, and so is the baseline
    columns = min(3, len(names))
    figure, axes = panels(len(names), columns=columns, sharex=True, sharey=True)
    for name, place in zip(names, axes, strict=True):
        arms = [result for result in analysis.arms if result.arm.condition == name and result.known]
        _draw_curve(place, analysis.baseline, Look(INK, "-", width=1.8), "baseline")
        for index, result in enumerate(arms):
            dose = "" if result.arm.dose is None or result.arm.is_sham else f"{result.arm.dose:g}"
            _draw_curve(place, result, dashed[index % len(dashed)], dose or name)
        place.set_title(name)
        place.set_ylim(-0.04, 1.04)
        place.legend()
        steps_axis(place.xaxis, "")
    figure.supxlabel("training step", fontsize=7.5)
    figure.supylabel("share not grokked", fontsize=7.5)
    return figure


def _groups(analysis: Analysis) -> list[dict[str, list[ArmResult]]]:
    """Results by condition, each condition with its controls."""
    groups: dict[str, dict[str, list[ArmResult]]] = {}
    for result in analysis.arms:
        if result.arm.is_baseline or result.arm.is_sham or result.effect is None:
            continue
        name = result.arm.condition
        groups.setdefault(condition_named(name).control_of or name, {}).setdefault(name, []).append(result)
    return list(groups.values())


def _doses(group: Mapping[str, Sequence[ArmResult]]) -> int:
    return max(len(results) for results in group.values())


def _gap(group: Mapping[str, Sequence[ArmResult]]) -> float:
    """The smallest distance between two doses."""
    doses = sorted({result.arm.dose or 0.0 for results in group.values() for result in results})
    return min((right - left for left, right in pairwise(doses)), default=1.0)


def _draw_doses(axes: "Axes", results: Sequence[ArmResult], look: Look, name: str, shift: float) -> None:
    estimates: list[tuple[float, float]] = []
    for result in results:
        assert result.effect is not None
        dose = (result.arm.dose or 0.0) + shift
        for _, low, high in result.effect.by_seed:
            value, arrow = (low, high == math.inf) if math.isfinite(low) else (high, False)
            if math.isfinite(value):
                axes.plot(dose, math.exp(value), "^" if arrow else look.marker, color=look.color, markersize=3,
                          markerfacecolor="none", markeredgewidth=0.7)  # fmt: skip
        if result.effect.kind == "estimate":
            axes.plot([dose, dose], [end or math.nan for end in result.effect.interval], color=look.color, linewidth=1)
            estimates.append((dose, result.effect.ratio or math.nan))
    xs, ys = zip(*estimates, strict=True) if estimates else ((), ())
    axes.plot(xs, ys, color=look.color, linestyle=look.dash, marker=look.marker, markersize=4, label=name)


def _draw_effect(axes: "Axes", row: int, effect: Effect) -> None:
    """Seeds as rings, the mean with its interval; a bound is an arrow to its open side."""
    color = {1: CYCLE[1].color, -1: CYCLE[0].color}.get(effect.direction, INK)
    if effect.ratio is None:
        words = "neither groks" if effect.neither_groks else "undecided"
        axes.annotate(words, (1, row), fontsize=5.5, color=FAINT, va="center", ha="center",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
        return
    for _, low, high in effect.by_seed:
        value = low if math.isfinite(low) else high
        if math.isfinite(value):
            axes.plot(math.exp(value), row, "o", color=FAINT, markerfacecolor="none", markersize=2.6,
                      markeredgewidth=0.6)  # fmt: skip
    marker = {"at least": ">", "at most": "<"}.get(effect.kind, {1: "s", -1: "D"}.get(effect.direction, "o"))
    axes.plot([end or effect.ratio for end in effect.interval], [row, row], color=color, linewidth=1.2)
    axes.plot(effect.ratio, row, marker, color=color, markersize=4)


def _draw_noise(axes: "Axes", analysis: Analysis, *, vertical: bool) -> None:
    """The line of no effect, and the band of the noise between two runs of one seed (σ √2)."""
    if analysis.noise.known:
        reach = math.exp(analysis.noise.sigma * math.sqrt(2))
        (axes.axvspan if vertical else axes.axhspan)(1 / reach, reach, color="#dcdcdc", linewidth=0, zorder=0)
    (axes.axvline if vertical else axes.axhline)(1, color=INK, linewidth=0.6, zorder=1)


def _draw_curve(axes: "Axes", result: ArmResult, look: Look, label: str) -> None:
    survived = curve(result.outcomes)
    if survived is None:
        return
    until = max(outcome.time for outcome in result.known)
    steps = [0.0, *survived.steps, until]
    share = [1.0, *survived.share, survived.share[-1] if survived.share else 1.0]
    axes.step(steps, share, where="post", color=look.color, linestyle=look.dash, linewidth=look.width, label=label)
    if share[-1] > 0:
        axes.plot(until, share[-1], "+", color=look.color, markersize=5)


def _ratio_axis(axis: Any) -> None:
    log_axis(axis, "grok step / baseline's")


def _written(figure: "Figure", stem: Path, formats: Sequence[str]) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in formats]
    for path in paths:
        write_figure(figure, path)
    return paths

"""How far forecasts could have been trusted on these very runs: a backtest, drawn."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import Run
from grokscope.report.style import DOUBLE, FAINT, INK, line, log_axis, look, points
from grokscope.warning.forecast.backtest import FORECAST, Backtest, Coverage, Odds, backtest
from grokscope.warning.forecast.backtest_tables import backtest_headline, backtest_tables, backtest_verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_RUNS = 8
"""Fewer cannot be divided into runs to calibrate on and runs to ask about"""
LEAST_GROKKED = 4
SMALLEST_PERCENT = 0.5
"""Errors below stand at it: zero has no place on a logarithmic axis"""


def section(runs: Sequence[Run], task: str) -> Section:
    """The backtest over a task's runs, each configuration left out in turn."""
    title = f"Forecast: {task}"
    known = [run.trajectory for run in runs if run.outcome in {"grokked", "memorized", "never memorized"}]
    grokked = sum(each.grok_step is not None for each in known)
    if len(known) < LEAST_RUNS or grokked < LEAST_GROKKED:
        why = (
            f"a backtest takes {LEAST_RUNS} finished runs of which {LEAST_GROKKED} grokked; here are {len(known)} and "
            f"{grokked}"
        )
        return Section(f"forecast-{task}", title, (), (LeftOut("Forecast calibration", why),))
    try:
        tested = backtest(known)
    except ValueError as problem:
        return Section(f"forecast-{task}", title, (), (LeftOut("Forecast calibration", str(problem)),))
    parts: list[Part] = [_plate(tested, task), *(table.about(task) for table in backtest_tables(tested))]
    return Section(
        f"forecast-{task}", title, (backtest_headline(tested), " ".join(backtest_verdict(tested))), tuple(parts)
    )


def _plate(tested: Backtest, task: str) -> Plate:
    errors = [each for each in tested.errors if each.candidate == FORECAST and each.median_percent is not None]
    told = "; ".join(
        f"at {100 * each.at:g} % of the way the forecast is off by {each.median_percent:.0f} % ({each.runs} runs)"
        for each in errors
    )
    return Plate(
        slug=f"forecast-{task}",
        title="Backtest",
        caption="a: median error of the projected grok step against the fraction of the way to grokking, by candidate "
        "law; the forecast is the law chosen on the other configurations, where it spoke. b: how often its interval "
        "held the truth (numbers: intervals given), and how often it spoke at all. c: Brier score of the probability "
        "of grokking within the budget (0 is perfect) against always saying the share that groks, by fraction of the "
        "budget. d: probabilities given, and the share of these answers whose run grokked (numbers: distinct runs; "
        "one run gives many answers); on the dotted line they agree.",
        alt=f"Four charts of a backtest. {told or 'The forecast never spoke'}.",
        draw=lambda: draw_backtest(tested),
    )


def draw_backtest(tested: Backtest) -> "Figure":
    """Errors, intervals, and two charts of probabilities."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE, 5.6))
    (errors, intervals), (odds, reliability) = figure.subplots(2, 2)
    _draw_errors(errors, tested)
    _draw_intervals(intervals, tested)
    _draw_odds(odds, tested)
    _draw_reliability(reliability, tested)
    for letter, axes in zip("abcd", (errors, intervals, odds, reliability), strict=True):
        axes.set_title(letter, loc="left")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower left", ncols=5, columnspacing=1.2)
    return figure


def _draw_errors(axes: "Axes", tested: Backtest) -> None:
    candidates = list(dict.fromkeys(each.candidate for each in tested.errors))
    for index, candidate in enumerate(each for each in candidates if each != FORECAST):
        own = look(index)
        known = [each for each in tested.errors if each.candidate == candidate and each.median_percent is not None]
        if known:
            axes.plot([100 * each.at for each in known], [_percent(each.median_percent) for each in known],
                      color=own.color, linestyle=own.dash, marker=own.marker, markersize=2.8, linewidth=0.8,
                      label=candidate)  # fmt: skip
    spoken = [each for each in tested.errors if each.candidate == FORECAST]
    axes.plot([100 * each.at for each in spoken], [_percent(each.median_percent) for each in spoken], color=INK,
              linewidth=2, marker="*", markersize=7, label="forecast", zorder=4)  # fmt: skip
    log_axis(axes.yaxis, "median error of the grok step (%)")
    _fractions(axes, "way to grokking (%)")


def _percent(value: float | None) -> float:
    """A gap in the line where nothing was said."""
    return math.nan if value is None else max(value, SMALLEST_PERCENT)


def _draw_intervals(axes: "Axes", tested: Backtest) -> None:
    known = [each for each in tested.coverage if each.covered is not None]
    axes.axhline(100 * tested.level, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot([100 * each.at for each in tested.coverage], [_spoke(each) for each in tested.coverage],
              **line("floor"), label="spoke")  # fmt: skip
    axes.plot([100 * each.at for each in known], [100 * (each.covered or 0) for each in known], **points("led"),
              label=f"covered (aim: {100 * tested.level:g})")  # fmt: skip
    for each in known:
        axes.annotate(str(each.intervals), (100 * each.at, 100 * (each.covered or 0)), xytext=(0, 4.5),
                      textcoords="offset points", ha="center", fontsize=5.8, color=FAINT)  # fmt: skip
    axes.set_ylim(-3, 112)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylabel("runs (%)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1)
    _fractions(axes, "way to grokking (%)")


def _spoke(each: Coverage) -> float:
    return 100 * each.projected / each.runs if each.runs else math.nan


def _draw_odds(axes: "Axes", tested: Backtest) -> None:
    for index, name in enumerate(dict.fromkeys(each.runs for each in tested.odds)):
        mine: list[Odds] = [each for each in tested.odds if each.runs == name and each.brier is not None]
        own = look(index)
        at = [100 * each.at for each in mine]
        axes.plot(at, [each.brier or 0 for each in mine], color=own.color, marker=own.marker, markersize=3.4,
                  label=name if name == "all" else "with decay")  # fmt: skip
        axes.plot(at, [each.base_brier or 0 for each in mine], color=own.color, linestyle=(0, (1, 1.6)), linewidth=0.9,
                  label="its base rate")  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Brier score")
    if tested.odds:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1)
    _fractions(axes, "budget spent (%)")


def _draw_reliability(axes: "Axes", tested: Backtest) -> None:
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    for index, name in enumerate(dict.fromkeys(each.runs for each in tested.reliability)):
        mine = [each for each in tested.reliability if each.runs == name]
        own = look(index)
        axes.plot([each.said for each in mine], [each.grokked for each in mine], color=own.color, linestyle=own.dash,
                  marker=own.marker, markersize=3.4, label=name if name == "all" else "with decay")  # fmt: skip
        for each in mine if name == "all" else []:
            axes.annotate(str(each.distinct), (each.said, each.grokked), xytext=(4, -8), textcoords="offset points",
                          fontsize=5.8, color=FAINT)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("probability given")
    axes.set_ylabel("share that grokked")
    if tested.reliability:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1)


def _fractions(axes: "Axes", words: str) -> None:
    axes.set_xlim(3, 97)
    axes.set_xticks([10, 30, 50, 70, 90])
    axes.set_xlabel(words)

"""How far forecasts could have been trusted on these very runs: a backtest, drawn."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.report.sources import Run
from grokscope.report.style import DOUBLE, FAINT, INK, line, look, points
from grokscope.warning.forecast.backtest import Backtest, backtest
from grokscope.warning.forecast.backtest_scores import DateScore
from grokscope.warning.forecast.backtest_tables import (
    QUESTION_WORDS,
    backtest_headline,
    backtest_tables,
    backtest_verdict,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_RUNS = 8
"""Fewer cannot be divided into runs to calibrate on and runs to ask about"""
LEAST_GROKKED = 4


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
    errors = "; ".join(
        f"at {each.part:g} of the usual κ the forecast is off by {100 * each.error:.0f} %, lr · wd alone by "
        f"{100 * each.clock_error:.0f} % ({each.answered} runs)"
        for each in tested.dates
        if each.error is not None and each.clock_error is not None
    )
    return Plate(
        slug=f"forecast-{task}",
        title="Backtest",
        caption="a: mean error of the grok step against the part of the usual κ at which runs were asked, beside lr · "
        "wd alone on the same runs. b: how often the interval held the truth (numbers: intervals given), and how often "
        "a grok step was given. c: Brier score of the probabilities (0 is perfect) against always giving the share of "
        "the bank's runs that came to it. d: probabilities given, and the share of these answers whose run came to it "
        "(numbers: distinct runs; one run gives many answers); on the dotted line they agree.",
        alt=f"Four charts of a backtest. {errors or 'The forecast never spoke'}.",
        draw=lambda: draw_backtest(tested),
    )


def draw_backtest(tested: Backtest) -> "Figure":
    """Errors, intervals, and two charts of probabilities."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE, 5.6))
    (errors, intervals), (scores, reliability) = figure.subplots(2, 2)
    _draw_errors(errors, tested)
    _draw_intervals(intervals, tested)
    _draw_scores(scores, tested)
    _draw_reliability(reliability, tested)
    for letter, axes in zip("abcd", (errors, intervals, scores, reliability), strict=True):
        axes.set_title(letter, loc="left")
    return figure


def _draw_errors(axes: "Axes", tested: Backtest) -> None:
    spoken = [each for each in tested.dates if each.error is not None]
    at = [each.part for each in spoken]
    own = look(0)
    axes.plot(at, [100 * (each.clock_error or 0) for each in spoken], color=own.color, linestyle=own.dash,
              marker=own.marker, markersize=2.8, linewidth=0.8, label="lr · wd alone")  # fmt: skip
    axes.plot(at, [100 * (each.error or 0) for each in spoken], color=INK, linewidth=2, marker="*", markersize=7,
              label="forecast", zorder=4)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean error of the grok step (%)")
    if spoken:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1)
    _at_parts(axes)


def _draw_intervals(axes: "Axes", tested: Backtest) -> None:
    known = [each for each in tested.dates if each.covered is not None]
    axes.axhline(100 * tested.level, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot([each.part for each in tested.dates], [_spoke(each) for each in tested.dates], **line("floor"),
              label="spoke")  # fmt: skip
    axes.plot([each.part for each in known], [100 * (each.covered or 0) for each in known], **points("led"),
              label=f"covered (aim: {100 * tested.level:g})")  # fmt: skip
    for each in known:
        axes.annotate(str(each.intervals), (each.part, 100 * (each.covered or 0)), xytext=(0, 4.5),
                      textcoords="offset points", ha="center", fontsize=5.8, color=FAINT)  # fmt: skip
    axes.set_ylim(-3, 112)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylabel("runs (%)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1)
    _at_parts(axes)


def _spoke(each: DateScore) -> float:
    return 100 * each.answered / each.asked if each.asked else math.nan


def _draw_scores(axes: "Axes", tested: Backtest) -> None:
    for index, question in enumerate(("generalizes", "reaches")):
        mine = [each for each in tested.chances if each.question == question and each.brier is not None]
        own = look(index)
        at = [each.part for each in mine]
        axes.plot(at, [each.brier or 0 for each in mine], color=own.color, marker=own.marker, markersize=3.4,
                  label=QUESTION_WORDS[question])  # fmt: skip
        axes.plot(at, [each.base_brier or 0 for each in mine], color=own.color, linestyle=(0, (1, 1.6)), linewidth=0.9,
                  marker=own.marker, markersize=3.4, markerfacecolor="none", label="its base rate")  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Brier score")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, fontsize=5)
    _at_parts(axes)


def _draw_reliability(axes: "Axes", tested: Backtest) -> None:
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    for index, question in enumerate(("generalizes", "reaches")):
        mine = [each for each in tested.reliability if each.question == question]
        own = look(index)
        axes.plot([each.said for each in mine], [each.came for each in mine], color=own.color, linestyle=own.dash,
                  marker=own.marker, markersize=3.4, label=QUESTION_WORDS[question])  # fmt: skip
        for each in mine:
            axes.annotate(str(each.distinct), (each.said, each.came), xytext=(0, 4.5), textcoords="offset points",
                          ha="center", fontsize=5.8, color=FAINT)  # fmt: skip
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.06, 1.1)
    axes.set_xlabel("probability given")
    axes.set_ylabel("share that came to it")


def _at_parts(axes: "Axes") -> None:
    axes.set_xlim(0.1, 0.7)
    axes.set_xlabel("decay time, parts of the usual κ")

"""A projection in words, and the laws behind it as a table."""

from collections.abc import Iterator

from grokscope.warning.forecast.forecaster import Projection
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.laws import LAWS
from grokscope.warning.relapse import relapse_of
from grokscope.warning.trajectory import Trajectory
from grokscope.words.names import STAGE_WORDS
from grokscope.words.numbers import count, fixed, whole_percent
from grokscope.words.table import Column, Table

UNKNOWN_ERROR = 9.0
"""Sorts laws whose error is not known behind the others"""


def projection_headline(trajectory: Trajectory, projection: Projection) -> str:
    """Which run, how far, and in which stage."""
    grokked = "grokked" if trajectory.regress_step is None else "grokked and lost it again"
    stage = grokked if trajectory.grok_step is not None else STAGE_WORDS.get(projection.stage, "")
    where = f"step {count(projection.step)} of {count(trajectory.budget)}"
    return f"{trajectory.name}: {where}" + (f", {stage}" if stage else "")


def answers(trajectory: Trajectory, projection: Projection) -> Iterator[tuple[str, str]]:
    """What is said of the run: a label and a text each."""
    if projection.probability is not None:
        yield "probability", f"{fixed(2)(projection.probability)} of grokking within the budget"
    if projection.abstained:
        since = f" at step {count(trajectory.grok_step)}" if trajectory.grok_step is not None else ""
        yield "no forecast", projection.abstained + since
    if (relapse := relapse_of(trajectory)) is not None:
        yield "but", relapse.in_words()
    if projection.grok_step is not None:
        lead = round(projection.grok_step) - projection.step
        yield "grok step", f"{count(projection.grok_step)}, in {count(lead)} steps, by {projection.law}"
        if projection.low is not None and projection.high is not None:
            ends = f"{count(projection.low)} to {count(projection.high)}"
            yield "interval", f"{ends}, {whole_percent(FORECAST_LEVEL)} of runs that grok"
        else:
            yield "no interval", projection.no_interval or ""


def candidates_table(projection: Projection) -> Table:
    """A row a law that gives a grok step, the one with the smallest error first."""
    words = {law.name: law.words for law in LAWS}
    names = sorted(projection.candidates, key=lambda name: projection.errors.get(name, UNKNOWN_ERROR))
    return Table(
        "laws",
        "Laws",
        (
            Column("law"),
            Column("chosen", lambda chosen: "*" if chosen else ""),
            Column("grok step", count),
            Column("off by", lambda error: f"× {10**error:.2f}", "mean |log10|"),
            Column("what it goes by"),
        ),
        tuple(
            (name, name == projection.law, projection.candidates[name], projection.errors.get(name), words[name])
            for name in names
        ),
        ("chosen: nearest on unseen configurations, from step 0 to grokking.",) if projection.law in names else (),
    )

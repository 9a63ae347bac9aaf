"""The results of an experiment as tables and as files: one CSV per table, and one Markdown page with all tables."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokscope.experiment.analysis import Analysis, ArmResult
from grokscope.experiment.claims import JudgedClaim, ratio_in_words
from grokscope.experiment.conditions import Arm, condition_named
from grokscope.experiment.design import Design, Planned
from grokscope.experiment.effects import Effect, Slope
from grokscope.gate import write_file
from grokscope.sweeps.standing import CellStanding
from grokscope.words.durations import duration
from grokscope.words.numbers import (
    count,
    counted,
    estimate,
    fixed,
    interval_form,
    listed,
    number,
    p_value,
    parts_of_whole,
    whole_percent,
)
from grokscope.words.table import Column, Table, TableCell

_RATIO = ("ratio", "95 % low", "95 % high", "bound")


def experiment_tables(analysis: Analysis, claims: Sequence[JudgedClaim]) -> list[Table]:
    """The tables of effects, contrasts, doses and claims. Empty tables are left out."""
    tables = (effects_table(analysis), contrasts_table(analysis), responses_table(analysis), claims_table(claims))
    return [table for table in tables if table.rows]


def effects_table(analysis: Analysis) -> Table:
    """One row per arm: its grok steps, and the comparison with the baseline."""
    columns = (
        Column("condition", _label, parts=("condition", "dose")),
        Column("grokked", parts_of_whole, parts=("grokked", "runs")),
        Column("step", lambda cell: count(cell[0]) if cell[1] else f"> {count(cell[0])}",
               parts=("restricted mean", "every run grokked")),
        Column("ratio to baseline", ratio_in_words, parts=_RATIO),
        Column("verdict"),
        Column("detectable", whole_percent, rank=1),
        Column("p", p_value, rank=2),
        Column("over seeds", interval_form(fixed(2)), parts=("over seeds, low", "over seeds, high"), rank=3),
        Column("relative norm", lambda strength: number(strength, 2), rank=4),
        Column("log-rank p", p_value, detail=True),
        Column("grok steps", detail=True),
    )  # fmt: skip
    return Table(
        "effects",
        "Effects against the baseline",
        columns,
        tuple(map(_arm_row, analysis.arms)),
        (
            "step: mean of the grok steps; a run that did not grok counts with its budget.",
            "ratio: ratio of grok steps on the same seed, with the 95 % interval from the noise between runs of one "
            "seed. A run that did not grok gives a bound. over seeds: the interval from the spread of the seeds alone.",
            "p: corrected by Holm's method. A verdict with a question mark is not significant after the correction.",
            "detectable: where no effect was found, the smallest effect that would be found with 80 % power.",
            "relative norm: norm of the change of gradient, update or weights, divided by the norm before the change.",
        ),
    )


def contrasts_table(analysis: Analysis) -> Table:
    """One row per condition and dose with a control at the same dose."""
    return Table(
        "contrasts",
        "Effects against the controls",
        (
            Column("condition", _label, parts=("condition", "dose")),
            Column("control"),
            Column("ratio", ratio_in_words, parts=_RATIO),
            Column("p", p_value, rank=1),
            Column("verdict"),
        ),
        tuple(
            (_arm(each.arm), each.control.condition, _ratio(each.effect), each.p, each.verdict)
            for each in analysis.contrasts
        ),
    )


def responses_table(analysis: Analysis) -> Table:
    """One row per condition that was run at several doses."""
    return Table(
        "dose-response",
        "Dose and response",
        (
            Column("condition"),
            Column("ratio at the largest dose", _at_dose, parts=("slope", "95 % low", "95 % high", "largest dose")),
            Column("trend", lambda z: f"{z:+.1f}", unit="z"),
            Column("p", p_value, rank=1),
            Column("verdict"),
        ),
        tuple(
            (
                each.condition,
                _slope(each.slope),
                each.trend,
                each.trend_p,
                each.verdict,
            )
            for each in analysis.responses
        ),
        (
            "ratio at the largest dose: from a linear fit of log grok step on dose, at doses where every run grokked.",
            "trend: Kendall's S within seeds as a normal deviate; above 0 means later grokking at larger doses.",
        ),
    )


def claims_table(claims: Sequence[JudgedClaim]) -> Table:
    """One row per published claim, with the finding of these runs."""
    return Table(
        "claims",
        "Published claims",
        (
            Column("condition", _label, parts=("condition", "dose")),
            Column("finding"),
            Column("claim"),
            Column("our ratio"),
            Column("the author's figures"),
            Column("source", lambda source: f"arXiv {source}", rank=1),
        ),
        tuple(
            (
                (each.claim.condition, each.claim.dose), each.finding, each.claim.text, each.numbers,
                each.claim.evidence, each.claim.source,
            )
            for each in claims
        ),
    )  # fmt: skip


def spectrum_table(experiments: Mapping[str, Analysis]) -> Table:
    """Effects of several experiments: one row per arm, one column per experiment."""
    arms = list(dict.fromkeys(result.arm for each in experiments.values() for result in each.arms))
    return Table(
        "spectrum",
        "Effects side by side",
        tuple(map(Column, ("condition", *experiments))),
        tuple((arm.label, *(_side_by_side(each.result(arm)) for each in experiments.values())) for arm in arms),
        (
            "Ratio of grok steps to the baseline of the same seed, with its 95 % interval. For the baseline: its grok "
            "step, and the number of runs that grokked.",
        ),
    )


def experiment_plan_table(planned: Sequence[tuple[Planned, CellStanding]]) -> Table:
    """One row per run: its state and its treatment."""
    return Table(
        "plan",
        "Runs",
        tuple(map(Column, ("run", "state", "intervention"))),
        tuple(
            (each.cell.slug, standing.word, "; ".join(map(str, each.cell.settings.get("interventions.schedule", []))))
            for each, standing in planned
        ),
    )


def experiment_headline(design: Design, analysis: Analysis) -> str:
    """The task, preset and seeds of an experiment, and how many runs have ended."""
    outcomes = [outcome for result in analysis.arms for outcome in result.outcomes]
    over = sum(outcome.over for outcome in outcomes)
    spent = duration(sum(outcome.seconds for outcome in outcomes))
    seeds = ", ".join(map(str, design.seeds))
    return (
        f"{design.name}: {design.task}, preset {design.preset}, seeds {seeds}; {over} of "
        f"{counted(len(outcomes), 'run')} ended, {spent}"
    )


def remarks(analysis: Analysis) -> list[str]:
    """Sentences about the noise, the runs that are not analysed, and the test across all arms."""
    sentences = [f"Noise between runs of one seed: {analysis.noise.text}."]
    untreated = [outcome.name for result in analysis.arms for outcome in result.untreated]
    if untreated:
        sentences.append(f"Never treated, because the run ended before its intervention acted: {listed(untreated, 3)}.")
    if analysis.log_rank is not None:
        test = analysis.log_rank
        sentences.append(
            f"Log-rank test across all conditions, within seeds: chi-squared {number(test.statistic)}, {test.degrees} "
            f"degrees of freedom, p {p_value(test.p)}."
        )
    return sentences


def write_tables(design: Design, analysis: Analysis, claims: Sequence[JudgedClaim], folder: Path) -> list[Path]:
    """Every table as a CSV in `folder`, a CSV of all runs, and `results.md`. Returns their paths. Raises `OSError`."""
    outcomes = [outcome.to_dict() for result in analysis.arms for outcome in result.outcomes]
    tables = experiment_tables(analysis, claims)
    written = []
    for table in (Table.of_records("runs", "Runs", outcomes), *tables):
        if table.rows:
            written.append(folder / f"{table.slug}.csv")
            write_file(written[-1], table.csv())
    page = folder / "results.md"
    write_file(page, markdown(design, analysis, tables))
    return [*written, page]


def markdown(design: Design, analysis: Analysis, tables: Sequence[Table]) -> str:
    """The Markdown page: the tables, with the remarks."""
    named = dict.fromkeys(result.arm.condition for result in analysis.arms if not result.arm.is_baseline)
    settings = ", ".join(f"{key}={value}" for key, value in design.base.items()) or "none"
    parts = [
        f"# {design.name}",
        f"{experiment_headline(design, analysis)}. Treated from step: {design.start}. Settings beside the preset: "
        f"{settings}.",
        " ".join(remarks(analysis)),
        "\n".join(f"- {name}: {condition_named(name).summary}" for name in named),
        *(f"## {table.title}\n\n{table.markdown().rstrip()}" for table in tables),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _arm_row(result: ArmResult) -> tuple[TableCell, ...]:
    effect, baseline = result.effect, result.arm.is_baseline
    steps = [
        count(each.grok_step) if each.grok_step is not None else f"> {count(each.budget)}" for each in result.known
    ]
    return (
        _arm(result.arm),
        (result.grokked, len(result.known)),
        None if result.restricted_mean is None else (result.restricted_mean, result.grokked == len(result.known)),
        _ratio(effect),
        "" if baseline else result.verdict,
        None if effect is None or result.verdict != "no effect found" else math.exp(effect.detectable_log) - 1,
        result.p,
        None if effect is None else effect.over_seeds,
        result.strength,
        result.log_rank_p,
        ", ".join(steps),
    )


def _arm(arm: Arm) -> TableCell:
    return arm.condition, arm.dose


def _label(cell: tuple[str, float | None]) -> str:
    return Arm(*cell).label


def _slope(slope: Slope | None) -> TableCell:
    return None if slope is None else (slope.slope, slope.low, slope.high, max(slope.doses))


def _ratio(effect: Effect | None) -> TableCell:
    return None if effect is None else effect.cell


def _at_dose(cell: tuple[float, float, float, float]) -> str:
    *slopes, largest = cell
    return f"{estimate(fixed(2))(tuple(math.exp(slope * largest) for slope in slopes))} at {largest:g}"


def _side_by_side(result: ArmResult | None) -> str:
    if result is None or not result.known:
        return "–"
    grokked = f"({parts_of_whole((result.grokked, len(result.known)))})"
    if result.arm.is_baseline:
        return f"{count(result.restricted_mean)} {grokked}"
    if result.never:
        return f"never {grokked}"
    cell: Any = _ratio(result.effect)
    return "–" if cell is None else ratio_in_words(cell)

"""The causal experiment on the page: figures, effects, contrasts and published claims."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.experiment.analysis import Analysis, ArmResult, analyse
from grokscope.experiment.claims import JudgedClaim, judged
from grokscope.experiment.conditions import condition_named
from grokscope.experiment.conduct import all_outcomes
from grokscope.experiment.design import read_design
from grokscope.experiment.tables import (
    claims_table,
    contrasts_table,
    experiment_headline,
    experiment_tables,
    remarks,
    spectrum_table,
)
from grokscope.report.interventions import draw_dose_response, draw_effects, draw_survival
from grokscope.report.parts import LeftOut, Part, Plate, Section
from grokscope.sweeps.commands import toml_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def section(folder: Path, name: str) -> Section:
    """The section of one experiment. `name`: its name in this report. Raises `NoSuchRun`, `ConfigError`."""
    design = read_design(folder)
    outcomes = all_outcomes(design, folder.parent)
    analysis = analyse(outcomes)
    paragraphs = (
        f"{experiment_headline(design, analysis)}. A treated run has the split, initialization and batches of the "
        "baseline of its seed. A control differs from its intervention only in the tested idea.",
        " ".join(remarks(analysis)),
    )
    parts: list[Part] = [
        _plate(f"effects-{name}", "Effects", EFFECTS, analysis, lambda: draw_effects({"": analysis})),
        _plate(f"dose-{name}", "Dose and response", DOSES, analysis, lambda: draw_dose_response(analysis)),
        _plate(f"survival-{name}", "Survival", SURVIVAL, analysis, lambda: draw_survival(analysis)),
        *_tables(analysis, judged(design.task, analysis), name),
    ]
    return Section(f"experiment-{name}", f"Interventions: {name}", paragraphs, tuple(parts))


def spectrum_section(folders: Mapping[str, Path]) -> Section:
    """The section of several experiments, by name. Raises `NoSuchRun`, `ConfigError`."""
    analyses = {name: analyse(all_outcomes(read_design(folder), folder.parent)) for name, folder in folders.items()}
    return Section("spectrum", "Levers and tasks side by side", (), spectrum_parts(analyses))


def spectrum_parts(analyses: Mapping[str, Analysis]) -> tuple[Part, ...]:
    """One figure and one table: what every lever did in every experiment."""
    table = spectrum_table(analyses)
    effects = [
        f"{name}, {_effect_in_words(result)}"
        for name, analysis in analyses.items()
        for result in analysis.arms
        if result.effect is not None and result.known
    ]
    if not effects:
        return LeftOut("Spectrum", "no treated run has ended yet"), table

    def drawn() -> "Figure":
        figure = draw_effects(analyses)
        assert figure is not None
        return figure

    return Plate("spectrum", "Spectrum", SPECTRUM, f"{SPECTRUM} {'; '.join(effects)}.", drawn), table


def _tables(analysis: Analysis, claims: Sequence[JudgedClaim], name: str) -> list[Part]:
    """All tables, or the reason why a table is missing."""
    missing = {
        contrasts_table(analysis).title: "no condition was run together with its control",
        claims_table(claims).title: "there are no published claims about this task",
    }
    tables = [table.about(name) for table in experiment_tables(analysis, claims)]
    titles = {table.title for table in tables}
    left_out = [LeftOut(f"{title}: {name}", why) for title, why in missing.items() if f"{title}: {name}" not in titles]
    return [*tables, *left_out]


SPECTRUM = "Ratio of the grok step to that of the baseline of the same seed, one panel an experiment."
EFFECTS = (
    "Ratio of the grok step to that of the baseline of the same seed, mean and 95 % interval. Rings are seeds; arrows "
    "are bounds for runs that did not grok. The band is the noise between two runs of one seed."
)
DOSES = "The same against dose, each condition with its controls."
SURVIVAL = (
    "Share of runs that have not grokked yet (Kaplan–Meier) for each condition and the baseline; + marks censoring."
)


def _plate(
    slug: str, title: str, caption: str, analysis: Analysis, draw: "Callable[[], Figure | None]"
) -> Plate | LeftOut:
    arms = [result for result in analysis.arms if result.known and not result.arm.is_baseline]
    doses: dict[str, set[float | None]] = {}
    for result in arms:
        if result.effect is not None:
            doses.setdefault(result.arm.condition, set()).add(result.arm.dose)
    if not arms or not doses:
        return LeftOut(title, "no treated run has ended yet")
    if title.startswith("Dose") and max(map(len, doses.values())) < 2:
        return LeftOut(title, "no condition was run at two doses")

    def drawn() -> "Figure":
        figure = draw()
        assert figure is not None
        return figure

    return Plate(slug, title, caption, f"{caption} {'; '.join(map(_effect_in_words, arms))}.", drawn)


def _effect_in_words(result: ArmResult) -> str:
    return f"{result.arm.label}: {result.grokked} of {len(result.known)} grokked, {result.verdict}"


def experiment_command(folder: Path) -> str:
    """The command that repeats this experiment, from its record. Raises `NoSuchRun`."""
    design = read_design(folder)
    words = ["grokscope", "intervene", design.task, "--preset", design.preset, "--name", design.name]
    words += ["--seeds", ",".join(map(str, design.seeds)), "--replicates", str(design.replicates)]
    words += ["--conditions", ",".join(design.arms) or "baseline", "--start", str(design.start)]
    for name, doses in design.arms.items():
        if doses and not condition_named(name).fixed:
            words += ["--doses", f"{name}={','.join(f'{dose:g}' for dose in doses)}"]
    words += ["--published"] * design.published + ["--measure"] * design.measure
    for key, value in design.base.items():
        words += ["--set", f"{key}={toml_of(value)}"]
    return shlex.join(words)

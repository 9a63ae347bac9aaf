"""The causal experiment on the page: figures, effects, contrasts and published claims."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.experiment.analysis import Analysis, ArmResult, analyse
from grokscope.experiment.claims import JudgedClaim, judged
from grokscope.experiment.conditions import Arm, condition_named
from grokscope.experiment.conduct import all_outcomes
from grokscope.experiment.design import Design, read_design
from grokscope.experiment.tables import (
    claims_table,
    contrasts_table,
    experiment_headline,
    experiment_tables,
    remarks,
    spectrum_table,
)
from grokscope.report.interventions import draw_dose_response, draw_effects, draw_survival
from grokscope.report.parts import LeftOut, Part, Plate, Section, Sentence
from grokscope.sweeps.commands import toml_of
from grokscope.words.numbers import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReportedExperiment:
    """An experiment, analysed once for all places of the page."""

    name: str
    """Its name in this report"""
    design: Design
    analysis: Analysis
    claims: Sequence[JudgedClaim]

    @property
    def tried(self) -> list[JudgedClaim]:
        return [each for each in self.claims if each.finding != "not tried"]


def read_experiment(folder: Path, name: str) -> ReportedExperiment:
    """Read and analyse the experiment of this folder. Raises `NoSuchRun`, `ConfigError`."""
    design = read_design(folder)
    analysis = analyse(all_outcomes(design, folder.parent))
    return ReportedExperiment(name, design, analysis, judged(design.task, analysis))


def sentence(experiment: ReportedExperiment) -> Sentence | None:
    """How many published claims the experiment supports and refutes; None if it tried none."""
    found = Counter(each.finding for each in experiment.tried)
    if not found:
        return None
    return Sentence(
        f"{experiment.name}: of {counted(found.total(), 'published claim')} that these runs tried, "
        f"{found['supported']} are supported, {found['refuted']} refuted, {found['undecided']} undecided.",
        f"effects-{experiment.name}",
        _slug(experiment),
    )


def section(experiment: ReportedExperiment) -> Section:
    """The section of one experiment. The verdict on a claim stands beside the figure of its condition."""
    name, analysis = experiment.name, experiment.analysis
    paragraphs = (
        f"{experiment_headline(experiment.design, analysis)}. A treated run has the split, initialization and batches "
        "of the baseline of its seed. A control differs from its intervention only in the tested idea.",
        " ".join(remarks(analysis)),
    )
    at_doses = tuple(claim_in_words(each) for each in experiment.tried if each.claim.dose is not None)
    of_trends = tuple(claim_in_words(each) for each in experiment.tried if each.claim.dose is None)
    parts: list[Part] = [
        _plate(f"effects-{name}", "Effects", EFFECTS, analysis, lambda: draw_effects({"": analysis}), at_doses),
        _plate(f"dose-{name}", "Dose and response", DOSES, analysis, lambda: draw_dose_response(analysis), of_trends),
        _plate(f"survival-{name}", "Survival", SURVIVAL, analysis, lambda: draw_survival(analysis)),
        *_tables(analysis, experiment.claims, name),
    ]
    return Section(_slug(experiment), f"Interventions: {name}", paragraphs, tuple(parts))


def _slug(experiment: ReportedExperiment) -> str:
    return f"experiment-{experiment.name}"


def spectrum_section(experiments: Sequence[ReportedExperiment]) -> Section:
    """The section of several experiments."""
    analyses = {each.name: each.analysis for each in experiments}
    parts = (spectrum_figure(analyses), spectrum_table(analyses))
    return Section("spectrum", "Levers and tasks side by side", (), parts)


def spectrum_figure(analyses: Mapping[str, Analysis]) -> Part:
    """One figure: what every lever did in every experiment."""
    effects = [
        f"{name}, {_effect_in_words(result)}"
        for name, analysis in analyses.items()
        for result in analysis.arms
        if result.effect is not None and result.known
    ]
    if not effects:
        return LeftOut("Spectrum", "no treated run has ended yet")

    def drawn() -> "Figure":
        figure = draw_effects(analyses)
        assert figure is not None
        return figure

    return Plate("spectrum", "Spectrum", SPECTRUM, f"{SPECTRUM} {'; '.join(effects)}.", drawn)


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
    slug: str,
    title: str,
    caption: str,
    analysis: Analysis,
    draw: "Callable[[], Figure | None]",
    findings: tuple[str, ...] = (),
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

    return Plate(slug, title, caption, f"{caption} {'; '.join(map(_effect_in_words, arms))}.", drawn, findings)


def claim_in_words(own: JudgedClaim) -> str:
    """A published claim and its verdict, in a sentence."""
    claim = own.claim
    condition = claim.condition if claim.dose is None else Arm(claim.condition, claim.dose).label
    return f"{condition}, “{claim.text}” (arXiv {claim.source}): {own.finding} ({own.numbers})."


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

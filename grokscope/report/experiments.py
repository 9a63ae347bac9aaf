"""The causal experiment on the page: its figures, its effects, its contrasts, and the claims that it is about."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from grokscope.experiment.analysis import Analysis, ArmResult, analyse
from grokscope.experiment.claims import Judged, judged, said
from grokscope.experiment.conditions import CONDITIONS
from grokscope.experiment.conduct import all_outcomes
from grokscope.experiment.design import read_design
from grokscope.report.interventions import draw_dose_response, draw_effects, draw_survival
from grokscope.report.parts import LeftOut, Part, Plate, Section, Table, counted
from grokscope.sweeps.commands import toml_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def section(folder: Path, name: str) -> Section:
    """One experiment's folder, under its name in this report. Raises `NoSuchRun`, `ConfigError`."""
    design = read_design(folder)
    outcomes = all_outcomes(design, folder.parent)
    analysis = analyse(outcomes)
    known = sum(outcome.over for outcome in outcomes)
    paragraphs = (
        f"Task {design.task}, preset {design.preset}, {counted(len(design.seeds), 'seed')}; {known} of "
        f"{counted(len(outcomes), 'run')} are over. Each treatment is the baseline of its seed, same split, same "
        "initialization, same batches, but for the treatment; controls do the same without the idea.",
        f"Noise between runs of one seed: {analysis.noise.text}. Ratios are of grok steps on the same "
        "seed, with 95 % intervals from that noise; p values are "
        "Holm's; a run that did not grok within its budget gives a bound.",
    )
    parts: list[Part] = [
        _plate(f"effects-{name}", "Effects", EFFECTS, analysis, lambda: draw_effects({"": analysis})),
        _plate(f"dose-{name}", "Dose and response", DOSES, analysis, lambda: draw_dose_response(analysis)),
        _plate(f"survival-{name}", "Survival", SURVIVAL, analysis, lambda: draw_survival(analysis)),
        _effects(analysis, name),
        _contrasts(analysis, name),
        _claims(judged(design.task, analysis), name),
    ]
    return Section(f"experiment-{name}", f"Interventions: {name}", paragraphs, tuple(parts))


EFFECTS = (
    "Grok step over the baseline's on the same seed, mean and 95 % interval; rings are seeds, arrows bounds where runs "
    "did not grok. The band is how far two runs of one seed lie apart."
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
        return LeftOut(title, "no treated run is over yet")
    if title.startswith("Dose") and max(map(len, doses.values())) < 2:
        return LeftOut(title, "no condition was tried at two doses")

    def drawn() -> "Figure":
        figure = draw()
        assert figure is not None
        return figure

    return Plate(slug, title, caption, f"{caption} {'; '.join(map(_told, arms))}.", drawn)


def _told(result: ArmResult) -> str:
    return f"{result.arm.label}: {result.grokked} of {len(result.known)} grokked, {result.verdict}"


def experiment_command(folder: Path) -> str:
    """The command that makes this experiment again, from what it has on record. Raises `NoSuchRun`."""
    design = read_design(folder)
    words = ["grokscope", "intervene", design.task, "--preset", design.preset, "--name", design.name]
    words += ["--seeds", ",".join(map(str, design.seeds)), "--replicates", str(design.replicates)]
    words += ["--conditions", ",".join(design.arms) or "baseline", "--start", str(design.start)]
    for condition, doses in design.arms.items():
        if doses and not CONDITIONS[condition].fixed:
            words += ["--doses", f"{condition}={','.join(f'{dose:g}' for dose in doses)}"]
    words += ["--published"] * design.published + ["--measure"] * design.measure
    for key, value in design.base.items():
        words += ["--set", f"{key}={toml_of(value)}"]
    return shlex.join(words)


def _effects(analysis: Analysis, name: str) -> Table:
    rows = tuple(
        (
            each.arm.condition, each.arm.dose, len(each.known), each.grokked,
            ", ".join("later" if one.grok_step is None else str(one.grok_step) for one in each.known),
            None if each.effect is None else each.effect.ratio,
            "" if each.effect is None else said(each.effect), each.p, "" if each.arm.is_baseline else each.verdict,
        )
        for each in analysis.arms
    )  # fmt: skip
    columns = (
        "condition",
        "dose",
        "runs",
        "grokked",
        "grok steps",
        "ratio",
        "ratio and interval",
        "p (Holm)",
        "verdict",
    )
    return Table(f"effects-{name}", f"Effects against the baseline: {name}", columns, rows)


def _contrasts(analysis: Analysis, name: str) -> Table | LeftOut:
    title = f"Against the controls: {name}"
    if not analysis.contrasts:
        return LeftOut(title, "no condition was run beside a control of it")
    rows = tuple(
        (each.arm.condition, each.control.condition, each.arm.dose, said(each.effect), each.p, each.verdict)
        for each in analysis.contrasts
    )
    return Table(f"contrasts-{name}", title, ("condition", "control", "dose", "ratio", "p (Holm)", "verdict"), rows)


def _claims(claims: "list[Judged] | tuple[Judged, ...]", name: str) -> Table | LeftOut:
    title = f"Published claims: {name}"
    if not claims:
        return LeftOut(title, "nothing was claimed about this task")
    rows = tuple(
        (
            each.claim.condition, each.claim.dose, each.claim.text, each.claim.evidence, each.numbers, each.finding,
            f"arXiv {each.claim.source}",
        )
        for each in claims
    )  # fmt: skip
    columns = ("condition", "dose", "claim", "the author's own figures", "these runs", "finding", "source")
    return Table(f"claims-{name}", title, columns, rows)

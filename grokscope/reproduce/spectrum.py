"""The spectrum: what every lever and intervention did on every task, each beside its control.

All studies of one task are one column. A treated run is compared with the baseline of its own study. The noise between
runs of one seed is that of the task, because only some studies repeat their baselines.
"""

from collections.abc import Iterable, Mapping, Sequence

from grokscope.experiment.analysis import Analysis, analyse
from grokscope.experiment.claims import ratio_in_words
from grokscope.experiment.conditions import CONTROLS
from grokscope.experiment.effects import replicate_noise
from grokscope.experiment.outcomes import Outcome
from grokscope.reproduce.claims import all_studies
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.words.numbers import parts_of_whole
from grokscope.words.table import Column, Table, TableCell

_RATIO = ("ratio", "95 % low", "95 % high", "bound")


def spectrum_of(evidence: Mapping[str, StudyEvidence]) -> dict[str, Analysis]:
    """One analysis per task or operation, of all its studies with a baseline and runs. `evidence`: by study."""
    columns: dict[str, list[StudyEvidence]] = {}
    for name, each in evidence.items():
        study = all_studies()[name]
        if study.has_baseline and not each.empty:
            columns.setdefault(study.setting, []).append(each)
    return {setting: _together(studies) for setting, studies in columns.items()}


def levers_table(spectrum: Mapping[str, Analysis]) -> Table:
    """One row per treatment, task and control: the effect, and the effect against the control."""
    rows: dict[str, list[tuple[TableCell, ...]]] = {}
    for setting, analysis in spectrum.items():
        controls = {contrast.control for contrast in analysis.contrasts}
        for result in analysis.arms:
            if result.effect is not None and result.known and result.arm not in controls:
                own = (result.arm.label, setting, (result.grokked, len(result.known)), result.effect.cell)
                beside: list[tuple[TableCell, TableCell]] = [
                    (contrast.control.label, contrast.effect.cell)
                    for contrast in analysis.contrasts
                    if contrast.arm == result.arm
                ]
                rows.setdefault(result.arm.label, []).extend((*own, *each) for each in beside or [(None, None)])
    return Table(
        "levers",
        "Levers beside their controls",
        (
            Column("lever", code=True), Column("task"), Column("grokked", parts_of_whole, parts=("grokked", "runs")),
            Column("ratio to baseline", ratio_in_words, parts=_RATIO), Column("control", code=True),
            Column("ratio to control", ratio_in_words, parts=_RATIO),
        ),
        tuple(row for group in rows.values() for row in group),
        (
            "Ratio of grok steps on the same seed, with the 95 % interval from the noise between runs of one seed. "
            "Below 1 is sooner. A run that did not grok gives a bound. A dash: the baseline, or the control, did not "
            "grok either, or there is no control.",
        ),
    )  # fmt: skip


def _together(studies: Sequence[StudyEvidence]) -> Analysis:
    """The analyses of several studies of one task as one. Of equal arms the first counts."""
    outcomes = [_in_order(each) for each in studies]
    baselines = _distinct(outcome for each in outcomes for outcome in each if outcome.arm.is_baseline)
    noise = replicate_noise(baselines)
    parts = [
        analyse(own, noise, [*CONTROLS, *all_studies()[each.study].controls.items()])
        for each, own in zip(studies, outcomes, strict=True)
    ]
    arms = {result.arm: result for part in reversed(parts) for result in reversed(part.arms[1:])}
    return Analysis(
        noise,
        (analyse(baselines, noise).baseline, *reversed(arms.values())),
        tuple(contrast for part in parts for contrast in part.contrasts),
        tuple(response for part in parts for response in part.responses),
        None,
    )


def _in_order(evidence: StudyEvidence) -> list[Outcome]:
    """The outcomes of a study, in the order of its arms."""
    order = {name: place for place, name in enumerate(all_studies()[evidence.study].arms)}
    return sorted(evidence.all_outcomes(), key=lambda outcome: order.get(outcome.arm.condition, len(order)))


def _distinct(baselines: Iterable[Outcome]) -> list[Outcome]:
    """One baseline per seed and replicate: several studies may hold the same run."""
    return list({(outcome.seed, outcome.replicate): outcome for outcome in baselines}.values())

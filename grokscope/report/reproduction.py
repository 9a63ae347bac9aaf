"""The verdicts on published claims as a page, with tables beside it and the runs as small files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from grokscope.gate import write_file
from grokscope.report.experiments import spectrum_figure
from grokscope.report.parts import LeftOut, Part, Section
from grokscope.report.write import write_sections
from grokscope.reproduce.claims import all_studies
from grokscope.reproduce.evidence import StudyEvidence, write_evidence
from grokscope.reproduce.judging import Verdict
from grokscope.reproduce.spectrum import spectrum_of
from grokscope.reproduce.tables import all_tables, verdicts_headline, verdicts_page

RESULTS = "results.md"


def write_reproduction(
    verdicts: Sequence[Verdict],
    evidence: Mapping[str, StudyEvidence],
    folder: Path,
    command: str,
    formats: Sequence[str] = ("svg",),
) -> list[Path]:
    """Write the page, its tables as CSV and Markdown, all of it as `results.md`, and the own runs of each study.

    `command`: what makes the files again. `formats`: of the figure; without any there is none, and Matplotlib is not
    needed. Returns the paths. Raises `Unavailable` if Matplotlib is needed and missing, `OSError`.
    """
    written = write_sections("Published claims, tested", [section(verdicts, evidence)], folder, formats)
    results = folder / RESULTS
    write_file(results, verdicts_page(verdicts, evidence, command))
    runs = [write_evidence(each, folder) for each in evidence.values() if each.own]
    return [written.page, results, *written.files, *runs]


def section(verdicts: Sequence[Verdict], evidence: Mapping[str, StudyEvidence]) -> Section:
    """The spectrum, all tables, the claim of each verdict in a sentence, and the studies that have no runs yet."""
    missing = [all_studies()[name] for name, each in evidence.items() if each.empty]
    spectrum = spectrum_of(evidence)
    parts: list[Part] = [spectrum_figure(spectrum)] if spectrum else []
    parts += all_tables(verdicts, evidence)
    parts += [LeftOut(study.name, "no runs of this study yet") for study in missing]
    return Section("claims", "Published claims", (verdicts_headline(verdicts),), tuple(parts))

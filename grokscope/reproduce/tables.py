"""The verdicts as tables and as one Markdown page, with the tables of PC1 and of the commutator by phase."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from grokscope.experiment.tables import spectrum_table
from grokscope.reproduce.claims import Budget, PublishedClaim, Study, all_studies, claims_of
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.reproduce.judging import Verdict
from grokscope.reproduce.spectrum import levers_table, spectrum_of
from grokscope.reproduce.statistics import PhaseName, concentration, in_phase
from grokscope.reproduce.studies import folder_name, study_cells
from grokscope.reproduce.verdict import Estimate
from grokscope.sweeps.standing import left_to_do
from grokscope.words.numbers import bracketed, counted, estimate, fixed, listed, number, percent
from grokscope.words.table import Column, Table, TableCell

PHASES: Mapping[str, float] = {
    "transverse_share": 1.0,
    "exec_random": 1.0,
    "exec_random_published": 1.0,
    "converse_alignment_over_chance": 1.0,
    "gradient_alignment": 0.0,
}
"""The numbers of the table by phase, each with its value where the commutator points nowhere in particular"""

_INTERVAL = ("value", "95 % low", "95 % high")


def verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    """One row per claim."""
    verdict, *numbers = verdict_columns()
    columns = (
        Column("claim", code=True),
        verdict,
        Column("sentence", detail=True, prose=True),
        *numbers,
        Column("source", detail=True, prose=True),
        Column("runs from", detail=True, prose=True),
    )
    rows = tuple(
        (each.claim.id, found, each.claim.sentence, *rest, each.claim.source, each.basis)
        for each in verdicts
        for found, *rest in [verdict_row(each)]
    )
    return Table("verdicts", "Published claims", columns, rows, verdict_notes())


def verdict_columns() -> tuple[Column, ...]:
    """Of `verdict_row`."""
    return (
        Column("verdict"),
        Column("ours", estimate(_short), parts=_INTERVAL),
        Column("null", _null_in_words, parts=("null", "null, low", "null, high")),
        Column("n", rank=1),
        Column("runs", rank=2),
        Column("published", rank=3),
        Column("what the runs say, and what would decide", rank=4, prose=True),
    )


def verdict_row(verdict: Verdict) -> tuple[TableCell, ...]:
    """What is known of a claim, in the order of `verdict_columns`."""
    found = verdict.estimate
    said = "; ".join(filter(None, (verdict.numbers, verdict.remark)))
    return (
        verdict.finding,
        None if found is None else (found.value, found.low, found.high),
        None if found is None else (found.null, found.null_low, found.null_high),
        None if found is None else found.clusters,
        None if found is None else found.runs,
        verdict.claim.published,
        said or None,
    )


def verdict_notes() -> tuple[str, ...]:
    """How to read these columns."""
    return (
        "ours: the estimate with its 95 % interval. null: the same statistic where the claim says nothing.",
        "n: configurations, or seeds of one configuration, that the interval is over.",
    )


def decisions_table(verdicts: Sequence[Verdict]) -> Table:
    """One row per claim: how it is decided."""
    return Table(
        "rules",
        "How each claim is decided",
        (
            Column("claim", code=True), Column("statistic", code=True), Column("supported by", prose=True),
            Column("refuted by", prose=True), Column("null", prose=True), Column("study", code=True),
        ),
        tuple(
            (each.claim.id, each.claim.statistic or None, each.claim.decided_by, each.claim.refuted_by,
             each.claim.null, each.claim.study or None)
            for each in verdicts
        ),
        folded=True,
    )  # fmt: skip


def pc1_table(evidence: Mapping[str, StudyEvidence]) -> Table:
    """PC1 of weight trajectories with weight decay and without, beside a random walk."""
    rows: list[tuple[TableCell, ...]] = []
    for name, study in evidence.items():
        decays = sorted({wd for run in study.over() if isinstance(wd := run.facts.get("optimizer.wd"), int | float)})
        for wd, groks in product(decays, (True, False)):
            found = concentration(study, {"optimizer.wd": wd}, groks)
            if found is not None:
                rows.append((name, wd, groks, found.clusters, found.runs, *_cells(found)))
    return Table(
        "pc1",
        "PC1 with weight decay and without",
        (
            Column("study", code=True), Column("weight decay"), Column("groks"), Column("n"), Column("runs"),
            Column("PC1", estimate(percent), parts=_INTERVAL), Column("random walk", percent),
        ),
        tuple(rows),
        ("PC1: all weight matrices as one block, the whole run. random walk: of equal steps, as many snapshots.",),
    )  # fmt: skip


def phases_table(study: StudyEvidence) -> Table:
    """Where the commutator points, by phase, with weight decay and without."""
    phases: tuple[PhaseName, ...] = ("plateau", "after")
    rows: list[tuple[TableCell, ...]] = [
        (name, arm, phase, found.clusters, *_cells(found))
        for name, null in PHASES.items()
        for arm in ("decay", "no-decay")
        for phase in phases
        if (found := in_phase(study, name, phase, null, arm=arm)) is not None
    ]
    return Table(
        "phases",
        "Where the commutator points",
        (
            Column("number", code=True), Column("arm"), Column("phase"), Column("seeds"),
            Column("mean", estimate(_short), parts=_INTERVAL), Column("chance", number),
        ),
        tuple(rows),
        (
            "plateau: from memorization to grokking, else to the end. after: from grokking on.",
            "mean: over seeds, of the median within the phase.",
        ),
    )  # fmt: skip


def planned_studies(
    chosen: Sequence[PublishedClaim], studies: Sequence[Study], budget: Budget, runs: Path
) -> list[dict[str, Any]]:
    """Each study with its claims, its runs, and how many of them are left to do. The caller may set `hours`.

    Raises `ConfigError`.
    """
    return [
        {
            "study": study.name,
            "summary": study.summary,
            "folder": None if study.at(budget) is None else str(runs / folder_name(study, budget)),
            "runs": len(cells),
            "left": len(left_to_do(cells)),
            "hours": None,
            "claims": [claim.id for claim in claims_of(study.name, chosen)],
        }
        for study in studies
        for cells in [study_cells(study, budget, runs)]
    ]


def plan_table(planned: Sequence[Mapping[str, Any]]) -> Table:
    """One row per study."""
    return Table(
        "plan",
        "Studies",
        (
            Column("study", code=True),
            Column("left"),
            Column("runs"),
            Column("hours", fixed(1)),
            Column("claims"),
            Column("summary", rank=1, narrowest=20),
        ),
        tuple(
            (each["study"], each["left"], each["runs"], each["hours"], len(each["claims"]), each["summary"])
            for each in planned
        ),
    )


def verdicts_headline(verdicts: Sequence[Verdict]) -> str:
    """How many claims came to what."""
    findings = [verdict.finding for verdict in verdicts]
    counts = [f"{findings.count(word)} {word}" for word in ("supported", "refuted", "undecided") if word in findings]
    untestable = sum(bool(verdict.claim.needs) for verdict in verdicts)
    beside = f", {untestable} of them not testable by this version" if untestable else ""
    return f"{counted(len(verdicts), 'claim')}: {listed(counts)}{beside}."


def all_tables(verdicts: Sequence[Verdict], evidence: Mapping[str, StudyEvidence]) -> Iterator[Table]:
    """Every table that is not empty: verdicts, effects of levers and interventions, PC1, phases, rules."""
    spectrum = spectrum_of(evidence)
    tables = [verdicts_table(verdicts), levers_table(spectrum), spectrum_table(spectrum), pc1_table(evidence)]
    if "decay-modular" in evidence:
        tables.append(phases_table(evidence["decay-modular"]))
    tables.append(decisions_table(verdicts))
    yield from (table for table in tables if table.rows)


def verdicts_page(verdicts: Sequence[Verdict], evidence: Mapping[str, StudyEvidence], command: str) -> str:
    """The Markdown page. `command` makes it again."""
    studies = [f"- `{name}`: {all_studies()[name].summary}; {each.basis}" for name, each in evidence.items()]
    parts = [
        "# Published claims, tested",
        f"{verdicts_headline(verdicts)} Made by `{command}`. A claim is decided by a rule that was written down with "
        "the claim. A verdict needs an interval and a null; without them the claim is undecided.",
        *(f"## {table.title}\n\n{table.markdown().rstrip()}" for table in all_tables(verdicts, evidence)),
        "## Studies",
        "\n".join(studies),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(found: Estimate) -> tuple[TableCell, TableCell]:
    return (found.value, found.low, found.high), found.null


def _null_in_words(cell: tuple[float, float | None, float | None]) -> str:
    value, low, high = cell
    return _short(value) if low is None and high is None else f"{_short(value)} {bracketed(low, high, _short)}"


def _short(value: float) -> str:
    return number(value, 3)

"""Verdicts, and that the table in the documentation is what the shipped results say."""

import re
from pathlib import Path

import pytest
from reproduce_made import made_run

from grokscope.experiment.conditions import Arm
from grokscope.experiment.outcomes import Outcome
from grokscope.reproduce.claims import all_claims, all_studies
from grokscope.reproduce.evidence import StudyEvidence, read_outcomes_table, write_evidence
from grokscope.reproduce.judging import judge, judged_all
from grokscope.reproduce.studies import evidence_of
from grokscope.reproduce.tables import verdicts_page
from grokscope.warning.tables import read_table

PAGE = Path(__file__).parents[2] / "docs" / "results-reproduce.md"
SOONER = all_claims()["grokfast-sooner"]


def levers(*ratios: float, against: str = "baseline", arm: str = "grokfast") -> StudyEvidence:
    """Pairs of runs, a seed each: the baseline groks at 500."""
    runs = [made_run(f"{against}-seed{seed}", 500, seed=seed) for seed in range(len(ratios))]
    runs += [made_run(f"{arm}-seed{seed}", round(500 * ratio), seed=seed) for seed, ratio in enumerate(ratios)]
    return StudyEvidence("levers-modular", "made runs", trajectories=tuple(runs))


def outcomes(condition: str, dose: float, *ratios: float) -> StudyEvidence:
    pairs = [(Arm("baseline"), seed, 1000) for seed in range(len(ratios))]
    pairs += [(Arm(condition, dose), seed, round(1000 * ratio)) for seed, ratio in enumerate(ratios)]
    runs = [Outcome(arm, seed, 0, "grokked", step, 6000, 10) for arm, seed, step in pairs]
    return StudyEvidence("noise-modular", "made runs", outcomes=tuple(runs))


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((0.5, 0.52, 0.48), "supported"), ((1.5, 1.6, 1.4), "refuted"), ((0.4, 1.6, 0.9), "refuted")],
)
def test_a_lever(ratios: tuple[float, ...], expected: str) -> None:
    """The published factor is 50: an interval that holds 1 and does not come near refutes it."""
    verdict = judge(SOONER, levers(*ratios))
    assert verdict.finding == expected
    assert ("the published size" in verdict.remark) == (expected == "supported")


def test_an_undecided_claim_says_how_many_seeds_would_decide() -> None:
    claim = all_claims()["grokfast-beyond-lr"]
    verdict = judge(claim, levers(0.5, 1.2, 0.6, 0.9, against="larger-lr"))
    assert verdict.finding == "undecided"
    assert re.fullmatch(
        r"about \d+ seeds would decide, here are 4; \d+ seeds more take about [\d.]+ core hours", verdict.remark
    )


def test_no_effect_is_supported_refuted_and_undecided() -> None:
    claim = all_claims()["modular-noise-0.1"]
    assert judge(claim, outcomes("noise", 0.1, *(0.99, 1.0, 1.01, 1.0) * 3)).finding == "supported"
    assert judge(claim, outcomes("noise", 0.1, *(0.49, 0.5, 0.51, 0.5) * 3)).finding == "refuted"
    verdict = judge(claim, outcomes("noise", 0.1, 0.8, 1.0, 1.25))
    assert (verdict.finding, verdict.estimate and verdict.estimate.clusters) == ("undecided", 3)
    assert "would decide" in verdict.remark


def test_a_supported_claim_that_the_null_supports_too_says_so() -> None:
    runs = [made_run(f"decay-seed{seed}", 600, seed=seed, transverse_share=0.9995 + seed * 1e-5) for seed in (1, 2, 3)]
    verdict = judge(all_claims()["invariance"], StudyEvidence("decay-modular", "made runs", trajectories=tuple(runs)))
    assert (verdict.finding, verdict.remark) == ("supported", "so does the null, so that the claim says nothing")


def test_what_cannot_be_tested_is_undecided_and_says_why() -> None:
    untestable = next(claim for claim in all_claims().values() if claim.needs)
    (verdict,) = judged_all([untestable], {})
    assert (verdict.finding, verdict.to_dict()["testable"]) == ("undecided", False)
    assert verdict.remark == f"not testable by this version: it lacks {untestable.needs}"


def test_without_runs_a_claim_is_undecided() -> None:
    verdict = judge(SOONER, StudyEvidence("levers-modular", "no runs"))
    assert (verdict.finding, verdict.estimate) == ("undecided", None)
    assert verdict.remark.startswith("not run yet: grokscope reproduce grokfast-sooner trains ")
    assert judge(all_claims()["modular-kick-10"], outcomes("noise", 0.1, 1.0, 1.0)).remark.startswith("not run yet: ")
    paper = judge(all_claims()["slow-regime"], StudyEvidence("slow-modular", "no runs"))
    assert "grokscope reproduce slow-regime --budget paper trains 4 runs, about 56 core hours" in paper.remark


def test_runs_that_do_not_grok_are_counted_in_what_would_decide() -> None:
    claim = all_claims()["temperature-sooner"]
    runs = [
        made_run(f"{claim.options[key]}-seed{seed}", None, seed=seed) for key in ("arm", "against") for seed in (1, 2)
    ]
    verdict = judge(claim, StudyEvidence("levers-modular", "made", trajectories=tuple(runs)))
    assert (verdict.finding, verdict.estimate) == ("undecided", None)
    assert "clamp-long-temperature grokked in 0 of 2 runs, clamp-long in 0 of 2" in verdict.remark
    assert "--budget paper" in verdict.remark


def test_a_bound_against_an_arm_that_never_groks_decides() -> None:
    """Its noise is that of the baseline, because an arm without a grok step has none."""
    claim = all_claims()["clamp-shorter-sooner"]
    steps = {"clamp-short": 100, "clamp-long": None, "baseline": 500}
    runs = [made_run(f"{arm}-seed{seed}", step, seed=seed) for arm, step in steps.items() for seed in (1, 2, 3)]
    verdict = judge(claim, StudyEvidence("levers-modular", "made", trajectories=tuple(runs)))
    assert verdict.finding == "supported"
    assert verdict.estimate is not None
    assert verdict.estimate.low is None


def test_printed_tables_have_no_more_rows(tmp_path: Path) -> None:
    claim = all_claims()["alpha-scan-table"]
    verdict = judge(claim, evidence_of(all_studies()[claim.study], "small", tmp_path))
    assert "the printed table has no more rows" in verdict.remark


@pytest.mark.parametrize("made", [levers(0.5, 0.6), outcomes("noise", 0.1, 1.0, 0.9)], ids=["runs", "outcomes"])
def test_evidence_is_written_in_the_form_of_shipped_results(made: StudyEvidence, tmp_path: Path) -> None:
    file = write_evidence(made, tmp_path)
    read = read_table(file) if made.trajectories else read_outcomes_table(file)
    assert [each.name for each in read] == [each.name for each in (made.trajectories or made.outcomes)]
    claim = SOONER if made.trajectories else all_claims()["modular-noise-0.1"]
    again = StudyEvidence(made.study, made.basis, trajectories=tuple(read)) if made.trajectories else StudyEvidence(
        made.study, made.basis, outcomes=tuple(read))  # type: ignore[arg-type]  # fmt: skip
    assert judge(claim, again) == judge(claim, made)


def test_the_documentation_shows_the_verdicts_of_the_shipped_results(tmp_path: Path) -> None:
    claims = list(all_claims().values())
    evidence = {name: evidence_of(study, "small", tmp_path) for name, study in all_studies().items()}
    page = verdicts_page(judged_all(claims, evidence), evidence, "grokscope reproduce --judge")
    again = "`grokscope reproduce --judge --runs NOWHERE -o DIR`, and copy DIR/results.md"
    assert page == PAGE.read_text(encoding="utf-8"), f"{PAGE.name} is out of date: {again}"

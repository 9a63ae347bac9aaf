"""The data: every claim is whole, every study can be planned, and every statistic takes its claim's options."""

import tomllib
from importlib.resources import files
from inspect import signature
from pathlib import Path

import pytest
from pydantic import ValidationError

from grokscope.experiment.claims import CLAIMS
from grokscope.reproduce.claims import BUDGETS, CLAIM_FILES, INTERVENTION, PublishedClaim, all_claims, all_studies
from grokscope.reproduce.statistics import STATISTICS
from grokscope.reproduce.studies import evidence_of, shipped_results, study_cells, train
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.standing import OnChange

PAPERS = (
    "2602.16967",
    "2602.16746",
    "2603.05228",
    "2505.15624",
    "2511.01938",
    "2606.18465",
    "2501.04697",
    "2405.20233",
)


def test_identifiers_are_unique_and_no_claim_is_lost() -> None:
    data = files("grokscope.reproduce").joinpath("data")
    listed = [claim["id"] for file in CLAIM_FILES for claim in tomllib.loads(data.joinpath(file).read_text())["claim"]]
    assert len(set(listed)) == len(listed)
    assert len(all_claims()) == len(listed) + len(CLAIMS)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_claims(paper: str) -> None:
    assert any(paper in claim.source for claim in all_claims().values())


@pytest.mark.parametrize("claim", [each for each in all_claims().values() if not each.needs], ids=lambda each: each.id)
def test_a_claim_names_a_study_and_the_options_of_its_statistic(claim: PublishedClaim) -> None:
    study = all_studies()[claim.study]
    assert bool(study.conditions) == (claim.statistic == INTERVENTION)
    if claim.statistic != INTERVENTION:
        signature(STATISTICS[claim.statistic]).bind(None, **claim.options)
    arms = {claim.options[key] for key in ("arm", "against") if key in claim.options}
    assert arms <= study.arms.keys()


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_study_can_be_planned_and_every_run_has_its_own_place(budget: str, tmp_path: Path) -> None:
    cells: list[Cell] = []
    for study in all_studies().values():
        planned = study_cells(study, budget, tmp_path)  # type: ignore[arg-type]
        assert bool(planned) == (study.at(budget) is not None)  # type: ignore[arg-type]
        assert len(planned) in {0, study.size}
        cells += planned
    assert len({cell.directory.path for cell in cells}) == len(cells)
    assert not list(tmp_path.iterdir())


def test_a_claim_without_a_rule_is_refused() -> None:
    whole = next(claim for claim in all_claims().values() if claim.rule is not None)
    with pytest.raises(ValidationError, match="needs a rule"):
        PublishedClaim.model_validate({**whole.model_dump(), "rule": None})
    with pytest.raises(ValidationError, match="needs a study, and one of the statistics"):
        PublishedClaim.model_validate({**whole.model_dump(), "statistic": "haruspicy"})


class Recorder:
    """An engine that trains nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, cells: list[Cell], on_change: OnChange) -> list[object]:
        self.asked += [cell.slug for cell in cells]
        return []


def test_training_goes_through_an_engine_and_records_a_sweep(tmp_path: Path) -> None:
    engine = Recorder()
    study = all_studies()["decay-modular"]
    assert train(study, "small", tmp_path, engine, lambda standing: None, print) == []  # type: ignore[arg-type]
    assert "decay-seed42" in engine.asked
    assert len(engine.asked) == len(study.seeds) * len(study.arms)
    assert (tmp_path / "reproduce-decay-modular" / "sweep.toml").is_file()


def arms_of(*names: str, runs: Path) -> set[str]:
    """Of the runs that these claims of one study need."""
    claims = [all_claims()[name] for name in names]
    cells = study_cells(all_studies()[claims[0].study].only_for(claims), "small", runs)
    return {cell.slug.split("-seed")[0] for cell in cells}


def test_a_claim_needs_what_it_is_about_its_control_and_the_baseline(tmp_path: Path) -> None:
    assert arms_of("scan-project-1", runs=tmp_path) == {"baseline", "project1", "project-random1"}
    assert arms_of("scan-kick-10", runs=tmp_path) == {"baseline", "kick10"}
    assert arms_of("scan-kick-10", "scan-project-1", runs=tmp_path) == {
        "baseline", "kick10", "project1", "project-random1",
    }  # fmt: skip
    doses = {f"{name}{dose}" for name in ("project", "project-random") for dose in (0.25, 0.5, 0.75, 1)}
    assert arms_of("modular-project-dose", runs=tmp_path) == {"baseline", *doses}
    assert arms_of("grokfast-beyond-lr", runs=tmp_path) == {"baseline", "grokfast", "larger-lr"}
    assert arms_of("invariance", runs=tmp_path) == {"decay"}
    assert arms_of("matrix-commutator", runs=tmp_path) == {"decay", "no-decay"}


def test_a_claim_about_all_doses_has_a_study_with_several() -> None:
    about = [claim for claim in all_claims().values() if claim.intervention and claim.intervention.dose is None]
    assert about
    for claim in about:
        assert claim.intervention
        assert len(all_studies()[claim.study].conditions[claim.intervention.condition]) > 1, claim.id


def test_the_hours_of_a_claim_are_those_of_its_runs() -> None:
    study, claim = all_studies()["effects-scan"], all_claims()["scan-project-1"]
    fewer = study.only_for([claim])
    assert (fewer.size, study.size) == (12, 27)
    assert study.small is not None
    assert study.small.hours is not None
    assert fewer.small is not None
    assert fewer.small.hours == pytest.approx(study.small.hours * 12 / 27)


def test_a_second_claim_goes_on_with_the_experiment_and_the_sweep_of_the_first(tmp_path: Path) -> None:
    for first, second in (("scan-kick-10", "scan-noise-0.1"), ("invariance", "matrix-commutator")):
        engine = Recorder()
        for name in (first, second):
            claim = all_claims()[name]
            study = all_studies()[claim.study].only_for([claim])
            train(study, "small", tmp_path, engine, lambda standing: None, lambda _: None)  # type: ignore[arg-type]
        assert engine.asked, "no cell was refused as lost"
    assert arms_of("scan-kick-10", runs=tmp_path) == {"baseline", "kick10", "noise0.1"}
    assert arms_of("invariance", runs=tmp_path) == {"decay"}


def test_a_study_without_runs_rests_on_the_shipped_results_at_its_own_budget_alone(tmp_path: Path) -> None:
    study = all_studies()["effects-modular"]
    assert shipped_results(study).is_file()
    found = evidence_of(study, "small", tmp_path)
    assert (found.basis, found.own, found.empty) == ("shipped results", False, False)
    assert evidence_of(study, "paper", tmp_path).empty

"""Whole experiments of tiny runs on the NumPy reference: both phases, again at will, and read at any time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from grokscope.experiment.analysis import analyse
from grokscope.experiment.conduct import all_outcomes, all_planned, check_design, conduct, starts
from grokscope.experiment.design import Design, read_design, record_design
from grokscope.registry import get
from grokscope.runs.log import read
from grokscope.settings.config import ConfigError
from grokscope.sweeps.engine import Failure
from grokscope.sweeps.grid import Cell
from grokscope.sweeps.manifest import read_sweep
from grokscope.sweeps.standing import OnChange, read_standing
from grokscope.training.launch import launched

TINY = {
    "task.modulus": 7, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "train.batch_size": 8, "train.steps": 24, "train.stop_after_grok": -1, "evaluate.every": 4, "measure.every": 8,
    "measure.samples": 1, "measure.baseline_samples": 2, "backend.name": "reference", "log.every": 8,
}  # fmt: skip
ARMS = {"kick": [10.0], "project": [0.5, 1.0], "sham": [0.0], "project-random": [0.5], "rescale": [0.5], "lr": [0.5]}


class Here:
    """Runs cells in this process, and counts them; those in `broken` fail."""

    def __init__(self, *broken: str) -> None:
        self.ran: list[str] = []
        self.broken = broken

    def run(self, cells: Sequence[Cell], on_change: OnChange) -> list[Failure]:
        failures = []
        for cell in cells:
            self.ran.append(cell.slug)
            if cell.slug in self.broken:
                failures.append(Failure(cell, 1, "no"))
                continue
            task = get("tasks", cell.task)
            options = task.options.model_validate({k: v for k, v in cell.config.task.items() if k != "name"})
            with launched(cell.directory, cell.config, task, options, resume=False) as trainer:
                trainer.run()
            on_change(read_standing(cell))
        return failures


def design(**changes: Any) -> Design:
    asked = {"name": "e", "task": "modular", "base": TINY, "seeds": [1, 2], "replicates": 1, "arms": ARMS, "start": 9}
    return Design.model_validate(asked | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment carried out."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        _with_reference(patch)
        conduct(record_design(design(), runs), runs, Here(), lambda standing: None, lambda warning: None)
    return runs


def test_every_run_is_there_and_over(finished: Path) -> None:
    outcomes = all_outcomes(read_design(finished / "e"), finished)
    assert len(outcomes) == 2 * (2 + 7)
    assert all(outcome.known and outcome.budget == 24 and outcome.accuracy is not None for outcome in outcomes)


def test_the_sham_ends_where_the_baseline_ends(finished: Path) -> None:
    """To rounding: an intervened step is computed in parts. Everything else ends elsewhere."""
    assert last_loss(finished, "sham-seed1") == pytest.approx(last_loss(finished, "baseline-seed1"), rel=1e-5)
    names = ("project0.5", "project1", "project-random0.5", "rescale0.5", "lr0.5", "sham")
    losses = [last_loss(finished, f"{name}-seed1") for name in names]
    losses.append(last_loss(finished, "baseline-seed1-replicate1"))
    assert len({round(loss, 4) for loss in losses}) == len(losses)


def test_treatment_starts_where_it_should_on_the_baselines_subspace(finished: Path) -> None:
    random, own = (switched_on(finished, f"project{kind}0.5-seed2") for kind in ("-random", ""))
    assert (own["step"], random["step"]) == (9, 9)
    assert own["facts"]["basis_dimension"] == random["facts"]["basis_dimension"]
    assert own["facts"]["basis_digest"] != random["facts"]["basis_digest"]
    other = switched_on(finished, "project0.5-seed1")
    assert other["facts"]["basis_digest"] != own["facts"]["basis_digest"]
    assert switched_on(finished, "rescale0.5-seed2")["facts"]["basis_digest"] == own["facts"]["basis_digest"]


def test_until_treatment_a_run_is_its_baseline(finished: Path) -> None:
    def first_scores(name: str) -> list[Any]:
        events = read(finished / "e" / name / "events.jsonl")
        return [each["train"] for each in events if each["event"] == "evaluated" and each["step"] <= 8]

    assert first_scores("project1-seed1") == first_scores("baseline-seed1")


def test_the_same_again_runs_nothing(finished: Path) -> None:
    engine = Here()
    assert conduct(design(), finished, engine, lambda standing: None, lambda warning: None) == []
    assert engine.ran == []


def test_it_is_a_sweep_too(finished: Path) -> None:
    sweep = read_sweep(finished / "e")
    assert {cell.slug for cell in sweep.cells} == {each.cell.slug for each in all_planned(design(), finished)}
    assert all(read_standing(cell).ended for cell in sweep.cells)


def test_settings_of_what_has_begun_stay(finished: Path) -> None:
    with pytest.raises(ConfigError, match="another --name"):
        check_design(design(base=TINY | {"optimizer.lr": 0.5}), finished)


def test_what_fails_stops_nothing_else(tmp_path: Path) -> None:
    """A baseline that is missing leaves its seed untreated; partial results are results."""
    asked = record_design(design(arms={"lr": [0.5]}, replicates=0), tmp_path)
    engine, warnings = Here("baseline-seed2"), list[str]()
    failures = conduct(asked, tmp_path, engine, lambda standing: None, warnings.append)
    assert [failure.cell.slug for failure in failures] == ["baseline-seed2"]
    assert engine.ran == ["baseline-seed1", "baseline-seed2", "lr0.5-seed1"]
    assert any("seed 2 is not treated" in warning for warning in warnings)
    assert list(starts(asked, tmp_path)) == [1]
    fates = [(outcome.name, outcome.known) for outcome in all_outcomes(asked, tmp_path)]
    assert fates == [
        ("baseline-seed1", True), ("baseline-seed2", False), ("lr0.5-seed1", True), ("lr0.5-seed2", False),
    ]  # fmt: skip
    mended = Here()
    assert conduct(asked, tmp_path, mended, lambda standing: None, warnings.append) == []
    assert mended.ran == ["baseline-seed2", "lr0.5-seed2"]


def test_an_experiment_that_has_not_begun_has_an_analysis(tmp_path: Path) -> None:
    asked = record_design(design(), tmp_path)
    assert analyse(all_outcomes(asked, tmp_path)).baseline.known == []


def test_what_starts_behind_the_last_step_is_never_treated(tmp_path: Path) -> None:
    asked = record_design(design(arms={"kick": [10.0], "lr": [0.5]}, seeds=[1], replicates=0, start=24), tmp_path)
    warnings = list[str]()
    assert conduct(asked, tmp_path, Here(), lambda standing: None, warnings.append) == []
    assert any("seed 1 is never treated: treatments start at step 24, but" in each for each in warnings)
    outcomes = {outcome.arm.condition: outcome for outcome in all_outcomes(asked, tmp_path)}
    assert {name: outcome.known for name, outcome in outcomes.items()} == {"baseline": True, "kick": False, "lr": True}
    assert (outcomes["kick"].fate, outcomes["kick"].over) == ("never treated", True)


def last_loss(runs: Path, name: str) -> float:
    scores = [each for each in read(runs / "e" / name / "events.jsonl") if each["event"] == "evaluated"]
    return float(scores[-1]["train"]["loss"])


def switched_on(runs: Path, name: str) -> dict[str, Any]:
    events = read(runs / "e" / name / "events.jsonl")
    return next(each for each in events if each["event"] == "intervened" and each["state"] == "on")


def _with_reference(patch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from grokscope import registry

    point = EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")
    plugins = registry._entry_points
    patch.setattr(
        registry, "_entry_points", lambda kind: plugins(kind) | ({"reference": point} if kind == "backends" else {})
    )

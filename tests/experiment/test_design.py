"""The plan: which runs, called what, with which settings; what an arm shares with its baseline and its control."""

from pathlib import Path
from typing import Any

import pytest

from grokscope.experiment.conditions import (
    BASELINE,
    CONDITIONS,
    SETS,
    Arm,
    condition_settings,
    doses_of,
    possible,
    read_conditions,
    read_doses,
)
from grokscope.experiment.design import (
    Design,
    Planned,
    Start,
    baselines,
    find_experiment,
    read_design,
    record_design,
    start_of,
    treated,
)
from grokscope.runs.directory import NoSuchRun
from grokscope.settings.config import ConfigError
from grokscope.settings.schedule import checked
from grokscope.settings.values import dotted

RUNS = Path("runs")
EVERYTHING = {name: doses_of(name, {}, grid=True) for name in SETS["all"]}


def design(**changes: Any) -> Design:
    asked = {"name": "e", "task": "modular", "preset": "small", "seeds": [42, 137], "arms": EVERYTHING}
    return Design.model_validate(asked | changes)


def second(asked: Design) -> list[Planned]:
    return treated(asked, RUNS, {seed: Start(500) for seed in asked.seeds})


def settings(planned: Planned) -> dict[str, Any]:
    return dotted(planned.cell.config.model_dump())


def test_baselines_come_before_their_replicates() -> None:
    planned = baselines(design(), RUNS)
    assert [each.cell.slug for each in planned] == [
        "baseline-seed42", "baseline-seed137", "baseline-seed42-replicate1", "baseline-seed137-replicate1",
        "baseline-seed42-replicate2", "baseline-seed137-replicate2",
    ]  # fmt: skip
    assert [each.cell.config.train.replicate for each in planned] == [0, 0, 1, 1, 2, 2]
    assert [bool(each.cell.config.snapshot.every) for each in planned] == [True] * 2 + [False] * 4
    assert [each.cell.config.measure.estimator for each in planned] == ["exact"] * 2 + ["off"] * 4


def test_a_treated_run_differs_from_its_baseline_in_the_treatment_alone() -> None:
    asked = design()
    own = {each.seed: settings(each) for each in baselines(asked, RUNS) if not each.replicate}
    for each in second(asked):
        changed = {key for key, value in settings(each).items() if own[each.seed][key] != value}
        treatment = "optimizer.lr" if each.arm.condition == "lr" else "interventions.schedule"
        assert changed == {treatment, "snapshot.every", "measure.estimator"}  # which disturb nothing


def test_every_schedule_is_one_that_the_trainer_takes() -> None:
    for each in second(design()) + second(design(published=True)):
        for text in each.cell.config.interventions.schedule:
            entry = checked(text)
            assert entry.when == 500
            assert entry.parameters[CONDITIONS[each.arm.condition].parameter] == each.arm.dose


def test_a_basis_is_that_of_the_baseline_of_the_same_seed() -> None:
    for each in second(design(arms={"project": [0.5], "noise": [0.1], "kick": [10.0], "rescale": [0.5]})):
        (text,) = each.cell.config.interventions.schedule
        assert checked(text).parameters["basis"] == f"baseline-seed{each.seed}"


def test_random_controls_are_equal_but_for_the_basis() -> None:
    """So they have as many directions in as many matrices; kicks are as long, in another direction."""
    for name in SETS["all"]:
        condition = CONDITIONS[name]
        if condition.control_of is None or condition.kind is None or name == "rescale":
            continue
        both = [_parameters(Arm(each, 0.5)) for each in (condition.control_of, name)]
        changed = {key for key in both[0].keys() | both[1].keys() if both[0].get(key) != both[1].get(key)}
        assert changed == {"basis_until" if condition.past else "direction" if condition.kind == "kick" else "basis"}


def test_a_schedule_reads_as_one_would_write_it() -> None:
    config = design().config()
    texts = [
        condition_settings(arm, config, start=500, basis="b")["interventions.schedule"][0]
        for arm in (Arm("kick", 10.0), Arm("penalty", 1e-3), Arm("update", 0.5), Arm("noise-isotropic", 2.0))
    ]
    assert texts == [
        "kick@500:alpha=10,basis=b",
        "penalty@500:weight=0.001,basis=b",
        "project@500:strength=0.5,at=update,basis=b",
        "noise@500:epsilon=2,basis=none",
    ]


def test_the_past_ends_where_treatment_starts() -> None:
    assert _parameters(Arm("project-past", 0.5)) == {**_parameters(Arm("project", 0.5)), "basis_until": 1}


def test_rescale_and_rate_are_matched_to_the_projection() -> None:
    config = design().config()
    assert _parameters(Arm("rescale", 0.75)) == _parameters(Arm("project", 0.75))
    assert condition_settings(Arm("lr", 0.75), config, start=1, basis="b") == {
        "optimizer.lr": config.optimizer.lr * 0.25
    }
    assert not possible(Arm("lr", 1.0))
    assert doses_of("lr", {}, grid=True) == [0.25, 0.5, 0.75]


def test_the_sham_projects_nothing_away() -> None:
    assert _parameters(Arm("sham", 0.0)) == {"strength": 0.0, "basis": "b"}


def test_published_has_the_published_bases_and_defects() -> None:
    by_arm = {
        each.arm.condition: checked(each.cell.config.interventions.schedule[0]).parameters
        for each in second(design(published=True, arms={"kick": [10.0], "rescale": [0.5], "update": [0.5]}))
    }
    assert by_arm["kick"]["published"] is True
    assert "published" not in by_arm["rescale"]
    assert {each["blocks"] for each in by_arm.values()} == {"attention"}  # as in the author's modular script
    dyck = design(task="dyck", preset="quick", published=True, arms={"kick": [10.0]})
    assert "blocks" not in checked(second(dyck)[0].cell.config.interventions.schedule[0]).parameters


def test_measuring_everywhere_is_a_choice() -> None:
    planned = [*baselines(design(measure=True), RUNS), *second(design(measure=True))]
    assert {each.cell.config.measure.estimator for each in planned} == {"exact"}


@pytest.mark.parametrize(
    ("asked", "grokked", "step", "warned"),
    [
        ("auto", 2300, 500, False),
        ("auto", 1400, 350, False),  # a quarter of the way, on the grid of evaluations
        ("auto", 120, 50, False),
        ("auto", None, 500, True),
        (500, 2300, 500, False),
        (500, 450, 500, True),
        (0.5, 2300, 1150, False),
        (0.5, None, 500, True),
    ],
)
def test_where_treatment_starts(asked: Any, grokked: int | None, step: int, warned: bool) -> None:
    found = start_of(design(start=asked), 42, grokked)
    assert (found.step, found.warning is not None) == (step, warned)


def test_conditions_by_name() -> None:
    assert read_conditions("project,kick,baseline") == ["kick", "project"]
    assert read_conditions("all,levers") == list(CONDITIONS)
    assert set(read_conditions("core,lr")) == {*SETS["core"], "lr"}
    with pytest.raises(ConfigError, match="no condition 'boost'; the conditions are core, all, levers, kick"):
        read_conditions("boost")


def test_doses_by_name() -> None:
    given = read_doses(["project=1.0,0.5", "noise=2"])
    assert given == {"project": [0.5, 1.0], "noise": [2.0]}
    assert doses_of("project-random", given, grid=False) == [0.5, 1.0]  # a control follows what it controls
    assert doses_of("kick", given, grid=False) == [10.0]
    for wrong in ("project", "project=much", "boost=1", "sham=0.5"):
        with pytest.raises(ConfigError):
            read_doses([wrong])


def test_a_wrong_dose_is_told_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match=r"cell project2-seed42: .*strength"):
        second(design(arms={"project": [2.0]}))


def test_a_design_survives_its_file(tmp_path: Path) -> None:
    for asked in (design(start=0.25, base={"model.width": 16}), design(name="auto")):
        assert record_design(asked, tmp_path) == asked
        assert read_design(tmp_path / asked.name) == asked


def test_an_experiment_may_grow(tmp_path: Path) -> None:
    record_design(design(arms={"project": [0.5]}, replicates=1), tmp_path)
    grown = record_design(design(arms={"project": [1.0], "kick": [10.0]}, seeds=[137, 7]), tmp_path)
    assert grown.arms == {"kick": [10.0], "project": [0.5, 1.0]}
    assert (grown.seeds, grown.replicates) == ([42, 137, 7], 2)
    assert read_design(tmp_path / "e") == grown


@pytest.mark.parametrize(
    "change", [{"preset": "quick"}, {"base": {"optimizer.lr": 1.0}}, {"start": 7}, {"measure": True}]
)
def test_an_experiment_cannot_become_another(tmp_path: Path, change: dict[str, Any]) -> None:
    record_design(design(), tmp_path)
    with pytest.raises(ConfigError, match="choose another --name"):
        record_design(design(**change), tmp_path)
    assert read_design(tmp_path / "e") == design()


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "events.jsonl").touch()
    with pytest.raises(ConfigError, match="is not an experiment"):
        record_design(design(), tmp_path)


def test_experiments_are_found(tmp_path: Path) -> None:
    with pytest.raises(NoSuchRun, match="no experiments"):
        find_experiment("latest", tmp_path)
    record_design(design(name="one"), tmp_path)
    record_design(design(name="once"), tmp_path)
    assert find_experiment("one", tmp_path) == tmp_path / "one"
    assert find_experiment(str(tmp_path / "once"), Path("nowhere")) == tmp_path / "once"
    with pytest.raises(NoSuchRun, match="fits 2 experiments"):
        find_experiment("on", tmp_path)
    with pytest.raises(NoSuchRun, match=r"no experiment.toml"):
        read_design(tmp_path)


def test_a_label_says_condition_and_dose() -> None:
    assert [Arm(BASELINE).label, Arm("sham", 0.0).label, Arm("project", 1.0).label] == ["baseline", "sham", "project 1"]


def _parameters(arm: Arm) -> dict[str, Any]:
    (text,) = condition_settings(arm, design().config(), start=1, basis="b")["interventions.schedule"]
    return dict(checked(text).parameters)

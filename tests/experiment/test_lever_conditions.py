"""Levers as conditions: what a run under one has beside its baseline, what its control has, and two at a time."""

from pathlib import Path
from typing import Any

import pytest
from experiment_made import outcome

from grokscope import registry
from grokscope.experiment.analysis import analyse
from grokscope.experiment.conditions import (
    BASELINE,
    CONDITIONS,
    SETS,
    Arm,
    condition_named,
    condition_settings,
    conditions_in_order,
    doses_of,
    read_conditions,
)
from grokscope.experiment.design import Design, Planned, Start, baselines, treated
from grokscope.settings.clock import no_clock
from grokscope.settings.config import ConfigError
from grokscope.settings.schedule import checked
from grokscope.settings.values import dotted

RUNS = Path("runs")
LEVERS = SETS["levers"]
WATCHING = {"snapshot.every", "measure.estimator"}


def design(*names: str) -> Design:
    arms = {name: doses_of(name, {}, grid=True) for name in names}
    return Design.model_validate({"name": "e", "task": "modular", "preset": "small", "seeds": [42], "arms": arms})


def second(*names: str) -> list[Planned]:
    return treated(design(*names), RUNS, {42: Start(500)})


def changed(planned: Planned) -> dict[str, Any]:
    own = dotted(next(iter(baselines(design(), RUNS))).cell.config.model_dump())
    found = dotted(planned.cell.config.model_dump())
    return {key: value for key, value in found.items() if own.get(key) != value and key not in WATCHING}


@pytest.mark.parametrize("planned", second(*LEVERS), ids=lambda planned: planned.arm.slug)
def test_a_lever_changes_its_schedule_or_its_settings_alone(planned: Planned) -> None:
    lever, found = condition_named(planned.arm.condition), changed(planned)
    if lever.kind is None:
        assert found
        assert all(key.startswith(("optimizer.", "model.")) for key in found)
    else:
        assert found.keys() == {"interventions.schedule"}
        entry = checked(found["interventions.schedule"][0])
        assert (entry.kind, entry.when) == (lever.kind, 500)
        assert not lever.parameter or entry.parameters[lever.parameter] == planned.arm.dose


@pytest.mark.parametrize("name", ["grokfast-lr", "sgd", "muon"])
def test_a_larger_rate_keeps_the_decay_time(name: str) -> None:
    for planned in second(name):
        section = planned.cell.config.optimizer
        assert section.lr * section.wd == pytest.approx(2e-3 * 1.0)


def test_every_lever_that_is_switched_on_has_a_control_that_the_plugin_names() -> None:
    controlled = {each.control_of for each in CONDITIONS.values()}
    for name in LEVERS:
        lever = CONDITIONS[name]
        if lever.kind is not None and lever.control_of is None:
            assert name in controlled, name
            assert registry.get("interventions", lever.kind).control, name


def test_controls_have_the_doses_of_their_levers() -> None:
    for name in LEVERS:
        lever = CONDITIONS[name]
        if lever.control_of is not None:
            assert (lever.usual, lever.grid) == (CONDITIONS[lever.control_of].usual, CONDITIONS[lever.control_of].grid)


def test_what_breaks_the_clock_says_so_in_the_configuration() -> None:
    said = {name: no_clock(dotted(second(name)[0].cell.config.model_dump())) for name in LEVERS}
    without = {name for name, why in said.items() if why}
    assert without == {"spherical", "sgd", "muon", "decay-matrices", "warmup", "cosine"}


# --- two at a time ----------------------------------------------------------------------------------------------------


def test_two_levers_are_both_on_at_their_usual_doses() -> None:
    (planned,) = second("grokfast+clamp")
    kinds = [checked(text).kind for text in changed(planned)["interventions.schedule"]]
    assert kinds == ["grokfast", "clamp"]
    assert planned.cell.slug == "grokfastclamp-seed42"


def test_a_lever_and_an_option_are_combined() -> None:
    (planned,) = second("uniform+grokfast")
    found = changed(planned)
    assert found["model.attention"] == "uniform"
    assert checked(found["interventions.schedule"][0]).kind == "grokfast"
    assert condition_named("uniform+grokfast").kind == "grokfast"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("grokfast+speed", r"there is no condition 'grokfast\+speed'"),
        ("clamp+clamp-random", "can be on once"),
        ("grokfast+clamp+orthograd", "there is no condition"),
    ],
)
def test_what_cannot_be_combined_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_conditions(text)


def test_combinations_stand_last_and_once() -> None:
    assert read_conditions("grokfast+clamp,project,clamp,grokfast+clamp") == ["project", "clamp", "grokfast+clamp"]
    assert conditions_in_order(["a+b", "lr", "kick"]) == ["kick", "lr", "a+b"]


def test_no_treatment_is_no_settings() -> None:
    config = design().config()
    assert condition_settings(Arm(BASELINE), config, start=1, basis="b") == {}


def test_a_combination_is_compared_with_each_of_its_parts() -> None:
    arms = [Arm(BASELINE), Arm("grokfast", 2.0), Arm("clamp", 1.0), Arm("grokfast+clamp", 1.0)]
    outcomes = [
        outcome(arm, seed, steps, replicate=replicate)
        for seed in (1, 2, 3)
        for arm, steps in zip(arms, (1000 + seed, 700, 900, 500), strict=True)
        for replicate in ((0, 1, 2) if arm.is_baseline else (0,))
    ]
    contrasts = {(each.arm.label, each.control.label) for each in analyse(outcomes).contrasts}
    assert contrasts == {("grokfast+clamp", "grokfast 2"), ("grokfast+clamp", "clamp 1")}

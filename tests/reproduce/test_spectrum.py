"""The spectrum: studies of one task in one column, with the noise of the task and each lever beside its control."""

import math

import pytest
from reproduce_made import made_run

from grokscope.experiment.conditions import Arm
from grokscope.experiment.outcomes import Outcome
from grokscope.reproduce.claims import all_studies
from grokscope.reproduce.evidence import StudyEvidence
from grokscope.reproduce.spectrum import levers_table, spectrum_of

SEEDS = (42, 137, 2024)


def levers(**grok_steps: int | None) -> StudyEvidence:
    """A sweep of arms that grok at these steps on every seed, as the study levers-dyck."""
    names = {name.replace("_", "-"): step for name, step in grok_steps.items()}
    runs = [made_run(f"{arm}-seed{seed}", step, seed=seed) for arm, step in names.items() for seed in SEEDS]
    return StudyEvidence("levers-dyck", "made", trajectories=tuple(runs))


def interventions(*baselines: int, kick: int) -> StudyEvidence:
    """An experiment whose baseline is repeated, as the study effects-dyck."""
    arms = [(Arm("baseline"), replicate, step) for replicate, step in enumerate(baselines)] + [
        (Arm("kick", 10.0), 0, kick)
    ]
    outcomes = [
        Outcome(arm, seed, replicate, "grokked", step, 1000, 1) for arm, replicate, step in arms for seed in SEEDS
    ]
    return StudyEvidence("effects-dyck", "made", outcomes=tuple(outcomes))


def test_studies_of_one_task_are_one_column() -> None:
    evidence = [levers(baseline=400, grokfast=200), interventions(400, 500, kick=400)]
    ((name, analysis),) = spectrum_of({each.study: each for each in evidence}).items()
    assert name == "dyck"
    assert [result.arm.label for result in analysis.arms] == ["baseline", "grokfast", "kick 10"]
    assert len(analysis.baseline.outcomes) == 2 * len(SEEDS), "one run per seed and replicate"


def test_noise_of_a_study_without_repeated_baselines_is_that_of_its_task() -> None:
    """σ of one pair at 400 and 500 steps: log(5/4) / √2; so the interval of a ratio over three seeds has reach
    t · σ · √(2/3)."""
    evidence = [levers(baseline=400, grokfast=200), interventions(400, 500, kick=400)]
    analysis = spectrum_of({each.study: each for each in evidence})["dyck"]
    sigma = math.log(5 / 4) / math.sqrt(2)
    assert analysis.noise.sigma == pytest.approx(sigma)
    effect = analysis.arms[1].effect
    assert effect is not None
    low, high = effect.interval
    assert low is not None
    assert high is not None
    assert effect.ratio == pytest.approx(0.5)
    assert math.log(high / low) / 2 == pytest.approx(3.1824463 * sigma * math.sqrt(2 / 3))


def test_a_lever_stands_beside_its_control() -> None:
    made = levers(baseline=400, grokfast=200, grokfast_lr=250, no_decay=None, clamp_short=100)
    table = levers_table(spectrum_of({made.study: made}))
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["grokfast", "clamp-short"], "a control has no row of its own"
    assert rows["grokfast"][4] == "grokfast-lr"
    assert rows["grokfast"][5][0] == pytest.approx(0.8)  # type: ignore[index]
    assert rows["clamp-short"][2] == (3, 3)
    assert rows["clamp-short"][4] == "no-decay", "as the study declares"
    assert rows["clamp-short"][5][3] == "at most"  # type: ignore[index]


def test_every_study_with_levers_has_a_baseline_and_declares_controls_that_it_runs() -> None:
    for study in all_studies().values():
        for arm, control in study.controls.items():
            assert {arm, control} <= set(study.arms)
    assert {name for name, study in all_studies().items() if study.arms and not study.has_baseline} == {
        "decay-modular",
        "slow-modular",
    }

"""Verdicts, contrasts and judged claims, on experiments whose truth is known."""

import json
import math

import numpy as np
import pytest
from experiment_made import SEEDS, TYPICAL, outcome, simulated

from grokscope.experiment.analysis import Analysis, analyse
from grokscope.experiment.claims import CLAIMS, ClaimFinding, judged, ratio_in_words
from grokscope.experiment.conditions import BASELINE, CONDITIONS, Arm
from grokscope.experiment.outcomes import Outcome

KICK, PROJECT, PROJECT_1 = Arm("kick", 10.0), Arm("project", 0.5), Arm("project", 1.0)


def analysed(ratios: dict[Arm, float], sigma: float = 0.03, seed: int = 3) -> Analysis:
    return analyse(simulated(ratios, np.random.default_rng(seed), sigma))


def exactly(ratios: dict[Arm, float]) -> Analysis:
    """Without noise in the treated runs; baselines that lie 4 % apart."""
    runs = [outcome(Arm(BASELINE), seed, TYPICAL[seed] * factor, replicate)
            for seed in SEEDS for replicate, factor in enumerate((1.0, 1.04, 0.96))]  # fmt: skip
    for arm, ratio in ratios.items():
        runs += [outcome(arm, seed, TYPICAL[seed] * ratio if math.isfinite(ratio) else None) for seed in SEEDS]
    return analyse(runs)


def verdict(analysis: Analysis, arm: Arm) -> str:
    result = analysis.result(arm)
    assert result is not None
    return result.verdict


def test_verdicts() -> None:
    found = exactly({KICK: 1.0, PROJECT: 1.5, Arm("noise", 0.1): 0.6, PROJECT_1: math.inf})
    assert verdict(found, KICK) == "no effect found"
    assert verdict(found, PROJECT) == "later"
    assert verdict(found, Arm("noise", 0.1)) == "sooner"
    assert verdict(found, PROJECT_1) == "never within 6,000"


def test_an_effect_that_does_not_survive_the_correction_is_questioned() -> None:
    """12 % at 4 % noise: p 0.016 alone, 0.10 among six. The other arms count, whatever they say."""
    alone = exactly({PROJECT: 1.12})
    among = exactly({PROJECT: 1.12} | {Arm("noise", float(dose)): 1.0 for dose in range(1, 6)})
    assert (verdict(alone, PROJECT), verdict(among, PROJECT)) == ("later", "later?")


def test_a_condition_that_sometimes_groks_is_not_never() -> None:
    runs = simulated({}, np.random.default_rng(0), 0.03)
    late = [outcome(PROJECT, 42, 2300), outcome(PROJECT, 137, 2600), outcome(PROJECT, 2024, None)]
    result = analyse([*runs, *late]).result(PROJECT)
    assert result is not None
    assert (result.grokked, result.never) == (2, False)
    assert result.effect is not None
    assert result.effect.kind == "at least"


def test_runs_that_are_not_over_are_waited_for() -> None:
    pending = Outcome(PROJECT, 42, 0, "pending", None, 6000, 50)
    found = analyse([*simulated({}, np.random.default_rng(0)), pending])
    assert verdict(found, PROJECT) == "no runs yet"
    assert analyse([]).baseline.known == []
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_diverged_run_never_groks() -> None:
    runs = [Outcome(PROJECT, seed, 0, "diverged", None, 6000, 50) for seed in SEEDS]
    assert verdict(analyse([*simulated({}, np.random.default_rng(0)), *runs]), PROJECT) == "never within 6,000"


def test_without_noise_nothing_is_judged() -> None:
    runs = [outcome(Arm(BASELINE), seed, step, replicate)
            for seed in SEEDS for replicate, step in enumerate((2000, None))]  # fmt: skip
    runs += [outcome(arm, seed, 2600) for arm in (PROJECT, Arm("project-random", 0.5)) for seed in SEEDS]
    found = analyse(runs)
    assert verdict(found, PROJECT) == "undecided: noise unknown"
    assert [contrast.verdict for contrast in found.contrasts] == ["undecided: noise unknown"]
    result = found.result(PROJECT)
    assert result is not None
    assert result.effect is not None
    assert ratio_in_words(result.effect.cell) == "1.30"
    assert {claim.finding for claim in judged("scan", found)} <= {"undecided", "not tried"}
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_run_in_which_nothing_was_done_is_not_treated() -> None:
    runs = [Outcome(PROJECT, seed, 0, "never treated", 2300, 6000, 50) for seed in SEEDS]
    found = analyse([*simulated({}, np.random.default_rng(0)), *runs])
    assert verdict(found, PROJECT) == "never treated"
    assert found.to_dict()["arms"][1]["never_treated"] == 3


def test_controls_are_met_dose_by_dose() -> None:
    random_half, random_whole = Arm("project-random", 0.5), Arm("project-random", 1.0)
    found = exactly({PROJECT: 1.5, PROJECT_1: math.inf, random_half: 1.0, random_whole: math.inf, Arm("lr", 0.75): 2.0})
    assert [(each.arm, each.control) for each in found.contrasts] == [(PROJECT, random_half), (PROJECT_1, random_whole)]
    assert found.contrasts[0].effect.ratio == pytest.approx(1.5, rel=1e-3)
    assert found.contrasts[0].verdict == "later than project-random"
    assert found.contrasts[1].verdict == "neither groks"


def test_dose_response_is_for_conditions_with_doses() -> None:
    found = exactly({KICK: 1.0, **{Arm("project", dose): 1 + dose for dose in (0.25, 0.5, 0.75)}, PROJECT_1: math.inf})
    (response,) = found.responses
    assert (response.condition, response.verdict) == ("project", "later with dose")
    assert response.slope is not None
    assert response.slope.left_out == (1.0,)


def test_the_whole_is_tested_once() -> None:
    assert exactly({KICK: 1.0}).log_rank is not None
    never = exactly({PROJECT_1: math.inf}).log_rank
    assert never is not None
    assert never.p == pytest.approx(1 / 64)  # the treated run is the last of four on each of three seeds


def test_every_claim_is_about_a_condition_that_exists() -> None:
    assert {claim.condition for claim in CLAIMS} <= set(CONDITIONS)
    assert {claim.task for claim in CLAIMS} == {"modular", "dyck", "scan"}


def finding(task: str, condition: str, dose: float | None, analysis: Analysis) -> ClaimFinding:
    return next(
        each.finding for each in judged(task, analysis) if (each.claim.condition, each.claim.dose) == (condition, dose)
    )


@pytest.mark.parametrize(
    ("task", "arm", "ratio", "expected"),
    [
        ("modular", KICK, 1.0, "supported"),
        ("modular", KICK, 1.5, "refuted"),
        ("modular", PROJECT, 1.1, "refuted"),  # it was to prevent grokking
        ("modular", PROJECT, math.inf, "supported"),
        ("scan", PROJECT, 1.9, "supported"),  # 2.3 times slower: slower it is
        ("scan", PROJECT, 1.0, "refuted"),
        ("dyck", KICK, 0.6, "supported"),
        ("dyck", KICK, 1.0, "refuted"),
        ("dyck", KICK, math.inf, "refuted"),
    ],
)
def test_claims_are_judged(task: str, arm: Arm, ratio: float, expected: ClaimFinding) -> None:
    assert finding(task, arm.condition, arm.dose, exactly({arm: ratio})) == expected


def test_a_claim_nobody_tried() -> None:
    assert finding("modular", "kick", 10.0, exactly({})) == "not tried"


def test_with_great_noise_nothing_is_decided() -> None:
    loud = analysed({KICK: 1.0, PROJECT: 1.0}, sigma=0.5, seed=5)
    assert finding("modular", "kick", 10.0, loud) == "undecided"
    assert finding("scan", "project", 0.5, loud) == "undecided"


def test_claims_about_doses() -> None:
    rising = exactly({Arm("project", dose): 1 + dose for dose in (0.25, 0.5, 0.75)})
    assert finding("modular", "project", None, rising) == "supported"
    assert finding("dyck", "kick", None, rising) == "not tried"


def test_what_a_random_basis_does_too_is_said() -> None:
    random_half, random_whole = Arm("project-random", 0.5), Arm("project-random", 1.0)
    found = exactly({PROJECT: math.inf, PROJECT_1: math.inf, random_half: 1.0, random_whole: math.inf})
    numbers = {
        each.claim.dose: each.numbers.endswith("; so does a random basis")
        for each in judged("modular", found)
        if each.claim.condition == "project" and each.finding == "supported"
    }
    assert numbers[0.5] is False
    assert numbers[1.0] is True


def test_what_is_said_of_an_effect() -> None:
    found = exactly({PROJECT: 1.5, PROJECT_1: math.inf})
    results = [found.result(arm) for arm in (PROJECT, PROJECT_1)]
    texts = [
        ratio_in_words(result.effect.cell) for result in results if result is not None and result.effect is not None
    ]
    assert texts[0].startswith("1.50 [1.3")
    assert texts[1].startswith("≥ 2.")
    assert texts[1].endswith(", ∞)")

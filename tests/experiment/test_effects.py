"""Effects against closed forms, and intervals that hold what they promise on grok steps drawn from a known law."""

import json
import math

import numpy as np
import pytest
from experiment_made import BUDGET, SEEDS, TYPICAL, outcome, simulated
from hypothesis import given
from hypothesis import strategies as st

from grokscope.experiment.conditions import BASELINE, Arm
from grokscope.experiment.effects import ReplicateNoise, dose_slope, effect, replicate_noise
from grokscope.experiment.outcomes import Outcome

PROJECT = Arm("project", 0.5)
NOISE = ReplicateNoise(0.05, 6, "replicates")
T6 = 2.446911851144969
"""Student's 97.5 % quantile with 6 degrees of freedom"""


def baselines(steps: dict[int, list[float | None]]) -> list[Outcome]:
    return [
        outcome(Arm(BASELINE), seed, step, replicate)
        for seed, each in steps.items()
        for replicate, step in enumerate(each)
    ]


def pair(base: list[float | None], treated: list[float | None]) -> tuple[list[Outcome], list[Outcome]]:
    """Treated and baseline runs of seeds 0, 1, …"""
    return (
        [outcome(PROJECT, seed, step) for seed, step in enumerate(treated)],
        [outcome(Arm(BASELINE), seed, step) for seed, step in enumerate(base)],
    )


def test_noise_is_pooled_within_seeds() -> None:
    noise = replicate_noise(baselines({1: [1000, 1000 * math.e**0.2], 2: [3000, 3000 * math.e**0.2]}))
    assert noise.sigma == pytest.approx(0.2 / math.sqrt(2), rel=1e-3)  # steps are whole
    assert (noise.degrees, noise.source) == (2, "replicates")


def test_noise_is_never_finer_than_evaluations() -> None:
    noise = replicate_noise(baselines({1: [1000, 1000, 1000]}))
    assert noise.sigma == pytest.approx(50 / 1000 / math.sqrt(12))


def test_without_replicates_the_noise_is_the_published_one() -> None:
    noise = replicate_noise(baselines({1: [1000], 2: [2000]}))
    assert (noise.source, noise.degrees) == ("published", 14)
    assert noise.sigma == pytest.approx(0.055, abs=5e-4)


def test_a_replicate_that_never_grokked_is_told() -> None:
    noise = replicate_noise(baselines({1: [1000, None, 1100]}))
    assert (noise.censored, noise.degrees, noise.source) == (1, 1, "replicates")
    assert noise.sigma == pytest.approx(math.log(1.1) / math.sqrt(2))


@pytest.mark.parametrize("steps", [{1: [None, None], 2: [None, None]}, {1: [1000, None], 2: [None, 900]}, {1: [None]}])
def test_budgets_are_no_grok_steps(steps: dict[int, list[float | None]]) -> None:
    """Where too few baselines grokked nobody knows the noise; what is seen is told without interval, p or direction."""
    noise = replicate_noise(baselines(steps))
    assert (noise.known, noise.source, noise.to_dict()["sigma_log"]) == (False, "unknown", None)
    assert noise.text.startswith("unknown, because too few baselines grokked")
    found = effect(*pair([1000, 2000], [1500, 3000]), noise)
    assert found is not None
    assert (found.ratio, found.interval, found.p, found.direction) == (pytest.approx(1.5), (None, None), None, 0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_effect_is_the_mean_log_ratio() -> None:
    found = effect(*pair([1000, 2000, 3000], [1200, 2400, 3600]), NOISE)
    assert found is not None
    assert (found.kind, found.ratio) == ("estimate", pytest.approx(1.2))
    reach = T6 * 0.05 * math.sqrt(2 / 3)
    assert found.interval == pytest.approx((1.2 * math.exp(-reach), 1.2 * math.exp(reach)))
    assert (found.widened, found.direction) == (1.0, 1)
    from scipy.special import stdtr

    assert found.p == pytest.approx(2 * stdtr(6, -math.log(1.2) / (0.05 * math.sqrt(2 / 3))))


def test_the_same_runs_have_no_effect() -> None:
    found = effect(*pair([1000, 2000, 3000], [1000, 2000, 3000]), NOISE)
    assert found is not None
    assert (found.ratio, found.p, found.direction) == (1.0, 1.0, 0)
    assert math.exp(found.detectable_log) == pytest.approx(math.exp((T6 + 0.9057) * 0.05 * math.sqrt(2 / 3)), rel=1e-4)


def test_pairs_are_of_the_same_seed_and_batches() -> None:
    treated = [outcome(PROJECT, 1, 1500), outcome(PROJECT, 3, 9)]
    reference = [outcome(Arm(BASELINE), 1, 1000), outcome(Arm(BASELINE), 1, 99, replicate=1)]
    found = effect(treated, reference, NOISE)
    assert found is not None
    assert (found.pairs, found.ratio) == (1, pytest.approx(1.5))
    assert effect([outcome(PROJECT, 3, 9)], reference, NOISE) is None


def test_what_never_groks_gives_a_lower_bound() -> None:
    found = effect(*pair([2000, 3000], [2200, None]), NOISE)
    assert found is not None
    assert (found.kind, found.grokked, found.pairs) == ("at least", 1, 2)
    assert found.ratio == pytest.approx(math.sqrt(1.1 * BUDGET / 3000))
    low, high = found.interval
    assert low == pytest.approx(found.ratio * math.exp(-T6 * 0.05))
    assert high is None
    assert found.direction == 1


def test_a_baseline_that_never_groks_gives_an_upper_bound() -> None:
    found = effect(*pair([None, 3000], [1500, 1500]), NOISE)
    assert found is not None
    assert (found.kind, found.direction) == ("at most", -1)
    assert found.ratio == pytest.approx(math.sqrt(1500 / BUDGET * 0.5))


def test_where_neither_groks_nothing_is_said() -> None:
    found = effect(*pair([None], [None]), NOISE)
    assert found is not None
    assert (found.kind, found.ratio, found.p, found.direction) == ("open", None, None, 0)
    assert found.interval == (None, None)


def test_the_interval_over_seeds_is_students() -> None:
    found = effect(*pair([1000, 1000, 1000], [1000, 1100, 1210]), NOISE)
    assert found is not None
    assert found.over_seeds is not None
    reach = 4.302652729911275 * math.log(1.1) / math.sqrt(3)
    assert found.over_seeds == pytest.approx((1.1 * math.exp(-reach), 1.1 * math.exp(reach)))
    alone, torn = effect(*pair([1000], [1100]), NOISE), effect(*pair([1000, 1000], [1100, None]), NOISE)
    assert alone is not None
    assert torn is not None
    assert (alone.over_seeds, torn.over_seeds) == (None, None)


def test_equal_steps_are_equal_to_their_grid() -> None:
    found = effect(*pair([1000, 1000], [1000, 1000]), NOISE)
    assert found is not None
    assert found.over_seeds is not None
    reach = 12.706204736174707 * 50 / 1000 / math.sqrt(6) / math.sqrt(2)
    assert found.over_seeds[1] == pytest.approx(math.exp(reach))


def test_seeds_that_disagree_widen_the_interval() -> None:
    steady = effect(*pair([1000] * 3, [1200] * 3), NOISE)
    torn = effect(*pair([1000] * 3, [600, 1200, 2400]), NOISE)
    assert steady is not None
    assert torn is not None
    assert (steady.widened, steady.direction) == (1.0, 1)
    assert torn.widened == pytest.approx(math.log(2) / (0.05 * math.sqrt(2)), rel=1e-6)
    assert (torn.ratio, torn.direction) == (pytest.approx(1.2), 0)


@given(st.lists(st.tuples(st.integers(100, 5000), st.integers(100, 5000)), min_size=1, max_size=5))
def test_exchanging_arms_turns_the_ratio_round(steps: list[tuple[int, int]]) -> None:
    treated, reference = pair([float(base) for base, _ in steps], [float(each) for _, each in steps])
    found, back = effect(treated, reference, NOISE), effect(reference, treated, NOISE)
    assert found is not None
    assert back is not None
    assert found.ratio is not None
    assert back.ratio == pytest.approx(1 / found.ratio)
    assert found.p == pytest.approx(back.p)


@pytest.mark.parametrize("ratio", [1.0, 1.15, 0.8])
def test_the_interval_covers_what_it_promises(ratio: float) -> None:
    """400 experiments of three seeds with two replicates; 95 % less what chance allows, and not absurdly more."""
    random, covered = np.random.default_rng(7), 0
    for _ in range(400):
        drawn = simulated({PROJECT: ratio}, random)
        base = [each for each in drawn if each.arm.is_baseline]
        found = effect([each for each in drawn if not each.arm.is_baseline], base, replicate_noise(base))
        assert found is not None
        low, high = found.interval
        covered += low is not None and high is not None and low <= ratio <= high
    assert 0.93 <= covered / 400 <= 0.995


def test_the_slope_over_doses_is_recovered() -> None:
    """Log grok step rises by 0.4 with each unit of dose; at dose 1 nobody groks, and the line says so."""
    doses = (0.25, 0.5, 0.75)
    ratios = {Arm("project", dose): math.exp(0.4 * dose) for dose in doses} | {Arm("project", 1.0): math.inf}
    drawn = simulated(ratios, np.random.default_rng(1), sigma=0.02)
    base = [each for each in drawn if each.arm.is_baseline]
    slope = dose_slope([each for each in drawn if not each.arm.is_baseline], base, replicate_noise(base))
    assert slope is not None
    assert slope.low < 0.4 < slope.high
    assert slope.slope == pytest.approx(0.4, abs=0.08)
    assert (slope.doses, slope.left_out) == (doses, (1.0,))


def test_one_dose_has_no_slope() -> None:
    drawn = simulated({PROJECT: 1.2}, np.random.default_rng(1))
    base = [each for each in drawn if each.arm.is_baseline]
    assert dose_slope([each for each in drawn if not each.arm.is_baseline], base, NOISE) is None


def test_seeds_have_levels_of_their_own() -> None:
    """Slow seeds at high doses are no effect of dose."""
    treated = [outcome(Arm("project", 0.5), 42, TYPICAL[42]), outcome(Arm("project", 1.0), 137, TYPICAL[137])]
    base = [outcome(Arm(BASELINE), seed, TYPICAL[seed]) for seed in SEEDS]
    slope = dose_slope(treated, base, NOISE)
    assert slope is not None
    assert slope.slope == pytest.approx(0, abs=1e-12)

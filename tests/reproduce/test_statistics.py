"""The statistics, on runs and tables whose answers are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from reproduce_made import STEPS, made_run

from grokscope.geometry.trajectory import random_walk_share
from grokscope.reproduce.evidence import StudyEvidence, arm_of
from grokscope.reproduce.statistics import (
    concentration,
    false_alarms,
    grok_ratio,
    grokked_share,
    in_phase,
    lead_exponent,
    lead_fraction,
    led_share,
    peak_height,
    phase_ratio,
    separation,
)
from grokscope.warning.law import Case
from grokscope.warning.trajectory import Trajectory

TURNS = np.select([STEPS < 100, STEPS < 500], [2.0, 3.0], 1.0)
"""A test loss that climbs, and falls at step 500"""


def evidence(*runs: Trajectory) -> StudyEvidence:
    return StudyEvidence("made", "made runs", trajectories=runs)


def case(name: str, onset: int | None, grok: int | None, cadence: int = 10) -> Case:
    return Case(name, name, onset, onset, grok, grok or 1000, grok or 1000, cadence)


def table(*cases: Case) -> StudyEvidence:
    return StudyEvidence("table", "a table", table=cases)


class TestLeads:
    def test_a_constant_onset_gives_an_exponent_above_one_and_so_does_its_null(self) -> None:
        """By algebra, whatever the onset knows."""
        found = lead_exponent(table(*(case(str(grok), 100, grok) for grok in (200, 400, 800, 1600, 3200))))
        assert found is not None
        assert found.value > 1
        assert found.null == pytest.approx(found.value)
        assert (found.clusters, found.runs) == (5, 5)

    def test_a_proportional_lead_has_exponent_one(self) -> None:
        found = lead_exponent(table(*(case(str(grok), grok // 4, grok) for grok in (200, 400, 800, 1600, 3200))))
        assert found is not None
        assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))

    def test_a_run_without_onset_was_not_led(self) -> None:
        found = led_share(table(case("a", 20, 100), case("b", 50, 100), case("c", None, 100), case("d", 100, 100)))
        assert found is not None
        assert (found.value, found.null) == (0.5, 1.0)  # an alarm at step 20 would have led all

    def test_the_fraction_of_the_way_stands_beside_that_of_a_free_alarm(self) -> None:
        found = lead_fraction(table(case("a", 50, 100), case("b", 25, 100), case("c", None, 100)))
        assert found is not None
        assert (found.value, found.null, found.runs) == (0.625, 0.8, 2)

    def test_own_runs_are_compared_with_memorization(self) -> None:
        runs = [made_run(f"r{lr}", 1000, lr=lr, test_loss=TURNS) for lr in (1e-3, 2e-3)]
        found = lead_fraction(evidence(*runs), rule="test-loss-turn")
        assert found is not None
        assert found.value == pytest.approx(0.5)
        assert found.null == pytest.approx(0.8)


class TestAlarms:
    def test_false_alarms_are_shares_of_controls_beside_that_of_grokking_runs(self) -> None:
        runs = [
            made_run("a", wd=0.0, lr=1e-3, test_loss=TURNS),
            made_run("b", wd=0.0, lr=2e-3, test_loss=3.0),
            made_run("c", 900, test_loss=TURNS),
        ]
        found = false_alarms(evidence(*runs), rule="test-loss-turn", where={"optimizer.wd": 0.0})
        assert found is not None
        assert (found.value, found.null, found.clusters) == (0.5, 1.0, 2)

    def test_a_run_that_may_still_grok_is_no_control(self) -> None:
        unfinished = replace(made_run("a", wd=0.0, test_loss=3.0), budget=5000)
        assert false_alarms(evidence(unfinished), rule="test-loss-turn") is None

    def test_separation_compares_at_one_decay_time(self) -> None:
        """The slower run has only half as much decay time: its large value comes too late to count."""
        late = np.where(STEPS >= 900, 9.0, 0.0)
        runs = [
            *(made_run(f"g{seed}", 1000, lr=2e-3, seed=seed, defect=1.0) for seed in (1, 2)),
            *(made_run(f"c{seed}", lr=2e-3, seed=seed, wd=1.0, defect=late) for seed in (1, 2)),
        ]
        found = separation(evidence(*runs), number="defect", decay_time=1.0)
        assert found is not None
        assert (found.value, found.null) == (1.0, 0.5)
        assert (found.low, found.high) == (0.0, 1.0)  # seeds of one configuration


class TestGeometry:
    def test_pc1_stands_beside_a_random_walk_of_as_many_snapshots(self) -> None:
        shares = np.where(STEPS < 300, np.nan, 0.8)
        runs = [made_run(f"r{lr}", 900, lr=lr, pc1=shares) for lr in (1e-3, 2e-3)]
        found = concentration(evidence(*runs, made_run("other", pc1=0.1)), grokking=True)
        assert found is not None
        assert (found.value, found.runs) == (0.8, 2)
        assert found.null == pytest.approx(random_walk_share(11))

    def test_phases(self) -> None:
        run = made_run("decay-seed1", 600, ratio=STEPS)
        assert in_phase(evidence(run), "ratio", "plateau", 1.0).value == 350  # type: ignore[union-attr]  # 200 … 500
        assert in_phase(evidence(run), "ratio", "after", 1.0).value == 800  # type: ignore[union-attr]  # 600 … 1000
        assert in_phase(evidence(run), "ratio", "end", 1.0).value == 1000  # type: ignore[union-attr]
        assert in_phase(evidence(made_run("a", ratio=STEPS)), "ratio", "after", 1.0) is None

    def test_within_an_arm_seeds_are_the_clusters(self) -> None:
        runs = [made_run(f"decay-seed{seed}", 600, seed=seed, ratio=float(seed)) for seed in (1, 2, 4)]
        found = in_phase(evidence(*runs, made_run("other-seed1", ratio=9.0)), "ratio", "plateau", 1.0, arm="decay",
                         ratio=True)  # fmt: skip
        assert found is not None
        assert (found.value, found.clusters) == (pytest.approx(2.0), 3)


class TestLevers:
    def test_arms_are_read_from_names(self) -> None:
        assert arm_of(made_run("sweep/clamp-long-seed42")) == "clamp-long"

    def test_pairs_of_seeds_give_a_ratio(self) -> None:
        runs = [made_run(f"{arm}-seed{seed}", step, seed=seed)
                for seed in (1, 2, 3) for arm, step in (("baseline", 800), ("grokfast", 400))]  # fmt: skip
        found = grok_ratio(evidence(*runs), arm="grokfast", against="baseline")
        assert found is not None
        assert (found.value, found.clusters, found.null) == (pytest.approx(0.5), 3, 1.0)
        assert found.high is not None
        assert found.high < 1

    def test_a_run_that_does_not_grok_gives_a_bound(self) -> None:
        runs = [made_run(f"{arm}-seed{seed}", step, seed=seed)
                for seed in (1, 2, 3) for arm, step in (("baseline", 500), ("clamp", None))]  # fmt: skip
        found = grok_ratio(evidence(*runs), arm="clamp", against="baseline")
        assert found is not None
        assert (found.value, found.high) == (pytest.approx(2.0), None)

    def test_shares_of_arms(self) -> None:
        runs = [
            *(made_run(f"orthograd-seed{seed}", 500, seed=seed) for seed in (1, 2)),
            made_run("none-seed1", None, seed=1),
        ]
        found = grokked_share(evidence(*runs), arm="orthograd", against="none")
        assert found is not None
        assert (found.value, found.null, found.clusters) == (1.0, 0.0, 2)


# --- peaks and phases -------------------------------------------------------------------------------------------------


def arms(number: str, treated: Any, control: Any, grok_step: int | None = 600) -> StudyEvidence:
    """Two seeds of the arm `decay`, which grok, and of `no-decay`, which never do. They memorize at 200."""
    runs = [
        made_run(f"{arm}-seed{seed}", step, seed=seed, **{number: values})
        for seed in (1, 2)
        for arm, step, values in (("decay", grok_step, treated), ("no-decay", None, control))
    ]
    return StudyEvidence("decay-modular", "made", trajectories=tuple(runs))


def test_the_height_of_a_peak_is_over_the_larger_end_of_the_plateau() -> None:
    """From 200 to 600: 4, 6, 8, 6, 5. What is higher before memorization or after grokking is no peak."""
    rises = [99, 1, 4, 6, 8, 6, 5, 50, 50, 50, 50]
    found = peak_height(arms("n", rises, np.arange(11) + 1.0), "n", "decay", "no-decay")
    assert found is not None
    assert found.value == pytest.approx(8 / 5)
    assert found.null == pytest.approx(1), "what only rises has its largest value at an end"


def test_a_phase_is_compared_with_the_same_steps_of_runs_that_never_grok() -> None:
    """Before grokking 2, from it on 6; the control rises from 2 to 3 at the same step."""
    own, control = [2.0] * 6 + [6.0] * 5, [2.0] * 6 + [3.0] * 5
    found = phase_ratio(arms("n", own, control), "n", "decay", "no-decay")
    assert found is not None
    assert (found.value, found.null, found.clusters) == (pytest.approx(3), pytest.approx(1.5), 2)


def test_without_a_run_that_groks_there_is_no_ratio_of_phases() -> None:
    assert phase_ratio(arms("n", 1.0, 1.0, grok_step=None), "n", "decay", "no-decay") is None

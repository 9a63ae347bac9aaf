"""Runs as tables: cut, written, read, and every rule on them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warning_made import CONFIG, jump, log, made

from grokscope.runs.directory import NoSuchRun
from grokscope.warning.detection import detections, rule_numbers
from grokscope.warning.trajectory import Trajectory, trajectory_from


def test_a_log_becomes_a_table() -> None:
    run = trajectory_from(log(), "run")
    assert (run.task, run.grok_step, run.grok_known_at, run.steps, run.budget) == ("scan", 100, 300, 300, 500)
    assert run.columns["step"].tolist() == [0, 100, 200, 300]
    assert run.columns["test_accuracy"].tolist() == [0.5] * 4, "the headline metric of SCAN is whole sequences"
    assert run.columns["defect"].tolist() == [0.5] * 4
    steps, norms = run.signal("gradient_norm")
    assert (steps.tolist(), norms.tolist()) == ([0, 200, 300], [3.0] * 3)
    assert run.columns["new"].tolist() == [1.0] * 4, "any signal, whether or not its plugin is installed"
    assert not run.has("pc1")
    assert run.signal("pc1")[0].size == 0


def test_facts_are_the_settings_that_are_set() -> None:
    facts = trajectory_from(log(), "run").facts
    assert facts == {
        "preset": "quick", "task.split": "simple", "model.width": 16, "optimizer.lr": 1e-3, "optimizer.wd": 1.0,
        "train.seed": 42, "train.batch_size": 8, "measure.every": 100, "measure.blocks": 0,
    }  # fmt: skip


def test_a_finite_difference_run_has_no_exact_defect() -> None:
    events = [event | {"estimator": "finite-difference"} if event["event"] == "measured" else event for event in log()]
    run = trajectory_from(events, "run")
    assert run.has("finite_difference_defect")
    assert not run.has("defect")


def test_a_log_without_a_run() -> None:
    with pytest.raises(NoSuchRun, match="holds no run yet"):
        trajectory_from(
            [{"event": "started", "step": 0, "task": "scan", "metric": "sequence_accuracy", "config": CONFIG}], "run"
        )


def test_until_knows_nothing_of_what_came_later() -> None:
    run = trajectory_from(log(), "run")
    before, after = run.until(299), run.until(300)
    assert (before.grok_step, before.grok_known_at, before.steps) == (None, None, 299)
    assert before.columns["step"].tolist() == [0, 100, 200]
    assert (after.grok_step, after.grok_known_at) == (100, 300)
    assert before.budget == run.budget
    with pytest.raises(ValueError, match="before the first record"):
        run.until(-1)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"defect": np.ones(2)}, "a column `step`"),
        ({"step": np.arange(3.0), "defect": np.ones(2)}, "differ in length"),
        ({"step": np.array([0.0, 2.0, 1.0])}, "steps ascend"),
        ({"step": np.array([0.0, 0.0])}, "steps ascend"),
        ({"step": np.empty(0)}, "there is one at least"),
    ],
)
def test_what_is_no_trajectory(columns: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Trajectory("run", "made", {}, columns, None, 2, 2)


@given(st.integers(0, 1200), st.lists(st.floats(0.01, 100), min_size=11, max_size=11))
def test_a_prefix_finds_what_the_whole_run_found_by_then(step: int, values: list[float]) -> None:
    """Of every rule: none of them looks ahead."""
    signals = dict.fromkeys((*rule_numbers().values(), "test_accuracy"), values)
    run = made(**signals, grok_step=700, grok_known_at=900)
    whole, prefix = detections(run), detections(run.until(step))
    for rule, found in whole.items():
        expected = found if found is not None and found.confirmed_at <= step else None
        assert prefix[rule] == expected, rule


def test_every_rule_finds_what_is_there() -> None:
    every = detections(
        made(
            train_accuracy=jump(200),
            test_accuracy=jump(800),
            test_loss=[1, 2, 4, 5, 4.4, 4, 3, 2, 1, 1, 1],
            defect=[0.1, 50, 1, 50, 50, 50, 50, 9, 9, 9, 9],
            defect_floor=[1e-3] * 11,
            finite_difference_defect=[0.1, 0.1, 50, 9, 9, 9, 9, 9, 9, 9, 9],
            commutator_norm=jump(100, 1.0, 10.0),
            relative_commutator=jump(500, 0.8, 0.4),
            gradient_norm=[1, 10, 1, 2, 1, 1, 5, 5, 5, 5, 5],
            weight_norm=lambda step: 100 - step / 10,
            pc1=[0.1, 0.5, 0.4, 0.5, 0.6, 0.5, 0.55, 0.7, 0.6, 0.5, 0.4],
            grok_step=800,
            grok_known_at=1000,
        )
    )
    steps = {rule: (found.step, found.confirmed_at) for rule, found in every.items() if found is not None}
    assert steps == {
        "memorized": (200, 200),
        "onset": (300, 500),
        "onset-paper": (300, 300),
        "onset-paper-slow": (300, 300),
        "onset-finite-difference": (200, 200),
        "test-loss-turn": (400, 400),
        "commutator-norm-rise": (100, 300),
        "relative-commutator-fall": (500, 700),
        "gradient-norm-collapse": (400, 500),
        "weight-norm-halved": (500, 500),
        "pc1-turn": (800, 900),
        "grokked": (800, 1000),
    }
    assert every["grokked"] is not None
    assert every["grokked"].value == 1.0


def test_rules_without_their_signal_are_silent() -> None:
    assert set(detections(made(test_accuracy=jump(500))).values()) == {None}


def test_a_defect_below_its_floor_is_no_onset() -> None:
    defect = jump(300, 0.1, 50.0)
    assert detections(made(defect=defect, defect_floor=[1.0] * 11))["onset"] is not None
    assert detections(made(defect=defect, defect_floor=[20.0] * 11))["onset"] is None

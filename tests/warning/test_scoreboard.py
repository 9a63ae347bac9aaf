"""The scoreboard on runs whose every number is known, and what it must not know."""

import json
from typing import Any

import numpy as np
import pytest
from warning_made import jump, made

from grokscope.warning.predictors import PredictorRow
from grokscope.warning.scoreboard import AurocRow, RuleRow, Scoreboard, scoreboard
from grokscope.warning.trajectory import Trajectory


def grokking(name: str, grok: int, memorized: int, **more: Any) -> Trajectory:
    """Known at once; weight norm falls towards it, faster where grokking comes sooner."""
    return made(
        name, grok_step=grok, train_accuracy=jump(memorized), test_accuracy=jump(grok),
        weight_norm=lambda step: 100 - step * 30 / grok, **more,
    )  # fmt: skip


def control(name: str, memorized: int | None, **more: Any) -> Trajectory:
    at = 10**9 if memorized is None else memorized
    return made(
        name, train_accuracy=jump(at), test_accuracy=lambda step: 0.0, weight_norm=lambda step: 100 + step, **more
    )


def rule(board: Scoreboard, name: str) -> RuleRow:
    return next(row for row in board.rules if row.rule == name)


def scored(board: Scoreboard, signal: str, *, step: int | None = None, fraction: float | None = None) -> AurocRow:
    return next(
        row for row in board.aurocs if (row.signal, row.horizon.step, row.horizon.fraction) == (signal, step, fraction)
    )


def predictor(board: Scoreboard, name: str) -> PredictorRow:
    return next(row for row in board.predictors if row.name == name)


RUNS = [
    grokking("a", 400, 200),
    grokking("b", 600, 300),
    grokking("c", 800, 900),
    control("d", 200),
    control("e", None),
    control("unfinished", 100, steps=500),
]


def test_runs_are_counted_by_what_is_known_of_them() -> None:
    board = scoreboard(RUNS)
    assert (board.runs, board.grokking, board.controls, board.unfinished) == (6, 3, 2, 1)
    assert (board.median_grok_step, board.median_control_steps) == (600, 1000)


def test_a_rule_is_asked_for_hits_leads_and_false_alarms() -> None:
    row = rule(scoreboard(RUNS), "memorized")
    assert (row.fired, row.in_time, row.grokking) == (3, 2, 3)
    assert (row.early_false_alarms, row.false_alarms, row.controls) == (1, 1, 2)
    assert row.lead is not None
    assert (row.lead.low, row.lead.median, row.lead.high) == (50, 200, 250)
    assert row.fraction_of_grok_step is not None
    assert row.fraction_of_grok_step.median == 0.5
    assert row.correlation is not None
    assert (row.correlation.rho, row.correlation.n) == (pytest.approx(1.0), 3)


def test_who_knew_first() -> None:
    """The persistent onset is dated to 200 and known at 400: between two memorizations, and with one."""
    runs = [
        made(str(memorized), grok_step=900, defect=jump(200, 0.1, 50.0), test_accuracy=jump(900),
             train_accuracy=jump(memorized))
        for memorized in (300, 400, 700)
    ]  # fmt: skip
    unmemorized = made("never", grok_step=900, defect=jump(200, 0.1, 50.0), test_accuracy=jump(900))
    board = scoreboard([*runs, unmemorized])
    race = rule(board, "onset").races["memorized"]
    assert (race.runs, race.first) == (3, 1)
    assert race.ahead is not None
    assert race.ahead.median == 0
    assert (race.ahead.low, race.ahead.high) == (-50, 150)
    assert "memorized" not in rule(board, "memorized").races
    assert rule(board, "onset").races["test-loss-turn"].ahead is None


def test_a_lead_begins_when_the_rule_could_say_so() -> None:
    """The persistent onset is dated to 200, and known at 400."""
    run = made("a", grok_step=700, defect=jump(200, 0.1, 50.0), test_accuracy=jump(700))
    row = rule(scoreboard([run]), "onset")
    assert row.lead is not None
    assert row.lead_dated is not None
    assert (row.lead.median, row.lead_dated.median) == (300, 500)


def test_who_is_dated_before_grokking_and_known_after_it_was_not_in_time() -> None:
    """The persistent onset is dated to 200, and known at 400: at the grok step is too late."""
    runs = [made(str(grok), grok_step=grok, defect=jump(200, 0.1, 50.0), test_accuracy=jump(grok))
            for grok in (300, 400, 500)]  # fmt: skip
    row = rule(scoreboard(runs), "onset")
    assert (row.fired, row.in_time, row.grokking) == (3, 1, 3)


def test_an_alarm_after_the_typical_grok_step_is_a_late_false_alarm() -> None:
    row = rule(scoreboard([grokking("a", 400, 200), control("b", 900)]), "memorized")
    assert (row.early_false_alarms, row.false_alarms) == (0, 1)


def test_what_no_run_recorded_has_no_row() -> None:
    board = scoreboard(RUNS)
    assert "defect" in board.not_recorded
    assert "pc1" in board.not_recorded
    assert "weight_norm" not in board.not_recorded
    assert not any(row.signal in board.not_recorded for row in board.rules)
    assert not any(row.signal == "defect" for row in board.aurocs)


def test_a_rule_is_scored_on_the_runs_that_recorded_its_signal() -> None:
    with_defect = made("x", grok_step=700, defect=jump(200, 0.1, 50.0), test_accuracy=jump(700))
    row = rule(scoreboard([*RUNS, with_defect]), "onset")
    assert (row.grokking, row.controls) == (1, 0)


def test_a_signal_that_separates() -> None:
    row = scored(scoreboard(RUNS), "weight_norm", step=200)
    assert row.auroc is not None
    assert (row.auroc.value, row.auroc.grokking, row.auroc.controls) == (0.0, 3, 2)
    assert row.auroc.low == 0.0
    assert row.auroc.high > 0.8, "five runs prove little"


def test_the_default_step_is_half_of_the_earliest_grok_step() -> None:
    assert {row.horizon.step for row in scoreboard(RUNS).aurocs} == {200, None}
    assert {row.horizon.step for row in scoreboard(RUNS, at_steps=[100, 300]).aurocs} == {100, 300, None}


def test_runs_that_have_grokked_by_then_are_out() -> None:
    row = scored(scoreboard(RUNS, at_steps=[600]), "weight_norm", step=600)
    assert row.auroc is not None
    assert row.auroc.grokking == 1
    late = scored(scoreboard(RUNS, at_steps=[900]), "weight_norm", step=900)
    assert late.auroc is None


def test_a_fraction_is_of_each_runs_own_budget() -> None:
    """Values differ only at step 200 of the one and step 400 of the other: a tenth of 2,000 and of 4,000."""
    runs = [
        made("a", grok_step=1500, budget=2000, weight_norm=lambda step: float(step == 200), test_accuracy=jump(1500)),
        made("b", budget=4000, weight_norm=lambda step: -float(step == 400), test_accuracy=jump(9999)),
    ]
    board = scoreboard(runs, fractions=(0.1, 0.2))
    tenth, fifth = (scored(board, "weight_norm", fraction=fraction).auroc for fraction in (0.1, 0.2))
    assert tenth is not None
    assert fifth is not None
    assert (tenth.value, fifth.value) == (1.0, 0.5)


def test_a_decay_time_is_one_moment_at_every_rate() -> None:
    """Values differ only where lr · wd · step is 0.4: at step 400 of the one and step 200 of the other."""
    slow, fast = {"optimizer.lr": 1e-3, "optimizer.wd": 1.0}, {"optimizer.lr": 2e-3, "optimizer.wd": 1.0}
    runs = [
        made("a", grok_step=900, facts=slow, weight_norm=lambda step: float(step == 400), test_accuracy=jump(900)),
        made("b", facts=fast, weight_norm=lambda step: -float(step == 200), test_accuracy=jump(9999)),
    ]
    board = scoreboard(runs, decay_times=(0.2, 0.4))
    found = {row.horizon.decay_time: row.auroc for row in board.aurocs if row.signal == "weight_norm"}
    early, late = found[0.2], found[0.4]
    assert early is not None
    assert late is not None
    assert (early.value, late.value) == (0.5, 1.0)
    assert (late.low, late.high) == (0.0, 1.0), "one configuration of a kind proves nothing"


def test_a_run_without_a_clock_is_at_no_decay_time() -> None:
    still = {"optimizer.lr": 1e-3, "optimizer.wd": 0.0}
    runs = [*RUNS, made("still", facts=still, weight_norm=lambda step: 1e9, test_accuracy=jump(9999))]
    at = [row.auroc for row in scoreboard(runs).aurocs if row.signal == "weight_norm" and row.horizon.decay_time]
    assert {None if each is None else each.controls for each in at} <= {None, 2}


def test_what_comes_later_is_not_known() -> None:
    """Cutting all runs behind the horizon, outcomes aside, changes no value of the signals."""
    random = np.random.default_rng(0)
    columns = {"test_accuracy": jump(10**9), "train_accuracy": jump(300)}
    whole = [
        made(str(index), grok_step=900 if index % 2 else None, weight_norm=list(random.uniform(1, 9, 11)), **columns)
        for index in range(8)
    ]
    other = [
        made(run.name, grok_step=run.grok_step, weight_norm=[*run.columns["weight_norm"][:4], *[5.0] * 7], **columns)
        for run in whole
    ]
    for signal in ("weight_norm", "memorized"):
        first, second = (scored(scoreboard(runs, at_steps=[350]), signal, step=350).auroc for runs in (whole, other))
        assert first == second


def test_a_rule_scores_by_how_early_it_fired() -> None:
    runs = [grokking("a", 800, 100), grokking("b", 800, 300), control("c", 200), control("d", 500)]
    row = scored(scoreboard(runs, at_steps=[400]), "memorized", step=400)
    assert row.auroc is not None
    assert row.auroc.value == 0.75, "100 is before 200 and never; 300 is before never alone"


def test_strata_tell_where_outcome_and_setting_are_confounded() -> None:
    runs = [
        grokking("a", 400, 200, facts={"task.operation": "add", "optimizer.lr": 1e-3}),
        control("b", 200, facts={"task.operation": "x3_xy", "optimizer.lr": 1e-3}),
    ]
    row = scored(scoreboard(runs), "weight_norm", step=200)
    assert row.within == {
        "optimizer.lr": 0.0, "optimizer.wd": None, "task.operation": None, "task.train_fraction": None,
    }  # fmt: skip


def test_correlation_within_a_learning_rate() -> None:
    """Between learning rates memorization and grokking go together; within each they do the opposite."""
    runs = [
        grokking(f"{lr}-{grok}", grok, memorized, facts={"optimizer.lr": lr})
        for lr, grok, memorized in [(1e-3, 900, 500), (1e-3, 800, 600), (2e-3, 400, 100), (2e-3, 300, 200)]
    ]
    row = rule(scoreboard(runs), "memorized")
    assert row.correlation is not None
    assert row.within_lr is not None
    assert row.correlation.rho > 0.5
    assert row.within_lr.rho == pytest.approx(-1.0)


def clocked(lr: float, wd: float, factor: float = 1.0, **more: Any) -> Trajectory:
    """Groks at factor · 0.5 / (lr·wd)."""
    grok = int(factor * 0.5 / (lr * wd)) if wd else 900
    facts = {"optimizer.lr": lr, "optimizer.wd": wd, "train.seed": 1}
    return grokking(f"{lr}-{wd}-{factor}", grok, 200, facts=facts, **more)


def test_the_clock_of_weight_decay() -> None:
    board = scoreboard([clocked(1e-3, 1.0), clocked(1e-3, 2.0), clocked(2e-3, 0.5), clocked(1e-3, 0.8)])
    row = predictor(board, "lr·wd")
    assert (row.runs, row.fraction_of_grok_step) == (4, 0.0)
    assert row.median_error == pytest.approx(0.0, abs=1e-3)
    assert row.naive_error is not None
    assert row.naive_error > 0.1


def test_the_clock_says_nothing_without_weight_decay() -> None:
    board = scoreboard([clocked(1e-3, 1.0), clocked(1e-3, 2.0), clocked(1e-3, 0.0)])
    assert predictor(board, "lr·wd").runs == 2


def test_norm_separation() -> None:
    """V = ‖θ‖² decays as e^(−2 lr·wd·t) from a memorized norm that differs, and grokking comes at V* = 2,500."""

    def run(lr: float, size: float) -> Trajectory:
        grok = 100 + int(np.log(size / 50) / lr)
        return made(
            f"{lr}-{size}", grok_step=grok, every=1, budget=1500, train_accuracy=jump(100), test_accuracy=jump(grok),
            weight_norm=lambda step: size * np.exp(-lr * max(0.0, step - 100)),
            facts={"optimizer.lr": lr, "optimizer.wd": 1.0},
        )  # fmt: skip

    board = scoreboard([run(1e-3, 80), run(2e-3, 80), run(1e-3, 120), run(2e-3, 150)])
    row = predictor(board, "norm separation")
    assert row.runs == 4
    assert row.median_error is not None
    assert row.median_error < 0.02
    assert row.mean_error is not None
    assert row.mean_error < 0.02


def test_predictions_are_for_configurations_not_looked_at() -> None:
    """Two seeds of each configuration: the same learning rate is known only from other configurations at it."""
    runs = [clocked(lr, 1.0, factor) for lr in (1e-3, 2e-3) for factor in (1.0, 1.2)]
    assert predictor(scoreboard(runs), "same lr").runs == 0
    runs += [grokking("other", 450, 200, facts={"optimizer.lr": 1e-3, "optimizer.wd": 0.5})]
    row = predictor(scoreboard(runs), "same lr")
    assert row.runs == 3


def test_the_naive_prediction_is_for_configurations_not_looked_at_too() -> None:
    """Two seeds each at 100 and at 400: the one configuration predicts the other four times too late, or too early."""
    runs = [
        grokking(f"{grok}-{seed}", grok, 50, facts={"optimizer.lr": 1 / grok, "optimizer.wd": 1.0, "train.seed": seed})
        for grok in (100, 400)
        for seed in (1, 2)
    ]
    row = predictor(scoreboard(runs), "lr·wd")
    assert (row.runs, row.naive_error) == (4, pytest.approx((3 + 3 / 4) / 2))


def test_a_rule_that_fires_too_late_predicts_nothing() -> None:
    runs = [grokking(str(grok), grok, grok + 100, facts={"optimizer.lr": grok}) for grok in (300, 400, 500, 600)]
    assert predictor(scoreboard(runs), "memorized").runs == 0


def test_a_rule_in_proportion_predicts() -> None:
    runs = [grokking(str(grok), grok, grok // 2, facts={"optimizer.lr": grok}) for grok in (200, 400, 600, 800)]
    row = predictor(scoreboard(runs), "memorized")
    assert row.runs == 4
    assert row.median_error == pytest.approx(0.0, abs=1e-9)
    assert row.fraction_of_grok_step == 0.5


@pytest.mark.parametrize("runs", [[], RUNS[:1], RUNS[3:5]], ids=["none", "one that groks", "controls"])
def test_whatever_is_missing_it_can_be_written(runs: list[Trajectory]) -> None:
    board = scoreboard(runs)
    json.dumps(board.to_json(), allow_nan=False)
    assert all(row.auroc is None for row in board.aurocs)

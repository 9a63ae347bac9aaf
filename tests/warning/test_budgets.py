"""Runs that were stopped when they had grokked, beside runs that were not: their budgets are the answer."""

from dataclasses import replace

import pytest
from forecast_made import bank
from warning_made import made

from grokscope.warning.forecast.backtest import backtest
from grokscope.warning.forecast.budgets import giveaway
from grokscope.warning.trajectory import ORIGIN, Trajectory


def runs(grokked: list[int], others: list[int], **facts: str) -> list[Trajectory]:
    found = [made(f"g{budget}", grok_step=0, budget=budget, facts=facts) for budget in grokked]
    return [*found, *(made(f"c{budget}", budget=budget, facts=facts) for budget in others)]


def test_one_budget_says_nothing() -> None:
    assert giveaway(runs([5000] * 3, [5000] * 3)) is None
    assert giveaway(runs([3000, 5000, 7000], [3000, 5000, 7000])) is None, "as where a budget follows lr and wd"
    assert giveaway(runs([3000, 4000], [])) is None
    assert giveaway(runs([], [3000])) is None


def test_budgets_that_separate_outcomes() -> None:
    said = giveaway(runs([2000, 3000, 4500], [9000, 9000]))
    assert said is not None
    assert "grokked were allowed 2,000 to 4,500 steps, the others 9,000" in said
    assert said.endswith("train them with one train.steps")
    assert giveaway(runs([9000, 9000], [2000, 3000])) is not None, "either way"


def test_for_imports_the_advice_is_one_and_works() -> None:
    theirs = runs([2000, 3000, 4500], [9000, 9000], **{ORIGIN: "import"})
    said = giveaway(theirs) or ""
    assert said.endswith("import them again with --budget 9000 --force")
    assert giveaway([replace(run, budget=9000) for run in theirs]) is None


def test_budgets_that_separate_outcomes_in_decay_time_alone() -> None:
    """In steps they overlap, for two learning rates do; a forecast compares runs in decay time."""
    stopped = [
        run if run.grok_step is None else replace(run, budget=run.steps)
        for run in bank()
        if run.facts["task.operation"] == "mul"
    ]
    said = giveaway(stopped) or ""
    assert "runs that grokked were allowed a decay time lr · wd · step of 3." in said
    assert ", the others 12.0; train them with one" in said
    assert giveaway(bank()) is None


def test_one_budget_in_decay_time_says_nothing_whatever_it_is_in_steps() -> None:
    def run(lr: float, grok_step: int | None, tau: float = 12.0) -> Trajectory:
        facts = {"optimizer.lr": lr, "optimizer.wd": 1.0}
        return made(f"lr{lr}", grok_step=grok_step, budget=round(tau / lr), every=round(tau / lr), facts=facts)

    slow, fast = [run(lr, 1000) for lr in (5e-4, 7e-4, 1e-3)], [run(lr, None) for lr in (3e-3, 5e-3, 7e-3)]
    assert giveaway([*slow, *fast]) is None
    assert giveaway([*slow, *(run(lr, None, tau=6) for lr in (3e-3, 5e-3, 7e-3))]) is not None


def test_a_backtest_on_them_is_refused() -> None:
    leaking = [
        run if run.grok_step is None else replace(run.until(run.grok_step + 300), budget=run.grok_step + 300)
        for run in bank()
    ]
    with pytest.raises(ValueError, match="budgets give the outcome away"):
        backtest(leaking)

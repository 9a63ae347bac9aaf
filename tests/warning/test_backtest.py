"""A backtest's figures: on runs that obey a law, on runs that obey none, and never with a run in its own test."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from forecast_made import BUDGET, HOPELESS, LRS, OPERATIONS, bank, made

from grokscope.warning.forecast.backtest import FORECAST, TENTHS, Backtest, backtest
from grokscope.warning.forecast.intervals import FORECAST_LEVEL
from grokscope.warning.forecast.laws import LAWS


@cache
def done() -> Backtest:
    return backtest(bank(seeds=2))


def mean_percent(found: Backtest, candidate: str) -> dict[float, float | None]:
    return {error.at: error.mean_percent for error in found.errors if error.candidate == candidate}


class TestWhen:
    def test_every_candidate_at_every_fraction(self) -> None:
        names = [law.name for law in LAWS] + [FORECAST]
        assert [(error.candidate, error.at) for error in done().errors] == [
            (name, at) for name in names for at in TENTHS
        ]

    def test_the_law_that_the_runs_obey_is_as_wrong_as_they_are_noisy(self) -> None:
        """t = κ / (lr · wd), but for lognormal noise of 0.1: off by 8 % in the mean, whatever is known of the run."""
        for error in mean_percent(done(), "decay time").values():
            assert error == pytest.approx(8, abs=3)

    def test_one_that_looks_at_the_run_comes_to_know_better(self) -> None:
        turn = mean_percent(done(), "test-loss turn")
        assert turn[0.5] is None
        assert (turn[0.8] or math.inf) < 3
        forecast = mean_percent(done(), FORECAST)
        assert (forecast[0.8] or math.inf) < 3 < (forecast[0.1] or 0.0) < 10

    def test_steps_too(self) -> None:
        steps = sorted({error.at for error in done().errors_by_step})
        assert steps[:5] == [int(fraction * BUDGET) for fraction in TENTHS[:5]]
        forecasts = [error.runs for error in done().errors_by_step if error.candidate == FORECAST]
        assert forecasts[0] == 32
        assert forecasts == sorted(forecasts, reverse=True)  # those that have grokked are asked about no more

    def test_percent_and_logarithms_are_of_the_same_ratios(self) -> None:
        for error in done().errors:
            if error.mean_log10 is not None and error.mean_percent is not None and error.mean_percent < 10:
                assert error.mean_percent / 100 == pytest.approx(error.mean_log10 * math.log(10), rel=0.1)


class TestIntervals:
    @pytest.mark.slow
    def test_hold_as_often_as_they_say(self) -> None:
        """Over four banks; runs of one bank share its calibration, so the noise is that of its configurations."""
        found = [backtest(bank(seeds=1, noise=noise)) for noise in (0.05, 0.1, 0.2, 0.3)]
        covered = [each.covered for each in found if each.covered is not None]
        configurations = sum(each.grokked for each in found)
        assert len(covered) == 4
        assert np.mean(covered) >= FORECAST_LEVEL - 3 * math.sqrt(0.1 * FORECAST_LEVEL / configurations)

    def test_narrow_along_the_way(self) -> None:
        widths = {each.at: each.width or math.inf for each in done().coverage}
        assert 1 < widths[0.9] < widths[0.2] < 2

    @pytest.mark.slow
    def test_runs_that_would_have_grokked_later_are_counted(self) -> None:
        """A budget that ends among the grok steps: the late ones never grokked, and the intervals hold for the rest."""
        found = backtest(bank(seeds=2, noise=0.2, budget=2100))
        assert 0 < found.grokked < len(OPERATIONS) * 4 * 2
        assert (found.covered or 0) >= FORECAST_LEVEL - 3 * math.sqrt(0.1 * FORECAST_LEVEL / found.grokked)

    def test_none_where_configurations_are_too_few(self) -> None:
        few = [
            run for run in bank(seeds=2, lrs=(1e-3, 2e-3)) if run.facts["task.operation"] in {"add", "sub", *HOPELESS}
        ]
        found = backtest(few)
        assert found.covered is None
        assert all(each.intervals == 0 for each in found.coverage)
        assert any(each.projected for each in found.coverage)


class TestWhether:
    def test_runs_are_told_apart(self) -> None:
        first = {odds.runs: odds for odds in done().odds if odds.at == 0.2}
        assert set(first) == {"all", "with weight decay"}
        for odds in first.values():
            assert (odds.auroc or 0) > 0.95
            assert (odds.brier or 1) < 0.25 * (odds.base_brier or 0)
        assert first["all"].waiting - first["with weight decay"].waiting == 8

    def test_by_operation(self) -> None:
        found = backtest(bank(seeds=1), "operation")
        assert found.left_out == "operation"
        assert next(odds for odds in found.odds if odds.at == 0.2).auroc == pytest.approx(1, abs=0.1)

    def test_a_coin_is_not_foreseen(self) -> None:
        """Whether a run groks is thrown with a coin and shows in nothing until then: no better than the base rate."""
        random = np.random.default_rng(0)
        runs = []
        for number in range(30):
            run = made(str(number), number, lr=LRS[number % 4], operation=f"op{number // 4}", groks=False)
            heads = bool(random.random() < 0.5)
            runs.append(replace(run, grok_step=5900, grok_known_at=5900) if heads else run)
        found = next(odds for odds in backtest(runs, "operation").odds if odds.at == 0.3)
        assert (found.brier or 0) > 0.9 * (found.base_brier or 0)
        assert (found.auroc or 0) < 0.7

    def test_nothing_is_projected_for_controls(self) -> None:
        assert done().false_projections_without_decay == 0
        assert done().false_projections < 0.05

    def test_what_was_said_and_what_came(self) -> None:
        for name in ("all", "with weight decay"):
            bins = [each for each in done().reliability if each.runs == name]
            odds = [each for each in done().odds if each.runs == name]
            assert sum(each.answers for each in bins) == sum(each.waiting for each in odds)
            assert sum(each.answers * each.grokked for each in bins) == pytest.approx(
                sum(each.grokked for each in odds)
            )
            assert all(each.low <= each.said <= each.high for each in bins)
            assert all(each.distinct <= each.answers <= len(TENTHS) * each.distinct for each in bins)
        low, *_, high = (each for each in done().reliability if each.runs == "all")
        assert (low.low, low.grokked) == (0.0, pytest.approx(0, abs=0.05))
        assert (high.high, high.grokked) == (1.0, pytest.approx(1, abs=0.05))

    def test_few_runs_are_not_ranked(self) -> None:
        runs = [*bank(seeds=1), made("hopeless", 3, groks=False)]
        few = [each for each in backtest(runs).odds if min(each.grokked, each.waiting - each.grokked) < 5]
        many = [each for each in done().odds if min(each.grokked, each.waiting - each.grokked) >= 5]
        assert few
        assert many
        assert all(each.auroc is None and each.brier is not None for each in few)
        assert all(each.auroc is not None for each in many)


class TestHonesty:
    def test_a_run_has_no_say_in_its_own_forecast(self) -> None:
        """One configuration groks ten times later than any other: nothing said of it can have known."""
        odd = [made(f"odd-{seed}", seed, operation="odd", kappa=11.0, noise=0.0) for seed in range(3)]
        found = backtest([*bank(seeds=1), *odd])
        alone = mean_percent(found, "decay time")
        expected = (16 * 8 + 3 * 100 * (1 - 3 / 11)) / 19
        assert alone[0.3] == pytest.approx(expected, rel=0.2)

    def test_unsettled_runs_are_left_out(self) -> None:
        runs = [made(str(seed), seed, lr=lr, groks=groks) for seed in range(2) for lr in LRS for groks in (True, False)]
        assert backtest([*runs, made("open", 9).until(500)]) == backtest(runs)

    def test_one_group_cannot_be_left_out(self) -> None:
        with pytest.raises(ValueError, match="leaves out one group"):
            backtest([made(str(seed), seed) for seed in range(4)])
        with pytest.raises(ValueError, match="leaves out one group"):
            backtest([made(str(seed), seed, lr=lr) for seed in range(4) for lr in (1e-3, 2e-3)], "operation")

    def test_none_that_grokked(self) -> None:
        with pytest.raises(ValueError, match="none of these 8 finished runs has grokked"):
            backtest([made(str(seed), seed, lr=lr, groks=False) for seed in range(4) for lr in (1e-3, 2e-3)])

    def test_is_json(self) -> None:
        read = json.loads(json.dumps(done().to_dict(), allow_nan=False))
        assert read["runs"] == done().runs
        assert len(read["coverage"]) == len(TENTHS)

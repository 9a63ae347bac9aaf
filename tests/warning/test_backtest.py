"""A backtest's figures: on runs that obey a law, on runs that obey none, and never with a run in its own test."""

import json
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from forecast_made import BUDGET_TAU, ELASTICITIES, OPERATIONS, TRAIN_LOSS, bank, kappa_of, made

from grokscope.warning.configuration import configuration_of
from grokscope.warning.forecast.backtest import Backtest, Split, backtest, backtest_new
from grokscope.warning.forecast.backtest_scores import PARTS, ChanceScore, DateScore
from grokscope.warning.forecast.forecaster import calibrate
from grokscope.warning.trajectory import Trajectory
from grokscope.words.tracking import Item

NOISE = 0.1


def fact(name: str) -> Callable[[Trajectory], Hashable]:
    return lambda run: run.facts[name]


@cache
def done(*splits: Split) -> Backtest:
    return backtest(bank(lrs=(1e-3, 2e-3, 3e-3), noise=NOISE), *splits)


def chances(found: Backtest, question: str) -> dict[float, ChanceScore]:
    return {each.part: each for each in found.chances if each.question == question}


def dates(found: Backtest) -> dict[float, DateScore]:
    return {each.part: each for each in found.dates}


class TestWhether:
    @pytest.mark.parametrize("question", ["generalizes", "reaches"])
    def test_runs_are_told_apart_where_the_base_rate_tells_nothing(self, question: str) -> None:
        score = chances(done(), question)[0.5]
        assert score.auroc is not None
        assert score.auroc.value > 0.95
        assert score.auroc.low <= score.auroc.value <= score.auroc.high
        assert score.brier is not None
        assert score.brier < 0.5 * (score.base_brier or 0)
        assert (score.log_score or math.inf) < (score.base_log_score or 0)

    def test_nothing_is_said_too_early(self) -> None:
        early = chances(done(), "reaches")[0.2]
        assert (early.answered, early.auroc, early.brier) == (0, None, None)
        assert early.asked == done().runs
        assert done().refusals["reaches"]["not-yet"] >= 2 * done().runs, "at 0.2 and at 0.3 of κ"

    def test_a_coin_is_not_foreseen(self) -> None:
        """Whether a run groks is thrown and shows in nothing: no probability is earned, or none that misleads."""
        random = np.random.default_rng(3)
        runs = []
        for run in bank(lrs=(1e-3, 2e-3, 3e-3)):
            budget, heads = run.budget, bool(random.random() < 0.5)
            rate = float(run.facts["optimizer.lr"])
            grok = math.ceil(4 / rate) if heads else None
            end = budget if grok is None else max(grok, run.steps)
            runs.append(replace(run, grok_step=grok, grok_known_at=grok, steps=end))
        for score in chances(backtest(runs), "reaches").values():
            assert score.answered < 0.2 * score.asked

    def test_few_runs_are_not_ranked(self) -> None:
        few = [run for run in bank() if run.facts["optimizer.lr"] == 1e-3 and run.facts["task.operation"] == "add"]
        assert all(score.auroc is None for score in backtest(few).chances)

    def test_what_was_said_and_what_came(self) -> None:
        for question in ("generalizes", "reaches"):
            bins = [each for each in done().reliability if each.question == question]
            scores = chances(done(), question).values()
            assert sum(each.answers for each in bins) == sum(each.answered for each in scores)
            assert sum(each.answers * each.came for each in bins) == pytest.approx(sum(each.came for each in scores))
            assert all(each.low <= each.said <= each.high for each in bins)
            assert all(each.distinct <= each.answers <= len(PARTS) * each.distinct for each in bins)


class TestWhen:
    def test_as_wrong_as_the_runs_are_noisy_where_the_clock_is_far_off(self) -> None:
        """ln κ varies by 0.1 around the law, so the mean error is 8 %, and a little more for fitting."""
        for part in (0.4, 0.5):
            score = dates(done())[part]
            assert score.error == pytest.approx(0.08, abs=0.04)
            assert (score.clock_error or 0) > 1.5 * (score.error or 1)
            assert (score.better_low or 0) > 0

    def test_before_that_it_is_the_clock(self) -> None:
        early = dates(done())[0.2]
        assert early.error == early.clock_error
        assert early.width == early.clock_width

    def test_intervals_hold_and_are_narrower_than_the_clocks(self) -> None:
        for part in (0.4, 0.5):
            score = dates(done())[part]
            assert 0.8 <= (score.covered or 0) <= 1
            assert (score.width or math.inf) < 0.8 * (score.clock_width or 0)

    def test_other_seeds_are_as_far_off_as_their_grok_steps_are(self) -> None:
        """Two seeds that grok at steps a and b predict one another: off by b/a − 1 and by 1 − a/b."""
        pairs = bank(seeds=2, lrs=(1e-3, 2e-3, 3e-3), noise=NOISE)
        steps: dict[str, list[int]] = {}
        for run in pairs:
            if run.grok_step is not None:
                steps.setdefault(configuration_of(run), []).append(run.grok_step)
        ratios = [a / b for both in steps.values() for a, b in (both, both[::-1])]
        found = backtest(pairs)
        assert found.seed_runs == len(ratios) > 20
        assert found.seed_error == pytest.approx(np.mean([abs(each - 1) for each in ratios]))

    def test_one_seed_has_no_other(self) -> None:
        assert (done().seed_error, done().seed_runs) == (None, 0)


class TestLead:
    def test_what_shows_from_the_start_is_foreseen_as_early_as_it_is_asked(self) -> None:
        """Elasticity is constant here, so the first answer that is not too early, at 0.4 of the usual κ, is right."""
        runs = bank(lrs=(1e-3, 2e-3, 3e-3))
        lead = backtest(runs).lead
        kappas = [kappa_of(float(e), TRAIN_LOSS[operation]) for e in ELASTICITIES for operation in OPERATIONS]
        usual = np.median([kappa for kappa in kappas if math.isfinite(kappa)])
        asked = [run for run in runs if run.grok_step is not None]
        assert (lead.came, lead.foreseen) == (len(asked), len(asked))
        assert lead.share == pytest.approx(1 - 0.4, abs=0.05)
        assert lead.steps == pytest.approx(0.6 * usual / 2e-3, rel=0.1)

    def test_a_refusal_unsays_nothing(self) -> None:
        """One run loses what it memorized half way to its rise, deeper than any other, and is refused from there."""
        runs = list(bank(lrs=(1e-3, 2e-3, 3e-3)))
        index = next(index for index, run in enumerate(runs) if run.grok_step is not None)
        accuracies = runs[index].columns["train_accuracy"].copy()
        accuracies[runs[index].columns["step"] >= 0.5 * (runs[index].grok_step or 0)] = 0.3
        runs[index] = replace(runs[index], columns={**runs[index].columns, "train_accuracy": accuracies})
        found = backtest(runs)
        assert found.refusals["generalizes"]["outside-bank"] > 0
        assert found.lead.foreseen == found.lead.came

    def test_what_is_not_on_record_is_not_foreseen(self) -> None:
        unread = [
            {name: column for name, column in run.columns.items() if name not in {"elasticity", "weight_norm"}}
            for run in bank()
        ]
        lead = backtest([replace(run, columns=columns) for run, columns in zip(bank(), unread, strict=True)]).lead
        assert (lead.came > 0, lead.foreseen, lead.steps, lead.share) == (True, 0, None, None)


class TestSplits:
    @pytest.mark.parametrize(
        ("split", "groups"),
        [(Split.CONFIGURATION, 60), (Split.LR, 3), (Split.OPERATION, 2), (Split.FRACTION, len(ELASTICITIES))],
    )
    def test_groups(self, split: Split, groups: int) -> None:
        assert (done(split).splits, done(split).groups) == ((split,), groups)

    def test_a_fraction_that_was_left_out_is_told_by_the_others(self) -> None:
        """Every elasticity has its own fraction here, so that no run like it is left; the ends are outside."""
        score = chances(done(Split.FRACTION), "reaches")[0.5]
        assert score.auroc is not None
        assert score.auroc.value > 0.9
        assert done(Split.FRACTION).refusals["reaches"]["outside-bank"] > 0

    def test_each_group_that_is_left_out_counts_as_progress(self) -> None:
        lengths = []

        def track(items: Sequence[Item], words: str, /) -> Iterable[Item]:
            lengths.append((len(items), words))
            return items

        assert backtest(bank(), Split.OPERATION, track=track).groups == lengths[0][0] > 1
        new = [replace(run, name=f"new-{run.name}") for run in bank() if run.grok_step is not None][:4]
        assert backtest_new(new, bank(), track=track).runs == len(new)
        assert lengths[1:] == [(len(new), "runs asked")]

    def test_a_seed_left_out(self) -> None:
        found = backtest(bank(seeds=2, lrs=(1e-3, 2e-3, 3e-3), noise=NOISE), Split.SEED)
        assert found.groups == 2
        assert found.configurations == 60
        assert (dates(found)[0.5].error or 1) < (dates(found)[0.5].clock_error or 0)

    def test_a_size_left_out_is_refused_and_never_guessed(self) -> None:
        wide = [replace(run, name=f"wide-{run.name}", facts={**run.facts, "model.width": 256}) for run in bank()]
        found = backtest([*bank(), *wide], Split.SIZE)
        assert found.groups == 2
        assert all(each.answered == 0 for each in (*found.chances, *found.dates))
        assert set(found.refusals["when"]) == {"outside-bank"}


class TestHonesty:
    @pytest.mark.parametrize(
        ("splits", "shared"),
        [
            ((Split.CONFIGURATION,), [configuration_of]),
            ((Split.OPERATION, Split.FRACTION), [fact("task.operation"), fact("task.train_fraction")]),
        ],
    )
    def test_a_run_has_no_say_in_its_own_forecast(
        self, splits: tuple[Split, ...], shared: list[Callable[[Trajectory], Hashable]]
    ) -> None:
        """Nor has its twin: the figures are those of forecasters that saw no run which shares any of the splits, nor
        what came."""
        runs = bank(seeds=2, lrs=(2e-3,), noise=0.3)
        errors = []
        for run in runs:
            others = calibrate([each for each in runs if not any(of(each) == of(run) for of in shared)])
            step = math.ceil(0.4 * others.peers.usual_kappa / 2e-3 - 1e-9)
            if run.grok_step is None or step >= run.grok_step:
                continue
            said = others.forecast(run.until(step)).when.grok_step
            errors += [] if said is None else [abs(said / run.grok_step - 1)]
        score = dates(backtest(runs, *splits))[0.4]
        assert score.answered == len(errors) > 10
        assert score.error == pytest.approx(np.mean(errors))

    def test_unsettled_treated_and_undecaying_runs_are_left_out(self) -> None:
        treated = made("treated", 9)
        treated = replace(treated, facts={**treated.facts, "interventions.schedule": "kick@9"})
        more = [made("open", 9).until(500), treated, made("still", 9, wd=0.0)]
        assert backtest([*bank(), *more]) == backtest(bank())

    def test_one_group_cannot_be_left_out(self) -> None:
        with pytest.raises(ValueError, match="leaves out one configuration after the other"):
            backtest([made(str(seed), seed) for seed in range(4)])
        with pytest.raises(ValueError, match="leaves out one size"):
            backtest(bank(), Split.SIZE)

    def test_none_that_grokked(self) -> None:
        never: list[Trajectory] = [run for run in bank() if run.grok_step is None]
        with pytest.raises(ValueError, match="of these 20 runs none has grokked"):
            backtest(never)

    def test_is_json(self) -> None:
        read = json.loads(json.dumps(done().to_dict(), allow_nan=False))
        assert read["runs"] == done().runs
        assert read["splits"] == ["configuration"]
        assert len(read["dates"]) == len(PARTS)


def test_budgets_are_equal_in_decay_time() -> None:
    assert {round(run.budget * float(run.facts["optimizer.lr"]), 1) for run in bank()} == {BUDGET_TAU}

"""What the forecaster says of runs whose answers are known in closed form, and when it must be silent."""

import math
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecast_made import BUDGET_TAU, ELASTICITIES, TRAIN_LOSS, bank, kappa_of, made
from hypothesis import given
from hypothesis import strategies as st

from grokscope.registry import get
from grokscope.settings.config import resolve
from grokscope.warning.forecast.answers import Law, Projection
from grokscope.warning.forecast.bank import Bank, bank_for, build_bank, forecast_of, tables_of
from grokscope.warning.forecast.forecaster import EARLIEST, EARLIEST_STRUCTURE, FEWEST_OUTCOMES, Forecaster, calibrate
from grokscope.warning.forecast.intervals import (
    FORECAST_LEVEL,
    GUARANTEED,
    fewest_configurations,
    interval,
    votes,
)
from grokscope.warning.forecast.refusals import NoAnswer, Refusal
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.tables import read_table, table_digest, write_table
from grokscope.warning.trajectory import CHANCE, ORIGIN, TREATED_FROM, Trajectory, facts_of


@cache
def forecaster() -> Forecaster:
    return calibrate(bank())


def at_part(run: Trajectory, part: float = 0.5) -> Trajectory:
    """The run at a part of the usual κ of the bank."""
    rate = float(run.facts["optimizer.lr"]) * float(run.facts["optimizer.wd"])
    return run.until(math.ceil(part * forecaster().peers.usual_kappa / rate))


def reason(projection: Projection) -> tuple[Refusal | None, Refusal | None, Refusal | None]:
    refused = [each.refused for each in (projection.generalizes, projection.reaches, projection.when)]
    one, two, three = (None if each is None else each.refusal for each in refused)
    return one, two, three


class TestWhether:
    @pytest.mark.parametrize("elasticity", [0.03, 0.09])
    def test_a_run_below_the_threshold_is_unlikely(self, elasticity: float) -> None:
        said = forecaster().forecast(at_part(made("new", 7, elasticity=elasticity)))
        assert (said.generalizes.probability or 1) < 0.5
        assert (said.reaches.probability or 1) < 0.5
        assert said.when.refused == NoAnswer(Refusal.UNLIKELY)

    @pytest.mark.parametrize("elasticity", [0.25, 0.6])
    def test_a_run_above_it_is_likely(self, elasticity: float) -> None:
        said = forecaster().forecast(at_part(made("new", 7, elasticity=elasticity)))
        assert (said.generalizes.probability or 0) > 0.5
        assert (said.reaches.probability or 0) > 0.5
        assert said.basis == "elasticity and training loss"
        assert said.reaches.base_rate == pytest.approx(0.5, abs=0.1)

    def test_a_larger_elasticity_is_never_less_likely(self) -> None:
        said = [forecaster().forecast(at_part(made("new", 7, elasticity=e, train_loss=0.2))) for e in ELASTICITIES]
        chances = [each.reaches.probability or 0.0 for each in said]
        assert chances == sorted(chances)
        assert all(0 < chance < 1 for chance in chances)

    def test_what_reaches_the_criterion_generalizes(self) -> None:
        for elasticity in ELASTICITIES:
            said = forecaster().forecast(at_part(made("new", 7, elasticity=elasticity)))
            assert (said.generalizes.probability or 0.0) >= (said.reaches.probability or 0.0)

    def test_a_shorter_budget_is_less_likely_to_do(self) -> None:
        run = at_part(made("new", 7))
        whole = replace(run, budget=round(BUDGET_TAU / 2e-3))
        short = replace(run, budget=round(3 / 2e-3))
        chances = [forecaster().forecast(each).reaches.probability or 0.0 for each in (short, whole)]
        assert chances[0] < 0.5 * chances[1]
        generalizing = [forecaster().forecast(each).generalizes.probability for each in (short, whole)]
        assert generalizing[0] == generalizing[1], "the budget has nothing to do with it"

    def test_a_run_that_is_half_way_up_has_generalized(self) -> None:
        run = at_part(made("new", 7))
        rising = replace(run, columns={**run.columns, "test_accuracy": np.full(len(run.columns["step"]), 0.6)})
        said = forecaster().forecast(rising)
        assert said.generalizes.probability == 1
        assert 0 < (said.reaches.probability or 0) < 1


class TestStructure:
    """Fourier growth speaks before elasticity and training loss do, where run and bank have it."""

    @pytest.mark.parametrize(("elasticity", "likely"), [(0.04, False), (0.09, False), (0.25, True), (0.8, True)])
    def test_it_speaks_earlier(self, elasticity: float, likely: bool) -> None:
        known = calibrate(bank(structure=True))
        said = known.forecast(at_part(made("new", 7, elasticity=elasticity, structure=True), EARLIEST_STRUCTURE))
        assert ((said.reaches.probability or 0) > 0.5) is likely
        assert said.basis == "growth of Fourier structure"
        assert said.when.law is (Law.STRUCTURE if likely else None)

    @pytest.mark.parametrize("elasticity", [0.25, 0.4, 1.0])
    def test_a_power_of_the_growth_is_found(self, elasticity: float) -> None:
        """Where the training loss is the same for all, κ is a power of the logarithm of the growth."""
        one_loss = [run for run in bank(structure=True, lrs=(1e-3, 2e-3, 3e-3)) if run.facts["task.operation"] == "add"]
        run = made("new", 7, elasticity=elasticity, train_loss=TRAIN_LOSS["add"], structure=True)
        known = calibrate(one_loss)
        when = known.forecast(run.until(math.ceil(EARLIEST_STRUCTURE * known.peers.usual_kappa / 2e-3))).when
        assert when.law is Law.STRUCTURE
        assert when.grok_step == pytest.approx(kappa_of(elasticity, TRAIN_LOSS["add"]) / 2e-3, rel=0.06)

    @pytest.mark.parametrize("elasticity", [0.2, 0.22, 0.25])
    def test_late_it_speaks_of_the_moment_at_which_enough_runs_waited(self, elasticity: float) -> None:
        one_loss = [run for run in bank(structure=True, lrs=(1e-3, 2e-3, 3e-3)) if run.facts["task.operation"] == "add"]
        known = calibrate(one_loss)
        kappa = kappa_of(elasticity, TRAIN_LOSS["add"])
        late = 0.9 * kappa
        assert 3 <= (np.isfinite(known.peers.kappa) & (known.peers.kappa > late)).sum() < 10, "too few for a law"
        run = made("new", 7, elasticity=elasticity, train_loss=TRAIN_LOSS["add"], structure=True)
        when = known.forecast(run.until(math.ceil(late / 2e-3))).when
        assert when.law is Law.STRUCTURE
        assert when.grok_step == pytest.approx(kappa / 2e-3, rel=0.12)

    def test_at_an_lr_near_the_bank_it_speaks_alone_and_promises_no_interval(self) -> None:
        said = calibrate(bank(structure=True)).forecast(at_part(made("new", 7, lr=6e-3, structure=True)))
        assert reason(said) == (None, None, None)
        assert said.basis == "growth of Fourier structure"
        assert said.when.law is Law.STRUCTURE
        assert said.when.no_interval == "no run of the bank had optimizer.lr 0.006 (the bank has 0.001 to 0.003)"

    @pytest.mark.parametrize("outside", [{"lr": 1e-4}, {"lr": 0.1}, {"wd": 2.0}], ids=str)
    def test_at_an_lr_far_outside_or_another_wd_it_is_silent(self, outside: dict[str, Any]) -> None:
        said = calibrate(bank(structure=True)).forecast(at_part(made("new", 7, structure=True, **outside)))
        assert reason(said) == (Refusal.OUTSIDE_BANK, Refusal.OUTSIDE_BANK, None)
        assert said.when.law is Law.CLOCK

    def test_not_before_its_time(self) -> None:
        known = calibrate(bank(structure=True))
        early = known.forecast(at_part(made("new", 7, structure=True), 0.2))
        assert early.reaches.refused is not None
        assert early.reaches.refused.refusal is Refusal.NOT_YET
        assert early.not_before_step == math.ceil(EARLIEST_STRUCTURE * known.peers.usual_kappa / 2e-3)

    def test_before_it_begins_the_promise_is_the_same(self) -> None:
        def later(run: Trajectory) -> Trajectory:
            """Growth is on record only from τ 0.3 on."""
            begun = run.columns["step"] * float(run.facts["optimizer.lr"]) >= 0.3 - 1e-9
            growth = np.where(begun, run.columns["fourier_growth"], np.nan)
            return replace(run, columns={**run.columns, "fourier_growth": growth})

        known = calibrate([later(run) for run in bank(structure=True)])
        run = later(made("new", 7, structure=True))
        promised = [known.forecast(run.until(round(tau / 2e-3))).not_before_step for tau in (0.1, 0.2, 0.4)]
        assert promised == [math.ceil(EARLIEST_STRUCTURE * known.peers.usual_kappa / 2e-3)] * 3

    def test_a_run_or_a_bank_without_it_waits(self) -> None:
        for known, run in (
            (calibrate(bank(structure=True)), made("new", 7)),
            (forecaster(), made("new", 7, structure=True)),
        ):
            said = known.forecast(at_part(run, EARLIEST_STRUCTURE))
            assert reason(said)[1] is Refusal.NOT_YET
            assert said.not_before_step == math.ceil(EARLIEST * known.peers.usual_kappa / 2e-3)

    def test_later_it_speaks_beside_them(self) -> None:
        said = calibrate(bank(structure=True)).forecast(at_part(made("new", 7, structure=True)))
        assert said.basis == "Fourier structure and losses"

    def test_where_it_is_unlike_every_run_they_speak_alone(self) -> None:
        run = at_part(made("new", 7, structure=True))
        grown = replace(run, columns={**run.columns, "fourier_growth": 50 * run.columns["fourier_growth"]})
        said = calibrate(bank(structure=True)).forecast(grown)
        assert said.basis == "elasticity and training loss"
        assert (said.reaches.probability or 0) > 0.5


class TestWhen:
    @pytest.mark.parametrize("elasticity", [0.25, 0.4, 1.0])
    @pytest.mark.parametrize("train_loss", [0.15, 0.2])
    def test_the_law_that_the_runs_obey_is_found(self, elasticity: float, train_loss: float) -> None:
        said = forecaster().forecast(at_part(made("new", 7, elasticity=elasticity, train_loss=train_loss), 0.4))
        assert said.when.law is Law.ELASTICITY
        assert said.when.grok_step == pytest.approx(kappa_of(elasticity, train_loss) / 2e-3, rel=0.06)

    def test_parts_fit_together(self) -> None:
        run = at_part(made("new", 7))
        when = forecaster().forecast(run).when
        assert when.low is not None
        assert when.high is not None
        assert when.grok_step is not None
        assert run.steps <= when.low <= when.grok_step <= when.high

    def test_before_that_the_clock_speaks(self) -> None:
        said = forecaster().forecast(at_part(made("new", 7), 0.2))
        assert said.when.law is Law.CLOCK
        assert said.basis == "lr · wd alone"
        kappas = forecaster().peers.kappa
        usual = np.exp(np.log(kappas[np.isfinite(kappas)]).mean())
        assert said.when.grok_step == pytest.approx(usual / 2e-3)

    def test_the_clock_speaks_where_the_elasticity_earned_nothing(self) -> None:
        """κ is thrown: on configurations left out the two numbers are farther off than the mean of the others."""
        random = np.random.default_rng(0)
        runs = []
        for run in bank(seeds=1, lrs=(1e-3, 2e-3, 3e-3)):
            rate = float(run.facts["optimizer.lr"])
            grok = math.ceil(math.exp(1.5 + 0.3 * random.standard_normal()) / rate)
            runs.append(run if run.grok_step is None else replace(run, grok_step=grok, grok_known_at=grok, steps=grok))
        run = made("new", 7)
        when = calibrate(runs).forecast(run.until(math.ceil(2.3 / 2e-3))).when
        assert when.law is Law.CLOCK

    def test_the_elasticity_is_not_carried_beyond_the_bank(self) -> None:
        """A training loss far below all of the bank: the line through them says nothing, and the clock speaks."""
        said = forecaster().forecast(at_part(made("new", 7, train_loss=0.05)))
        assert said.when.law is Law.CLOCK

    def test_nothing_is_promised_for_the_past(self) -> None:
        run = made("late", 5, elasticity=0.16, train_loss=0.1)
        for step in range(100, run.grok_step or 0, 300):
            when = forecaster().forecast(run.until(step)).when
            assert when.grok_step is None or when.grok_step >= step

    def test_it_beats_the_clock_it_stands_beside(self) -> None:
        run = made("new", 7, elasticity=1.2, train_loss=0.25)
        said = forecaster().forecast(at_part(run, 0.4))
        true = kappa_of(1.2, 0.25) / 2e-3
        rival = said.rivals["lr·wd"].grok_step
        assert said.when.grok_step is not None
        assert rival is not None
        assert abs(said.when.grok_step / true - 1) < 0.25 * abs(rival / true - 1)


class TestRefusals:
    def test_not_yet(self) -> None:
        run = made("new", 7)
        first = math.ceil(EARLIEST * forecaster().peers.usual_kappa / 2e-3)
        early = forecaster().forecast(run.until(first - 1))
        assert reason(early) == (Refusal.NOT_YET, Refusal.NOT_YET, None)
        assert early.not_before_step == first
        assert early.reaches.refused is not None
        assert early.reaches.refused.in_words() == f"cannot be known yet: not before step {first:,}"
        late = forecaster().forecast(run.until(first + 50))
        assert reason(late) == (None, None, None)
        assert late.not_before_step is None

    def test_a_budget_that_ends_before_anything_can_be_known(self) -> None:
        early = forecaster().forecast(replace(made("new", 7).until(200), budget=700))
        assert early.reaches.refused is not None
        assert early.reaches.refused.in_words().endswith("which is past the budget")

    @pytest.mark.parametrize(
        ("facts", "words"),
        [
            ({"model.width": 128}, "model.width 128 (the bank has 64)"),
            ({"task.modulus": 97}, "task.modulus 97 (the bank has 59)"),
            ({"train.batch_size": 32}, "train.batch_size 32 (the bank has 256)"),
            ({"task.train_fraction": 0.1}, "task.train_fraction 0.1 (the bank has 0.2 to 0.74)"),
            ({"model.residual": "sphere"}, "model.residual sphere (unset in the bank)"),
        ],
    )
    def test_outside_of_the_bank(self, facts: dict[str, float | str], words: str) -> None:
        run = at_part(made("new", 7))
        said = forecaster().forecast(replace(run, facts={**run.facts, **facts}))
        assert reason(said) == (Refusal.OUTSIDE_BANK,) * 3
        assert said.reaches.refused == NoAnswer(Refusal.OUTSIDE_BANK, words)
        assert said.rivals == {}

    def test_a_size_near_enough_is_no_other_size(self) -> None:
        run = at_part(made("new", 7))
        near = forecaster().forecast(replace(run, facts={**run.facts, "model.width": 72}))
        assert near.reaches == forecaster().forecast(run).reaches

    def test_an_unset_size_is_that_of_the_task(self) -> None:
        run = at_part(made("new", 7))
        unset = {key: value for key, value in run.facts.items() if key != "model.width"}
        as_ever = forecaster().forecast(replace(run, facts={**unset, "data.model.width": 64}))
        assert as_ever.reaches == forecaster().forecast(run).reaches
        other = forecaster().forecast(replace(run, facts={**unset, "data.model.width": 128}))
        assert other.reaches.refused == NoAnswer(Refusal.OUTSIDE_BANK, "model.width 128 (the bank has 64)")

    def test_a_new_operation_is_welcome(self) -> None:
        run = at_part(made("new", 7))
        renamed = replace(run, facts={**run.facts, "task.operation": "x2_y2"})
        assert reason(forecaster().forecast(renamed)) == (None, None, None)

    def test_at_another_lr_the_clock_alone_speaks(self) -> None:
        said = forecaster().forecast(at_part(made("new", 7, lr=1e-2)))
        assert reason(said) == (Refusal.OUTSIDE_BANK, Refusal.OUTSIDE_BANK, None)
        assert said.when.law is Law.CLOCK
        assert said.when.low is None
        assert said.when.no_interval == "no run of the bank had optimizer.lr 0.01 (the bank has 0.001 to 0.003)"

    def test_runs_of_another_weight_decay_change_nothing(self) -> None:
        run = at_part(made("new", 7))
        strong = [made(f"strong-{seed}", seed, wd=3.0, elasticity=0.03) for seed in range(6)]
        assert calibrate([*bank(), *strong]).forecast(run) == forecaster().forecast(run)

    def test_where_no_run_of_a_weight_decay_groks_there_is_no_date(self) -> None:
        strong = [made(f"strong-{seed}", seed, wd=3.0, elasticity=0.03) for seed in range(6)]
        asked = made("new", 7, wd=3.0)
        said = calibrate([*bank(), *strong]).forecast(asked.until(200))
        assert said.when.refused == NoAnswer(Refusal.SMALL_BANK, "0 grokked, and a date takes 3")
        by_others = forecaster().forecast(asked.until(200))
        assert (by_others.when.refused, by_others.when.law) == (None, Law.CLOCK)

    def test_between_two_weight_decays_the_clock_alone_speaks(self) -> None:
        strong = [made(f"strong-{seed}", seed, wd=4.0, elasticity=0.03) for seed in range(6)]
        asked = made("new", 7, wd=1.9)
        assert asked.facts["optimizer.wd"] not in {run.facts["optimizer.wd"] for run in [*bank(), *strong]}
        said = calibrate([*bank(), *strong]).forecast(at_part(asked))
        assert said.when.no_interval == "no run of the bank had optimizer.wd 1.9 (the bank has 1)"
        assert said.when.law is Law.CLOCK

    def test_far_from_every_weight_decay_both_sides_count(self) -> None:
        weak = [made(f"weak-{seed}", seed, wd=0.25, elasticity=1.2) for seed in range(4)]
        strong = [made(f"strong-{seed}", seed, wd=4.0, elasticity=0.2) for seed in range(4)]
        asked = made("new", 7, wd=1.0).until(200)
        low, both, high = (
            calibrate(runs).forecast(asked).when.grok_step or 0.0 for runs in (weak, [*weak, *strong], strong)
        )
        assert low < both < high
        assert both == pytest.approx(math.sqrt(low * high))

    def test_where_runs_grok_at_one_step_steps_tell_when(self) -> None:
        settings = [(lr, wd) for lr in (1e-3, 2e-3, 4e-3) for wd in (0.25, 1.0)]
        runs = [made(f"lr{lr}-wd{wd}-{seed}", seed, lr=lr, wd=wd) for lr, wd in settings for seed in range(2)]
        steady = [replace(run, grok_step=1400 + 200 * seed % 400) for seed, run in enumerate(runs)]
        said = calibrate(steady).forecast(made("new", 7, lr=3e-3).until(150))
        assert said.when.law is Law.STEPS
        assert said.when.grok_step == pytest.approx(math.sqrt(1400 * 1600))
        by_clock = said.rivals["lr·wd"].grok_step
        assert by_clock is not None
        assert abs(by_clock / 1500 - 1) > 0.2
        assert forecaster().forecast(made("new", 7).until(150)).when.law is Law.CLOCK

    @pytest.mark.parametrize("lr", [1e-3, 1.5e-3, 3e-3, 7e-3])
    def test_runs_of_one_clock_do_not_tell_steps_from_decay_time(self, lr: float) -> None:
        said = calibrate(bank(lrs=(lr,), noise=0.1)).forecast(made("new", 7, lr=2 * lr).until(round(0.3 / lr)))
        assert said.when.law is Law.CLOCK

    def test_runs_on_another_amount_of_data_change_nothing(self) -> None:
        few = [replace(run, facts={**run.facts, "task.train_size": 50}) for run in bank()]
        many = [made(f"many-{seed}", seed, elasticity=1.2, **{"task.train_size": 100}) for seed in range(6)]
        asked = at_part(made("new", 7, **{"task.train_size": 50}))
        assert calibrate([*few, *many]).forecast(asked) == calibrate(few).forecast(asked)

    def test_between_two_amounts_of_data_nothing_is_guessed(self) -> None:
        amounts = (50, 100)
        runs = [made(f"{n}-{seed}", seed, **{"task.train_size": n}) for n in amounts for seed in range(6)]
        said = calibrate(runs).forecast(at_part(made("new", 7, **{"task.train_size": 70})))
        words = "task.train_size 70 (the bank has 50, 100)"
        assert said.when.refused == NoAnswer(Refusal.OUTSIDE_BANK, words)

    def test_behaviour_outside_of_the_bank(self) -> None:
        said = forecaster().forecast(at_part(made("new", 7, train_loss=1e-6)))
        assert said.reaches.refused == NoAnswer(Refusal.OUTSIDE_BANK, "it behaves unlike every run there")

    @pytest.mark.parametrize(("lowest", "refused"), [(0.95, False), (0.85, True)])
    def test_a_run_that_loses_what_it_memorized(self, lowest: float, refused: bool) -> None:
        run = at_part(made("new", 7))
        accuracies = run.columns["train_accuracy"].copy()
        accuracies[-3] = lowest
        rough = replace(run, columns={**run.columns, "train_accuracy": accuracies})
        expected = (Refusal.OUTSIDE_BANK,) * 3 if refused else (None,) * 3
        assert reason(forecaster().forecast(rough)) == expected
        assert forecaster().forecast(rough).rivals.keys() == (set() if refused else {"lr·wd"})

    def test_where_the_bank_loses_it_too_nothing_is_refused(self) -> None:
        def rough(run: Trajectory, lowest: float) -> Trajectory:
            accuracies = run.columns["train_accuracy"].copy()
            accuracies[6] = lowest
            return replace(run, columns={**run.columns, "train_accuracy": accuracies})

        found = calibrate([rough(run, 0.7) for run in bank()]).forecast(rough(at_part(made("new", 7)), 0.8))
        assert reason(found) == (None, None, None)

    def test_no_clock(self) -> None:
        still = made("new", 7, wd=0.0)
        assert reason(forecaster().forecast(still.until(1000))) == (Refusal.NO_CLOCK,) * 3
        run = at_part(made("new", 7))
        scheduled = {**run.columns, "decay_time": 0.5 * run.columns["step"] * 2e-3}
        said = forecaster().forecast(replace(run, columns=scheduled))
        assert reason(said) == (Refusal.NO_CLOCK,) * 3
        assert "follows a schedule" in (said.when.refused or NoAnswer(Refusal.NO_CLOCK)).in_words()
        unknown = replace(run, facts={ORIGIN: "import", "optimizer.lr": 1e-3})
        assert reason(forecaster().forecast(unknown)) == (Refusal.NO_CLOCK,) * 3

    @pytest.mark.parametrize("option", [{"optimizer.name": "muon"}, {"model.residual": "spherical"}], ids=str)
    def test_an_option_that_breaks_the_clock_is_refused_by_name(self, option: dict[str, str]) -> None:
        run = at_part(made("new", 7))
        said = forecaster().forecast(replace(run, facts={**run.facts, **option}))
        assert reason(said) == (Refusal.NO_CLOCK,) * 3

    def test_a_missing_signal(self) -> None:
        run = at_part(made("new", 7))
        bare = {name: column for name, column in run.columns.items() if name != "weight_norm"}
        said = forecaster().forecast(replace(run, columns=bare))
        assert reason(said) == (Refusal.NO_SIGNAL, Refusal.NO_SIGNAL, None)
        assert said.when.law is Law.CLOCK

    def test_weights_that_do_not_shrink(self) -> None:
        run = at_part(made("new", 7))
        flat = {**run.columns, "weight_norm": np.full(len(run.columns["step"]), 30.0)}
        assert reason(forecaster().forecast(replace(run, columns=flat)))[1] is Refusal.NO_SIGNAL

    def test_treated_from_the_step_on_and_not_before(self) -> None:
        run = made("new", 7)
        treated = replace(run, facts={**run.facts, TREATED_FROM: 1200, "interventions.schedule": "kick@1200"})
        assert reason(forecaster().forecast(treated.until(1200))) == (None, None, None)
        assert reason(forecaster().forecast(treated.until(1250))) == (Refusal.TREATED,) * 3

    def test_what_is_over_is_certain(self) -> None:
        run = made("new", 7)
        said = forecaster().forecast(run)
        assert (said.generalizes.probability, said.reaches.probability) == (1, 1)
        assert said.when.refused == NoAnswer(Refusal.GROKKED)
        never = forecaster().forecast(made("never", 7, elasticity=0.05))
        assert never.reaches.probability == 0
        assert never.when.refused == never.generalizes.refused == NoAnswer(Refusal.USED_UP)

    def test_too_few_outcomes(self) -> None:
        few = [run for run in bank() if run.grok_step is not None]
        others = [run for run in bank() if run.grok_step is None][: FEWEST_OUTCOMES - 1]
        said = calibrate([*few, *others]).forecast(at_part(made("new", 7)))
        assert reason(said) == (Refusal.SMALL_BANK, Refusal.SMALL_BANK, None)

    def test_too_few_that_grokked_for_a_date(self) -> None:
        never = [run for run in bank() if run.grok_step is None]
        said = calibrate([*never, made("a", 1), made("b", 2)]).forecast(made("new", 7).until(1100))
        assert said.when.refused == NoAnswer(Refusal.SMALL_BANK, "2 grokked, and a date takes 3")

    def test_a_probability_is_earned(self) -> None:
        """Whether a run groks is thrown with a coin: the base rate is not beaten, and no probability is given."""
        random = np.random.default_rng(1)
        thrown = []
        for run in bank(lrs=(1e-3, 2e-3, 3e-3)):
            rate, heads = float(run.facts["optimizer.lr"]), bool(random.random() < 0.5)
            grok = math.ceil(4 / rate) if heads else None
            accuracy = np.where(run.columns["step"] >= (grok or math.inf), 1.0, 0.02)
            columns = {**run.columns, "test_accuracy": accuracy}
            end = run.budget if grok is None else max(run.steps, grok)
            thrown.append(replace(run, grok_step=grok, grok_known_at=grok, columns=columns, steps=end))
        said = calibrate(thrown).forecast(at_part(made("new", 7)))
        assert said.reaches.refused == NoAnswer(Refusal.NOT_EARNED)

    def test_where_memorizing_is_enough_it_is_not_asked_whether_it_generalizes(self) -> None:
        easy = [
            replace(run, columns={**run.columns, "test_accuracy": np.where(run.columns["step"] == 0, 0.02, 0.7)})
            for run in bank()
        ]
        run = at_part(made("new", 7))
        said = calibrate(easy).forecast(run)
        assert said.generalizes.refused == NoAnswer(Refusal.MEMORIZED_ENOUGH)
        assert said.reaches.probability is not None

    def test_where_chance_is_not_on_record(self) -> None:
        silent = [replace(run, facts={key: run.facts[key] for key in run.facts if key != CHANCE}) for run in bank()]
        assert calibrate(silent).forecast(at_part(made("new", 7))).generalizes.refused == NoAnswer(Refusal.NO_CHANCE)

    def test_every_reason_has_a_name_and_a_sentence(self) -> None:
        assert len({refusal.value for refusal in Refusal}) == len(Refusal)
        assert {refusal.code for refusal in Refusal} >= {"not-yet", "outside-bank", "no-clock", "no-signal"}


@pytest.mark.parametrize(("task", "preset"), [("modular", "quick"), ("scan", "quick"), ("dyck", "quick")])
def test_the_first_commands_of_a_newcomer_are_told_no_guess(task: str, preset: str) -> None:
    """By the banks that are shipped: at the start nothing can be known, and the run says why."""
    spec = get("tasks", task)
    config, _ = resolve(spec, {**spec.presets[preset]}, preset=preset)
    settings = facts_of(config.model_dump(mode="json"))
    columns = {"step": np.array([0.0]), "test_accuracy": np.array([0.01]), "train_loss": np.array([4.0])}
    said, _ = forecast_of(Trajectory("first", task, settings, columns, None, 0, config.train.steps))
    assert said.reaches.probability is None
    refusals = {Refusal.NOT_YET, Refusal.OUTSIDE_BANK, Refusal.NO_BANK, Refusal.SMALL_BANK}
    assert (said.reaches.refused or NoAnswer(Refusal.NO_CLOCK)).refusal in refusals


class TestForeignRuns:
    """What nobody states is unknown, and refuses nobody."""

    def test_a_run_that_states_little_is_told_what_ours_is(self) -> None:
        run = at_part(made("new", 7))
        stated = {key: run.facts[key] for key in ("optimizer.lr", "optimizer.wd", CHANCE)}
        theirs = replace(run, facts={ORIGIN: "import", **stated})
        assert forecaster().forecast(theirs) == forecaster().forecast(run)
        stranger = replace(theirs, facts={**theirs.facts, "model.width": 999})
        assert reason(forecaster().forecast(stranger)) == (Refusal.OUTSIDE_BANK,) * 3

    def test_a_size_that_matters_is_not_guessed(self) -> None:
        """The bank has two sizes whose κ differ by more than 1.3."""
        larger = []
        for run in bank():
            rate = float(run.facts["optimizer.lr"])
            grok = None if run.grok_step is None else math.ceil(run.grok_step / 2)
            end = run.budget if grok is None else max(grok, round(0.2 / rate))
            facts = {**run.facts, "model.width": 256}
            larger.append(replace(run, facts=facts, grok_step=grok, grok_known_at=grok, steps=max(end, run.steps)))
        both = calibrate([*bank(), *larger])
        run = at_part(made("new", 7))
        stated = {key: run.facts[key] for key in ("optimizer.lr", "optimizer.wd", "task.modulus")}
        said = both.forecast(replace(run, facts={ORIGIN: "import", **stated}))
        assert said.reaches.refused is not None
        assert said.reaches.refused.in_words().startswith("outside of the bank: model.width is not on record")
        assert both.forecast(run) == forecaster().forecast(run), "a run that says its size is told by that size"


class TestNoPeeking:
    @given(step=st.integers(200, 2500), seed=st.integers(0, 2**32 - 1), later=st.integers(1, 3000))
    def test_what_comes_later_changes_nothing(self, step: int, seed: int, later: int) -> None:
        """Everything behind `step` is replaced, the grokking included."""
        run = made("new", 7)
        random = np.random.default_rng(seed)
        after = run.columns["step"] > step
        columns = {
            name: np.where(after, column if name == "step" else random.uniform(0, 9, len(column)), column)
            for name, column in run.columns.items()
        }
        known = run.grok_known_at is not None and run.grok_known_at <= step
        grokked = run.grok_step if known else step + later
        other = replace(
            run, columns=columns, grok_step=grokked, steps=max(run.steps, step + later),
            grok_known_at=run.grok_known_at if known else grokked,
        )  # fmt: skip
        assert forecaster().forecast(other.until(step)) == forecaster().forecast(run.until(step))

    def test_a_bank_that_holds_the_run_leaves_its_configuration_out(self, tmp_path: Path) -> None:
        write_table(tmp_path / "bank.jsonl.gz", bank(seeds=2))
        run = bank()[7]
        _, used = forecast_of(at_part(run), tmp_path / "bank.jsonl.gz")
        assert used is not None
        assert used.forecaster.left_out == 2, "the run and its twin of another seed"
        assert used.forecaster.runs == 2 * len(bank()) - 2


class TestIntervals:
    def test_nine_configurations_make_an_interval_of_nine_tenths(self) -> None:
        assert fewest_configurations(0.9) == 9
        assert fewest_configurations(0.95) == 19
        errors, said = np.linspace(0.1, 1, 9), np.zeros(9)
        assert interval(said, errors, votes(np.arange(9)))[1] == pytest.approx(1.0)

    def test_a_configuration_has_one_vote_however_many_rows(self) -> None:
        weights = votes(np.array([0] * 90 + list(range(1, 10))))
        assert weights.sum() == pytest.approx(1)
        assert weights[:90].sum() == pytest.approx(1 / 10)

    def test_the_runs_own_vote_counts_where_it_costs_little(self) -> None:
        assert votes(np.arange(GUARANTEED - 1)).sum() == pytest.approx(1)
        assert votes(np.arange(GUARANTEED)).sum() == pytest.approx(GUARANTEED / (GUARANTEED + 1))

    @pytest.mark.parametrize("configurations", [12, 31, 60])
    def test_coverage(self, configurations: int) -> None:
        """Of a new configuration: the level where it is guaranteed, and near it where it is calibrated."""
        random = np.random.default_rng(configurations)
        trials, held = 800, 0
        for _ in range(trials):
            values = random.standard_normal(configurations + 1)
            known = values[:-1]
            others = (known.sum() - known) / (len(known) - 1)
            low, high = interval(others, np.abs(known - others), votes(np.arange(configurations)))
            held += low <= values[-1] <= high
        margin = 3 * math.sqrt(0.1 * FORECAST_LEVEL / trials)
        promised = FORECAST_LEVEL if configurations >= GUARANTEED else FORECAST_LEVEL * (1 - 1 / configurations)
        assert promised - margin <= held / trials <= 0.97

    def test_too_few_configurations(self) -> None:
        grokked = [run for run in bank() if run.grok_step is not None][: fewest_configurations() - 1]
        never = [run for run in bank() if run.grok_step is None]
        when = calibrate([*grokked, *never]).forecast(made("new", 7).until(1100)).when
        assert when.grok_step is not None
        assert when.low is None
        assert when.no_interval == "too few runs in the bank: 8 of 9 configurations that grokked"


class TestBank:
    def test_takes_what_is_settled_and_untreated(self) -> None:
        run = made("new", 7)
        treated = replace(run, name="x/treated", facts={**run.facts, TREATED_FROM: 300})
        built = build_bank([replace(run, name="sweep/good"), replace(run.until(500), name="open"), treated])
        assert [each.name for each in built.kept] == ["good"]
        assert list(built.unsettled) == ["open"]
        assert list(built.treated) == ["x/treated"]

    def test_carries_what_a_forecast_reads(self) -> None:
        """A table of version 0.1.0 has no elasticity; a bank made of it has, and it is what the run's numbers give."""
        kept = build_bank([made("new", 7, elasticity=0.4)]).kept[0]
        assert kept.signal("elasticity")[1][-1] == pytest.approx(0.4)
        assert kept.signal("norm_slope")[1][-1] == pytest.approx(-1)

    def test_a_folder_of_tables_is_one_bank(self, tmp_path: Path) -> None:
        half = len(bank()) // 2
        digests = [
            write_table(tmp_path / name, runs)
            for name, runs in (("a.jsonl.gz", bank()[:half]), ("b.jsonl", bank()[half:]))
        ]
        found = bank_for("modular", tmp_path)
        assert isinstance(found, Bank)
        assert found.forecaster.runs == len(bank())
        assert found.name.name == tmp_path.name
        assert found.name.digest not in digests
        one = bank_for("modular", tmp_path / "b.jsonl")
        assert isinstance(one, Bank)
        assert one.name.digest == digests[1] == table_digest(tmp_path / "b.jsonl")

    def test_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        def said(name: str) -> str:
            found = bank_for("modular", tmp_path / name)
            assert isinstance(found, NoAnswer)
            return found.in_words()

        assert "cannot read the bank" in said("none.jsonl")
        (tmp_path / "torn.jsonl").write_text("{")
        assert "torn.jsonl, line 1" in said("torn.jsonl")
        write_table(tmp_path / "open.jsonl", [made("new", 7).until(500)])
        assert said("open.jsonl").startswith("too few runs in the bank")
        write_table(tmp_path / "other.jsonl", [made("new", 7, task="dyck")])
        assert "the bank other.jsonl holds no run of modular, but of dyck" in said("other.jsonl")
        (tmp_path / "empty").mkdir()
        assert "holds no run of modular" in said("empty")

    def test_is_read_once_whatever_it_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run asks at every evaluation; a bank without a run of its task is read once, as any other."""
        write_table(tmp_path / "bank.jsonl", bank())
        read: list[Path] = []

        def counting(file: Path) -> list[Trajectory]:
            read.append(file)
            return read_table(file)

        monkeypatch.setattr("grokscope.warning.forecast.bank.read_table", counting)
        for task in ("modular", "parity"):
            said = [bank_for(task, tmp_path / "bank.jsonl") for _ in range(3)]
            assert said[0] is said[1] is said[2]
        assert len(read) == 2, "once for each task"
        run = made("new", 7, operation="add", lr=1e-3, fraction=0.5)
        twins = [bank_for("modular", tmp_path / "bank.jsonl", run.facts) for _ in range(2)]
        assert twins[0] is twins[1]

    def test_an_unknown_task(self) -> None:
        said, used = forecast_of(at_part(made("new", 7, task="parity")))
        assert used is None
        assert reason(said) == (Refusal.NO_BANK,) * 3
        assert "no bank of parity runs" in (said.when.refused or NoAnswer(Refusal.NO_BANK)).in_words()

    def test_nothing_heavy_is_imported(self) -> None:
        code = "import sys, grokscope.warning.forecast.live; print([m for m in ('scipy', 'torch') if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    @pytest.mark.parametrize("file", tables_of(), ids=lambda file: file.name)
    def test_the_shipped_ones_are_small_and_hold_what_a_forecast_reads(self, file: Path) -> None:
        assert file.stat().st_size < 2**21
        decaying = [run for run in read_trajectories(file) if float(run.facts["optimizer.wd"]) > 0]
        assert decaying
        assert all(run.has("elasticity") and run.has("norm_slope") for run in decaying)


def test_half_of_the_made_bank_groks() -> None:
    groks = [run.grok_step is not None for run in bank()]
    assert sum(groks) == len(groks) / 2
    assert {float(run.facts["task.train_fraction"]) for run in bank()} == {
        round(0.2 + 0.06 * place, 2) for place in range(len(ELASTICITIES))
    }
    assert set(TRAIN_LOSS) == {str(run.facts["task.operation"]) for run in bank()}

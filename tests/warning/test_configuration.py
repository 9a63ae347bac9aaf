"""One definition of a configuration: what seeds and watching change, and what is another run altogether."""

import pytest
from warning_made import jump, made

from grokscope.settings.config import OptimizerSection
from grokscope.warning.configuration import configuration_of, is_setting, settings_of
from grokscope.warning.forecast.backtest import backtest
from grokscope.warning.forecast.familiar import known_settings, outside
from grokscope.warning.forecast.peers import peers_of
from grokscope.warning.law import lead_time_law
from grokscope.warning.trajectory import Trajectory

LR = {"optimizer.lr": 1e-3, "optimizer.wd": 1.0}


def run(name: str = "made", **facts: float | int | str) -> Trajectory:
    return made(name, grok_step=500, facts=facts, test_accuracy=jump(500), train_accuracy=jump(200))


@pytest.mark.parametrize(
    "fact",
    [
        "train.seed", "train.replicate", "task.split_seed", "task.data_seed", "measure.every", "evaluate.every",
        "detect.onset", "forecast.bank", "preset", "train.stop_after_grok", "origin", "seed",
    ],
)  # fmt: skip
def test_chance_and_watching_are_no_settings(fact: str) -> None:
    assert not is_setting(fact)
    assert configuration_of(run(**LR, **{fact: 1})) == configuration_of(run(**LR, **{fact: 2}))


@pytest.mark.parametrize("fact", ["optimizer.lr", "task.operation", "model.width", "train.batch_size", "dropout"])
def test_anything_else_is_another_configuration(fact: str) -> None:
    assert configuration_of(run(**{fact: 1})) != configuration_of(run(**{fact: 2})) != configuration_of(run())


def test_a_number_is_the_same_setting_however_it_is_written() -> None:
    assert configuration_of(run(**{"optimizer.wd": 1})) == configuration_of(run(**{"optimizer.wd": 1.0}))
    assert configuration_of(run(**{"optimizer.wd": 1})) != configuration_of(run(**{"optimizer.wd": "1"}))


def test_what_was_done_to_a_run_is_no_setting_of_its_undisturbed_course() -> None:
    treated = run(**LR, **{"interventions.first": 200, "interventions.schedule": "kick@200"})
    assert configuration_of(treated) == configuration_of(run(**LR))
    assert settings_of(treated.facts) == LR


def test_the_law_banks_and_backtests_count_the_same_configurations() -> None:
    runs = [
        run(
            f"{lr}-{seed}",
            **{"optimizer.lr": lr, "optimizer.wd": 1.0, "task.data_seed": seed, "forecast.bank": f"bank-{seed}"},
        )
        for lr in (1e-3, 2e-3, 3e-3)
        for seed in (1, 2)
    ]
    assert len({case.configuration for case in lead_time_law(runs, "memorized").cases}) == 3
    assert len(set(peers_of(runs).configuration.tolist())) == 3
    assert backtest(runs).configurations == 3


def test_options_at_their_defaults_are_what_was_done_before_there_were_options() -> None:
    """So the shipped banks, whose runs do not state them, know the runs of today."""
    facts = {f"optimizer.{name}": value for name, value in OptimizerSection().model_dump().items()}
    old = ("lr", "wd", "beta1", "beta2", "epsilon", "clip")
    assert settings_of(facts).keys() == {f"optimizer.{name}" for name in old}
    assert not settings_of({"optimizer.name": "AdamW"})
    assert settings_of({"optimizer.name": "sgd", "optimizer.warmup": 5}).keys() == {
        "optimizer.name",
        "optimizer.warmup",
    }


def test_a_run_that_states_the_default_is_familiar_to_runs_that_do_not() -> None:
    known = known_settings([LR])
    assert not outside(known, {**LR, "optimizer.name": "adamw", "optimizer.schedule": "constant"}, complete=True)
    assert outside(known, {**LR, "optimizer.name": "muon"}, complete=True) == {"optimizer.name": "muon"}
    both = known_settings([{**LR, "optimizer.name": "adamw"}, {**LR, "optimizer.name": "sgd"}])
    assert not outside(both, LR, complete=True)

"""The learning rate of every step, and what the options of an optimizer make of decay time."""

import math
from typing import Any

import numpy as np
import pytest

from grokscope.registry import get
from grokscope.settings.clock import no_clock
from grokscope.settings.config import ConfigError, RunConfig, resolve
from grokscope.settings.values import dotted


def config(**settings: Any) -> RunConfig:
    layer = {f"optimizer.{name}": value for name, value in settings.items()}
    return resolve(get("tasks", "modular"), {"train.steps": 100, "optimizer.lr": 0.2, "optimizer.wd": 0.5, **layer})[0]


def test_without_a_schedule_every_step_has_the_same() -> None:
    plain = config()
    assert {plain.optimizer_at(step).lr for step in (0, 50, 99)} == {0.2}
    assert plain.decay_time(30) == 30 * 0.2 * 0.5


def test_warm_up_is_a_line_that_reaches_the_rate_in_its_last_step() -> None:
    assert [config(warmup=4).optimizer_at(step).lr for step in range(6)] == pytest.approx(
        [0.05, 0.1, 0.15, 0.2, 0.2, 0.2]
    )


def test_cosine_falls_from_the_rate_after_warm_up_to_nothing_at_the_last_step() -> None:
    scheduled = config(schedule="cosine", warmup=20)
    assert scheduled.optimizer_at(20).lr == pytest.approx(0.2)
    assert scheduled.optimizer_at(60).lr == pytest.approx(0.1)
    assert scheduled.optimizer_at(80).lr == pytest.approx(0.2 * (1 + math.cos(0.75 * math.pi)) / 2)
    assert scheduled.optimizer_at(100).lr == 0


def test_decay_time_is_the_sum_of_what_every_step_takes_away() -> None:
    scheduled = config(schedule="cosine", warmup=3)
    rates = [scheduled.optimizer_at(step).lr for step in range(40)]
    assert scheduled.decay_time(40) == pytest.approx(0.5 * sum(rates))
    assert scheduled.decay_time(0) == 0


def test_a_budget_in_decay_time_needs_a_constant_rate() -> None:
    with pytest.raises(ConfigError, match=r"train.steps is in decay time, which needs a constant learning rate"):
        resolve(get("tasks", "modular"), {"train.steps": "12tau", "optimizer.schedule": "cosine"})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"name": "sgd"}, "with sgd the size of a step depends on the size of the gradient"),
        ({"name": "muon"}, "muon moves every matrix by the same length"),
        ({"decay": "matrices"}, "biases and norms do not decay"),
        ({"schedule": "cosine"}, "the learning rate follows a schedule"),
        ({"warmup": 10}, "the learning rate warms up"),
    ],
)
def test_an_option_that_breaks_the_clock_says_so(settings: dict[str, Any], why: str) -> None:
    objection = no_clock(dotted(config(**settings).model_dump()))
    assert objection is not None
    assert why in objection


def test_a_spherical_model_has_no_clock_and_other_options_of_a_model_keep_it() -> None:
    assert "no logit of a spherical model grows" in str(no_clock({"model.residual": "spherical"}))
    assert no_clock({"model.attention": "uniform", "model.loss": "stablemax", "model.residual": None}) is None


def test_the_default_and_what_is_not_on_record_keep_the_clock() -> None:
    assert no_clock(dotted(config().model_dump())) is None
    assert no_clock({}) is None
    assert no_clock({"optimizer.name": "AdamW"}) is None


def test_rates_of_many_steps_are_those_of_each() -> None:
    scheduled = config(schedule="cosine", warmup=7)
    each = [scheduled.optimizer_at(step).lr for step in range(100)]
    assert np.all(np.diff(each[7:]) < 0)

"""Numbers of steps written in decay time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import registry
from grokscope.settings.config import ConfigError, RunConfig, resolve


def resolved(**settings: Any) -> RunConfig:
    layer = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(registry.get("tasks", "modular"), layer, preset="small")[0]


def test_a_budget_and_cadences_in_decay_time() -> None:
    config = resolved(
        train__steps="12tau", evaluate__every="0.1 τ", measure__every="0.2tau", optimizer__lr=1.5e-3, optimizer__wd=0.5
    )
    assert (config.train.steps, config.evaluate.every, config.measure.every) == (16_000, 133, 267)


def test_the_preset_s_rate_counts_where_none_is_given() -> None:
    assert resolved(train__steps="3tau").train.steps == 1500  # lr 2e-3, wd 1


@given(st.floats(1e-5, 1e-1), st.floats(0.01, 3), st.floats(0.01, 20))
def test_steps_times_rate_is_the_decay_time(lr: float, wd: float, decay_time: float) -> None:
    steps = resolved(train__steps=f"{decay_time:f}tau", optimizer__lr=lr, optimizer__wd=wd).train.steps
    asked = float(f"{decay_time:f}")
    assert steps == 1 or abs(steps * lr * wd - asked) <= lr * wd / 2 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train__steps": "12tau", "optimizer__wd": 0.0}, "train.steps is in decay time"),
        ({"train__steps": "12tau", "optimizer__wd": 1e-12}, "over 1e\\+12 steps"),
        ({"train__steps": "12 taus"}, "train.steps: "),
        ({"train__steps": "-1tau"}, "train.steps: "),
        ({"train__steps": "12tau", "optimizer__lr": True}, "lr"),
        ({"optimizer__lr": "12tau"}, "optimizer.lr: "),
    ],
)
def test_what_is_no_decay_time(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved(**settings)

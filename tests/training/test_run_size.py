"""What a run takes is estimated before anything is allocated."""

from dataclasses import replace
from typing import Any

import pytest

from grokscope import registry
from grokscope.contract import memory
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.settings.config import ConfigError, RunConfig, resolve
from grokscope.training import run_size
from grokscope.training.run_size import check_data, check_model, parameter_count, training_bytes

ENCODER = ModelSpec("encoder", vocabulary=7, context=2, classes=7, width=8, heads=2, feed_forward=16)
TRANSLATOR = replace(ENCODER, shape="encoder-decoder", target_vocabulary=5, target_context=3)


@pytest.mark.parametrize("model", [ENCODER, TRANSLATOR, replace(ENCODER, shape="decoder")], ids=lambda each: each.shape)
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_parameters_are_counted_without_listing_them(model: ModelSpec, layers: int) -> None:
    model = replace(model, layers=layers)
    assert parameter_count(model) == layout(model).size


def test_no_list_of_a_hundred_million_layers_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[int] = []
    monkeypatch.setattr(run_size, "layout", lambda model: listed.append(model.layers) or layout(model))
    assert parameter_count(replace(ENCODER, layers=10**8)) > 10**9
    assert listed == [1, 2]


def settings(**changes: Any) -> RunConfig:
    return resolve(registry.get("tasks", "modular"), {key.replace("__", "."): value for key, value in changes.items()})[
        0
    ]


@pytest.mark.parametrize(
    ("change", "grows"),
    [({"width": 80}, True), ({"layers": 20}, True), ({"feed_forward": 160}, True), ({}, False)],
    ids=str,
)
def test_what_grows_is_counted(change: dict[str, int], grows: bool) -> None:
    config = settings()
    assert (training_bytes(config, replace(ENCODER, **change), 50) > training_bytes(config, ENCODER, 50)) is grows


def test_a_batch_holds_no_sequence_twice() -> None:
    small, large = settings(train__batch_size=50), settings(train__batch_size=5000)
    assert training_bytes(large, ENCODER, 50) - training_bytes(small, ENCODER, 50) == 16 * (5000 - 50)


def test_what_does_not_fit_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**30)
    config = settings()
    check_model(config, ENCODER, 50)
    with pytest.raises(ConfigError, match=r"a model of [0-9,]+ parameters .* TiB of memory, and 1 GiB are free"):
        check_model(config, replace(ENCODER, width=10**6), 50)


@pytest.mark.parametrize(("task", "option"), [("modular", {"modulus": 4093}), ("dyck", {"test_size": 10**9})], ids=str)
def test_data_that_does_not_fit_is_never_made(
    monkeypatch: pytest.MonkeyPatch, task: str, option: dict[str, int]
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**30)
    spec = registry.get("tasks", task)
    check_data(spec, spec.options())
    with pytest.raises(ConfigError, match=f"the data of {task} would take about"):
        check_data(spec, spec.options(**option))

"""Expected times: the sum of what a run does, and one timing for all runs of a kind."""

from typing import Any

import pytest

from grokscope import registry
from grokscope.machine.estimate import Speed, Stopwatch
from grokscope.settings.config import RunConfig, resolve

MODULAR = registry.get("tasks", "modular")
TINY = {
    "task.modulus": 5, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "train.batch_size": 4, "train.steps": 100, "evaluate.every": 10, "measure.every": 20, "measure.samples": 3,
    "measure.baseline_samples": 7, "backend.name": "torch", "backend.threads": 1,
}  # fmt: skip


def tiny(**changes: Any) -> RunConfig:
    return resolve(MODULAR, TINY, {key.replace("__", "."): value for key, value in changes.items()})[0]


@pytest.mark.parametrize(("estimator", "samples"), [("exact", 7 + 5 * 3), ("finite-difference", 7 + 5 * 3), ("off", 0)])
def test_a_run_takes_what_its_parts_take(estimator: str, samples: int) -> None:
    """100 steps, 11 evaluations, a baseline of 7 samples and 5 measurements of 3."""
    config = tiny(measure__estimator=estimator)
    assert Speed(step=1.0, evaluation=0.0, sample=0.0).seconds(config) == 100
    assert Speed(step=0.0, evaluation=1.0, sample=0.0).seconds(config) == 11
    assert Speed(step=0.0, evaluation=0.0, sample=1.0).seconds(config) == samples


def test_one_timing_for_all_runs_of_a_kind() -> None:
    watch = Stopwatch()
    first = watch.seconds(tiny(), MODULAR)
    again = watch.seconds(tiny(train__seed=3, optimizer__lr=0.1, task__operation="sub"), MODULAR)
    assert first == again > 0
    assert watch.seconds(tiny(train__steps=0, evaluate__every=1000), MODULAR) < first
    assert len(watch.speeds) == 1
    watch.seconds(tiny(model__width=16), MODULAR)
    watch.seconds(tiny(task__modulus=7), MODULAR)
    watch.seconds(tiny(measure__estimator="off"), MODULAR)
    assert len(watch.speeds) == 4

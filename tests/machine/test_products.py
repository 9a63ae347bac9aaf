"""What is to be saved is arithmetic: it is counted here, because no test asserts a time."""

from collections.abc import Callable

import pytest
from torch.utils.flop_counter import FlopCounterMode

from grokscope import registry
from grokscope.machine.bench import PLAIN_TWINS, operations_of
from grokscope.settings.config import resolve

SMALL = {"backend.name": "torch", "model.width": 32, "model.feed_forward": 64, "train.batch_size": 64}


def products(call: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@pytest.fixture(scope="module", params=["modular", "dyck"])
def counted(request: pytest.FixtureRequest) -> dict[str, int]:
    task = registry.get("tasks", request.param)
    config, options = resolve(task, SMALL, preset="quick")
    ready = operations_of(config, task, options).ready
    return {name: products(ready[name](0)) for name in (*PLAIN_TWINS, *set(PLAIN_TWINS.values())) if name in ready}


def test_an_exact_sample_is_six_gradients_and_a_finite_difference_four(counted: dict[str, int]) -> None:
    exact, finite = counted["signal defect"], counted["signal finite_difference_defect"]
    assert exact / finite == pytest.approx(6 / 4, rel=0.02)


def test_less_is_computed_than_in_the_plain_way(counted: dict[str, int]) -> None:
    assert counted["step"] < counted["plain step"]
    assert counted["signal finite_difference_defect"] < counted["plain finite difference"]
    assert counted["plain finite difference"] / counted["plain step"] == pytest.approx(4, rel=0.05)

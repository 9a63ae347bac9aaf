"""Each way to break a signal has a test in the suite that ships that says so."""

import runpy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from grokscope.contract.signals import NoParameters, Number, SignalRule, SignalSpec, Vantage, Work
from grokscope.testing.signals import SignalConformance

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_signal.py"
SPEC: SignalSpec = runpy.run_path(str(EXAMPLE))["SPEC"]


class TestExample(SignalConformance):
    spec: ClassVar[SignalSpec] = SPEC


Observe = Callable[[Vantage], Mapping[str, Number]]


class Made:
    def __init__(self, observe: Observe) -> None:
        self.observe = observe


def saying(observe: Observe, **changes: Any) -> SignalSpec:
    return replace(SPEC, open=lambda parameters, subject: Made(observe), **changes)


def value(number: float) -> Mapping[str, Number]:
    return {"participation_ratio": number}


class Counter:
    """It remembers what it cannot get back."""

    def __init__(self) -> None:
        self.seen = 0

    def observe(self, vantage: Vantage) -> Mapping[str, Number]:
        self.seen += 1
        return value(self.seen)


def disturbing(vantage: Vantage) -> Mapping[str, Number]:
    vantage._watched.session.displace(vantage.asarray(1e-3 * vantage.start))  # type: ignore[attr-defined]
    return value(1.0)


def costly(vantage: Vantage) -> Mapping[str, Number]:
    loss, _ = vantage.landscape.gradient(vantage.point, vantage.draw(0)[0])
    return value(float(loss))


def sociable(vantage: Vantage) -> Mapping[str, Number]:
    """It depends on who else is looking: the prediction has logits where somebody else needs them."""
    return value(float(all(each.prediction.logits is None for each in vantage.answers("test"))))


def late(vantage: Vantage) -> Mapping[str, Number]:
    _, values = vantage.series("test_loss")
    return value(float(values[-1]) + float(vantage.theta.sum()))


class Undescribed(NoParameters):
    window: int = 3


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("spec", "test"),
    [
        (replace(SPEC, name="Participation ratio"), "test_it_is_said_what_it_is"),
        (replace(SPEC, summary="two\nlines"), "test_it_is_said_what_it_is"),
        (replace(SPEC, open=None), "test_it_is_said_what_it_is"),
        (replace(SPEC, rules=(SignalRule("fell", "falls"),)), "test_rules_are_whole"),
        (replace(SPEC, rules=(SignalRule("reached", "above"),)), "test_rules_are_whole"),
        (replace(SPEC, rules=SPEC.rules * 2), "test_rules_are_whole"),
        (replace(SPEC, parameters=Undescribed), "test_parameters_are_described_closed_and_have_defaults"),
        (replace(SPEC, parameters=Open), "test_parameters_are_described_closed_and_have_defaults"),
        (saying(lambda vantage: {}), "test_it_says_something_of_its_own"),
        (saying(lambda vantage: {"weight_norm": 1.0}), "test_it_says_something_of_its_own"),
        (saying(lambda vantage: {"participation_ratio": "much"}), "test_it_says_something_of_its_own"),  # type: ignore[dict-item]
        (saying(disturbing), "test_it_disturbs_nothing"),
        (saying(lambda vantage: value(np.random.default_rng().uniform())), "test_it_repeats_exactly"),
        (replace(SPEC, open=lambda parameters, subject: Counter()), "test_it_is_the_same_after_a_crash"),
        (saying(sociable, cost="evaluation"), "test_it_is_the_same_in_company"),
        (saying(costly), "test_it_costs_what_it_says"),
        (saying(costly, cost="gradients"), "test_it_costs_what_it_says"),
        (saying(costly, cost="gradients", work=lambda parameters, pairs: Work(2)), "test_it_costs_what_it_says"),
        (saying(costly), "test_it_asks_for_what_it_pays"),
        (saying(late, cost="recorded"), "test_it_asks_for_what_it_pays"),
        (saying(late, cost="recorded"), "test_it_can_be_computed_afterwards"),
    ],
)
def test_a_broken_one_is_found(tmp_path: Path, spec: SignalSpec, test: str) -> None:
    suite = type("Suite", (SignalConformance,), {"spec": spec})()
    names = getattr(suite, test).__code__.co_varnames
    arguments = {name: value for name, value in {"tmp_path": tmp_path, "cut": 5}.items() if name in names}
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(suite, test)(**arguments)


def test_one_that_costs_what_it_says_passes(tmp_path: Path) -> None:
    spec = saying(costly, cost="gradients", work=lambda parameters, pairs: Work(gradients=1))
    type("Suite", (SignalConformance,), {"spec": spec})().test_it_costs_what_it_says(tmp_path)

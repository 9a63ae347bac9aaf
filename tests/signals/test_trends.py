"""Signals of recorded numbers, on runs whose course is a formula."""

from collections.abc import Callable

import numpy as np
import pytest
from signals_made import MadeVantage, Numbers, opened

from grokscope.signals.trends import joined_series, slope

EVERY = 100
RATE = 1e-3
"""lr · wd"""


def run(steps: int, **columns: Callable[[Numbers], Numbers]) -> MadeVantage:
    """A run evaluated every 100 steps up to `steps`, with columns that are functions of decay time."""
    at = np.arange(0, steps + 1, EVERY, dtype=float)
    recorded = {"decay_time": (at, at * RATE)} | {name: (at, make(at * RATE)) for name, make in columns.items()}
    return MadeVantage(step=steps, decay_time=steps * RATE, recorded=recorded)


def test_a_slope_is_that_of_least_squares() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 30))
    assert slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0])


def test_columns_are_joined_by_step() -> None:
    vantage = MadeVantage(recorded={"a": ([1, 2, 4, 5], [10, 20, 40, 50]), "b": ([2, 3, 5], [2, 3, 5])})
    assert [column.tolist() for column in joined_series(vantage, "a", "b")] == [[20, 50], [2, 5]]
    assert [column.tolist() for column in joined_series(vantage, "a", "nothing")] == [[], []]


# --- elasticity and the slope of the norm -----------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.5, 3.0, -1.0, 0.0])
def test_the_elasticity_of_a_power_law_is_its_exponent(exponent: float) -> None:
    """L = c (‖θ‖²)^e, however the norm shrinks."""

    def length(decay_time: Numbers) -> Numbers:
        return 40 * np.exp(-0.3 * decay_time - 0.01 * np.sin(decay_time))

    vantage = run(2000, weight_norm=length, test_loss=lambda decay_time: 7 * length(decay_time) ** (2 * exponent))
    assert opened("elasticity").observe(vantage)["elasticity"] == pytest.approx(exponent, abs=1e-12)


def test_the_last_two_fifths_of_the_run_count() -> None:
    """Loss rises with exponent −5 until τ 1.2, which is 60 % of τ 2, and falls with exponent 2 from there on."""

    def loss(decay_time: Numbers) -> Numbers:
        return np.exp(np.where(decay_time < 1.2, decay_time, 1.2 - 0.4 * (decay_time - 1.2)))

    vantage = run(2000, weight_norm=lambda decay_time: np.exp(-0.1 * decay_time), test_loss=loss)
    assert opened("elasticity").observe(vantage)["elasticity"] == pytest.approx(2)
    earlier = run(1900, weight_norm=lambda decay_time: np.exp(-0.1 * decay_time), test_loss=loss)
    assert opened("elasticity").observe(earlier)["elasticity"] < 2


@pytest.mark.parametrize(("shrinking", "said"), [(0.0199, False), (0.0201, True), (-1.0, False)])
def test_where_the_norm_stands_there_is_no_elasticity(shrinking: float, said: bool) -> None:
    vantage = run(
        2000, weight_norm=lambda tau: np.exp(-shrinking / 2 * tau), test_loss=lambda tau: 1 + tau,
    )  # fmt: skip
    assert (opened("elasticity").observe(vantage)["elasticity"] is not None) == said
    assert opened("norm_slope").observe(vantage)["norm_slope"] == pytest.approx(-shrinking)


@pytest.mark.parametrize("name", ["elasticity", "norm_slope"])
def test_three_points_make_a_slope(name: str) -> None:
    """At τ 0.3 two of four records lie behind τ 0.18, at τ 0.4 two of five behind 0.24, at τ 0.5 three behind 0.3."""
    columns: dict[str, Callable[[Numbers], Numbers]] = {
        "weight_norm": lambda decay_time: np.exp(-decay_time), "test_loss": lambda decay_time: np.exp(-decay_time),
    }  # fmt: skip
    assert [bool(opened(name).observe(run(steps, **columns))) for steps in (0, 300, 400, 500)] == [
        False, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["elasticity", "norm_slope", "contraction"])
def test_without_decay_there_is_no_clock(name: str) -> None:
    at = np.arange(0, 2001, 100.0)
    recorded = {"decay_time": (at, 0 * at), "weight_norm": (at, 1 + at), "test_loss": (at, 1 + at)}
    assert opened(name).observe(MadeVantage(step=2000, decay_time=0.0, recorded=recorded)) == {}


def test_a_test_loss_of_zero_has_no_logarithm() -> None:
    vantage = run(2000, weight_norm=lambda decay_time: np.exp(-decay_time), test_loss=lambda decay_time: 0 * decay_time)
    assert opened("elasticity").observe(vantage) == {"elasticity": None}


# --- contraction, roughness -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0, -0.5])
def test_contraction_is_the_rate_over_that_of_decay_alone(share: float) -> None:
    """d‖θ‖²/dτ = −2 share ‖θ‖²"""
    vantage = run(2000, weight_norm=lambda decay_time: 30 * np.exp(-share * decay_time))
    assert opened("contraction").observe(vantage)["contraction"] == pytest.approx(share, abs=1e-12)


def test_contraction_looks_at_its_window_alone() -> None:
    def length(decay_time: Numbers) -> Numbers:
        return np.exp(-np.maximum(0, decay_time - 1.6))

    assert opened("contraction", window=5).observe(run(2000, weight_norm=length))["contraction"] == pytest.approx(1)
    assert opened("contraction", window=9).observe(run(2000, weight_norm=length))["contraction"] < 1
    assert opened("contraction", window=5).observe(run(300, weight_norm=length)) == {}


@pytest.mark.parametrize(
    ("accuracies", "rough"),
    [([0.1, 0.2, 0.5, 0.9], 0.0), ([0.9, 0.5, 0.5, 0.1], 0.0), ([0.0, 1.0, 0.0, 1.0], 2 / 3), ([0.5, 0.6, 0.5], 0.1)],
)
def test_roughness_is_movement_that_comes_to_nothing(accuracies: list[float], rough: float) -> None:
    """(3 − 1) / 3 for 0 1 0 1; (0.2 − 0) / 2 for 0.5 0.6 0.5."""
    vantage = MadeVantage(recorded={"test_accuracy": (range(len(accuracies)), accuracies)})
    signal = opened("accuracy_roughness", window=len(accuracies))
    assert signal.observe(vantage)["accuracy_roughness"] == pytest.approx(rough)
    assert opened("accuracy_roughness", window=len(accuracies) + 1).observe(vantage) == {}

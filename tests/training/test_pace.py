"""How fast a run goes: steps apart from what is done between them, by a clock that the test sets."""

import pytest

from grokscope import registry
from grokscope.settings.config import RunConfig, resolve
from grokscope.training.pace import SETTLED_SECONDS, SETTLED_STEPS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def configured(**settings: object) -> RunConfig:
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(registry.get("tasks", "modular"), changes)[0]


def steps(pace: Pace, clock: Clock, *seconds: float, between: float = 0.0) -> None:
    for taken in seconds:
        clock.now += between
        pace.start()
        clock.now += taken
        pace.tokens += 10
        pace.stop()


def test_the_first_speed_is_that_of_the_first_step() -> None:
    """As with log.every=1, where it once was infinite."""
    clock = Clock()
    pace = Pace(clock)
    steps(pace, clock, 0.5)
    assert pace.read() == (2.0, 20.0)
    steps(pace, clock, 0.25)
    assert pace.read() == (4.0, 40.0)


def test_a_speed_is_that_of_the_steps_since_the_last_reading() -> None:
    clock = Clock()
    pace = Pace(clock)
    steps(pace, clock, 8.0)
    pace.read()
    steps(pace, clock, 0.1, 0.2, 0.3, 0.4, between=5.0)
    assert pace.read() == pytest.approx((4.0, 40.0))


def test_without_a_step_there_is_none() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.read() == (None, None)
    assert pace.remaining_seconds(configured(), 0) is None
    steps(pace, clock, 0.5)
    pace.read()
    assert pace.read() == (None, None)
    assert pace.remaining_seconds(configured(train__steps=11, measure__estimator="off"), 1) == 5.0


def test_what_is_left_includes_looking() -> None:
    config = configured(
        train__steps=1010, evaluate__every=10, measure__every=20, measure__samples=4, measure__estimator="exact"
    )
    clock = Clock()
    pace = Pace(clock)
    steps(pace, clock, 0.1)
    pace.read()
    pace.see({"event": "evaluated", "seconds": 2.0})
    pace.see({"event": "measured", "seconds": 9.0, "defect": {"samples": [1.0, 2.0, 3.0]}})
    assert pace.remaining_seconds(config, 10) == pytest.approx(1000 * (0.1 + 2.0 / 10 + 3.0 * 4 / 20))


def test_how_long_a_run_takes_is_not_told_by_its_first_step() -> None:
    """It loads and compiles; a step that takes long by itself is waited for no longer than need be."""
    clock = Clock()
    pace = Pace(clock)
    steps(pace, clock, 3.0, *([0.001] * (SETTLED_STEPS - 2)))
    assert not pace.settled
    steps(pace, clock, 0.001)
    assert pace.settled
    slow = Pace(clock)
    steps(slow, clock, SETTLED_SECONDS)
    assert slow.settled

"""How a run is asked to end: soon where it only looks, and never where it writes."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import pytest

from grokscope.contract.backends import BracketLandscape, Session
from grokscope.training.interruption import Interrupted, Interruption, interruptible


def test_outside_of_a_look_it_is_only_noted() -> None:
    interruption = Interruption()
    interruption.ask()
    interruption.check()
    assert interruption.asked


def test_inside_it_ends_the_look_at_the_next_check() -> None:
    interruption = Interruption()

    def look() -> None:
        interruption.ask()
        interruption.check()

    with pytest.raises(Interrupted), interruption:
        look()
    interruption.ask()
    with pytest.raises(Interrupted), interruption:
        pytest.fail("nothing is looked at any more")


def test_what_cleans_up_behind_it_is_left_in_peace() -> None:
    interruption, done = Interruption(), []

    def look() -> None:
        interruption.ask()
        try:
            interruption.check()
        finally:
            interruption.check()
            done.append("cleaned up")

    with pytest.raises(Interrupted), interruption:
        look()
    assert done


def test_behind_a_look_it_is_only_noted() -> None:
    interruption = Interruption()
    with interruption:
        pass
    interruption.ask()
    interruption.check()
    assert interruption.asked


def test_what_plugins_catch_is_not_meant_for_them() -> None:
    interruption = Interruption()

    def plugin() -> None:
        with suppress(Exception):
            interruption.ask()
            interruption.check()

    with pytest.raises(Interrupted), interruption:
        plugin()


# --- a session --------------------------------------------------------------------------------------------------------


class Counting:
    """As much of a session as is called here."""

    precision = "float64"

    def __init__(self, landing: int = 0) -> None:
        self.calls = 0
        self._landing = landing

    def gradient(self, theta: Any, batch: Any) -> Any:
        self.calls += 1
        if self.calls == self._landing:
            os.kill(os.getpid(), signal.SIGUSR1)
        return self.calls, theta

    def hessian_vector_product(self, theta: Any, batch: Any, vector: Any) -> Any: ...


class Bracketing(Counting):
    def bracket(self, theta: Any, batch_a: Any, batch_b: Any) -> Any: ...


@contextmanager
def asked_by_signals(interruption: Interruption) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: interruption.ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def watched(session: Counting, interruption: Interruption) -> Session:
    return interruptible(cast(Session, session), interruption)


def test_a_signal_ends_the_look_behind_the_call_that_is_running() -> None:
    interruption, session = Interruption(), Counting(landing=3)
    looked_at = watched(session, interruption)

    def look() -> None:
        for _ in range(1000):
            looked_at.gradient(0, 0)

    with asked_by_signals(interruption), pytest.raises(Interrupted), interruption:
        look()
    assert session.calls == 3


def test_a_signal_between_two_calls_ends_the_look_before_the_next() -> None:
    """Also where it lands in a `__del__`, out of which no exception comes: Python would print it and go on."""

    class Landing:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGUSR1)

    interruption, session = Interruption(), Counting()
    looked_at = watched(session, interruption)

    def look() -> None:
        Landing()
        looked_at.gradient(0, 0)

    with asked_by_signals(interruption), pytest.raises(Interrupted), interruption:
        look()
    assert session.calls == 0


def test_training_is_not_broken_off() -> None:
    interruption, session = Interruption(), Counting(landing=1)
    looked_at = watched(session, interruption)
    with asked_by_signals(interruption):
        assert looked_at.gradient(7, 0) == (1, 7)


def test_it_offers_what_the_session_offers() -> None:
    interruption = Interruption()
    assert watched(Counting(), interruption).precision == "float64"
    assert not isinstance(watched(Counting(), interruption), BracketLandscape)
    assert isinstance(watched(Bracketing(), interruption), BracketLandscape)

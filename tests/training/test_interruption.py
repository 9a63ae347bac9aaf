"""How a run is asked to end: at once where it only looks, and never where it writes."""

import os
import signal
from contextlib import suppress

import pytest

from grokscope.training.interruption import Interrupted, Interruption


def test_outside_of_a_look_it_is_only_noted() -> None:
    interruption = Interruption()
    interruption.ask()
    assert interruption.asked


def test_inside_it_ends_the_look_and_asking_again_changes_nothing() -> None:
    interruption = Interruption()
    with pytest.raises(Interrupted), interruption:
        interruption.ask()
    interruption.ask()
    with pytest.raises(Interrupted), interruption:
        pytest.fail("nothing is looked at any more")


def test_behind_a_look_it_is_only_noted() -> None:
    interruption = Interruption()
    with interruption:
        pass
    interruption.ask()
    assert interruption.asked


def test_what_plugins_catch_is_not_meant_for_them() -> None:
    interruption = Interruption()

    def plugin() -> None:
        with suppress(Exception):
            interruption.ask()

    with pytest.raises(Interrupted), interruption:
        plugin()


def test_a_signal_lands_behind_the_call_that_is_running() -> None:
    interruption, done = Interruption(), []

    def calls() -> None:
        for number in range(1000):
            os.kill(os.getpid(), signal.SIGUSR1)
            done.append(number)

    before = signal.signal(signal.SIGUSR1, lambda number, frame: interruption.ask())
    try:
        with pytest.raises(Interrupted), interruption:
            calls()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(done) <= 1

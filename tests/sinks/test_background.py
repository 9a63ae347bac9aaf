"""A slow, hanging or failing listener holds up nobody."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from grokscope.sinks import background
from grokscope.sinks.background import Background
from grokscope.training.recorder import ListenerFailed

EVENT, LAST = {"event": "observed"}, {"event": "finished"}


def test_events_come_in_order_and_then_the_end() -> None:
    heard: list[Any] = []
    listener = Background("a tool", heard.append, lambda: heard.append("end"))
    for step in range(100):
        listener({"event": "observed", "step": step})
    assert listener.close(10) is None
    assert [each["step"] for each in heard[:-1]] == [*range(100)]
    assert heard[-1] == "end"


@pytest.mark.parametrize(("stubborn", "calls"), [(False, 1), (True, 3)])
def test_a_failure_is_said_once(stubborn: bool, calls: int) -> None:
    heard = 0
    failed = threading.Event()

    def hear(event: Mapping[str, Any]) -> None:
        nonlocal heard
        heard += 1
        failed.set()
        raise ValueError("no route")

    listener = Background("a tool", hear, stubborn=stubborn)
    listener(LAST)
    assert failed.wait(10)
    while listener._problem is None:
        time.sleep(0.001)
    listener(LAST)  # nothing may follow the last event of a log
    with pytest.raises(ListenerFailed, match="no route"):
        listener(EVENT)
    assert listener.close(10) is None
    assert heard == (1 if not stubborn else calls)


def test_a_failure_at_the_end_is_returned() -> None:
    def close() -> None:
        raise OSError("disk full")

    listener = Background("a tool", lambda event: None, close)
    listener(LAST)
    assert listener.close(10) == "disk full"


def test_a_listener_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST_WAITING", 3)
    free = threading.Event()
    listener = Background("a tool", lambda event: free.wait(60) and None)
    for _ in range(4):  # one is being heard, and three wait
        listener(LAST)
    while listener._waiting.qsize() < 3:
        listener(LAST)
    listener(LAST)
    with pytest.raises(ListenerFailed, match="a tool is too slow: 3 events wait for it"):
        listener(EVENT)
    assert listener.close(0.05) is None  # said already
    free.set()


def test_the_end_is_not_waited_for_without_end() -> None:
    free = threading.Event()
    listener = Background("a tool", lambda event: free.wait(60) and None)
    listener(LAST)
    assert listener.close(0.05) == "a tool has not taken the last events"
    free.set()


def test_a_person_may_leave() -> None:
    free = threading.Event()
    listener = Background("a tool", lambda event: free.wait(60) and None)
    listener(LAST)
    assert listener.close(3600, leave=lambda: True) == "a tool has not taken the last events"
    free.set()

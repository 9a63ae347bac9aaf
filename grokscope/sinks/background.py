"""Listeners in the background: what is slow, hangs or fails there does not hold up training."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from grokscope.training.recorder import ListenerFailed

MOST_WAITING = 10_000
"""Events that may wait for a slow listener"""
_LOOK_SECONDS = 0.1
"""Time between two looks at whether to wait on"""


class Background:
    """Hands the events of a run to `hear`, one by one, in a thread of its own, and calls `close` behind the last.

    A failure, which is an exception or more waiting events than `MOST_WAITING`, is said once. After a failure of a
    listener that is not `stubborn`, it hears nothing more.
    """

    def __init__(
        self,
        name: str,
        hear: Callable[[Mapping[str, Any]], None],
        close: Callable[[], None] = lambda: None,
        *,
        stubborn: bool = False,
    ) -> None:
        self.name = name
        self._hear, self._close, self._stubborn = hear, close, stubborn
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._problem: str | None = None
        self._said = self._deaf = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take an event, at once. Raises `ListenerFailed` behind the first failure, except at the last event of a run,
        which nothing may follow in its log."""
        if not self._deaf:
            try:
                self._waiting.put_nowait(event)
            except queue.Full:
                self._fail(f"{self.name} is too slow: {MOST_WAITING:,} events wait for it")
        if event["event"] != "finished" and (problem := self._unsaid()) is not None:
            raise ListenerFailed(problem)

    def close(self, patience: float, leave: Callable[[], bool] = lambda: False) -> str | None:
        """Wait for the thread to end, at most so many seconds, and no longer than until `leave()`.

        Returns the failure that has not been said, if any.
        """
        until = time.monotonic() + patience
        ending = threading.Thread(target=self._waiting.put, args=(None,), daemon=True)  # the queue may be full
        ending.start()
        while self._thread.is_alive() and time.monotonic() < until and not leave():
            self._thread.join(min(_LOOK_SECONDS, patience))
        if self._thread.is_alive():
            self._fail(f"{self.name} has not taken the last events")
        return self._unsaid()

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            if not self._deaf:
                self._safely(lambda event=event: self._hear(event))  # type: ignore[misc]
        self._safely(self._close)

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as problem:  # somebody else's package or command
            self._fail(str(problem) or type(problem).__name__)

    def _fail(self, problem: str) -> None:
        self._problem = self._problem or problem
        self._deaf = self._deaf or not self._stubborn

    def _unsaid(self) -> str | None:
        if self._problem is None or self._said:
            return None
        self._said = True
        return self._problem

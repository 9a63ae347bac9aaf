"""A run's events as they come, until the run has ended: for scripts, which have no other way to wait for one."""

import time
from collections.abc import Iterator
from typing import Any

from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import Tail, decode
from grokscope.runs.state import read_state

_POLL_SECONDS = 0.2


def followed(directory: RunDirectory) -> Iterator[dict[str, Any]]:
    """The events of a run so far, then new ones, until the run has finished or its trainer is gone.

    A run that goes back to a checkpoint repeats events: each is yielded when it is written. Raises `Unreadable`.
    """
    tail = Tail(directory.events)
    while True:
        over = not read_state(directory, listed=True).may_go_on  # asked before the last lines are read, not behind them
        while lines := tail.lines()[0]:
            yield from (event for event in map(decode, lines) if event is not None)
        if over:
            return
        time.sleep(_POLL_SECONDS)

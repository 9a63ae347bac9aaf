"""Whether anybody is still writing a run: its log, its heartbeat and its process, read together."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from grokscope.runs.heartbeat import STALE_SECONDS
from grokscope.tui.view import View


class State(Enum):
    """What a run is doing, as one word, one glyph and one theme colour: never colour alone."""

    WAITING = ("waiting", "○", "foreground-muted")
    RUNNING = ("running", "●", "success")
    PAUSED = ("paused", "‖", "warning")
    FINISHED = ("finished", "✓", "primary")
    STALE = ("stale", "?", "warning")
    CRASHED = ("crashed", "✗", "error")
    GONE = ("gone", "∅", "error")
    RECORDED = ("replay", "▶", "secondary")

    def __init__(self, word: str, glyph: str, colour: str) -> None:
        self.word = word
        self.glyph = glyph
        self.colour = colour

    @property
    def listens(self) -> bool:
        """Whether somebody reads the control inbox."""
        return self in {State.RUNNING, State.PAUSED, State.STALE}


LOST_SECONDS = 60.0
"""A trainer on another machine that was silent for so long is counted as gone."""


@dataclass(frozen=True)
class Signs:
    """What the outside of a run says of its trainer."""

    exists: bool = True
    silence: float | None = None
    """Seconds since the last heartbeat; None where there never was one."""
    process_lives: bool | None = None
    """None where this machine cannot tell."""


def state(view: View, signs: Signs) -> State:
    """The state to show. A log that ends in `finished` needs no heartbeat."""
    if not signs.exists:
        return State.GONE
    if view.phase == "finished":
        return State.FINISHED
    if signs.process_lives is False:
        return State.CRASHED
    if view.phase == "waiting":
        return State.WAITING
    if signs.silence is None or signs.silence > STALE_SECONDS:
        lost = signs.silence is None or signs.silence > LOST_SECONDS
        return State.CRASHED if lost and not signs.process_lives else State.STALE
    return State.PAUSED if view.phase == "paused" else State.RUNNING


def process_lives(started: Mapping[str, Any]) -> bool | None:
    """Whether the process that wrote `started` is there; None where it runs on another machine."""
    process = started.get("process")
    if started.get("host") != socket.gethostname() or not isinstance(process, int) or process <= 0:
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return None
    return True

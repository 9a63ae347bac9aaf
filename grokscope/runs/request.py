"""Asking a trainer for something, and waiting for what it says.

The trainer is the only one who knows what became of a command: the answer is an event in its log.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grokscope.runs.inbox import Command, send
from grokscope.runs.log import Tail, decode
from grokscope.runs.state import RunState

_POLL_SECONDS = 0.05

_SLOW = {"step": "paused", "stop": "finished"}
"""Actions that are answered when they are done, and by what"""


class NotListening(LookupError):
    """Nobody reads the run's inbox: it is finished, its trainer is gone, or has not come yet."""


@dataclass(frozen=True)
class Answer:
    """What became of a command."""

    event: dict[str, Any] | None
    """What the trainer said; None where it has said nothing in time"""
    obeyed: bool
    taken: bool = True
    """Whether the trainer has at least taken it out of its inbox"""


def ask(
    state: RunState, command: Command, *, wait_seconds: float, clock: Callable[[], float] = time.monotonic
) -> Answer:
    """Send `command` and wait for the trainer's answer, at most `wait_seconds`.

    Raises `NotListening`, `OSError`.
    """
    if not state.listens:
        raise NotListening(_nobody(state))
    directory = state.directory
    tail = Tail(directory.events)
    while tail.lines()[0]:  # what is there already answers nothing
        continue
    sent = send(directory.control, command)
    until = clock() + wait_seconds
    while clock() < until:
        for event in _new_events(tail):
            answer = _answer(command, sent.name, event)
            if answer is not None:
                return answer
        time.sleep(_POLL_SECONDS)
    return Answer(None, obeyed=False, taken=not sent.exists())


def _new_events(tail: Tail) -> list[dict[str, Any]]:
    return [event for event in map(decode, tail.lines()[0]) if event is not None]


def _answer(command: Command, name: str, event: dict[str, Any]) -> Answer | None:
    """What an event says of the command in the file `name`: most answers name it, those that take their time do not."""
    kind = event["event"]
    if event.get("command") == name:
        return Answer(event, obeyed=kind != "warned" and event.get("state") != "refused")
    if kind == "finished" or (kind == "paused" and command.action == "step"):
        return Answer(event, obeyed=kind == _SLOW.get(command.action))
    return None


def _nobody(state: RunState) -> str:
    name = state.directory.name
    if state.condition == "unreadable":
        return state.problem
    goes_on = f"`grokscope run --resume {name}` continues it"
    if state.last.get("started", {}).get("origin") == "own loop":
        goes_on = "the loop that trained it continues it, with resume_at="
    if state.condition == "finished":
        return f"{name} has finished ({state.word}), so there is no trainer to control; {goes_on}"
    if state.condition == "crashed":
        return f"{name} has crashed, so there is no trainer to control; {goes_on}"
    return f"{name} has not started yet, so there is no trainer to control"

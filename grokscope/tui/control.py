"""Requests to the trainer, and their answers.

A request stays `requested` until an event answers it, because only the trainer knows whether the request was carried
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grokscope.runs.inbox import Command, send
from grokscope.tui.view import Treated, View

_ANSWERS = {
    "pause": {"paused", "finished"},
    "resume": {"resumed", "finished"},
    "stop": {"finished"},
    "snapshot": {"snapshot", "finished"},
    "intervene": {"finished"},
}


@dataclass(frozen=True)
class Request:
    """A sent command, and the number of events that the run had at that time."""

    command: Command
    after: int

    @property
    def word(self) -> str:
        kind = f" {self.command.kind} {self.command.state}" if self.command.kind else ""
        return self.command.action + kind


@dataclass(frozen=True)
class Requests:
    """All requests without an answer."""

    open: tuple[Request, ...] = ()

    def plus(self, request: Request) -> "Requests":
        return Requests((*self.open, request))

    def unanswered(self, view: View) -> "Requests":
        """The requests that no event in `view` answers."""
        left = tuple(request for request in self.open if not answered(request, view))
        return self if len(left) == len(self.open) else Requests(left)


@dataclass(frozen=True)
class ToggleState:
    """The state of an intervention, as the trainer acknowledged it."""

    kind: str
    word: str = "off"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    times: int = 0
    on: bool = False
    """Whether the trainer has the intervention on; open requests and refusals do not change it"""


def post_command(inbox: Path, command: Command, view: View) -> Request:
    """Put a command into the inbox. Raises `TooLong`, `OSError`."""
    send(inbox, command)
    return Request(command, view.events)


def answered(request: Request, view: View) -> bool:
    if request.command.action == "intervene" and any(_answers(answer, request) for answer in view.treated):
        return True
    wanted = _ANSWERS.get(request.command.action)
    if wanted is None:  # a step has no answer
        return True
    lines = [*view.notable[-50:], *(line for lines in view.regular.values() for line in lines[-50:])]
    confirmed = any(line.seq >= request.after and line.event in wanted for line in lines)
    return confirmed or _refusal(request, view) is not None


def _answers(answer: Treated, request: Request) -> bool:
    """Whether an event answers this request, and not a schedule or an application of the intervention."""
    about = answer.kind == request.command.kind and answer.source == "control" and answer.state != "applied"
    return about and answer.seq >= request.after


def _refusal(request: Request, view: View) -> str | None:
    """The warning that refuses this request, if there is one."""
    about = request.command.kind or request.command.action
    for line in reversed(view.notable[-50:]):
        if line.seq >= request.after and line.event == "warned" and about in line.text:
            return line.text
    return None


def standing(kind: str, view: View, requests: Requests) -> ToggleState:
    """The state of one kind of intervention: what the trainer did last, and whether a request is open.

    A refusal does not change the state; it is only a line of the history.
    """
    obeyed = [answer for answer in view.treated if answer.kind == kind and answer.state != "refused"]
    known = ToggleState(kind)
    if obeyed:
        last = obeyed[-1]
        known = ToggleState(kind, last.state, last.parameters, last.reason, last.times, last.state != "off")
    asked = [request for request in requests.open if request.command.kind == kind]
    if asked:
        return replace(known, word="requested", parameters=asked[-1].command.parameters or known.parameters, reason="")
    return known

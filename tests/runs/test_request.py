"""Asking a trainer: which event answers which command."""

from pathlib import Path
from typing import Any

import pytest
from events_made import line as made_line
from events_made import whole

from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, Inbox
from grokscope.runs.request import NotListening, ask
from grokscope.runs.state import RunState, Signs

STARTED = whole("started")
ANOTHER = "00000000000000000001-abcdef.json"


def run_state(folder: Path, events: str, **last: dict[str, Any]) -> RunState:
    directory = RunDirectory(folder)
    directory.events.write_text(events)
    return RunState(directory, {"started": STARTED, **last}, Signs(0.0, True))


def answered_with(folder: Path, command: Command, *events: dict[str, Any]) -> Any:
    """What `ask` makes of a trainer that writes these events when it takes the command; `own` stands for its file."""
    state = run_state(folder, made_line("paused", step=1) + "\n")
    inbox = Inbox(state.directory.control)
    moments = iter(range(1000))

    def clock() -> float:
        for letter in inbox.letters():
            inbox.remove(letter.name)
            with state.directory.events.open("a") as log:
                for event in events:
                    named = {"command": letter.name} if event.get("command") == "own" else {}
                    log.write(made_line(**{**event, **named}) + "\n")
        return float(next(moments))

    return ask(state, command, wait_seconds=5, clock=clock)


@pytest.mark.parametrize(
    ("command", "event", "obeyed"),
    [
        (Command(action="pause"), {"event": "paused", "command": "own"}, True),
        (Command(action="step"), {"event": "paused"}, True),
        (Command(action="stop"), {"event": "finished", "status": "stopped"}, True),
        (Command(action="pause"), {"event": "finished", "status": "completed"}, False),
        (Command(action="resume"), {"event": "warned", "reason": "…", "command": "own"}, False),
        (
            Command(action="intervene", kind="kick"),
            {"event": "intervened", "state": "refused", "command": "own"},
            False,
        ),
        (Command(action="intervene", kind="kick"), {"event": "intervened", "state": "on", "command": "own"}, True),
    ],
)
def test_answers(tmp_path: Path, command: Command, event: dict[str, Any], obeyed: bool) -> None:
    answer = answered_with(tmp_path, command, {"event": "trained", "step": 2}, event)
    assert answer.event is not None
    assert answer.obeyed is obeyed


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (Command(action="pause"), {"event": "warned", "reason": "resume was refused", "command": ANOTHER}),
        (Command(action="intervene", kind="kick"), {"event": "intervened", "state": "on", "command": ANOTHER}),
        (Command(action="intervene", kind="kick"), {"event": "intervened", "kind": "kick", "state": "applied"}),
        (Command(action="intervene", kind="kick"), {"event": "intervened", "kind": "kick", "source": "schedule"}),
        (Command(action="pause"), {"event": "paused", "reason": "the steps asked for are taken"}),
        (Command(action="snapshot"), {"event": "checkpoint", "step": 2}),
    ],
)
def test_what_answers_something_else(tmp_path: Path, command: Command, event: dict[str, Any]) -> None:
    answer = answered_with(tmp_path, command, event)
    assert (answer.event, answer.obeyed, answer.taken) == (None, False, True)


def test_nobody_to_ask(tmp_path: Path) -> None:
    finished = whole("finished", 1)
    state = run_state(tmp_path, "", finished=finished)
    with pytest.raises(NotListening, match=r"did not grok.*no trainer to control"):
        ask(state, Command(action="pause"), wait_seconds=1)
    assert not (tmp_path / "control").exists()

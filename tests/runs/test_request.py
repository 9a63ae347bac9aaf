"""Asking a trainer: which event answers which command."""

from pathlib import Path
from typing import Any

import pytest
from events_made import line as made_line
from events_made import whole

from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, receive
from grokscope.runs.request import NotListening, ask
from grokscope.runs.state import RunState, Signs

STARTED = whole("started")


def run_state(folder: Path, events: str, **last: dict[str, Any]) -> RunState:
    directory = RunDirectory(folder)
    directory.events.write_text(events)
    return RunState(directory, {"started": STARTED, **last}, Signs(0.0, True))


def answered_with(folder: Path, command: Command, *lines: str) -> Any:
    """What `ask` makes of a trainer that writes these lines when it takes the command."""
    state = run_state(folder, made_line("paused", step=1) + "\n")
    moments = iter(range(1000))

    def clock() -> float:
        if receive(state.directory.control):
            with state.directory.events.open("a") as log:
                log.write("".join(line + "\n" for line in lines))
        return float(next(moments))

    return ask(state, command, wait_seconds=5, clock=clock)


@pytest.mark.parametrize(
    ("command", "line", "obeyed"),
    [
        (Command(action="pause"), made_line("paused", step=2), True),
        (Command(action="stop"), made_line("finished", step=2, status="stopped"), True),
        (Command(action="pause"), made_line("finished", step=2, status="completed"), False),
        (Command(action="resume"), made_line("warned", reason="resume was refused: the run is running"), False),
        (Command(action="intervene", kind="kick"), made_line("intervened", kind="kick", state="refused"), False),
        (Command(action="intervene", kind="kick"), made_line("intervened", kind="kick", state="on"), True),
    ],
)
def test_answers(tmp_path: Path, command: Command, line: str, obeyed: bool) -> None:
    answer = answered_with(tmp_path, command, made_line("trained", step=2), line)
    assert answer.event is not None
    assert answer.obeyed is obeyed


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Command(action="pause"), made_line("warned", reason="resume was refused: the run is running")),
        (Command(action="intervene", kind="kick"), made_line("intervened", kind="noise", state="on")),
        (Command(action="snapshot"), made_line("checkpoint", step=2)),
    ],
)
def test_what_answers_something_else(tmp_path: Path, command: Command, line: str) -> None:
    answer = answered_with(tmp_path, command, line)
    assert (answer.event, answer.obeyed, answer.taken) == (None, False, True)


def test_nobody_to_ask(tmp_path: Path) -> None:
    finished = whole("finished", 1)
    state = run_state(tmp_path, "", finished=finished)
    with pytest.raises(NotListening, match=r"did not grok.*no trainer to control"):
        ask(state, Command(action="pause"), wait_seconds=1)
    assert not (tmp_path / "control").exists()


@pytest.mark.parametrize("said", [{"state": "applied"}, {"state": "off", "source": "schedule"}])
def test_what_an_intervention_does_is_no_answer(tmp_path: Path, said: dict[str, str]) -> None:
    line = made_line("intervened", kind="noise", **said)
    answer = answered_with(tmp_path, Command(action="intervene", kind="noise", state="off"), line)
    assert answer.event is None

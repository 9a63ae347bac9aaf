"""The inbox of a run that goes on: what is asked for is done once, in order, and is safe when it is answered."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from training_made import Crash, ask, at_step, run, undisturbed

from grokscope.runs.inbox import Command, Inbox, send
from grokscope.training.loop import Trainer


class TestInbox:
    def test_pause_step_snapshot_and_resume(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "paused", "step": 5}:
                    ask(running, "step", count=2)
                case {"event": "paused"}:
                    ask(running, "snapshot")
                case {"event": "snapshot"}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        said = [(event["event"], event["step"]) for event in done.heard if event["event"] in
                {"paused", "resumed", "snapshot"}]  # fmt: skip
        assert said == [("paused", 5), ("paused", 7), ("snapshot", 7), ("resumed", 7)]
        assert done.status == "completed"
        assert done.digest == undisturbed()

    def test_resumed_while_steps_are_taken(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "paused"}:
                    ask(running, "step", count=10)
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "trained", "step": 10}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        assert (done.steps("paused"), done.steps("resumed"), done.status) == ([5], [10], "completed")

    def test_stop_and_go_on(self, tmp_path: Path) -> None:
        stopped = run(tmp_path, happening=at_step(5, lambda running: ask(running, "stop")))
        assert stopped.status == "stopped"
        assert stopped.steps("checkpoint") == [5]
        done = run(tmp_path, resume=True)
        assert done.status == "completed"
        assert done.digest == undisturbed()

    def test_stop_while_paused(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5}:
                    ask(running, "pause")
                case {"event": "paused"}:
                    ask(running, "stop")

        assert run(tmp_path, happening=happening).status == "stopped"

    def test_interrupted(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=at_step(10, lambda running: running.recorder.interruption.ask()))
        assert done.status == "interrupted"
        assert done.all("finished")[0]["steps"] == 10

    @pytest.mark.parametrize(
        ("action", "reason"), [("resume", "resume was refused: the run is running"), ("step", "step was refused: the")]
    )
    def test_refused(self, tmp_path: Path, action: str, reason: str) -> None:
        done = run(tmp_path, happening=at_step(5, lambda running: ask(running, action)))
        (warned,) = done.all("warned")
        assert warned["reason"].startswith(reason)
        assert done.digest == undisturbed()

    def test_paused_twice(self, tmp_path: Path) -> None:
        def happening(running: Trainer, event: dict[str, Any]) -> None:
            match event:
                case {"event": "trained", "step": 5} | {"event": "paused"}:
                    ask(running, "pause")
                case {"event": "warned"}:
                    ask(running, "resume")

        done = run(tmp_path, happening=happening)
        assert [event["reason"] for event in done.all("warned")] == ["pause was refused: the run is paused"]

    def test_nobody_intervenes_here(self, tmp_path: Path) -> None:
        done = run(tmp_path, happening=at_step(5, lambda running: ask(running, "intervene", kind="kick")))
        (answer,) = done.all("intervened")
        assert (answer["kind"], answer["state"]) == ("kick", "refused")
        assert done.digest == undisturbed()

    def test_gibberish(self, tmp_path: Path) -> None:
        def litter(running: Trainer) -> None:
            for number, text in enumerate(("{", '{"action": "dance"}', "[]")):
                (running.recorder.directory.control / f"{number}.json").write_text(text)

        done = run(tmp_path, happening=at_step(5, litter))
        assert ["not understood" in event["reason"] for event in done.all("warned")] == [True] * 3
        assert list(done.directory.control.iterdir()) == []
        assert done.digest == undisturbed()


# --- what is safe when ------------------------------------------------------------------------------------------------


def sent(running: Trainer) -> list[str]:
    return sorted(os.listdir(running.recorder.directory.control))


def test_a_command_stays_until_its_answer_is_written(tmp_path: Path) -> None:
    """Whoever kills the trainer before that finds the command, and whoever kills it afterwards the answer."""
    left: dict[str, int] = {}

    def happening(running: Trainer, event: dict[str, Any]) -> None:
        match event:
            case {"event": "trained", "step": 5}:
                ask(running, "pause")
                ask(running, "step", count=2)
            case {"event": "paused", "reason": "the steps asked for are taken"}:
                left["stepped"] = len(sent(running))
                ask(running, "snapshot")
                ask(running, "intervene", kind="noise", state="on")
                ask(running, "stop")
            case {"command": _}:
                left[event["event"]] = len(sent(running))
            case {"event": "finished"}:
                left["finished"] = len(sent(running))

    done = run(tmp_path, happening=happening)
    assert left == {"paused": 2, "stepped": 1, "snapshot": 3, "intervened": 2, "finished": 1}
    assert os.listdir(done.directory.control) == []
    assert (done.status, done.steps("checkpoint")) == ("stopped", [7, 7])


@pytest.mark.parametrize("killed_at", ["snapshot", "intervened"])
def test_what_was_answered_survives_a_kill(tmp_path: Path, killed_at: str) -> None:
    """And is neither done again nor refused by the next process, which finds the command still there."""

    def happening(running: Trainer, event: dict[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] == 5:
            ask(running, "snapshot")
            ask(running, "intervene", kind="noise", state="on", parameters={"every": 3})
        if event["event"] == killed_at and event.get("command"):
            raise Crash

    with pytest.raises(Crash):
        run(tmp_path, {"log.every": 1}, happening=happening)
    done = run(tmp_path, resume=True)
    answers = [(event["event"], event.get("state")) for event in done.events if event.get("command")]
    if killed_at == "intervened":
        assert answers == [("snapshot", None), ("intervened", "on")]
    else:  # the switch had not been made
        assert answers == [("snapshot", None), ("intervened", "refused")]
        assert "sent to the trainer before this one" in done.all("intervened")[0]["reason"]
    assert sorted(path.name for path in done.directory.snapshots.iterdir()) == ["step-00000005.safetensors"]
    assert os.listdir(done.directory.control) == []


def test_commands_to_an_earlier_process_are_refused_by_name(tmp_path: Path) -> None:
    run(tmp_path, {"train.steps": 10})
    control = tmp_path / "tiny" / "control"
    for command in (
        Command(action="stop"), Command(action="pause"), Command(action="intervene", kind="kick", state="on"),
    ):  # fmt: skip
        send(control, command)
    names = [letter.name for letter in Inbox(control).letters()]
    (control / "zzz.json").write_text("?")
    done = run(tmp_path, {"train.steps": 20}, resume=True)
    assert done.status == "completed"
    assert done.digest == undisturbed()
    reason = "it was sent to the trainer before this one"
    said = [(event["event"], event["command"], event["reason"]) for event in done.events if event.get("command")]
    assert said[:3] == [
        ("warned", names[0], f"stop was refused: {reason}"), ("warned", names[1], f"pause was refused: {reason}"),
        ("intervened", names[2], reason),
    ]  # fmt: skip
    assert said[3][:2] == ("warned", "zzz.json")
    assert os.listdir(control) == []


# --- what nobody should send ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("noise", {"basis": "x" * 300}),
        ("noise", {"basis": "\0"}),
        ("noise", {"basis": "random", "basis_draw": 10**30}),
        ("noise", {"components": 100_000_000}),
        ("noise", {"basis": "random-joint", "components": 99_999}),
        ("noise", {"every": 10**30}),
        ("noise", {"epsilon": [[[]]]}),
        ("kick", {"samples": 100_000_000}),
        ("penalty", {"weight": "much"}),
        ("\ud800", {}),
        ("x" * 100, {}),
        (None, {}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_is_refused_and_changes_nothing(tmp_path: Path, kind: str | None, parameters: dict[str, Any]) -> None:
    def send_raw(running: Trainer) -> None:
        command = {"action": "intervene", "kind": kind, "state": "on", "parameters": parameters}
        (running.recorder.directory.control / "1.json").write_text(json.dumps(command))

    done = run(tmp_path, happening=at_step(5, send_raw))
    (answer,) = (event for event in done.events if event.get("command"))
    assert answer.get("state", "refused") == "refused"
    assert 0 < len(answer["reason"]) <= 500
    assert (done.status, done.digest) == ("completed", undisturbed())
    assert os.listdir(done.directory.control) == []


def test_a_plugin_that_breaks_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grokscope.interventions import noise

    def broken(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(noise, "opened_basis", broken)
    done = run(tmp_path, happening=at_step(5, lambda running: ask(running, "intervene", kind="noise", state="on")))
    assert done.all("intervened")[0]["reason"] == "noise could not be switched on: RuntimeError: no"
    assert done.digest == undisturbed()

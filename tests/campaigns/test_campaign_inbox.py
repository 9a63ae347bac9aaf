"""Odd files in the control inbox: each is answered or refused, and the run ends with the bits of one left alone."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from campaign import Ended, Tally, bounded, campaign, lengths
from cli_process import Nursery, assert_whole, tiny, until_logged
from damage import ODD_VALUES, changed, of_bytes, replaced
from hypothesis import strategies as st

from grokscope.contract.tasks import TaskSpec
from grokscope.registry import get
from grokscope.runs.directory import RunDirectory
from grokscope.settings.config import RunConfig, read_assignments, resolve
from grokscope.training import control
from grokscope.training.launch import launched

COMMANDS: list[dict[str, Any]] = [
    {"action": "pause"}, {"action": "step", "count": 2}, {"action": "snapshot"},
    {"action": "intervene", "kind": "noise", "state": "on", "parameters": {"epsilon": 0.1, "every": 3}},
    {"action": "intervene", "kind": "kick", "state": "on", "parameters": {"alpha": 1.0, "basis": "random"}},
    {"action": "intervene", "kind": "kick", "state": "on", "parameters": {"basis": "commutator", "samples": 3}},
    {"action": "intervene", "kind": "project", "state": "on", "parameters": {"components": 2, "basis": "random"}},
    {"action": "intervene", "kind": "noise", "state": "off"},
]  # fmt: skip

SIZES = ("100000000", "10" * 15, "1e30", "-5", "0.5", '"' + "b" * 300 + '"', '"../../etc/passwd"', '"own"', '"\\u0000"')
"""What parameters that count, scale or name something hardly are meant to be"""


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


STRANGE: dict[str, Callable[[Path], None]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a socket's like": lambda path: os.mknod(path, 0o140644) if os.geteuid() == 0 else write(path, b""),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to an endless file": lambda path: path.symlink_to("/dev/zero"),
    "a link to a command": lambda path: path.symlink_to("../../stop.txt"),
    "a large file": lambda path: write(path, b'{"action": "stop", "x": "' + b"x" * (1 << 20) + b'"}'),
    "a sparse file": lambda path: os.truncate(path, 1 << 40) if path.touch() is None else None,
    "an empty file": lambda path: write(path, b""),
    "many commands": lambda path: write(path, b'{"action": "stop"}\n' * 3),
    "deep nesting": lambda path: write(path, b"[" * 60_000),
}

NAMES = st.sampled_from(["5", "", "a b", "é", "\n", "-", "\x1b[31m", "z" * 250]).map("{}.json".format)
LAST = "\U0010ffff.json"
"""Behind all of them, in the order of names"""


@st.composite
def letters(draw: st.DrawFn) -> tuple[str, object]:
    """The name of a file, and its content or what it is."""
    name = draw(NAMES)
    if draw(st.integers(0, 3)) == 0:
        return name, draw(st.sampled_from(sorted(STRANGE)))
    command = json.loads(json.dumps(draw(st.sampled_from(COMMANDS))))
    text = replaced(command, draw(st.integers(0, 100)), draw(st.none() | st.sampled_from((*ODD_VALUES, *SIZES))))
    return name, changed(text.encode(), draw(st.lists(of_bytes, max_size=1)))


def put(inbox: Path, name: str, what: object) -> bool:
    """Whether it is there now."""
    path = inbox / name
    try:
        write(path, what) if isinstance(what, bytes) else STRANGE[str(what)](path)
    except (OSError, ValueError):  # this file system has no such files, or there is one already
        return False
    return True


HARSH = 1e6
"""Of a run whose parameters are about 1: an intervention so large can make its loss infinite"""

Settings = tuple[TaskSpec, RunConfig, Any]
"""Of a run: its task, its configuration, the task's options"""


@pytest.fixture
def settings() -> Settings:
    pytest.importorskip("torch")
    task = get("tasks", "modular")
    given = [each.removeprefix("--set=") for each in tiny("modular") if each.startswith("--set=")]
    flags = {"train.steps": 12, "train.batch_size": 8, "evaluate.every": 6, "measure.every": 6, "measure.samples": 1,
             "checkpoint.every": 4, "snapshot.every": 4, "log.every": 1, "backend.name": "torch"}  # fmt: skip
    return (task, *resolve(task, read_assignments(given), flags))


def trained(folder: Path, settings: Settings, letters: list[tuple[str, object]]) -> list[dict[str, Any]]:
    """The events of a run into whose inbox the letters fall behind its step 2, and a `resume` behind them."""
    task, config, options = settings
    directory = RunDirectory(folder / "a")
    (folder / "stop.txt").write_text('{"action": "stop"}')

    def listen(event: Mapping[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] == 2:
            for name, what in [*letters, (LAST, b'{"action": "resume"}')]:
                put(directory.control, name, what)

    with bounded(), launched(directory, config, task, options, resume=False, listeners=[listen]) as trainer:
        trainer.run()
    return assert_whole(directory.path)


@lengths(40, 2500)
def test_odd_letters(
    inputs: int, tally: Tally, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes, the trainer goes on to its last step; where nothing was obeyed, to the bits of a quiet run.

    Only where it was told to add or multiply by a huge number may its loss leave the range of numbers.
    """
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)
    folder = tmp_path / "run"
    folder.mkdir()
    quiet = trained(folder, settings, [])[-1]["parameters_digest"]

    @campaign(inputs, st.lists(letters(), min_size=1, max_size=4, unique_by=lambda letter: letter[0]))
    def _(letters: list[tuple[str, object]]) -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        events = trained(folder, settings, letters)
        for event in events:
            if event.get("command"):
                said = f"{event['event']} {event.get('kind', '')} {event.get('state', '')} {event.get('reason', '')}"
                tally.note(Ended((), 0, "", said))
        changes = [event for event in events if event["event"] == "intervened" and event["state"] != "refused"]
        status = events[-1]["status"]
        stopped = status == "stopped"
        assert stopped or status == "completed" or (status == "diverged" and _is_harsh(changes))
        assert stopped or changes or events[-1]["parameters_digest"] == quiet
        assert any(event.get("command") == LAST for event in events) or stopped


def _is_harsh(changes: list[dict[str, Any]]) -> bool:
    """Whether one of the interventions that were switched on has a number that can end a run."""
    sizes = [size for change in changes for size in change["parameters"].values() if isinstance(size, int | float)]
    return any(abs(size) > HARSH for size in sizes)


@lengths(2, 20)
def test_a_trainer_answers_after_all_of_it(inputs: int, nursery: Nursery, tmp_path: Path) -> None:
    """In a real process: every strange file at once, a hundred letters of nothing, and then somebody who means it."""
    for number in range(inputs):
        run = tmp_path / "runs" / str(number)
        process = nursery.start(*tiny("modular", "--steps=1000000", "--quiet", f"--name={number}"), folder=tmp_path)
        until_logged(run, "evaluated")
        for place, what in enumerate(STRANGE):
            put(run / "control", f"{place:02d}.json", what)
        for letter in range(100):
            put(run / "control", f"x{letter}.json", os.urandom(letter))
        done = nursery.run("control", str(number), "stop", folder=tmp_path)
        assert done.code == 0, done.err
        ended = process.wait()
        assert (ended.code, ended.err) == (0, "")
        assert assert_whole(run)[-1]["status"] == "stopped"

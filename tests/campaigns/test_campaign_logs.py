"""Damaged logs: every command that reads runs answers with a sentence, and shows the sound runs beside as ever."""

import json
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest
from campaign import Tally, assert_sound, call, campaign, lengths
from cli_made import write_made_run
from cli_process import tiny
from damage import changed, changes
from hypothesis import strategies as st

from grokscope.training.loop import Trainer

WHOLE = (
    ["show", "hurt"], ["show", "hurt", "--json"], ["export", "hurt"], ["export", "hurt", "--json"], ["law", "runs"],
    ["law", "runs", "--json"], ["forecast", "hurt"], ["forecast", "hurt", "--at", "400", "--json"],
    ["forecast", "runs", "--build-bank", "-o", "bank.jsonl"],
    tiny("modular", "--replay-interventions=hurt", "--name=again", "--quiet"),
)  # fmt: skip
"""Commands that read the log of `hurt` from its first line to its last"""
PARTS = (
    ["ls"], ["ls", "--json"], ["pca", "hurt"], ["control", "hurt", "stop", "--wait", "0"], ["sweep", "status", "hurt"],
)  # fmt: skip
"""And those that look at its end, or for something else"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The log of a tiny run with interventions, snapshots, checkpoints and forecasts."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("trained")
    more = ("--intervene=noise@10..30:every=5", "--intervene=kick@20", "--set=snapshot.every=20", "--steps=60")
    done = call(*tiny("modular", *more, "--name=whole", "--quiet"), folder=folder)
    assert done.code == 0, str(done)
    return (folder / "runs" / "whole" / "events.jsonl").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound run, and the place of a hurt one."""
    write_made_run(tmp_path / "runs" / "sound")
    (tmp_path / "runs" / "hurt").mkdir()
    return tmp_path


def well_formed(log: bytes) -> bool:
    """Whether every whole line is an object that says which event it is, and that it stands in its place."""
    try:
        events = [json.loads(line) for line in log.split(b"\n")[:-1]]
        return [(event["seq"], str(event["event"])) for event in events] == [
            (place, event["event"]) for place, event in enumerate(events)
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


@lengths(60, 6000)
@pytest.mark.parametrize("kind", ["made", "trained"])
def test_damaged_logs(inputs: int, kind: str, tally: Tally, folder: Path, trained: bytes) -> None:
    sound = (folder / "runs/sound/events.jsonl").read_bytes()
    log = folder / "runs/hurt/events.jsonl"

    @campaign(inputs, changes, st.sampled_from(WHOLE) | st.sampled_from(PARTS))
    def _(by: list[object], arguments: list[str]) -> None:
        data = changed(trained if kind == "trained" else sound, by)
        log.write_bytes(data)
        with patch.object(Trainer, "run", lambda trainer, recorded=(): "completed"):
            ended = call(*arguments, folder=folder)
        tally.note(ended)
        assert_sound(ended)
        if arguments in WHOLE and not well_formed(data):
            assert ended.err, f"the damage was passed over in silence: {ended}"
        if arguments == ["ls", "--json"]:
            assert "sound" in {run["name"] for run in json.loads(ended.out)}
        (folder / "bank.jsonl").unlink(missing_ok=True)
        shutil.rmtree(folder / "runs" / "again", ignore_errors=True)

"""The trainer's process, machine and output, on a screen of their own."""

import os
import socket
from pathlib import Path

import pytest
from textual.widgets import Static
from tui_made import Driven, whole_run

from grokscope.runs.directory import RunDirectory
from grokscope.tui import vitals
from grokscope.tui.screens.trainer import TrainerScreen, printed_by_trainer
from grokscope.tui.screens.watch import WatchScreen
from grokscope.tui.vitals import vitals_in_words

HERE = {"process": os.getpid(), "host": socket.gethostname(), "device": "cpu"}


def test_a_process_of_this_machine_is_measured() -> None:
    process, machine = vitals_in_words(HERE)
    assert process.startswith(f"process {os.getpid()}, device cpu: ")
    assert "of CPU time in" in process
    assert "iB of memory" in process
    assert f"{os.cpu_count()} core" in machine
    assert "load" in machine


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vitals_in_words(HERE | {"host": "elsewhere"}) == [
        f"process {os.getpid()} on elsewhere, device cpu: not this machine"
    ]
    assert "it has ended" in vitals_in_words(HERE | {"process": 2**22 + 1})[0]
    monkeypatch.setattr(vitals, "_ask", lambda process: None)
    assert "`ps` is missing" in vitals_in_words(HERE)[0]


def test_the_output_is_shown_without_control_characters(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert "where it was started" in printed_by_trainer(run)
    output = tmp_path / "trainer.stderr"
    output.write_bytes(b"")
    assert "printed nothing" in printed_by_trainer(run)
    output.write_bytes(b"first\n" * 600 + b"warning: \x1b[31mred\xff\n")
    shown = printed_by_trainer(run).split("\n")
    assert len(shown) < 600
    assert "\x1b" not in shown[-1]
    assert shown[-1].startswith("warning: ")


async def test_o_opens_and_closes_it(tmp_path: Path, driven: Driven) -> None:
    run = whole_run().write(tmp_path)
    (run.path / "trainer.stderr").write_text("a warning\n")
    async with driven(run, (80, 24)) as (app, pilot):
        await pilot.press("o")
        assert isinstance(app.screen, TrainerScreen)
        await app.workers.wait_for_complete()
        await pilot.pause()
        said = [str(app.screen.query_one(name, Static).render()) for name in ("#vitals", "#output")]
        assert "process 1 on elsewhere" in said[0]
        assert "a warning" in said[1]
        await pilot.press("o")
        assert isinstance(app.screen, WatchScreen)

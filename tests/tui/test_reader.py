"""Following a run: live, silent, torn, truncated, resumed, vanished."""

import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tui_made import Script, whole_run

from grokscope.runs.directory import RunDirectory
from grokscope.runs.state import Signs
from grokscope.tui import reader as reading
from grokscope.tui.reader import Reader, ReadSoFar, read_whole
from grokscope.tui.run_look import RunLook, state
from grokscope.tui.summaries import summaries, sweep_summaries
from grokscope.tui.view import View


def following(run: RunDirectory, **others: Any) -> tuple[Reader, list[ReadSoFar]]:
    seen: list[ReadSoFar] = []
    return Reader(run, seen.append, **others), seen


def beat(run: RunDirectory, age: float = 0.0) -> None:
    run.heartbeat.touch()
    frame = time.time() - age
    os.utime(run.heartbeat, (frame, frame))


def test_publishes_only_what_is_new(tmp_path: Path) -> None:
    run = whole_run().write(tmp_path)
    reader, seen = following(run)
    for _ in range(3):
        reader.poll()
    assert len(seen) == 1
    assert seen[0].state is RunLook.FINISHED
    assert seen[0].view.step == 3000


def test_a_torn_last_line_waits(tmp_path: Path) -> None:
    script = whole_run(finish=False)
    run = script.write(tmp_path)
    reader, _ = following(run)
    reader.poll()
    script.trained(3020)
    line = script.lines()[-1]
    with run.events.open("ab") as log:
        log.write(line[:30])
    assert reader.poll().view.step == 3000
    with run.events.open("ab") as log:
        log.write(line[30:] + b"\n")
    snapshot = reader.poll()
    assert snapshot.view.step == 3020
    assert not snapshot.view.problems


@pytest.mark.parametrize("longer", [False, True])
def test_a_resume_that_cuts_the_log_is_read_again(tmp_path: Path, longer: bool) -> None:
    run = whole_run(steps=1000, finish=False).write(tmp_path)
    reader, _ = following(run)
    assert reader.poll().view.step == 1000
    script = whole_run(steps=500, finish=False)
    script.started(step=500, at=900.0, resumed_from=500)
    for step in range(520, 3000 if longer else 600, 20):
        script.trained(step)
    script.write(tmp_path)
    snapshot = reader.poll()
    assert snapshot.reloads == 1
    assert snapshot.view.step == (2980 if longer else 580)
    assert snapshot.view.started["resumed_from"] == 500
    assert reader.poll().reloads == 1


def test_a_line_that_cannot_be_read_costs_one_reload_and_a_notice(tmp_path: Path) -> None:
    script = whole_run(steps=100, finish=False)
    run = script.write(tmp_path)
    reader, _ = following(run)
    reader.poll()
    script.trained(120)
    with run.events.open("ab") as log:
        log.write(b'{"v":1,"run":"made","se\xff\n' + script.lines()[-1].replace(b'"seq":', b'"seq":9') + b"\n")
    snapshot = reader.poll()
    assert reader.poll().reloads <= 1
    assert "lines that could not be read" in snapshot.view.problems
    assert snapshot.view.step == 120


def test_a_run_that_is_not_there_yet_and_then_vanishes(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "made")
    reader, _ = following(run)
    assert reader.poll().state is RunLook.WAITING
    whole_run().write(tmp_path)
    assert reader.poll().state is RunLook.FINISHED
    shutil.rmtree(run.path)
    snapshot = reader.poll()
    assert snapshot.state is RunLook.GONE
    assert snapshot.view.step == 3000


def test_states_by_heartbeat(tmp_path: Path) -> None:
    run = whole_run(finish=False).write(tmp_path)
    reader, _ = following(run)
    assert reader.poll().state is RunLook.CRASHED  # no heartbeat at all
    beat(run)
    assert reader.poll().state is RunLook.RUNNING
    beat(run, age=30)
    reader, _ = following(run)
    assert reader.poll().state is RunLook.STALE
    beat(run, age=3600)
    reader, _ = following(run)
    assert reader.poll().state is RunLook.CRASHED


def test_a_file_servers_clock_may_be_off(tmp_path: Path) -> None:
    run = whole_run(finish=False).write(tmp_path)
    beat(run, age=500)
    reader, _ = following(run)
    assert reader.poll().state is RunLook.CRASHED
    beat(run, age=499)  # it was touched, whatever hour that clock shows
    assert reader.poll().state is RunLook.RUNNING


def test_a_process_of_this_machine_that_is_dead(tmp_path: Path) -> None:
    run = whole_run(finish=False, host=socket.gethostname(), process=2**22 + 12345).write(tmp_path)
    beat(run)
    assert read_whole(run).state is RunLook.CRASHED


class Dead:
    def poll(self) -> int | None:
        return 3


def test_a_trainer_of_ours_that_died(tmp_path: Path) -> None:
    run = whole_run(finish=False).write(tmp_path)
    beat(run)
    reader, _ = following(run, trainer=Dead())
    assert reader.poll().state is RunLook.CRASHED


def test_states_in_words() -> None:
    assert state(View(phase="paused"), Signs(silence=1.0)) is RunLook.PAUSED
    assert state(View(phase="running"), Signs(silence=20.0, process_lives=True)) is RunLook.STALE
    assert state(View(phase="running"), Signs(silence=900.0, process_lives=True)) is RunLook.STALE
    words = [member.word for member in RunLook]
    assert len(set(words)) == len(words)
    assert len({member.glyph for member in RunLook}) == len(words)


def test_a_long_log_is_shown_at_a_glance_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "GLANCE_BYTES", 1000)
    monkeypatch.setattr(reading, "READ_BYTES", 100_000)
    run = whole_run(steps=40000).write(tmp_path)
    reader, seen = following(run)
    reader.poll()
    assert seen[0].loading == 0.0
    assert seen[0].view.step == 40000
    assert seen[-1].loading is None
    assert seen[-1].view.events == len(whole_run(steps=40000).events)
    assert len(seen[-1].view.curve("defect")) == 401


def test_the_thread_ends(tmp_path: Path) -> None:
    reader, seen = following(whole_run().write(tmp_path))
    reader.start()
    deadline = time.monotonic() + 60
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    reader.close()
    assert seen


def test_summaries(tmp_path: Path) -> None:
    whole_run("a").write(tmp_path)
    whole_run("b", steps=20000, finish=False).write(tmp_path)
    (tmp_path / "not-a-run").mkdir()
    Script("empty").write(tmp_path)
    for second, name in enumerate(["b", "a", "empty"]):
        os.utime(tmp_path / name / "events.jsonl", (second, second))
    found = {item.name: item for item in summaries(tmp_path)}
    assert list(found) == ["empty", "a", "b"]
    assert found["a"].facts["grokked"] == 2200
    assert found["a"].setting("lr") == "0.001"
    assert found["b"].run_state.step == 20000
    assert found["b"].state is RunLook.CRASHED
    assert found["empty"].state is RunLook.WAITING


def test_no_summaries_of_a_folder_that_cannot_be_opened(tmp_path: Path) -> None:
    circle = tmp_path / "runs"
    circle.symlink_to(circle)
    assert summaries(circle) == []
    assert sweep_summaries(circle) == []

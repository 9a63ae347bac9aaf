"""A run is followed from its first event to its end."""

import threading
import time
from pathlib import Path

from events_made import write_log

from grokscope.runs.directory import RunDirectory
from grokscope.runs.following import followed

ENDED = [{"event": "started"}, {"event": "evaluated", "step": 5}, {"event": "finished", "step": 9}]


def test_a_run_that_has_ended(tmp_path: Path) -> None:
    write_log(tmp_path / "run/events.jsonl", *ENDED)
    assert [event["event"] for event in followed(RunDirectory(tmp_path / "run"))] == [
        "started",
        "evaluated",
        "finished",
    ]


def test_a_run_that_crashed_ends_too(tmp_path: Path) -> None:
    write_log(tmp_path / "run/events.jsonl", *ENDED[:2])
    assert [event["seq"] for event in followed(RunDirectory(tmp_path / "run"))] == [0, 1]


def test_a_run_that_grows(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    whole = write_log(tmp_path / "whole/events.jsonl", *ENDED).read_bytes().splitlines(keepends=True)
    run.path.mkdir()
    run.events.write_bytes(whole[0])
    run.heartbeat.touch()

    def grow() -> None:
        for line in whole[1:]:
            time.sleep(0.1)
            with run.events.open("ab") as log:
                log.write(line)

    writer = threading.Thread(target=grow)
    writer.start()
    assert [event["seq"] for event in followed(run)] == [0, 1, 2]
    writer.join()

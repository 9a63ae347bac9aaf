"""`--notify`: somebody's command, and nothing that a run holds gets near a shell."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_process import grokscope, tiny

from grokscope.runs.log import read
from grokscope.sinks.notify import BadCommand, Notifier, parsed_command

GROKKED: dict[str, Any] = {
    "event": "grokked", "run": "r", "step": 800, "value": 0.99, "confirmed_at": 1000, "rule": {"name": "sustained-0.98"}
}  # fmt: skip
TELL = "import json, os, sys; open(sys.argv[1], 'a').write(json.dumps([json.loads(sys.stdin.read()), {k: v for k, v in os.environ.items() if k.startswith('NOTIFY_')}]) + '\\n')"  # noqa: E501


def test_a_command_gets_the_event_and_the_facts(tmp_path: Path) -> None:
    run, told = tmp_path / "$(touch here); 'x' & \"y\"", tmp_path / "told"
    Notifier([sys.executable, "-c", TELL, str(told)], run)(GROKKED)
    event, facts = json.loads(told.read_text())
    assert event == GROKKED
    assert facts["NOTIFY_EVENT"] == "grokked"
    assert facts["NOTIFY_RUN"] == str(run)
    assert facts["NOTIFY_STEP"] == "800"
    assert "grokked at step 800" in facts["NOTIFY_TEXT"]
    assert [each.name for each in tmp_path.iterdir()] == ["told"]


def test_other_events_are_no_notices(tmp_path: Path) -> None:
    Notifier(["false"], tmp_path)({"event": "evaluated", "step": 1})


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["false"], "ended with 1"),
        ([sys.executable, "-c", "import sys; sys.exit('\\x1b[31mno network')"], "ended with 1: ·[31mno network"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "took more than 0.5 s, and was ended"),
        (["/nowhere/at/all"], "cannot be run: No such file"),
    ],
    ids=["fails", "says why", "hangs", "is gone"],
)
def test_a_command_that_fails_is_one_sentence(command: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as found:
        Notifier(command, tmp_path, limit=0.5 if "hangs" in sentence or "took" in sentence else 30)(GROKKED)
    assert sentence in str(found.value)


def test_a_command_that_does_not_read_is_fine(tmp_path: Path) -> None:
    Notifier(["true"], tmp_path)({**GROKKED, "more": "x" * 1_000_000})


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    """Such as a window that it opens: the limit would end it."""
    left = tmp_path / "left"
    Notifier(["sh", "-c", f"sleep 60 & echo $! > {left}"], tmp_path, limit=20)(GROKKED)
    os.kill(int(left.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "no-such-command-at-all x", "echo 'open"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(BadCommand, match="command"):
        parsed_command(text)


def test_a_run_tells_its_end_and_is_the_same_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    told = tmp_path / "told.jsonl"
    (tmp_path / "tell.py").write_text(TELL)
    command = f"{sys.executable} {tmp_path / 'tell.py'} {told}"
    asked = tiny("modular", "--steps=20", "--runs=.")
    with_it = grokscope(*asked, "--name=told", f"--notify={command}", folder=tmp_path)
    without = grokscope(*asked, "--name=silent", folder=tmp_path)
    assert (with_it.code, without.code) == (0, 0)
    ends = [list(read(tmp_path / name / "events.jsonl"))[-1] for name in ("told", "silent")]
    assert ends[0]["parameters_digest"] == ends[1]["parameters_digest"]
    kinds = [json.loads(line)[0]["event"] for line in told.read_text().splitlines()]
    assert kinds[-1] == "finished"


def test_a_command_that_fails_does_not_end_a_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    asked = tiny("modular", "--steps=20", "--runs=.")
    outcome = grokscope(*asked, "--name=told", "--notify=false", folder=tmp_path)
    assert (outcome.code, outcome.out) == (0, "told\n")
    assert outcome.err.count("the notify command ended with 1") == 1
    refused = grokscope(*asked, "--name=other", "--notify=no-such-command-at-all", folder=tmp_path)
    assert refused.code == 2
    assert not (tmp_path / "other").exists()

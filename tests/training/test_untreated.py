"""Back to before the first intervention: the new run is the one that nobody treated."""

from pathlib import Path
from typing import Any

import pytest
from training_made import Run, ask, run, undisturbed

from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.fork import fork_untreated, untreated_name, untreated_step
from grokscope.runs.log import read
from grokscope.training.launch import launched, resumed_config
from grokscope.training.loop import Trainer


def treated(folder: Path) -> Run:
    """A run in which somebody switches noise on at step 7, off at step 12, and on again at step 14."""
    switches = {7: "on", 12: "off", 14: "on"}

    def happening(running: Trainer, event: dict[str, Any]) -> None:
        if event["event"] == "trained" and event["step"] in switches:
            state = switches[event["step"]]
            ask(running, "intervene", kind="noise", state=state, parameters={"every": 1} if state == "on" else {})

    return run(folder, {"log.every": 1, "snapshot.every": 5}, happening=happening)


def test_the_new_run_ends_as_if_nobody_had_intervened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokscope.training.control.INBOX_POLL_SECONDS", 0.0)
    done = treated(tmp_path)
    assert done.digest != undisturbed()
    assert untreated_step(done.directory) == 7
    fork = fork_untreated(done.directory, untreated_name(done.directory))
    assert fork.name == "tiny-untreated"
    assert [path.name for path in sorted(fork.snapshots.iterdir())] == [
        "step-00000000.safetensors", "step-00000005.safetensors", "step-00000007.safetensors"
    ]  # fmt: skip
    task, config, options = resumed_config(fork, {})
    with launched(fork, config, task, options, resume=True) as trainer:
        assert trainer.run() == "completed"
    events = list(read(fork.events))
    assert {event["run"] for event in events} == {"tiny-untreated"}
    assert [event for event in events if event["event"] == "intervened"] == []
    assert events[-1]["parameters_digest"] == undisturbed()
    assert untreated_name(done.directory) == "tiny-untreated-2"


def test_a_run_that_nobody_treated_has_nothing_to_go_back_to(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert untreated_step(done.directory) is None
    with pytest.raises(NoSuchRun, match="kept no state"):
        fork_untreated(done.directory, "other")
    assert not (tmp_path / "other").exists()
    assert RunDirectory(tmp_path / "tiny").untreated.exists() is False

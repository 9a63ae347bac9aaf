"""Interventions from the command line: planned, asked of a live run, replayed, and gone on with after a kill."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from cli_process import Nursery, Process, assert_whole, read_log, tiny, until_logged

STEPS = ("--steps=200", "--set=snapshot.every=20", "--quiet", "--set=train.stop_after_grok=-1")


def digest(run: Path) -> str:
    return str(assert_whole(run)[-1]["parameters_digest"])


def intervened(run: Path, *states: str) -> list[tuple[int, str, str]]:
    return [
        (event["step"], event["kind"], event["state"])
        for event in read_log(run)
        if event["event"] == "intervened" and event["state"] in states
    ]


SWITCHES = ("on", "changed", "off")


def test_planned_with_flags_in_a_file_or_in_the_environment(nursery: Nursery, tmp_path: Path) -> None:
    planned = ["noise@20..60:epsilon=0.5", "project@100:strength=0.7"]
    flags = [f"--intervene={entry}" for entry in planned]
    assert nursery.run(*tiny("modular", *STEPS), *flags, "--name=a", folder=tmp_path).code == 0
    runs = tmp_path / "runs"
    assert intervened(runs / "a", *SWITCHES) == [(20, "noise", "on"), (60, "noise", "off"), (100, "project", "on")]
    (tmp_path / "b.toml").write_text(f"[interventions]\nschedule = {planned!r}\n")
    assert nursery.run(*tiny("modular", *STEPS), "--config=b.toml", "--name=b", folder=tmp_path).code == 0
    one = {"GROKSCOPE_INTERVENE": f"{planned!r}"}
    assert nursery.run(*tiny("modular", *STEPS), "--name=c", folder=tmp_path, variables=one).code == 0
    assert digest(runs / "a") == digest(runs / "b") == digest(runs / "c")


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("kik@500", "no intervention is called 'kik'"),
        ("project@500:stength=1", "project has no parameter 'stength'; the nearest is strength"),
        ("project@500", "project: basis=own needs snapshots of this run; set snapshot.every, or choose another basis"),
        ("project@500:basis=nobody", "there is no run nobody"),
        ("project@500:basis=dyck", "project: the snapshots of dyck are of a model with "),
    ],
)
def test_a_wrong_plan_runs_nothing(nursery: Nursery, tmp_path: Path, flag: str, sentence: str) -> None:
    if "dyck" in flag:
        nursery.run(*tiny("dyck", "--steps=4", "--set=snapshot.every=2", "--name=dyck"), folder=tmp_path)
    done = nursery.run(*tiny("modular"), f"--intervene={flag}", "--name=a", folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert not (tmp_path / "runs" / "a").exists()


def test_what_there_is(nursery: Nursery, tmp_path: Path) -> None:
    said = nursery.run("interventions", folder=tmp_path).out
    listed = nursery.run("interventions", "--json", folder=tmp_path).json
    assert [kind["name"] for kind in listed] == [
        "clamp", "embedding-lr", "grokfast", "kick", "noise", "orthograd", "penalty", "project", "rescale",
        "temperature",
    ]  # fmt: skip
    assert all(f"{kind['name']}: {kind['summary']}" in said for kind in listed)
    assert said.count("principal components of this run's snapshots") == 1
    assert len(said.splitlines()) <= 2 * len(listed) + 8
    for kind in listed:
        whole = nursery.run("interventions", kind["name"], folder=tmp_path).out
        assert whole.startswith(f"{kind['name']}: {kind['summary']}")
        assert all(f"\n  {name}" in whole for name in kind["parameters"])
        assert nursery.run("interventions", kind["name"], "--json", folder=tmp_path).json == kind
    penalty = nursery.run("interventions", "penalty", folder=tmp_path).out
    assert "not a penalty" in " ".join(penalty.split())
    unknown = nursery.run("interventions", "nois", folder=tmp_path)
    assert (unknown.code, unknown.out) == (2, "")
    assert "noise" in unknown.err


def test_what_was_done_is_shown_and_nothing_is_replayed_from_nothing(nursery: Nursery, tmp_path: Path) -> None:
    short = ("--steps=40", "--set=snapshot.every=20", "--set=train.stop_after_grok=-1")
    planned = ("--intervene=noise@10..30:every=5", "--intervene=kick@500", "--intervene=project@30:off")
    base = nursery.run(*tiny("modular", *short), "--name=base", folder=tmp_path)
    assert base.code == 0
    treated = nursery.run(*tiny("modular", *short), *planned, "--name=treated", folder=tmp_path)
    assert treated.code == 0
    assert "kick@500 will never come: the run ends at step 40" in treated.err
    assert "project@30:off has nothing to switch off" in treated.err
    switched = [line for line in treated.err.splitlines() if line.startswith("◆")]
    assert [line.partition(" basis")[0] for line in switched] == ["◆ noise on at step 10", "◆ noise off at step 30"]
    assert all(line.endswith("(schedule)") for line in switched)
    (noise,) = nursery.run("show", "treated", "--json", folder=tmp_path).json["interventions"]
    assert (noise["kind"], noise["on"], noise["off"], noise["source"]) == ("noise", 10, 30, "schedule")
    assert (noise["applied"], noise["last_applied"]) == (4, 26)
    shown = nursery.run("show", "treated", folder=tmp_path).out
    (row,) = [line for line in shown.splitlines() if line.startswith("noise ")]
    assert row.split()[:5] == ["noise", "10", "30", "4", "schedule"]
    assert nursery.run("show", "base", "--json", folder=tmp_path).json["interventions"] == []
    replay = nursery.run(*tiny("modular", *short), "--replay-interventions=base", "--name=again", folder=tmp_path)
    assert replay.code == 0
    assert "base had no interventions, so there are none to replay" in replay.err


# --- live -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def live(nursery: Nursery, tmp_path: Path) -> Process:
    """A run called `live` that takes its time, and has as many snapshots as a basis needs."""
    process = nursery.start(
        *tiny("modular", "--steps=100000000", "--set=snapshot.every=20", "--quiet", "--name=live"), folder=tmp_path
    )
    seq = -1
    for _ in range(3):
        seq = until_logged(tmp_path / "runs/live", "snapshot", after=seq)["seq"]
    return process


def test_asked_of_a_live_run_and_replayed(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    def ask(*arguments: str) -> Any:
        return nursery.run("control", "live", *arguments, "--wait=30", folder=tmp_path)

    on = ask("intervene", "noise", "on", "--set", "epsilon=0.3", "--set", "every=5")
    assert on.code == 0
    assert "noise on at step" in on.out
    assert "epsilon 0.3," in on.out
    refused = ask("intervene", "noise", "on", "--set", "epsilonn=1")
    assert refused.code == 2
    assert "the nearest is epsilon" in refused.out
    assert ask("intervene", "project", "on", "--set", "strength=0.9").code == 0
    assert ask("intervene", "noise", "on", "--set", "epsilon=0.1").code == 0
    assert ask("pause").code == 0
    off = ask("intervene", "project", "off", "--json").json
    assert (off["kind"], off["state"], off["source"]) == ("project", "off", "control")
    assert ask("resume").code == 0
    assert ask("intervene", "noise", "off").code == 0
    stopped = ask("stop", "--json").json
    assert live.wait().code == 0
    run = tmp_path / "runs/live"
    settings = tiny("modular", f"--steps={stopped['steps']}", "--set=snapshot.every=20", "--quiet", "--name=again")
    replay = nursery.run(*settings, "--replay-interventions=live", folder=tmp_path)
    assert replay.code == 0
    assert digest(tmp_path / "runs/again") == digest(run)
    switched = [tuple(switch) for switch in intervened(run, *SWITCHES)]
    assert intervened(tmp_path / "runs/again", *SWITCHES) == switched
    assert [kind for _, kind, _ in switched] == ["noise", "project", "noise", "project", "noise"]


def test_killed_under_an_intervention(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    """kill -9 right after the acknowledgement, and again somewhere later: nothing is lost."""
    for kind in ("noise", "penalty"):
        on = nursery.run("control", "live", "intervene", kind, "on", "--wait=30", folder=tmp_path)
        assert on.code == 0
    live.kill()
    process = nursery.start("run", "--resume=live", "--quiet", folder=tmp_path)
    run = tmp_path / "runs/live"
    until_logged(run, "checkpoint", after=read_log_end(run))
    process.signal(signal.SIGKILL)
    process.wait()
    step = max(event["step"] for event in read_log_torn(run) if event["event"] == "evaluated")
    resumed = nursery.run("run", "--resume=live", f"--steps={step + 500}", "--quiet", folder=tmp_path)
    assert resumed.code == 0
    assert [switch[1:] for switch in intervened(run, *SWITCHES)] == [("noise", "on"), ("penalty", "on")]
    settings = tiny("modular", f"--steps={step + 500}", "--set=snapshot.every=20", "--quiet", "--name=again")
    assert nursery.run(*settings, "--replay-interventions=live", folder=tmp_path).code == 0
    assert digest(tmp_path / "runs/again") == digest(run)


def read_log_torn(run: Path) -> list[dict[str, Any]]:
    from grokscope.runs.log import read

    return list(read(run / "events.jsonl"))


def read_log_end(run: Path) -> int:
    time.sleep(0.2)
    return int(read_log_torn(run)[-1]["seq"])

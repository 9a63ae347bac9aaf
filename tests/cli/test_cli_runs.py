"""`ls`, `show`, `export` and `control` on runs that are finished, live, paused, killed, or silent."""

import csv
import io
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_made import made_events, write_made_run
from cli_process import Nursery, Outcome, Process, assert_whole, read_log, tiny, until_logged

GOLDEN = Path(__file__).parent / "golden"


def same_as(name: str, text: str) -> None:
    """Outputs are promises too, byte for byte."""
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), "set UPDATE_GOLDEN=1 where this is meant"


@pytest.fixture
def live(nursery: Nursery, tmp_path: Path) -> Process:
    """A run called `live` that goes on until somebody ends it; its folder is the test's."""
    process = nursery.start(*tiny("modular", "--steps=100000000", "--name=live", "--quiet"), folder=tmp_path)
    until_logged(tmp_path / "runs/live", "evaluated")
    return process


# --- ls ---------------------------------------------------------------------------------------------------------------


def test_no_runs(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.run("ls", "--json", folder=tmp_path) == Outcome(0, "[]\n", "")
    done = nursery.run("ls", folder=tmp_path)
    assert (done.code, done.out) == (0, "")
    assert "there are no runs in runs" in done.err


def test_a_list(nursery: Nursery, made_runs: Path) -> None:
    broken = made_runs / "runs/broken"
    broken.mkdir()
    (broken / "events.jsonl").write_bytes(b'{"v":1,"run"')
    done = nursery.run("ls", folder=made_runs)
    assert done.code == 0
    header, *rows = done.out.splitlines()
    assert header.split()[:3] == ["name", "state", "test"]
    assert rows[0].split()[:2] == ["broken", "waiting"]
    assert rows[1].startswith("made    grokked at 800  99.5 %")
    assert rows[1].endswith("100.0 %       4  modular")


def test_a_list_for_scripts(nursery: Nursery, made_runs: Path) -> None:
    (run,) = nursery.run("ls", "--json", folder=made_runs).json
    assert run.pop("path") == "runs/made"
    assert run == {
        "name": "made", "task": "modular", "state": "finished", "status": "completed", "step": 1200, "steps": 1200,
        "metric": "accuracy", "train": 1.0, "test": 0.995, "defect": 4.0, "grokked_step": 800, "regressed_step": None,
        "started": "2026-11-23T12:00:00.000Z", "written": made_events()[-1]["time"], "problem": None,
    }  # fmt: skip


def test_a_killed_run_has_crashed(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["state"] == "running"
    live.kill()
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["state"] == "crashed"
    assert nursery.run("show", "live", folder=tmp_path).out.startswith("live: crashed, step ")
    refused = nursery.run("control", "live", "pause", folder=tmp_path)
    assert refused.code == 3
    assert "--resume live" in refused.err
    assert os.listdir(tmp_path / "runs/live/control") == []
    assert nursery.run("run", "--resume=live", "--steps=1", folder=tmp_path).code == 0
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["state"] == "finished"


@pytest.mark.parametrize(("silence", "state"), [(1, "running"), (30, "stale"), (120, "crashed")])
def test_a_silent_run_on_another_machine(nursery: Nursery, tmp_path: Path, silence: int, state: str) -> None:
    """Nobody can look for a process there: the heartbeat alone tells."""
    run = write_made_run(tmp_path / "runs/far")
    text = (run / "events.jsonl").read_text()
    (run / "events.jsonl").write_text("".join(text.splitlines(keepends=True)[:-1]))
    (run / "heartbeat").write_text(json.dumps({"process": 1, "host": "far"}))
    then = time.time() - silence
    os.utime(run / "heartbeat", (then, then))
    assert nursery.run("ls", "--json", folder=tmp_path).json[0]["state"] == state


# --- show -------------------------------------------------------------------------------------------------------------


def test_show(nursery: Nursery, made_runs: Path) -> None:
    done = nursery.run("show", "made", folder=made_runs)
    assert (done.code, done.err) == (0, "")
    same_as("show.txt", done.out)


def test_show_for_scripts(nursery: Nursery, made_runs: Path) -> None:
    shown = nursery.run("show", "latest", "--json", folder=made_runs).json
    found = {(found["kind"], found["rule"]): (found["step"], found["lead_steps"]) for found in shown["detections"]}
    assert found == {
        ("memorized", "train-accuracy"): (200, 600),
        ("onset", "persistent"): (400, 400),
        ("onset", "paper"): (200, 600),
        ("onset", "paper-slow"): (200, 600),
        ("turned", "test-loss-turn"): (600, 200),
        ("grokked", "sustained-0.98"): (800, 0),
        ("grokked", "strict"): (1000, -200),
        ("grokked", "first-0.90"): (700, 100),
        ("grokked", "first-0.95"): (800, 0),
        ("grokked", "first-0.99"): (900, -100),
        ("regressed", "sustained-0.98"): (None, None),
        ("fired", "commutator-norm-rise"): (None, None),
        ("fired", "relative-commutator-fall"): (None, None),
        ("fired", "weight-norm-halved"): (800, 0),
    }
    assert [found["rule"] for found in shown["detections"] if found["default"]] == [
        "train-accuracy", "persistent", "test-loss-turn", "sustained-0.98", "sustained-0.98",
    ]  # fmt: skip
    spent = shown["cost_seconds"]
    assert spent == pytest.approx(
        {"total": 0.2 * (len(made_events()) - 1), "training": 6.0, "evaluation": 1.3, "measurement": 2.6}
    )
    assert shown["config"]["task"]["modulus"] == 11
    assert shown["files"]["bytes"] > 1000


def test_what_cannot_be_listed_is_not_counted(nursery: Nursery, made_runs: Path) -> None:
    (made_runs / "runs/made/snapshots").write_text("no folder")
    shown = nursery.run("show", "made", folder=made_runs).out
    assert shown.endswith("bytes, snapshots cannot be listed, 0 checkpoints\n")
    files = nursery.run("show", "made", "--json", folder=made_runs).json["files"]
    assert (files["snapshots"], files["checkpoints"]) == (None, [])


def test_show_without_the_plugin(nursery: Nursery, made_runs: Path) -> None:
    """A run of a task that is not installed here is still a run."""
    file = made_runs / "runs/made/events.jsonl"
    file.write_text(file.read_text().replace('"task": "modular"', '"task": "chess"'))
    done = nursery.run("show", "made", folder=made_runs)
    assert done.code == 0
    assert "persistent" in done.out
    assert "sustained" not in done.out


@pytest.mark.parametrize("command", ["show", "export"])
@pytest.mark.parametrize("wanted", ["made", "ma", "latest", "runs/made"])
def test_ways_to_name_a_run(nursery: Nursery, made_runs: Path, command: str, wanted: str) -> None:
    assert nursery.run(command, wanted, folder=made_runs).code == 0


@pytest.mark.parametrize("command", [["show"], ["export"], ["control"], ["run", "--resume"]], ids=" ".join)
def test_no_such_run(nursery: Nursery, made_runs: Path, command: list[str]) -> None:
    shutil.copytree(made_runs / "runs/made", made_runs / "runs/mad")
    more = ["pause"] if command == ["control"] else []
    for wanted, said in (("other", "`grokscope ls`"), ("m", "fits 2 runs")):
        done = nursery.run(*command, wanted, *more, folder=made_runs)
        assert (done.code, done.out) == (3, "")
        assert said in done.err


def test_a_log_that_is_none(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "runs/odd").mkdir(parents=True)
    (tmp_path / "runs/odd/events.jsonl").write_bytes(b"\x00\xff not a log\n")
    done = nursery.run("show", "odd", folder=tmp_path)
    assert done.code == 3
    assert "holds no event of a run" in done.err


@pytest.mark.parametrize(
    "command",
    [["law", "runs"], ["forecast", "--backtest", "runs"], ["forecast", "--build-bank", "runs", "-o", "bank.jsonl.gz"],
     ["report", "runs", "-o", "out", "--format", "none"]],
    ids=["law", "backtest", "bank", "report"],
)  # fmt: skip
def test_a_log_left_out_is_named(nursery: Nursery, made_runs: Path, command: list[str]) -> None:
    damaged = made_runs / "runs/damaged"
    shutil.copytree(made_runs / "runs/made", damaged)
    log = (damaged / "events.jsonl").read_text()
    (damaged / "events.jsonl").write_text(log.replace('"config"', '"settings"', 1))
    done = nursery.run(*command, folder=made_runs)
    assert "runs/damaged/events.jsonl is no log of a run (line 1: config is missing); left out" in " ".join(
        done.err.split()
    )
    shutil.rmtree(damaged)
    without = nursery.run(*command, folder=made_runs)
    assert (done.code, done.out) == (without.code, without.out)


# --- export -----------------------------------------------------------------------------------------------------------


def test_export(nursery: Nursery, made_runs: Path) -> None:
    done = nursery.run("export", "made", folder=made_runs)
    assert (done.code, done.err) == (0, "")
    same_as("export.csv", done.out)
    nursery.run("export", "made", "--csv", "-o", "made.csv", folder=made_runs)
    assert (made_runs / "made.csv").read_text() == done.out


def test_export_as_json_says_the_same(nursery: Nursery, made_runs: Path) -> None:
    table = nursery.run("export", "made", "--json", folder=made_runs).json
    rows = list(csv.DictReader(io.StringIO(nursery.run("export", "made", folder=made_runs).out)))
    assert [list(row) for row in table] == [list(row) for row in rows]
    as_text = [
        {name: "" if cell is None else json.dumps(cell).strip('"') for name, cell in row.items()} for row in table
    ]
    assert as_text == rows


def test_export_of_some_events(nursery: Nursery, made_runs: Path) -> None:
    table = nursery.run("export", "made", "--json", "--events", "grokked,evaluated", folder=made_runs).json
    row = next(row for row in table if row["step"] == 800)
    assert row["grokked.rule.name"] == "sustained-0.98"
    assert row["grokked.confirmed_at"] == 1000
    assert row["test.accuracy"] == 0.985
    assert "defect.median" not in row
    assert nursery.run("export", "made", "--json", "--events", "paused", folder=made_runs).json == []


def test_export_where_nothing_can_be_written(nursery: Nursery, made_runs: Path) -> None:
    done = nursery.run("export", "made", "-o", "nowhere/a.csv", folder=made_runs)
    assert done.code == 2
    assert "cannot write nowhere/a.csv" in done.err


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_no_part_of_an_export_stays_on_a_full_disk(nursery: Nursery, made_runs: Path, form: str) -> None:
    done = nursery.run("export", "made", form, "-o", "part", folder=made_runs, file_bytes=2000)
    assert (done.code, done.err) == (1, "grokscope: part: File too large\n")
    assert not (made_runs / "part").exists()


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_a_dash_is_stdout(nursery: Nursery, made_runs: Path, form: str) -> None:
    plain = nursery.run("export", "made", form, folder=made_runs)
    assert nursery.run("export", "made", form, "-o", "-", folder=made_runs).out == plain.out
    assert not (made_runs / "-").exists()


@pytest.mark.parametrize(
    "command",
    [
        "export made --to tensorboard -o -",
        "report made -o -",
        "tasks export scan -o -",
        "reproduce --output -",
        "intervene show latest -o -",
        "intervene spectrum --shipped -o -",
        "forecast made --build-bank -o -",
        "watch made --export-svg -",
    ],
)
def test_a_folder_or_a_picture_is_not_written_to_stdout(nursery: Nursery, made_runs: Path, command: str) -> None:
    before = sorted(made_runs.iterdir())
    done = nursery.run(*command.split(), folder=made_runs)
    assert (done.code, done.out) == (2, "")
    assert "cannot be written to stdout" in done.err
    assert sorted(made_runs.iterdir()) == before


# --- control ----------------------------------------------------------------------------------------------------------


def test_control_of_a_live_run(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    def ask(*arguments: str) -> Outcome:
        return nursery.run("control", "live", *arguments, "--wait=30", folder=tmp_path)

    def state() -> str:
        return str(nursery.run("ls", "--json", folder=tmp_path).json[0]["state"])

    resumed = ask("resume")
    assert (resumed.code, resumed.out, resumed.err) == (0, "live is running already\n", "")
    refused = ask("step")
    assert (refused.code, refused.err) == (2, "")
    assert "step was refused: the run is running" in refused.out
    paused = ask("pause", "--json").json
    assert paused["event"] == "paused"
    assert state() == "paused"
    assert ask("pause", "--json").json == {"already": True, "run": "live", "action": "pause", "state": "paused"}
    stepped = ask("step", "--count=3", "--json").json
    assert stepped["event"] == "paused"
    assert stepped["step"] == paused["step"] + 3
    shot = ask("snapshot", "--json").json
    assert shot["event"] == "snapshot"
    assert (tmp_path / "runs/live" / shot["path"]).is_file()
    treated = ask("intervene", "kick", "on", "--set=strength=2")
    assert treated.code == 2
    assert "kick refused" in treated.out
    assert ask("resume").code == 0
    assert state() == "running"
    stopped = ask("stop")
    assert stopped.code == 0
    assert "stopped, step " in stopped.out
    assert live.wait().code == 0
    assert assert_whole(tmp_path / "runs/live")[-1]["status"] == "stopped"
    again = ask("stop")
    assert (again.code, again.out, again.err) == (0, "live is finished already\n", "")
    after = ask("pause")
    assert after.code == 3
    assert "has finished (stopped)" in after.err


def test_pausing_changes_nothing(nursery: Nursery, tmp_path: Path) -> None:
    settings = tiny("modular", "--steps=800", "--quiet")
    process = nursery.start(*settings, "--name=a", folder=tmp_path)
    until_logged(tmp_path / "runs/a", "evaluated")
    assert nursery.run("control", "a", "pause", folder=tmp_path).code == 0
    assert nursery.run("control", "a", "step", folder=tmp_path).code == 0
    assert nursery.run("control", "a", "resume", folder=tmp_path).code == 0
    assert process.wait().code == 0
    assert nursery.run(*settings, "--name=b", folder=tmp_path).code == 0
    ends = [assert_whole(tmp_path / "runs" / name)[-1]["parameters_digest"] for name in "ab"]
    assert ends[0] == ends[1]


def test_a_paused_run_is_interrupted(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    assert nursery.run("control", "live", "pause", folder=tmp_path).code == 0
    live.signal(signal.SIGINT)
    assert live.wait().code == 130
    assert assert_whole(tmp_path / "runs/live")[-1]["status"] == "interrupted"


def test_a_trainer_that_does_not_answer(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    live.signal(signal.SIGSTOP)
    done = nursery.run("control", "live", "snapshot", "--wait=0.2", folder=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "no answer within 0.2 s: the trainer has not read its inbox" in done.err
    queued = nursery.run("control", "live", "snapshot", "--wait=0", folder=tmp_path)
    assert (queued.code, queued.out) == (0, "live: snapshot is queued; the trainer has not answered yet\n")
    told = nursery.run("control", "live", "intervene", "noise", "on", "--wait=0", "--json", folder=tmp_path).json
    assert (told["queued"], told["kind"], told["state"]) == (True, "noise", "on")
    endless = nursery.run("control", "live", "intervene", "noise", "on", "--set=relative=inf", folder=tmp_path)
    assert endless.code == 2
    assert "noise: relative must be a finite number, not inf" in endless.err
    live.signal(signal.SIGCONT)
    until_logged(tmp_path / "runs/live", "snapshot")
    live.kill()


def test_a_command_that_nobody_understands(nursery: Nursery, tmp_path: Path, live: Process) -> None:
    """Anything may lie in an inbox: the trainer says so and goes on."""
    inbox = tmp_path / "runs/live/control"
    long_run = until_logged(tmp_path / "runs/live", "warned")
    assert "on this machine; `--preset quick`" in long_run["reason"]
    (inbox / "0.json").write_text("{")
    warned = until_logged(tmp_path / "runs/live", "warned", after=long_run["seq"])
    assert "0.json was not understood" in warned["reason"]
    assert nursery.run("control", "live", "stop", folder=tmp_path).code == 0
    assert live.wait().code == 0
    assert [event["seq"] for event in read_log(tmp_path / "runs/live")][-1] > warned["seq"]


def test_show_needs_no_setting(nursery: Nursery, made_runs: Path) -> None:
    """Somebody's own loop, or another version, may have said less of itself."""
    log = made_runs / "runs/made/events.jsonl"
    first, *rest = log.read_text().splitlines(keepends=True)
    started = json.loads(first)
    del started["config"]["measure"]["every"], started["config"]["optimizer"]
    started["config"]["evaluate"] = "often"
    log.write_text(json.dumps(started) + "\n" + "".join(rest))
    done = nursery.run("show", "made", folder=made_runs)
    assert (done.code, done.err) == (0, "")
    assert "every – steps; evaluating every –" in done.out


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("command", ["show", "ls", "export", "law", "forecast"])
def test_a_split_without_scores_is_not_scored(nursery: Nursery, made_runs: Path, split: str, command: str) -> None:
    """A loop may write null for what it does not score."""
    log = made_runs / "runs/made/events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text(
        "".join(json.dumps({**it, split: None} if it["event"] == "evaluated" else it) + "\n" for it in events)
    )
    done = nursery.run(command, *([] if command == "ls" else ["made"]), folder=made_runs)
    assert done.code in {0, 3}, done.err
    assert "internal error" not in done.err


@pytest.mark.parametrize("arguments", [["show", "made"], ["show", "made", "--json"], ["export", "made"]], ids=" ".join)
def test_what_is_damaged_in_a_log_is_said(nursery: Nursery, made_runs: Path, arguments: list[str]) -> None:
    log = made_runs / "runs/made/events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], b"junk\n", *lines[2:]]))
    done = nursery.run(*arguments, folder=made_runs)
    where = "runs/made/events.jsonl is damaged (line 2: it is no JSON object)"
    assert (done.code, done.err) == (0, f"grokscope: {where}; the rest of it is read\n")


# --- events, mv, rm ---------------------------------------------------------------------------------------------------


def test_events_for_scripts(nursery: Nursery, made_runs: Path) -> None:
    whole = nursery.run("events", "made", folder=made_runs).lines
    assert [event["seq"] for event in whole] == list(range(len(made_events())))
    assert nursery.run("events", "made", "--follow", folder=made_runs).lines == whole
    some = nursery.run("events", "made", "--kinds=grokked,finished", "--since=10", folder=made_runs).lines
    assert [event["event"] for event in some] == ["grokked", "finished"]
    refused = nursery.run("events", "made", "--kinds=graduated", folder=made_runs)
    assert (refused.code, refused.out) == (2, "")


def test_a_run_is_renamed_and_removed(nursery: Nursery, made_runs: Path) -> None:
    assert nursery.run("mv", "made", "kept", folder=made_runs) == Outcome(0, "runs/kept\n", "")
    asked = nursery.run("rm", "kept", folder=made_runs)
    assert (asked.code, "give --yes" in asked.err) == (2, True)
    assert (made_runs / "runs/kept").exists()
    assert nursery.run("rm", "kept", "--yes", folder=made_runs) == Outcome(0, "", "grokscope: removed runs/kept\n")
    assert os.listdir(made_runs / "runs") == []


def test_a_list_is_filtered_and_sorted(nursery: Nursery, made_runs: Path) -> None:
    shutil.copytree(made_runs / "runs/made", made_runs / "runs/grid/cell")
    found = nursery.run("ls", "modulus=11", "--sort=name", "--json", folder=made_runs).json
    assert [run["path"] for run in found] == ["runs/grid/cell", "runs/made"]
    assert "passes this filter" in nursery.run("ls", "modulus>11", folder=made_runs).err
    refused = nursery.run("ls", "modulus<<11", folder=made_runs)
    assert (refused.code, refused.out) == (2, "")
    assert "'modulus<<11' is no condition" in refused.err
    assert "none of these runs has 'beauty'" in nursery.run("ls", "--sort=beauty", folder=made_runs).err

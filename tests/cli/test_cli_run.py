"""`grokscope run` from the outside: settings, streams, exit codes."""

import json
import math
import os
import re
import shlex
import signal
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_process import TASKS, TINY, Nursery, assert_whole, grokscope, read_log, tiny, until_logged

from grokscope.events import event_schema


def digest(run: Path) -> str:
    """What the run says its parameters are."""
    return str(assert_whole(run)[-1]["parameters_digest"])


def test_from_scratch_as_from_the_nursery(nursery: Nursery, tmp_path: Path) -> None:
    """The nursery's processes are the real thing, with PyTorch imported sooner."""
    real = grokscope(*tiny("modular", "--steps=20", "--name=real"), folder=tmp_path)
    assert (real.code, real.out) == (0, "runs/real\n")
    assert nursery.run(*tiny("modular", "--steps=20", "--name=born"), folder=tmp_path).code == 0
    assert digest(tmp_path / "runs/real") == digest(tmp_path / "runs/born")


@pytest.mark.parametrize("task", TASKS)
def test_json_is_pure(nursery: Nursery, tmp_path: Path, task: str) -> None:
    done = nursery.run(*tiny(task, "--steps=20", "--name=a", "--json", "--set=snapshot.every=10"), folder=tmp_path)
    assert done.code == 0
    validator = jsonschema.Draft202012Validator(event_schema())
    for line in done.out.splitlines():
        event = json.loads(line, parse_constant=pytest.fail)
        validator.validate(event)
    assert [event["seq"] for event in done.lines] == list(range(len(done.lines)))
    assert done.lines == read_log(tmp_path / "runs/a")
    assert {event["event"] for event in done.lines} == {
        "started", "trained", "evaluated", "measured", "observed", "forecast", "snapshot", "checkpoint", "finished",
    }  # fmt: skip
    assert "did not grok, step 20 " in done.err
    assert "{" not in done.err


def test_quiet_says_nothing(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run(*tiny("modular", "--steps=5", "--name=a", "--quiet"), folder=tmp_path)
    assert (done.code, done.out, done.err) == (0, "runs/a\n", "")


def test_later_layers_win(nursery: Nursery, tmp_path: Path) -> None:
    """flag > variable > file > preset, each seen to win over the next."""
    (tmp_path / "mine.toml").write_text(
        'preset = "quick"\n[optimizer]\nlr = 0.1\nwd = 0.1\nclip = 0.1\n[train]\nstop_after_grok = 7\n'
    )
    variables = {"GROKSCOPE_LR": "0.2", "GROKSCOPE_OPTIMIZER_WD": "0.2", "GROKSCOPE_RUNS": "elsewhere"}
    arguments = ["run", "modular", *TINY, "--config=mine.toml", "--lr=0.3", "--steps=2", "--name=a", "--quiet"]
    assert nursery.run(*arguments, folder=tmp_path, variables=variables).code == 0
    config = tomllib.loads((tmp_path / "elsewhere/a/config.toml").read_text())
    assert config["optimizer"] | config["train"] | {"eval": config["evaluate"]["every"]} == {
        "name": "adamw", "decay": "all", "momentum": 0.95, "warmup": 0, "schedule": "constant",
        "lr": 0.3, "wd": 0.2, "clip": 0.1, "stop_after_grok": 7, "eval": 50,
        "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-8, "seed": 42, "steps": 2, "batch_size": 512, "replicate": 0,
    }  # fmt: skip
    assert config["preset"] == "quick"


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["modular", "--set=optimiser.lr=1"], {}, "nearest is optimizer.lr"),
        (["modular", "--set=task.modulo=7"], {}, "nearest is task.modulus"),
        (["modular", "--set=lr"], {}, "section.key=value"),
        (["modular", "--lr=-1"], {}, "optimizer.lr"),
        (["modular", "--preset=papre"], {}, "paper, quick"),
        (["modular", "--set=task.operation=pow"], {}, "task.operation"),
        (["modular", "--config=missing.toml"], {}, "missing.toml"),
        (["modular", "--config=broken.toml"], {}, "not TOML"),
        (["modular", "--config=unknown.toml"], {}, "nearest is train.steps"),
        (["modular", "--name=a/b"], {}, "cannot name a run"),
        (["modular", "--name=latest"], {}, "latest"),
        (["modular", "--estimator=guess"], {}, "estimator"),
        (["modular"], {"GROKSCOPE_LR": "much"}, "much"),
        (["modular", "--backend=troch"], {}, "did you mean torch"),
        (["moduler"], {}, "did you mean modular"),
        ([], {}, "modular"),
        (["scan", "--set=task.train=nowhere.txt"], {}, "nowhere.txt"),
        (["modular", "--set=model.heads=3"], {}, "model"),
        (["modular", "--tui"], {}, "needs a terminal"),
        (["modular", "--tui", "--json"], {}, "both need stdout"),
        (["--resume=latest", "--name=other"], {}, "keeps its name"),
        (["modular", "--runs=broken.toml"], {}, "choose another folder with --runs"),
    ],
    ids=str,
)
def test_wrong_settings(
    nursery: Nursery, tmp_path: Path, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    (tmp_path / "broken.toml").write_text("[train\n")
    (tmp_path / "unknown.toml").write_text("[train]\nstep = 3\n")
    done = nursery.run("run", *arguments, folder=tmp_path, variables=variables)
    assert (done.code, done.out) == (2, ""), done.err
    assert said in done.err
    assert done.err.startswith("grokscope: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_line_of_a_file_that_is_wrong_is_named(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("IN: jump OUT: I_JUMP\nIN: fly OUT: I_FLY\n")
    done = nursery.run("run", "scan", "--set=task.train=mine.txt", folder=tmp_path)
    assert done.code == 2
    assert "mine.txt, line 2" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task.name = 0", "the name of a task must be text, not 0"),
        ('task.name = ["modular"]', "the name of a task must be text, not ['modular']"),
        ('preset = []\ntask.name = "modular"', "modular has no preset '[]'"),
    ],
)
def test_a_name_in_a_file_is_text(nursery: Nursery, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = nursery.run("run", "--config=c.toml", "--steps=0", folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_the_config_of_a_run_repeats_it(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.run(*tiny("dyck", "--steps=20", "--name=a", "--seed=3"), folder=tmp_path).code == 0
    again = nursery.run("run", "--config=runs/a/config.toml", "--name=b", folder=tmp_path)
    assert again.code == 0, again.err
    assert digest(tmp_path / "runs/a") == digest(tmp_path / "runs/b")
    assert (tmp_path / "runs/a/config.toml").read_text() == (tmp_path / "runs/b/config.toml").read_text()


def test_a_run_is_not_resumed_to_an_earlier_step(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.run(*tiny("modular", "--steps=20", "--name=a"), folder=tmp_path).code == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "runs/a").iterdir() if file.is_file()}
    done = nursery.run("run", "--resume=a", "--steps=10", folder=tmp_path)
    assert done.code == 2
    assert "at step 20 already" in done.err
    assert {name: (tmp_path / "runs/a" / name).read_bytes() for name in before} == before


def test_variables_name_what_flags_name(nursery: Nursery, tmp_path: Path) -> None:
    variables = {"GROKSCOPE_STEPS": "10", "GROKSCOPE_MEASURE_EVERY": "5", "GROKSCOPE_TRAIN_SEED": "7"}
    arguments = ["run", "modular", *TINY, *TASKS["modular"], "--name=a"]
    assert nursery.run(*arguments, folder=tmp_path, variables=variables).code == 0
    assert nursery.run(*arguments[:-1], "--name=b", "--seed=7", "--steps=10", folder=tmp_path).code == 0
    assert digest(tmp_path / "runs/a") == digest(tmp_path / "runs/b")
    events = assert_whole(tmp_path / "runs/a")
    assert [event["step"] for event in events if event["event"] == "measured"] == [0, 5, 10]


@pytest.mark.parametrize("task", TASKS)
def test_measuring_changes_nothing(nursery: Nursery, tmp_path: Path, task: str) -> None:
    """Off, seldom, often, with other samples, another estimator, other precision, and other evaluations."""
    ways = {
        "plain": [],
        "off": ["--estimator=off"],
        "often": ["--measure-every=1", "--eval-every=7"],
        "odd": ["--measure-every=13", "--samples=3", "--set=measure.blocks=true", "--set=measure.precision=float64"],
        "paper": ["--estimator=finite-difference", "--set=snapshot.every=10", "--set=checkpoint.every=7"],
    }
    for name, way in ways.items():
        done = nursery.run(*tiny(task, "--steps=30", f"--name={name}", *way), folder=tmp_path)
        assert done.code == 0, done.err
    assert len({digest(tmp_path / "runs" / name) for name in ways}) == 1
    measured = [event for event in read_log(tmp_path / "runs/off") if event["event"] == "measured"]
    assert measured == []


def test_divergence(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run(*tiny("modular", "--steps=40", "--name=a", "--lr=1e30", "--json"), folder=tmp_path)
    assert done.code == 4
    assert "training diverged at step" in done.err
    events = assert_whole(tmp_path / "runs/a")
    assert events == done.lines
    assert [event["event"] for event in events[-2:]] == ["diverged", "finished"]
    assert events[-1]["status"] == "diverged"
    trained = [event for event in events if event["event"] == "trained"][-1]
    assert trained["loss"] is None
    assert trained["flags"]["loss"] in {"nan", "inf"}
    assert any(event["event"] == "evaluated" for event in events)


def test_divergence_that_is_evaluated_first(nursery: Nursery, tmp_path: Path) -> None:
    """Parameters that are not numbers are measured and evaluated without a word too many."""
    arguments = tiny("modular", "--steps=10", "--name=a", "--lr=1e30", "--set=log.every=10", "--json")
    done = nursery.run(*arguments, "--eval-every=1", "--measure-every=1", folder=tmp_path)
    assert done.code == 4
    assert "Warning" not in done.err
    validator = jsonschema.Draft202012Validator(event_schema())
    for event in done.lines:
        validator.validate(event)


def test_failing_on_not_grokked(nursery: Nursery, tmp_path: Path) -> None:
    done = nursery.run(*tiny("modular", "--steps=5", "--name=a", "--fail-on=not-grokked"), folder=tmp_path)
    assert done.code == 5
    assert "did not grok" in done.err


def test_grokking_ends_a_run(nursery: Nursery, tmp_path: Path) -> None:
    """Everything is in the training set, so that generalizing is memorizing; stopping is `grokked`, and code 0."""
    arguments = tiny(
        "dyck", "--steps=3000", "--name=a", "--fail-on=not-grokked", "--set=train.stop_after_grok=20", "--lr=0.01",
        "--set=task.max_pairs=2", "--set=detect.grokking=first-0.95", "--wd=0",
    )  # fmt: skip
    done = nursery.run(*arguments, folder=tmp_path)
    assert done.code == 0, done.err
    events = assert_whole(tmp_path / "runs/a")
    grokked = next(event for event in events if event["event"] == "grokked")
    assert events[-1]["status"] == "grokked"
    assert events[-1]["steps"] == grokked["confirmed_at"] + 20
    assert events[-1]["result"]["grokked_step"] == grokked["step"]
    assert grokked["rule"]["name"] == "first-0.95"
    shown = nursery.run("show", "a", "--json", folder=tmp_path).json["detections"]
    recomputed = {found["kind"]: found for found in shown if found["default"]}
    for event in events:
        if event["event"] in {"memorized", "onset", "grokked"}:
            found = recomputed[event["event"]]
            assert [found[key] for key in ("step", "confirmed_at", "value")] == [
                event[key] for key in ("step", "confirmed_at", "value")
            ]


@pytest.mark.parametrize("where", [["--device=cuda"], ["--device=mps"]], ids=str)
def test_a_device_that_is_not_there(nursery: Nursery, tmp_path: Path, where: list[str]) -> None:
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a device")
    done = nursery.run(*tiny("modular", *where, "--name=a"), folder=tmp_path)
    assert done.code == 6
    assert "cpu" in done.err
    assert done.err.count("\n") == 1


def test_a_backend_that_is_not_installed(tmp_path: Path) -> None:
    """A `torch` that cannot be imported stands in front of the one that can."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    done = grokscope(*tiny("modular"), folder=tmp_path, variables={"PYTHONPATH": str(tmp_path)})
    assert done.code == 6
    assert "pip install '.[torch]' in a clone" in done.err


def test_names(nursery: Nursery, tmp_path: Path) -> None:
    first = nursery.run(*tiny("modular", "--steps=1"), folder=tmp_path)
    second = nursery.run(*tiny("modular", "--steps=1", "--name=..a-_9"), folder=tmp_path)
    again = nursery.run(*tiny("modular", "--steps=1", "--name=..a-_9"), folder=tmp_path)
    assert first.out.startswith("runs/modular-20")
    assert (second.code, again.code) == (0, 2)
    assert "--resume" in again.err


def test_a_run_goes_on_past_its_end(nursery: Nursery, tmp_path: Path) -> None:
    assert nursery.run(*tiny("modular", "--steps=20", "--name=a"), folder=tmp_path).code == 0
    assert nursery.run("run", "--resume=a", "--steps=40", folder=tmp_path).code == 0
    assert nursery.run(*tiny("modular", "--steps=40", "--name=b"), folder=tmp_path).code == 0
    assert digest(tmp_path / "runs/a") == digest(tmp_path / "runs/b")
    resumed = [event for event in read_log(tmp_path / "runs/a") if event["event"] == "started"]
    assert [event["resumed_from"] for event in resumed] == [None, 20]


@pytest.mark.parametrize("runs", ["runs", "my runs"])
def test_an_interrupted_run_says_how_to_go_on(nursery: Nursery, tmp_path: Path, runs: str) -> None:
    """With a command that a shell takes as it stands."""
    run = tmp_path / runs / "a"
    process = nursery.start(*tiny("modular", "--steps=1000000", "--name=a", f"--runs={runs}"), folder=tmp_path)
    until_logged(run, "evaluated", after=5)
    process.signal(signal.SIGINT)
    done = process.wait()
    assert (done.code, done.out) == (130, f"{runs}/a\n")
    said = re.fullmatch(r"grokscope: `grokscope (.+)` continues from step ([\d,]+)", done.err.splitlines()[-1])
    assert said is not None, done.err
    assert said[1] == "run --resume a" + (" --runs 'my runs'" if runs != "runs" else "")
    step = int(said[2].replace(",", ""))
    assert nursery.run(*shlex.split(said[1]), f"--steps={step + 10}", folder=tmp_path).code == 0
    assert [event["resumed_from"] for event in read_log(run) if event["event"] == "started"] == [None, step]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--resume=a", "--lr=1"], 2, "optimizer.lr"),
        (["dyck", "--resume=a"], 2, "modular"),
        (["--resume=b"], 3, "grokscope ls"),
    ],
    ids=str,
)
def test_what_a_resumption_refuses(
    nursery: Nursery, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    assert nursery.run(*tiny("modular", "--steps=1", "--name=a"), folder=tmp_path).code == 0
    before = (tmp_path / "runs/a/events.jsonl").read_bytes()
    done = nursery.run("run", *arguments, folder=tmp_path)
    assert done.code == code
    assert said in done.err
    assert (tmp_path / "runs/a/events.jsonl").read_bytes() == before


def test_numbers_are_finite_or_null(nursery: Nursery, tmp_path: Path) -> None:
    """What a reader without NaN (jq, JavaScript) gets."""
    done = nursery.run(*tiny("modular", "--steps=20", "--lr=1e30", "--json", "--name=a"), folder=tmp_path)

    def finite(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(finite, value.values()))
        if isinstance(value, list):
            return all(map(finite, value))
        return not isinstance(value, float) or math.isfinite(value)

    assert finite(done.lines)


def test_a_folder_that_cannot_be_made(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    done = nursery.run(*tiny("modular", "--steps=1", "--name=a"), folder=tmp_path)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("grokscope: ")
    assert "choose another folder with --runs" in done.err
    assert "Traceback" not in done.err
    assert os.listdir(tmp_path) == ["runs"]

"""What trackers keep on this machine, written by each of them, is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_made import write_made_run
from cli_process import environment, grokscope

STEPS = list(range(0, 1000, 100))
TRAIN = [0.1, 0.5, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
TEST = [0.1, 0.1, 0.1, 0.2, 0.4, 0.7, 0.99, 0.985, 0.99, 1.0]

LOOP = """
for name in ("s0", "s1", "s1"):
    with begin(name):
        for step, train, test in {points!r}:
            log({{"train/acc": train, "val/acc": test}}, step=step)
"""
MLFLOW = """
import mlflow
mlflow.set_tracking_uri({uri!r})
mlflow.set_experiment("grok")
def begin(name):
    run = mlflow.start_run(run_name=name)
    mlflow.log_params({{"lr": 1e-3, "depth": 2}})
    mlflow.log_dict({{"history": [{{"step": 1, "val_acc": 0.5}}]}}, "more.json")
    return run
log = mlflow.log_metrics
"""
TRACKIO = """
import contextlib, trackio
@contextlib.contextmanager
def begin(name):
    yield trackio.init(project="grok", name=name, config={{"lr": 1e-3, "depth": 2}}, embed=False, resume="never")
    trackio.finish()
log = trackio.log
"""
WANDB = """
import wandb
begin = lambda name: wandb.init(project="grok", name=name, config={{"lr": 1e-3, "model": {{"depth": 2}}}})
def log(numbers, step):
    wandb.log({{"train": {{"acc": numbers["train/acc"]}}, "val/acc": numbers["val/acc"]}}, step=step)
"""


def write_by(tool: str, code: str, folder: Path, uri: str = "") -> None:
    """Three runs, two of which have one name, written by a tracker in a process of its own."""
    pytest.importorskip(tool)
    loop = code.format(uri=uri) + LOOP.format(points=list(zip(STEPS, TRAIN, TEST, strict=True)))
    variables = {
        "HOME": str(folder), "TRACKIO_DIR": str(folder / "kept"), "WANDB_MODE": "offline", "WANDB_SILENT": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", loop], check=True, capture_output=True, cwd=folder, env=environment(variables)
    )


def check(folder: Path, path: str, group: str) -> None:
    outcome = grokscope("import", path, "--json", folder=folder)
    assert outcome.code == 0, outcome.err
    done = json.loads(outcome.out)
    assert done["remarks"] == []
    names = sorted(run["run"] for run in done["runs"])
    assert f"{group}/s0" in names
    assert sum("s1" in name for name in names) == 2
    assert all(name.startswith(f"{group}/") for name in names)
    for run in done["runs"]:
        assert (run["grok_step"], run["facts"]["optimizer.lr"]) == (600, 1e-3)
        back = grokscope("export", run["run"], "--csv", folder=folder).out.splitlines()
        at = back[0].split(",").index("test.accuracy")
        assert [float(line.split(",")[at]) for line in back[1:]] == TEST


def test_mlflow_s_folder(tmp_path: Path) -> None:
    write_by("mlflow", MLFLOW, tmp_path, uri="file:./mlruns")
    check(tmp_path, "mlruns", "grok")
    [run, *_] = sorted(tmp_path.glob("mlruns/*/*/metrics/val"))
    alone = grokscope("import", str(run / "acc"), "--name", "alone", folder=tmp_path)
    assert alone.code == 0, alone.err
    assert "test_accuracy from val/acc" in alone.out
    whole = grokscope("import", str(run.parent.parent), "--name", "whole", folder=tmp_path)
    assert whole.code == 0, whole.err


def test_mlflow_s_database(tmp_path: Path) -> None:
    write_by("mlflow", MLFLOW, tmp_path, uri="sqlite:///mlflow.db")
    check(tmp_path, "mlflow.db", "mlflow")


def test_trackio(tmp_path: Path) -> None:
    write_by("trackio", TRACKIO, tmp_path)
    check(tmp_path, "kept/grok.db", "grok")


def test_wandb(tmp_path: Path) -> None:
    write_by("wandb", WANDB, tmp_path)
    check(tmp_path, "wandb", "grok")
    [file, *_] = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    whole = file.read_bytes()
    for number, lost in enumerate((1, 5, 700)):  # a killed process
        file.write_bytes(whole[:-lost])
        torn = grokscope("import", str(file.parent), "--name", f"torn{number}", "--json", folder=tmp_path)
        assert torn.code == 0, torn.err
        assert json.loads(torn.out)["remarks"] == [f"{file.name}: 1 record not written to the end, as after a crash"]


@pytest.mark.parametrize(
    ("tool", "path"), [("trackio", "kept/grokscope.db"), ("mlflow", "mlflow.db"), ("wandb", "wandb")]
)
def test_what_was_exported_comes_back(tmp_path: Path, tool: str, path: str) -> None:
    pytest.importorskip(tool)
    write_made_run(tmp_path / "runs" / "made")
    variables = {
        "HOME": str(tmp_path), "TRACKIO_DIR": str(tmp_path / "kept"), "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }  # fmt: skip
    assert grokscope("export", "made", "--to", tool, folder=tmp_path, variables=variables).code == 0
    back = grokscope("import", path, "--name", "back", "--json", folder=tmp_path)
    assert back.code == 0, back.err
    [run] = json.loads(back.out)["runs"]
    assert run["grok_step"] == 800

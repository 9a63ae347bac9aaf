"""Runs as tables: cut, written, read, and every rule on them."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warning_made import jump, made

from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.warning.rules import RULE_SIGNALS, detections
from grokscope.warning.tables import find_trajectories, read_trajectories, write_trajectories
from grokscope.warning.trajectory import Trajectory, trajectory_from, trajectory_of

CONFIG = {
    "task": {"name": "scan", "split": "simple"},
    "preset": "quick",
    "model": {"width": 16, "layers": None},
    "optimizer": {"lr": 1e-3, "wd": 1.0},
    "train": {"seed": 42, "steps": 500, "batch_size": 8},
    "measure": {"every": 100, "blocks": False},
}


def log() -> list[dict[str, Any]]:
    """Steps 0 to 300 of a run on SCAN; the gradient was not finite once; grokked at 100, which took until 300."""
    events: list[dict[str, Any]] = [
        {"event": "started", "step": 0, "task": "scan", "metric": "sequence_accuracy", "config": CONFIG}
    ]
    for step in range(0, 301, 100):
        events += [
            {
                "event": "measured", "step": step, "defect": {"median": 0.5, "samples": [0.5]}, "floor": 1e-3,
                "commutator_norm": 2.0, "relative_commutator": 0.25, "gradient_norm": 9.0, "estimator": "exact",
            },
            {
                "event": "evaluated", "step": step,
                "train": {"accuracy": 1.0, "sequence_accuracy": 0.75, "loss": 0.1},
                "test": {"accuracy": 0.9, "sequence_accuracy": 0.5, "loss": 0.2},
            },
            {"event": "observed", "step": step,
             "signals": {"weight_norm": 10.0 - step / 100, "gradient_norm": None if step == 100 else 3.0, "new": 1.0}},
        ]  # fmt: skip
    events.append({"event": "grokked", "step": 100, "confirmed_at": 300})
    return events


def write_log(folder: Path, events: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_log_becomes_a_table() -> None:
    run = trajectory_from(log(), "run")
    assert (run.task, run.grok_step, run.grok_known_at, run.steps, run.budget) == ("scan", 100, 300, 300, 500)
    assert run.columns["step"].tolist() == [0, 100, 200, 300]
    assert run.columns["test_accuracy"].tolist() == [0.5] * 4, "the headline metric of SCAN is whole sequences"
    assert run.columns["defect"].tolist() == [0.5] * 4
    steps, norms = run.signal("gradient_norm")
    assert (steps.tolist(), norms.tolist()) == ([0, 200, 300], [3.0] * 3)
    assert "new" not in run.columns
    assert not run.has("pc1")
    assert run.signal("pc1")[0].size == 0


def test_facts_are_the_settings_that_are_set() -> None:
    facts = trajectory_from(log(), "run").facts
    assert facts == {
        "preset": "quick", "task.split": "simple", "model.width": 16, "optimizer.lr": 1e-3, "optimizer.wd": 1.0,
        "train.seed": 42, "train.batch_size": 8, "measure.every": 100, "measure.blocks": 0,
    }  # fmt: skip


def test_a_finite_difference_run_has_no_exact_defect() -> None:
    events = [event | {"estimator": "finite-difference"} if event["event"] == "measured" else event for event in log()]
    run = trajectory_from(events, "run")
    assert run.has("finite_difference_defect")
    assert not run.has("defect")


def test_a_log_without_a_run() -> None:
    with pytest.raises(NoSuchRun, match="holds no run yet"):
        trajectory_from(
            [{"event": "started", "step": 0, "task": "scan", "metric": "sequence_accuracy", "config": CONFIG}], "run"
        )


def test_until_knows_nothing_of_what_came_later() -> None:
    run = trajectory_from(log(), "run")
    before, after = run.until(299), run.until(300)
    assert (before.grok_step, before.grok_known_at, before.steps) == (None, None, 299)
    assert before.columns["step"].tolist() == [0, 100, 200]
    assert (after.grok_step, after.grok_known_at) == (100, 300)
    assert before.budget == run.budget
    with pytest.raises(ValueError, match="there is one at least"):
        run.until(-1)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"defect": np.ones(2)}, "a column `step`"),
        ({"step": np.arange(3.0), "defect": np.ones(2)}, "differ in length"),
        ({"step": np.array([0.0, 2.0, 1.0])}, "steps ascend"),
        ({"step": np.array([0.0, 0.0])}, "steps ascend"),
        ({"step": np.empty(0)}, "there is one at least"),
    ],
)
def test_what_is_no_trajectory(columns: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Trajectory("run", "made", {}, columns, None, 2, 2)


@given(st.integers(0, 1200), st.lists(st.floats(0.01, 100), min_size=11, max_size=11))
def test_a_prefix_finds_what_the_whole_run_found_by_then(step: int, values: list[float]) -> None:
    """Of every rule: none of them looks ahead."""
    signals = dict.fromkeys((*RULE_SIGNALS.values(), "test_loss"), values)
    run = made(**signals, grok_step=700, grok_known_at=900)
    whole, prefix = detections(run), detections(run.until(step))
    for rule, found in whole.items():
        expected = found if found is not None and found.confirmed_at <= step else None
        assert prefix[rule] == expected, rule


def test_every_rule_finds_what_is_there() -> None:
    found = detections(
        made(
            train_accuracy=jump(200),
            test_accuracy=jump(800),
            test_loss=[1, 2, 4, 5, 4.4, 4, 3, 2, 1, 1, 1],
            defect=[0.1, 50, 1, 50, 50, 50, 50, 9, 9, 9, 9],
            defect_floor=[1e-3] * 11,
            finite_difference_defect=[0.1, 0.1, 50, 9, 9, 9, 9, 9, 9, 9, 9],
            commutator_norm=jump(100, 1.0, 10.0),
            relative_commutator=jump(500, 0.8, 0.4),
            gradient_norm=[1, 10, 1, 2, 1, 1, 5, 5, 5, 5, 5],
            weight_norm=lambda step: 100 - step / 10,
            pc1=[0.1, 0.5, 0.4, 0.5, 0.6, 0.5, 0.55, 0.7, 0.6, 0.5, 0.4],
            grok_step=800,
            grok_known_at=1000,
        )
    )
    steps = {rule: detected and (detected.step, detected.confirmed_at) for rule, detected in found.items()}
    assert steps == {
        "memorized": (200, 200),
        "onset": (300, 500),
        "onset-paper": (300, 300),
        "onset-paper-slow": (300, 300),
        "onset-finite-difference": (200, 200),
        "test-loss-turn": (400, 400),
        "commutator-norm-rise": (100, 300),
        "relative-commutator-fall": (500, 700),
        "gradient-norm-collapse": (400, 500),
        "weight-norm-halved": (500, 500),
        "pc1-turn": (800, 900),
        "grokked": (800, 1000),
    }
    assert found["grokked"] is not None
    assert found["grokked"].value == 1.0


def test_rules_without_their_signal_are_silent() -> None:
    assert set(detections(made(test_accuracy=jump(500))).values()) == {None}


def test_a_defect_below_its_floor_is_no_onset() -> None:
    defect = jump(300, 0.1, 50.0)
    assert detections(made(defect=defect, defect_floor=[1.0] * 11))["onset"] is not None
    assert detections(made(defect=defect, defect_floor=[20.0] * 11))["onset"] is None


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    nan = float("nan")
    first = made("a", defect=[1 / 3, nan, *[2e-30] * 9], grok_step=300, grok_known_at=500, facts={"optimizer.lr": 1e-3})
    write_trajectories(tmp_path / name, [first, made("b", budget=200)])
    write_trajectories(tmp_path / f"again-{name}", [first, made("b", budget=200)])
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()
    a, b = read_trajectories(tmp_path / name)
    assert (a.name, a.task, dict(a.facts), a.grok_step, a.grok_known_at) == (
        "a",
        "made",
        {"optimizer.lr": 1e-3},
        300,
        500,
    )
    assert (b.grok_step, b.grok_known_at, b.steps, b.budget) == (None, None, 200, 200)
    np.testing.assert_allclose(a.columns["defect"], first.columns["defect"], rtol=1e-6)
    assert detections(a)["grokked"] is not None


def test_a_broken_table_says_where(tmp_path: Path) -> None:
    file = tmp_path / "table.jsonl"
    write_trajectories(file, [made()])
    whole = file.read_text()
    for line, wrong in [
        ("{", "line 3 is no trajectory"),
        ("[1]", "line 3 is no trajectory"),
        ("{}", "line 3: 'columns'"),
    ]:
        file.write_text(f"{whole}\n{line}\n")
        with pytest.raises(NoSuchRun, match=wrong):
            read_trajectories(file)
    file.write_text("\n")
    with pytest.raises(NoSuchRun, match="holds no trajectory"):
        read_trajectories(file)
    (tmp_path / "table.jsonl.gz").write_bytes(gzip.compress(whole.encode())[:-9])
    with pytest.raises(NoSuchRun, match="cannot read"):
        read_trajectories(tmp_path / "table.jsonl.gz")


def test_folders_of_runs_and_of_sweeps(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_log(runs / "b", log())
    write_log(runs / "a", log())
    write_log(runs / "sweep" / "cell", log())
    write_log(runs / "empty", [])
    assert [run.name for run in read_trajectories(runs)] == ["a", "b", "sweep/cell"]
    assert [run.name for run in read_trajectories(runs / "a")] == ["a"]
    assert trajectory_of(RunDirectory(runs / "a")).name == "a"
    with pytest.raises(NoSuchRun, match=r"there is no .*nothing"):
        read_trajectories(tmp_path / "nothing")


def test_runs_are_found_by_what_a_person_calls_them(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_log(runs / "modular-1", log())
    write_log(runs / "sweep" / "cell", log())
    write_trajectories(runs / "theirs.jsonl", [made("x"), made("y")])

    def names(wanted: str) -> list[str]:
        return [run.name for run in find_trajectories(wanted, runs)]

    assert names("modu") == names("modular-1") == names("latest") == names(str(runs / "modular-1")) == ["modular-1"]
    assert names("sweep") == ["cell"]
    assert names("theirs") == ["x", "y"]
    assert names("theirs/y") == names(f"{runs}/theirs.jsonl/y") == ["y"]
    with pytest.raises(NoSuchRun, match="holds no run called 'z'"):
        names("theirs/z")
    with pytest.raises(NoSuchRun, match="no run in"):
        names("nobody")

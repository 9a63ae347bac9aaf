"""What 0.1.0 recorded opens as if it had been recorded today. It wrote `v1/`: two runs and an imported table."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from grokscope import registry
from grokscope.events import SCHEMA_VERSION, typed
from grokscope.runs.directory import RunDirectory
from grokscope.runs.history import history
from grokscope.runs.log import read
from grokscope.runs.snapshots import parameters_digest, read_snapshot
from grokscope.runs.state import read_state, summary
from grokscope.runs.upgrade import upgraded
from grokscope.warning.lookup import read_trajectories
from grokscope.warning.trajectory import trajectory_of
from grokscope.warning.watch import Watch

RECORDED = Path(__file__).with_name("v1")


def recorded(name: str) -> list[dict[str, Any]]:
    return list(read(RECORDED / name / "events.jsonl"))


@pytest.mark.parametrize("name", ["modular", "scan"])
def test_every_event_is_one_of_today_s(name: str) -> None:
    events = recorded(name)
    assert [event["seq"] for event in events] == list(range(len(events)))
    for event in events:
        assert typed(event).v == SCHEMA_VERSION


@pytest.mark.parametrize("name", ["modular", "scan", "dyck"])
def test_the_tasks_stand_as_they_were(name: str) -> None:
    """Today's plugins have the same criteria; where one changes some day, this says that old runs keep theirs."""
    started = upgraded({"event": "started", "task": name, "config": {}})
    spec = registry.get("tasks", name)
    assert started["metric"] == spec.metric
    assert started["criteria"] == {key: asdict(criterion) for key, criterion in spec.criteria.items()}
    assert started["rules"]["grokked"]["name"] == spec.default_criterion


def test_a_run_is_judged_by_its_own_rules() -> None:
    detect = {"memorization": 0.9, "onset": "paper", "grokking": "strict"}
    started = upgraded({"event": "started", "task": "modular", "config": {"detect": detect}})
    assert started["rules"] == {
        "memorized": {"name": "train-accuracy", "threshold": 0.9}, "onset": {"name": "paper"},
        "grokked": {"name": "strict"},
    }  # fmt: skip


def test_a_task_that_nobody_has_any_more() -> None:
    started = upgraded({"v": 1, "event": "started", "task": "gone", "config": None})
    assert (started["metric"], started["criteria"], started["v"]) == ("accuracy", {}, SCHEMA_VERSION)
    assert "grokked" not in started["rules"]


def test_what_is_newer_is_left_as_it_is() -> None:
    newer = {"v": SCHEMA_VERSION + 1, "event": "started", "task": "modular"}
    assert upgraded(newer) is newer


def test_readers_take_the_metric_of_the_run() -> None:
    run = RunDirectory(RECORDED / "scan")
    listed = summary(read_state(run))
    evaluated = [event for event in recorded("scan") if event["event"] == "evaluated"]
    assert listed["metric"] == "sequence_accuracy"
    assert listed["test"] == evaluated[-1]["test"]["sequence_accuracy"]
    assert list(trajectory_of(run).columns["test_accuracy"]) == [it["test"]["sequence_accuracy"] for it in evaluated]


def test_the_watch_comes_to_the_result_that_was_recorded() -> None:
    first, *others = recorded("modular")
    watch = Watch(first)
    for event in others:
        watch.see(event)
    assert watch.result() == {**others[-1]["result"], "regressed_step": None}


def test_snapshots_open() -> None:
    run = RunDirectory(RECORDED / "modular")
    digests = [event["digest"] for event in recorded("modular") if event["event"] == "snapshot"]
    files = sorted(run.snapshots.iterdir())
    assert [parameters_digest(read_snapshot(file).parameters) for file in files] == digests
    assert history(run).steps == [0, 30, 60]


def test_tables_open() -> None:
    (table,) = read_trajectories(RECORDED / "table.jsonl")
    assert (table.name, table.grok_step, table.facts["optimizer.lr"]) == ("table", 300, 0.001)

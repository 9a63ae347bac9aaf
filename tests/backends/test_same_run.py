"""The same run on either backend: the same detections, and a log that goes on where the other left off."""

from pathlib import Path
from typing import Any

import pytest

from grokscope import registry
from grokscope.runs.directory import RunDirectory
from grokscope.runs.log import read
from grokscope.settings.config import resolve
from grokscope.training.launch import launched, resumed_config

pytest.importorskip("torch")
pytest.importorskip("mlx.core")

SHORT = {
    "task.test_size": 60, "task.ood_size": 0, "model.width": 24, "model.feed_forward": 24, "model.layers": 1,
    "optimizer.lr": 5e-3, "train.steps": 170, "train.batch_size": 50, "train.stop_after_grok": -1,
    "evaluate.every": 10, "measure.every": 10, "measure.samples": 1, "measure.baseline_samples": 3,
    "detect.memorization": 0.9, "detect.grokking": "first-0.95", "detect.onset": "paper-slow",
    "backend.device": "cpu", "backend.threads": 1, "checkpoint.every": 1000,
}  # fmt: skip


def run(folder: Path, backend: str, **changes: Any) -> list[dict[str, Any]]:
    task = registry.get("tasks", "dyck")
    config, options = resolve(task, SHORT, {"backend.name": backend, **changes})
    directory = RunDirectory(folder / "run")
    with launched(directory, config, task, options, resume=False) as trainer:
        trainer.run()
    return list(read(directory.events))


def detections(events: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(event["event"], event["step"], event["confirmed_at"]) for event in events if "rule" in event]


def test_detections_agree(tmp_path: Path) -> None:
    on_torch = detections(run(tmp_path / "torch", "torch"))
    on_mlx = detections(run(tmp_path / "mlx", "mlx"))
    assert on_torch == on_mlx
    assert {kind for kind, _, _ in on_torch} == {"memorized", "onset", "fired", "grokked"}


@pytest.mark.parametrize(("first", "second"), [("torch", "mlx"), ("mlx", "torch")])
def test_a_run_goes_on_elsewhere_and_says_so(tmp_path: Path, first: str, second: str) -> None:
    run(tmp_path, first, **{"train.steps": 20})
    directory = RunDirectory(tmp_path / "run")
    task, config, options = resumed_config(directory, {"backend.name": second, "train.steps": 40})
    with launched(directory, config, task, options, resume=True) as trainer:
        trainer.run()
    events = list(read(directory.events))
    assert [event["seq"] for event in events] == list(range(len(events)))
    started = [event for event in events if event["event"] == "started"]
    assert [(event["backend"], event["resumed_from"]) for event in started] == [(first, None), (second, 20)]
    assert [event["step"] for event in events if event["event"] == "evaluated"] == [0, 10, 20, 30, 40]
    straight = run(tmp_path / "straight", first, **{"train.steps": 40})
    losses = [
        {event["step"]: event["test"]["loss"] for event in log if event["event"] == "evaluated"}[40]
        for log in (events, straight)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)

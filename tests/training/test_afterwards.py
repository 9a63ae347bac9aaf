"""Signals of a run that is over: what it would have recorded itself."""

from pathlib import Path
from typing import Any

import pytest

from grokscope import registry
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.log import read
from grokscope.settings.config import ConfigError, resolve
from grokscope.training.afterwards import observed_afterwards
from grokscope.training.launch import launched

pytest.importorskip("torch")

MODULAR = registry.get("tasks", "modular")
TINY: dict[str, Any] = {
    "task.modulus": 11, "model.width": 8, "model.heads": 2, "model.layers": 1, "model.feed_forward": 8,
    "optimizer.lr": 0.01, "train.steps": 100, "train.batch_size": 16, "evaluate.every": 10, "measure.every": 20,
    "measure.samples": 2, "measure.baseline_samples": 2, "snapshot.every": 10, "forecast.enabled": False,
    "backend.name": "torch", "backend.device": "cpu", "backend.threads": 1,
}  # fmt: skip
LATE = (
    "answer_rank", "ildr", "fourier_growth", "hankel_dmd:window=7,delays=2", "step_alignment", "converse_alignment",
    "elasticity", "contraction", "pc1", "distance_from_start",
)  # fmt: skip
"""Of every cost but gradients"""


def run(folder: Path, name: str, **settings: Any) -> RunDirectory:
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    config, options = resolve(MODULAR, TINY, changes)
    with launched(RunDirectory(folder / name), config, MODULAR, options, resume=False) as trainer:
        trainer.run()
    return RunDirectory(folder / name)


def numbers(events: Any, names: set[str] | None = None) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "observed":
            kept = {name: value for name, value in event["signals"].items() if names is None or name in names}
            found.setdefault(event["step"], {}).update(kept)
    return found


def test_they_are_what_the_run_would_have_recorded(tmp_path: Path) -> None:
    looking = run(tmp_path, "looking", observe__signals=LATE)
    afterwards = numbers(observed_afterwards(run(tmp_path, "blind"), LATE))
    names = {name for seen in afterwards.values() for name in seen}
    live = numbers(read(looking.events), names)
    assert {text.partition(":")[0] for text in LATE} <= names
    assert sorted(afterwards) == sorted(live) == list(range(0, 101, 10))
    for step, seen in afterwards.items():
        assert seen == pytest.approx(live[step], rel=1e-12), step


def test_what_is_looked_at_again_is_the_same(tmp_path: Path) -> None:
    """Also where it is on record already: signals of the course so far do not see it twice."""
    looking = run(tmp_path, "looking", observe__signals=LATE)
    again = numbers(observed_afterwards(looking, LATE))
    live = numbers(read(looking.events), {name for seen in again.values() for name in seen})
    assert again == {step: pytest.approx(seen, rel=1e-12) for step, seen in live.items()}


def test_gradients_are_taken_where_snapshots_are(tmp_path: Path) -> None:
    """The same batches and weights as a measurement at that step."""
    blind = run(tmp_path, "blind", measure__baseline_samples=2)
    defects = {event["step"]: event["defect"] for event in read(blind.events) if event["event"] == "measured"}
    again = numbers(observed_afterwards(blind, ["defect"]))
    assert len(defects) == 6
    for step, defect in defects.items():
        assert again[step]["defect"] == pytest.approx(defect["median"], rel=1e-6)


def test_nothing_is_written(tmp_path: Path) -> None:
    blind = run(tmp_path, "blind")
    before = {file: file.read_bytes() for file in blind.path.rglob("*") if file.is_file()}
    assert list(observed_afterwards(blind, ["answer_z"]))
    assert {file: file.read_bytes() for file in blind.path.rglob("*") if file.is_file()} == before


def test_a_run_of_an_older_version_may_have_settings_that_are_gone(tmp_path: Path) -> None:
    blind = run(tmp_path, "blind")
    text = blind.config.read_text().replace("[observe]", "[observe]\npc1 = true")
    assert "pc1" in text
    blind.config.write_text(text)
    assert list(observed_afterwards(blind, ["answer_z"]))


@pytest.mark.parametrize(
    ("settings", "signals", "kind", "reason"),
    [
        ({"snapshot__every": 0}, ["answer_z"], NoSuchRun, "no snapshots"),
        ({}, ["answer_y"], ConfigError, "answer_z"),
        ({"task__operation": "a4"}, ["fourier_growth"], ConfigError, "residues"),
    ],
)
def test_what_cannot_be_had(
    tmp_path: Path, settings: dict[str, Any], signals: list[str], kind: type[Exception], reason: str
) -> None:
    blind = run(tmp_path, "blind", train__steps=10, **settings)
    with pytest.raises(kind, match=reason):
        list(observed_afterwards(blind, signals))

"""The bank's sweep files: what is held back stands nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from grokscope.sweeps.grid import plan

FOLDER = Path(__file__).parents[2] / "examples" / "bank"
HELD_BACK = "held-back"
PARTS = sorted(file.stem for file in FOLDER.glob("*.toml") if file.stem != HELD_BACK)


def settings(part: str, tmp_path: Path) -> list[dict[str, Any]]:
    return [cell.config.model_dump() for cell in plan(FOLDER / f"{part}.toml", tmp_path).cells]


def test_the_number_of_runs(tmp_path: Path) -> None:
    counted = {part: len(settings(part, tmp_path)) for part in (*PARTS, HELD_BACK)}
    assert counted == {
        "clock": 32, "dyck": 48, "fraction": 84, "operation": 32, "quick": 24, "scan": 12, "size": 18, HELD_BACK: 38,
    }  # fmt: skip


@pytest.mark.parametrize("part", [part for part in PARTS if part != "scan"])
def test_never_means_the_same_decay_time_everywhere(part: str, tmp_path: Path) -> None:
    for config in settings(part, tmp_path):
        rate = config["optimizer"]["lr"] * config["optimizer"]["wd"]
        assert config["train"]["steps"] * rate == pytest.approx(12, rel=1e-3)
        assert config["evaluate"]["every"] == config["snapshot"]["every"]


def test_what_is_held_back_is_nowhere_else(tmp_path: Path) -> None:
    """Every run held back has at least one of the values that no other run of the bank has."""
    seen = [config for part in PARTS for config in settings(part, tmp_path)]
    operations = {config["task"].get("operation") for config in seen}
    fractions = {config["task"].get("train_fraction") for config in seen}
    sizes = {(config["task"].get("modulus"), config["model"]["width"]) for config in seen}
    dyck = {config["task"].get("train_size") for config in seen if config["task"]["name"] == "dyck"}
    for config in settings(HELD_BACK, tmp_path):
        task = config["task"]
        new = [
            task.get("operation") not in operations,
            task.get("train_fraction") not in fractions,
            (task.get("modulus"), config["model"]["width"]) not in sizes,
            task["name"] == "dyck" and task["train_size"] not in dyck,
        ]
        assert any(new), task

"""Axes become cells: their names, their order, their settings, and every error before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from grokscope.settings.config import ConfigError
from grokscope.sweeps.grid import made_cell, merged, plan, read_axes, slug_of, sweep_file

RUNS = Path("runs")


def slugs(**file: Any) -> list[str]:
    return [cell.slug for cell in plan({"name": "s", "task": "modular", **file}, RUNS).cells]


def test_the_first_axis_is_slowest() -> None:
    axes = {"task.operation": ["add", "sub"], "optimizer.lr": [1e-3, 2e-3], "train.seed": [42, 137]}
    assert slugs(axes=axes) == [
        f"{operation}-lr{lr}-seed{seed}" for operation in ("add", "sub") for lr in (0.001, 0.002) for seed in (42, 137)
    ]


def test_cells_have_the_preset_the_base_and_their_point() -> None:
    file = {"name": "s", "task": "modular", "preset": "quick", "base": {"model": {"width": 64}}, "axes": {"lr": [2e-3]}}
    (cell,) = plan(file, RUNS).cells
    assert cell.directory.path == RUNS / "s" / "lr0.002"
    assert cell.point == {"optimizer.lr": 2e-3}
    assert cell.settings == {"model.width": 64, "optimizer.lr": 2e-3}
    config = cell.config
    assert (config.model.width, config.optimizer.lr, config.train.steps, config.preset) == (64, 2e-3, 4000, "quick")


@pytest.mark.parametrize(
    ("point", "slug"),
    [
        (
            {"task.operation": "add", "optimizer.lr": 2e-3, "optimizer.wd": 1.0, "train.seed": 42},
            "add-lr0.002-wd1-seed42",
        ),
        ({"optimizer.lr": 1e-5}, "lr1e-05"),
        ({"optimizer.lr": 0.0012345678}, "lr0.0012345678"),
        ({"train.seed": 123456789}, "seed123456789"),
        ({"optimizer.clip": 1e20}, "clip1e20"),
        ({"measure.blocks": True, "forecast.enabled": False}, "blocks-no-enabled"),
        ({"measure.every": 5, "evaluate.every": 10}, "measure.every5-evaluate.every10"),
        ({"interventions.schedule": ["kick@5:strength=0.5", "noise@9"]}, "kick-5-strength-0.5_noise-9"),
        ({"interventions.schedule": []}, "no-schedule"),
        ({"detect.grokking": ""}, "no-grokking"),
    ],
    ids=str,
)
def test_names_of_cells(point: dict[str, Any], slug: str) -> None:
    assert slug_of(point) == slug


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({}, "no cells"),
        ({"axes": {"optimizer.lt": [1]}}, "the nearest is optimizer.lr"),
        ({"axes": {"optimizer.lr": [1e-3, -1.0]}}, "cell lr-1: optimizer.lr"),
        ({"axes": {"optimizer.lr": []}}, "has no values"),
        ({"axes": {"optimizer.lr": [1e-3, 1e-3]}}, "0.001 twice"),
        ({"axes": {"optimizer.lr": [1, 1.0]}}, "twice"),
        ({"axes": {"optimizer.lr": 1e-3}}, "axes.optimizer.lr"),
        ({"axes": {"lr": [1e-3], "optimizer": {"lr": [2e-3]}}}, "set twice"),
        ({"axes": {"preset": ["quick"]}}, "preset cannot be an axis"),
        ({"base": {"train.seed": 1}, "axes": {"train.seed": [1]}}, "set it once"),
        ({"base": {"seed": 1}, "axes": {"lr, seed": [[1e-3, 1]]}}, "train.seed is an axis and also a setting of every"),
        ({"axes": {"train.seed": [1]}, "cells": [{"name": "SEED1"}]}, "apart from upper and lower case"),
        ({"cells": [{"name": "a", "settings": {"lr": 1e-3}}, {"name": "b"}]}, "the same run"),
        ({"cells": [{"name": "a b"}]}, "'a b' cannot name a run"),
        ({"cells": [{"name": "a", "preset": "slow"}]}, "no preset 'slow'"),
        ({"axis": {"lr": [1]}, "axes": {"lr": [1]}}, "no setting 'axis.lr'"),
        ({"axes": {"model.width, model.heads": [[8, 2], [16]]}}, "lists of 2 values"),
        ({"axes": {"model.width, model.heads": [8]}}, "lists of 2 values"),
        ({"axes": {"model.width, preset": [[8, "quick"]]}}, "preset cannot be an axis"),
        ({"axes": {"model.width, lr": [[8, 1e-3]], "lr": [1e-3]}}, "optimizer.lr is on two axes"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_at_once(file: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        slugs(**file)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_settings_that_vary_together() -> None:
    axes = {"seed": [1, 2], "model.width, model.feed_forward": [[32, 64], [64, 128]]}
    cells = plan({"name": "s", "task": "modular", "axes": axes}, RUNS).cells
    assert [cell.slug for cell in cells] == [
        f"seed{seed}-width{width}-feed_forward{2 * width}" for seed in (1, 2) for width in (32, 64)
    ]
    assert cells[0].point == {"train.seed": 1, "model.width": 32, "model.feed_forward": 64}
    assert (cells[-1].config.model.width, cells[-1].config.model.feed_forward) == (64, 128)


def test_cells_by_hand_beside_the_grid() -> None:
    listed = [{"name": "without", "settings": {"wd": 0.0}}, {"name": "other", "task": "dyck", "preset": "quick"}]
    cells = plan({"name": "s", "task": "modular", "axes": {"lr": [2e-3]}, "cells": listed}, RUNS).cells
    assert [cell.slug for cell in cells] == ["lr0.002", "without", "other"]
    assert cells[1].config.optimizer.wd == 0.0
    assert (cells[2].task, cells[2].config.preset, cells[2].point) == ("dyck", "quick", {})


def test_a_cell_of_its_own() -> None:
    cell = made_cell(RUNS / "causal", "kick-seed42", "modular", "quick", {"train.seed": 42})
    assert cell.directory.path == RUNS / "causal" / "kick-seed42"
    assert cell.config.train.seed == 42


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("lr=1e-3,2e-3", [1e-3, 2e-3]),
        ("train.seed = 42", [42]),
        ("task.operation=add, sub", ["add", "sub"]),
        ("measure.blocks=true,false", [True, False]),
        ('interventions.schedule=[["a@1"], []]', [["a@1"], []]),
        ("model.width,model.heads=[[8, 2], [16, 4]]", [[8, 2], [16, 4]]),
    ],
)
def test_axes_in_flags(text: str, values: list[Any]) -> None:
    assert list(read_axes([text]).values()) == [values]


@pytest.mark.parametrize("axis", ["lr", "lr=", "=1,2", "="])
def test_an_axis_without_values_or_name_is_refused(axis: str) -> None:
    with pytest.raises(ConfigError, match="--axis needs"):
        read_axes([axis])


FILE = {"task": "modular", "preset": "quick", "base": {"train.steps": 50}, "axes": {"lr": [1e-3], "seed": [1, 2]}}


def test_flags_win_over_variables_and_these_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKSCOPE_STEPS", "60")
    monkeypatch.setenv("GROKSCOPE_WD", "0.5")
    monkeypatch.setenv("GROKSCOPE_LR", "9.0")  # of an axis: the axis says it for each cell
    monkeypatch.setenv("GROKSCOPE_PRESET", "paper")
    file = merged(FILE, {"train.seed": [3]}, {"wd": 0.25}, task="modular", stem="file")
    assert file["base"] == {"train.steps": 60, "optimizer.wd": 0.25}
    assert file["axes"] == {"optimizer.lr": [1e-3], "train.seed": [3]}
    assert (file["preset"], file["name"]) == ("paper", "file")
    assert merged(FILE, {}, {}, task="modular", preset="quick", name="mine")["preset"] == "quick"


def test_a_run_is_a_base(tmp_path: Path) -> None:
    """A run's own config.toml, with its settings in sections, and an axis over one of them."""
    config = made_cell(tmp_path, "a", "modular", "quick", {"task.modulus": 11}).config
    source = {"task": config.task, **config.model_dump(mode="json", exclude={"task"}, exclude_none=True)}
    file = merged(source, {"lr": [1e-2]}, {}, task="modular")
    cell = plan(file, tmp_path).cells[0]
    assert cell.config.task["modulus"] == 11
    assert cell.config.optimizer.lr == 1e-2
    assert file["name"] == "modular-lr"


def test_a_file_for_another_task() -> None:
    with pytest.raises(ConfigError, match="is for modular, not for dyck"):
        merged(FILE, {}, {}, task="dyck")


def test_a_file_without_a_task() -> None:
    with pytest.raises(ConfigError, match="task"):
        sweep_file({"name": "s"})

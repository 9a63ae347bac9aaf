"""The manifest says what the cells are; what is to be done with them their directories say."""

from pathlib import Path

import pytest
from sweeps_made import Planned, begin

from grokscope.runs.directory import NoSuchRun
from grokscope.settings.config import ConfigError
from grokscope.sweeps import read_standing, read_sweep, record_sweep
from grokscope.sweeps.manifest import check, find_sweep, manifest_of, sweeps_in
from grokscope.sweeps.standing import left_to_do

AXES = {"optimizer.lr": [1e-3, 2e-3], "train.seed": [1, 2]}


@pytest.mark.parametrize(
    ("run", "state", "to_do"),
    [
        ("completed", "finished", False),
        ("grokked", "finished", False),
        ("stopped", "finished", False),
        ("diverged", "diverged", False),
        ("interrupted", "interrupted", True),
        ("crashed", "crashed", True),
        ("running", "running", False),
        (None, "missing", True),
    ],
)
def test_states_come_from_the_run_directory(planned: Planned, run: str | None, state: str, to_do: bool) -> None:
    (cell,) = planned({"lr": [1e-3]}).cells
    if run is not None:
        begin(cell, run, step=20, grokked=10)
    standing = read_standing(cell)
    assert standing.state == state
    assert left_to_do([cell]) == ([cell] if to_do else [])
    if run is not None:
        assert (standing.step, standing.grokked_step, standing.steps) == (20, 10, 40)
    assert left_to_do([cell], retry_diverged=True) == ([cell] if to_do or state == "diverged" else [])


def test_a_log_that_was_only_opened_is_missing(planned: Planned) -> None:
    (cell,) = planned({"lr": [1e-3]}).cells
    cell.directory.path.mkdir(parents=True)
    cell.directory.events.touch()
    assert read_standing(cell).state == "missing"


def test_the_manifest_read_again_is_the_same_sweep(planned: Planned) -> None:
    listed = [{"name": "other", "task": "dyck", "settings": {"optimizer.wd": 0.5, "train.steps": 3}}]
    base = {"detect.onset": "paper", "measure.blocks": True}
    axes = {"task.operation": ["add", "sub"], **AXES}
    sweep = planned(axes, base=base, preset="quick", cells=[{**listed[0], "settings": {"wd": 0.5}, "task": None}])
    record_sweep(sweep)
    again = read_sweep(sweep.folder)
    assert again.cells == sweep.cells
    assert manifest_of(again.file) == manifest_of(sweep.file)


def test_recording_twice_changes_nothing(planned: Planned) -> None:
    sweep = planned(AXES)
    record_sweep(sweep)
    before = (sweep.folder / "sweep.toml").read_bytes()
    record_sweep(planned(AXES))
    assert (sweep.folder / "sweep.toml").read_bytes() == before
    assert [path.name for path in sweep.folder.iterdir()] == ["sweep.toml"]


def test_settings_that_vary_together_come_back(planned: Planned) -> None:
    axes = {"optimizer.lr": [1e-3, 3e-3], "optimizer.beta1, optimizer.beta2": [[0.9, 0.98], [0.8, 0.9]]}
    sweep = planned(axes)
    record_sweep(sweep)
    again = read_sweep(sweep.folder)
    assert (again.file, again.cells) == (sweep.file, sweep.cells)


def test_axes_may_grow(planned: Planned) -> None:
    sweep = planned(AXES)
    record_sweep(sweep)
    begin(sweep.cells[0], "completed")
    grown = planned({**AXES, "train.seed": [1, 2, 3]})
    record_sweep(grown)
    assert len(left_to_do(grown.cells)) == 5
    assert read_sweep(sweep.folder).cells == grown.cells


def test_a_cell_that_has_begun_keeps_its_settings(planned: Planned) -> None:
    sweep = planned(AXES)
    record_sweep(sweep)
    before = (sweep.folder / "sweep.toml").read_bytes()
    begin(sweep.cells[1], "interrupted")
    with pytest.raises(ConfigError, match=r"cell lr0.001-seed2 of s has started with optimizer.wd 1.0, not 0.5"):
        record_sweep(planned(AXES, base={"optimizer.wd": 0.5}))
    assert (sweep.folder / "sweep.toml").read_bytes() == before


def test_settings_may_change_before_anything_has_begin(planned: Planned) -> None:
    record_sweep(planned(AXES))
    record_sweep(planned(AXES, base={"optimizer.wd": 0.5}))


def test_where_a_cell_runs_may_change(planned: Planned) -> None:
    sweep = planned(AXES)
    begin(sweep.cells[0], "interrupted")
    check(planned(AXES, base={"backend.name": "mlx", "backend.threads": 3}))


def test_a_cell_that_has_begun_is_not_lost(planned: Planned) -> None:
    sweep = planned(AXES)
    record_sweep(sweep)
    record_sweep(planned({**AXES, "train.seed": [1]}))  # of those that are gone, none has begun
    record_sweep(sweep)
    begin(sweep.cells[3], "completed")
    with pytest.raises(
        ConfigError, match=r"the cell lr0.002-seed2 of the sweep s has started but is no longer in the sweep"
    ):
        record_sweep(planned({**AXES, "train.seed": [1]}))


def test_a_run_is_no_place_for_a_sweep(planned: Planned) -> None:
    sweep = planned(AXES)
    sweep.folder.mkdir(parents=True)
    (sweep.folder / "events.jsonl").touch()
    with pytest.raises(ConfigError, match="is a run"):
        record_sweep(sweep)


def test_sweeps_are_found_like_runs(planned: Planned, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(NoSuchRun, match="there are no sweeps"):
        find_sweep("latest", runs)
    for name in ("rates", "rates-2", "decay"):
        record_sweep(planned(AXES, name=name))
    assert {folder.name for folder in sweeps_in(runs)} == {"rates", "rates-2", "decay"}
    assert find_sweep("dec", runs) == runs / "decay"
    assert find_sweep("rates", runs) == runs / "rates"
    assert find_sweep(str(runs / "rates-2"), Path("elsewhere")) == runs / "rates-2"
    assert find_sweep("latest", runs) in set(sweeps_in(runs))
    with pytest.raises(NoSuchRun, match="fits 2 sweeps"):
        find_sweep("rate", runs)
    with pytest.raises(NoSuchRun, match="is called 'x'"):
        find_sweep("x", runs)


def test_a_folder_that_was_renamed(planned: Planned, tmp_path: Path) -> None:
    sweep = planned(AXES)
    record_sweep(sweep)
    moved = sweep.folder.rename(tmp_path / "kept")
    again = read_sweep(moved)
    assert again.name == "kept"
    assert again.cells[0].directory.path == moved / "lr0.001-seed1"

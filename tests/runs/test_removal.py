"""Runs are removed and renamed, but never a live one, and never what is not of a run."""

import fcntl
import shutil
from pathlib import Path

import pytest
from events_made import write_log

from grokscope.runs.directory import BadRunName, NoSuchRun
from grokscope.runs.log import RunBusy
from grokscope.runs.removal import NotRemovable, find_removable

ENDED = [{"event": "started"}, {"event": "finished", "step": 9}]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("one", "two", "sweep/a", "sweep/b"):
        folder = write_log(tmp_path / name / "events.jsonl", *ENDED).parent
        (folder / "snapshots").mkdir()
        (folder / "snapshots/step-00000001.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "sweep/sweep.toml").touch()
    return tmp_path


@pytest.mark.parametrize("wanted", ["one", "sweep", "sweep/", "sweep/a", "latest"])
def test_removed(runs: Path, wanted: str) -> None:
    place = find_removable(wanted, runs)
    assert place.bytes > 100 * len(place.runs)
    before = {path for path in runs.rglob("*") if not path.is_relative_to(place.path)}
    place.remove()
    assert set(runs.rglob("*")) == before


def test_a_file_that_is_not_of_a_run_keeps_everything(runs: Path) -> None:
    for note in (runs / "one/thesis.tex", runs / "sweep/notes", runs / "sweep/b/model.py"):
        note.touch()
        before = set(runs.rglob("*"))
        wanted = note.relative_to(runs).parts[0]
        with pytest.raises(NotRemovable, match=note.name):
            find_removable(wanted, runs).remove()
        assert set(runs.rglob("*")) == before
        note.unlink()


def test_a_run_that_is_written_stays(runs: Path) -> None:
    with (runs / "sweep/b/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for change in (lambda place: place.remove(), lambda place: place.rename("other")):
            with pytest.raises(RunBusy, match="control b stop"):
                change(find_removable("sweep", runs))
    assert (runs / "sweep/b/events.jsonl").exists()


def test_a_part_of_a_name_is_not_enough(runs: Path) -> None:
    with pytest.raises(NotRemovable, match="only the beginning of one"):
        find_removable("on", runs)
    with pytest.raises(NoSuchRun):
        find_removable("three", runs)


def test_a_link_is_not_followed(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    away = tmp_path_factory.mktemp("away") / "far"
    shutil.move(runs / "one", away)
    (runs / "one").symlink_to(away)
    for wanted in ("one", str(runs / "one")):
        with pytest.raises(NotRemovable, match="is a link"):
            find_removable(wanted, runs)


def test_renamed(runs: Path) -> None:
    assert find_removable("one", runs).rename("first") == runs / "first"
    assert find_removable("sweep", runs).rename("grid") == runs / "grid"
    assert sorted(path.name for path in runs.iterdir()) == ["first", "grid", "two"]
    for wanted, name, error in (
        ("first", "two", NotRemovable),
        ("first", "a/b", BadRunName),
        ("first", "latest", BadRunName),
        ("grid/a", "c", NotRemovable),
    ):
        with pytest.raises(error):
            find_removable(wanted, runs).rename(name)

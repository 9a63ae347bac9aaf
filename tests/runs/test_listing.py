"""A folder of runs as a list: every run has its row, whatever the others are."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from events_made import write_log

from grokscope.gate import Unreadable
from grokscope.runs import directory as directories
from grokscope.runs.directory import (
    NoRecordYet,
    NoSuchRun,
    RunDirectory,
    find_group,
    find_run,
    groups_in,
    runs_in,
    runs_within,
)
from grokscope.runs.listing import Group, asked_for, runs_and_groups, runs_table, sorted_runs
from grokscope.words.table import Table

STARTED = {"event": "started", "config": {"train": {"steps": 100}}}
GROKKED = [STARTED, {"event": "grokked", "step": 50}, {"event": "finished", "step": 90, "status": "grokked"}]


def made(folder: Path, name: str, *events: dict[str, Any], at: float = 0.0) -> Path:
    file = write_log(folder / name / "events.jsonl", *events)
    os.utime(file, (at, at))
    return file.parent


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made(tmp_path, "old", STARTED, at=1)
    made(tmp_path, "new", *GROKKED, at=3)
    made(tmp_path, "sweep/a", *GROKKED, at=2)
    made(tmp_path, "sweep/b", STARTED, at=4)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_runs_and_groups(runs: Path) -> None:
    assert [run.name for run in runs_in(runs)] == ["new", "old"]
    assert {path.name: [run.name for run in cells] for path, cells in groups_in(runs).items()} == {"sweep": ["b", "a"]}
    assert runs_in(runs / "none") == []


def test_a_group_says_how_its_runs_stand(runs: Path) -> None:
    *_, group = runs_and_groups(runs)
    assert isinstance(group, Group)
    assert group.words == "2 runs: 1 crashed, 1 grokked"
    about = group.to_dict()
    assert (about["name"], about["runs"], about["states"]) == ("sweep/", 2, {"crashed": 1, "finished": 1})


def test_latest_is_the_run_last_written_to_in_a_sweep_or_not(runs: Path) -> None:
    assert find_run("latest", runs).path == runs / "sweep/b"
    os.utime(runs / "old/events.jsonl", (9, 9))
    assert find_run("latest", runs).path == runs / "old"
    (runs / "odd/events.jsonl").mkdir(parents=True)
    assert find_run("latest", runs).path == runs / "old", "what cannot be opened is not the latest run"


def test_a_log_that_may_not_be_read_is_not_the_latest(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = find_run("latest", runs).path
    real = os.access
    monkeypatch.setattr(os, "access", lambda file, mode: Path(file).parent != newest and real(file, mode))
    assert find_run("latest", runs).path != newest


def test_a_sweep_is_no_run(runs: Path) -> None:
    with pytest.raises(NoSuchRun, match="'sweep' is a folder of runs: name one of them, as sweep/b"):
        find_run("sweep", runs)
    assert find_run("sweep/a", runs).name == "a"


def test_a_folder_without_a_record_is_said_to_have_none(runs: Path) -> None:
    for name, made_so_far in (("mine", "control"), ("soon", "")):
        (runs / name / made_so_far).mkdir(parents=True)
        with pytest.raises(NoRecordYet, match=f"{name} has no record yet"):
            find_run(name, runs)
    (runs / "letters/to").mkdir(parents=True)
    with pytest.raises(NoSuchRun, match=r"no run in .* is called 'letters'"):
        find_run("letters", runs)


def test_a_folder_of_runs_is_found_by_name_and_path(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    assert find_group("sweep/", Path("elsewhere")) == Path("sweep")
    assert find_group("sweep", runs / "old" / "..") == Path("sweep")
    for other in ("old", "empty", "nothing", "notes.txt"):
        assert find_group(other, runs) is None, other


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["new", "old", "sweep/"]),
        ("sweep", ["sweep/b", "sweep/a"]),
        ("sweep/ state=finished", ["sweep/a"]),
        ("state=finished", ["new", "sweep/a"]),
        ("grokked<60 steps>=100", ["new", "sweep/a"]),
        ("sweep state=paused", []),
    ],
)
def test_what_is_asked_for(runs: Path, asked: str, names: list[str]) -> None:
    chosen = asked_for(runs_and_groups(runs), asked.split())
    assert [row[0] for row in runs_table(chosen, runs).rows] == names


@pytest.mark.parametrize(
    ("key", "names"),
    [("name", ["new", "old", "sweep/a", "sweep/b"]), ("grokked", ["new", "sweep/a", "old", "sweep/b"])],
)
def test_sorted(runs: Path, key: str, names: list[str]) -> None:
    """What has no such value comes last, in the order in which it came."""
    found = asked_for(runs_and_groups(runs), ["steps=100"])
    assert [row[0] for row in runs_table(sorted_runs(found, key), runs).rows] == names
    with pytest.raises(KeyError):
        sorted_runs(found, "beauty")
    assert sorted_runs(found[:1], "grokked") == found[:1], "what every list has may have no value yet"


@pytest.mark.parametrize("width", [20, 28, 40, 60, 80])
def test_a_narrow_list_keeps_names_apart_and_then_the_state(tmp_path: Path, width: int) -> None:
    for seed in (1, 2):
        made(tmp_path, f"modular-20261127-171230-{seed}b2c", *GROKKED)
    heading, *rows = runs_table(runs_and_groups(tmp_path), tmp_path).terminal(width)
    assert all(len(line) <= width for line in [heading, *rows])
    assert len({row.split()[0] for row in rows}) == 2
    assert ("grokked" in rows[0]) == (width >= 28)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 200, "\ud800", "", ".."])
def test_names_that_can_be_none(runs: Path, name: str) -> None:
    with pytest.raises(NoSuchRun):
        find_run(name, runs)


def test_runs_that_vanish_while_they_are_listed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = [RunDirectory(runs / "gone"), *runs_in(runs)]
    monkeypatch.setattr("grokscope.runs.listing.runs_in", lambda folder: gone)
    assert [row[:2] for row in runs_table(runs_and_groups(runs), runs).rows[:2]] == [
        ("gone", "waiting"),
        ("new", "grokked at 50"),
    ]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_may_not_be_looked_into_is_listed(
    runs: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As root one may enter all of them, and disks rarely fail, so the refusal is played."""
    real = os.stat

    def refusing(path: Any, *others: Any, **more: Any) -> os.stat_result:
        if str(path).startswith(f"{runs}/empty/"):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *others, **more)

    monkeypatch.setattr(directories.os, "stat", refusing)
    assert [run.name for run in runs_in(runs)] == ["new", "old", "empty"]
    assert [run.name for run in runs_within(runs)] == ["empty", "new", "old", "a", "b"]


def test_a_folder_that_cannot_be_listed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(Unreadable, match=r"cannot read .*: Permission denied"):
        runs_in(tmp_path)


def test_links_to_runs_are_runs_and_others_nothing(tmp_path: Path) -> None:
    write_log(tmp_path / "elsewhere/a/events.jsonl", {"event": "started"})
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "linked").symlink_to(tmp_path / "elsewhere/a")
    (runs / "nowhere").symlink_to(tmp_path / "nothing")
    (runs / "circle").symlink_to("circle")
    assert [run.name for run in runs_in(runs)] == ["linked"]


def test_a_list_measures_each_text_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of any width costs the same: columns give way by their widths."""
    from grokscope.words import table as tables

    measured: list[str] = []
    real = tables._cells
    monkeypatch.setattr(tables, "_cells", lambda text: measured.append(text) or real(text))
    table: Table = runs_table(runs_and_groups(runs), runs)
    for width in (200, 60, 20):
        measured.clear()
        table.terminal(width)
        assert len(measured) <= 2 * len(table.columns) * (len(table.rows) + 1)

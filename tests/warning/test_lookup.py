"""What a person names, as runs: each is its path, whatever it looks like."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from warning_made import log, made, write_log

from grokscope.runs.directory import NoSuchRun, RunDirectory, distinct_names
from grokscope.warning.law import lead_time_law
from grokscope.warning.lookup import distinct, find_trajectories, gathered, read_trajectories
from grokscope.warning.tables import write_table
from grokscope.warning.trajectory import trajectory_of


def test_folders_of_runs_and_of_sweeps(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_log(runs / "b", log())
    write_log(runs / "a", log())
    write_log(runs / "sweep" / "cell", log())
    write_log(runs / "empty", [])
    assert [run.name for run in read_trajectories(runs)] == ["a", "b", "sweep/cell"]
    assert [run.name for run in read_trajectories(runs / "a")] == ["a"]
    assert trajectory_of(RunDirectory(runs / "a")).name == "a"
    tracked = []
    read_trajectories(runs, track=lambda items, words: tracked.append((len(items), words)) or items)
    assert tracked == [(4, "runs read")]
    with pytest.raises(NoSuchRun, match=r"there is no .*nothing"):
        read_trajectories(tmp_path / "nothing")


def test_a_run_that_may_not_be_looked_at_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disks rarely fail, so it is played: what is known of a file is not given, and its content is."""
    for name in ("a", "b"):
        write_log(tmp_path / name, log())
    real = os.stat

    def failing(path: Any, *others: Any, **more: Any) -> os.stat_result:
        if str(path) == str(tmp_path / "a" / "events.jsonl"):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, *others, **more)

    monkeypatch.setattr(os, "stat", failing)
    assert [run.name for run in read_trajectories(tmp_path)] == ["a", "b"]


def test_runs_are_found_by_what_a_person_calls_them(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_log(runs / "sweep" / "cell", log())
    os.utime(write_log(runs / "modular-1", log()) / "events.jsonl", (1, 1))
    write_table(runs / "theirs.jsonl", [made("x"), made("y")])

    def names(wanted: str) -> list[str]:
        return [run.name for run in find_trajectories(wanted, runs)]

    assert names("modu") == names("modular-1") == names(str(runs / "modular-1")) == ["modular-1"]
    assert names("sweep") == names("latest") == ["cell"]
    assert names(f"{runs}/theirs.jsonl") == ["x", "y"]
    assert names(f"{runs}/theirs.jsonl/y") == ["y"]
    with pytest.raises(NoSuchRun, match="holds no run called 'z'"):
        names(f"{runs}/theirs.jsonl/z")
    with pytest.raises(NoSuchRun, match="no run in"):
        names("nobody")


def test_two_runs_that_look_alike_are_two_runs(tmp_path: Path) -> None:
    """Equal names, tasks, steps and grok steps in two sweeps: a law that knew them by these lost half its controls."""
    runs = tmp_path / "runs"
    for sweep in ("x", "y"):
        for cell in ("lr1", "lr2"):
            write_log(runs / sweep / cell, log())
    found = gathered(["x", "y"], runs)
    assert [run.name for run in found] == ["x/lr1", "x/lr2", "y/lr1", "y/lr2"]
    assert lead_time_law(found, "memorized").counts.runs == 4
    assert [run.name for run in gathered(["x"], runs)] == ["lr1", "lr2"]


def test_one_run_named_in_many_ways_is_one_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_log(runs / "sweep" / "cell", log())
    write_log(runs / "alone", log())
    write_table(tmp_path / "bank.jsonl.gz", [made("a"), made("b")])
    bank = str(tmp_path / "bank.jsonl.gz")
    wanted = ["sweep", "sweep/cell", str(runs / "sweep"), "alone", "al", str(runs), bank, bank]
    assert sorted(run.name for run in gathered(wanted, runs)) == ["a", "alone", "b", "sweep/cell"]


def test_runs_of_two_tables_are_told_apart(tmp_path: Path) -> None:
    for table in ("one.jsonl", "two.jsonl"):
        write_table(tmp_path / table, [made("a"), made("own-" + table[:3]), made("a")])
    names = [run.name for run in gathered([str(tmp_path / "one.jsonl"), str(tmp_path / "two.jsonl")], tmp_path)]
    assert names == ["one.jsonl/a", "own-one", "one.jsonl/a:1", "two.jsonl/a", "own-two", "two.jsonl/a:1"]


def test_names_are_the_shortest_ends_that_differ() -> None:
    assert distinct_names([Path("/r/x/e"), Path("/r/y/e")]) == ["x/e", "y/e"]
    assert distinct_names([Path("/r/x"), Path("/r/y")]) == ["x", "y"]
    assert distinct_names([Path("/a/x/e"), Path("/b/x/e")]) == ["a/x/e", "b/x/e"]
    assert distinct_names([]) == []
    assert distinct([]) == []


def test_a_file_that_is_no_table_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step\n0\n")
    with pytest.raises(NoSuchRun, match=r"is no run: `grokscope import .*log.csv`"):
        find_trajectories(str(tmp_path / "log.csv"), tmp_path)


def test_a_folder_without_runs_does_not_hide_a_run_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grokked").mkdir()
    write_log(tmp_path / "runs" / "grokked", log())
    assert [run.name for run in find_trajectories("grokked", Path("runs"))] == ["grokked"]

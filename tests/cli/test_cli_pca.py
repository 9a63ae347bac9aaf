"""`grokscope pca` on trajectories whose shares are known, and on runs that have none."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_made import write_made_run
from cli_process import Nursery, tiny, until_logged
from numpy.typing import NDArray

from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.geometry.trajectory import random_walk_share
from grokscope.runs.snapshots import write_snapshot

MODEL = ModelSpec("encoder", vocabulary=11, context=2, classes=11, width=8, layers=1, heads=2, feed_forward=12)
SIZE = layout(MODEL).size
NAMES = [f"encoder.0.{kind}" for kind in ("WQ", "WK", "WV", "WO", "up", "down")]

Path_ = Callable[[int], NDArray[np.floating]]
"""Parameters [size] at a snapshot's number"""


def snapshots(folder: Path, path: Path_, count: int) -> None:
    """A finished run `made` with `count` snapshots, one every 100 steps."""
    write_made_run(folder / "runs" / "made")
    for number in range(count):
        write_snapshot(folder / "runs/made/snapshots", 100 * number, layout(MODEL), path(number).astype(np.float32))


def line(number: int) -> NDArray[np.floating]:
    return np.asarray(number * np.random.default_rng(0).standard_normal(SIZE))


def wander(number: int) -> NDArray[np.floating]:
    return np.asarray(np.random.default_rng(0).standard_normal((number + 1, SIZE)).sum(axis=0))


def cells(row: str) -> list[str]:
    """The cells of a table's row, percent signs left out."""
    return row.replace(" %", "").split()


def test_a_table_of_a_straight_line(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, line, 16)
    done = nursery.run("pca", "made", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    title, header, *rows = done.out.splitlines()
    assert title == "Shares of variance, 16 snapshots, steps 0 to 1,500"
    assert re.split("  +", header) == ["block", "to 300", "to 700", "to 1,100", "PC1", "PC2", "null", "z"]
    assert [row.split()[0] for row in rows[:7]] == [*NAMES, "joint"]
    assert {tuple(cells(row)[1:6]) for row in rows[:7]} == {("100.0", "100.0", "100.0", "100.0", "0.0")}
    assert all(50 < float(cells(row)[6]) < 80 and int(cells(row)[7]) > 5 for row in rows[:7])
    assert max(map(len, done.out.splitlines())) <= 80


def test_it_says_what_a_random_walk_has(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, wander, 16)
    done = nursery.run("pca", "made", folder=tmp_path)
    equal = 100 * random_walk_share(16)
    assert f"A random walk of equal steps has {equal:.1f} % on PC1 over 16 snapshots" in " ".join(done.out.split())
    assert "60.8 %" in done.out
    joint = next(cells(row) for row in done.out.splitlines() if row.startswith("joint"))
    assert float(joint[4]) == pytest.approx(equal, abs=8)
    assert abs(int(joint[7])) <= 4
    without = nursery.run("pca", "made", "--null=0", folder=tmp_path).out
    assert re.split("  +", without.splitlines()[1]) == ["block", "to 300", "to 700", "to 1,100", "PC1", "PC2"]
    assert "null" not in without


def test_the_same_for_scripts(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, wander, 30)
    done = nursery.run("pca", "made", "--json", "--components=3", "--null=4", "--sensitivity", folder=tmp_path)
    told = done.json
    assert (told["run"], told["blocks"], told["snapshots"]) == ("made", "matrices", 30)
    assert (told["first_step"], told["last_step"]) == (0, 2900)
    assert told["random_walk"]["limit"] == pytest.approx(6 / np.pi**2)
    assert [block["block"] for block in told["concentrations"]] == [*NAMES, "joint"]
    joint = told["concentrations"][-1]
    assert joint["entries"] == sum(block["entries"] for block in told["concentrations"][:-1]) == 4 * 64 + 2 * 96
    assert len(joint["shares"]) == 3
    assert joint["shares"] == sorted(joint["shares"], reverse=True)
    assert joint["null"]["trials"] == 4
    assert (joint["windows"][0]["snapshots"], joint["windows"][0]["step"]) == (4, 300)
    assert (joint["windows"][-1]["step"], joint["windows"][-1]["share"]) == (2900, joint["shares"][0])
    assert [window["snapshots"] for window in joint["subsamples"]] == [5, 10, 20]
    again = nursery.run("pca", "made", "--json", "--components=3", "--null=4", "--sensitivity", folder=tmp_path)
    assert again.out == done.out, "the null is drawn from a stream of its own"


def test_sensitivity_to_the_number_of_snapshots(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, line, 12)
    done = nursery.run("pca", "made", "--sensitivity", folder=tmp_path)
    table = done.out[done.out.index("PC1 by the number of snapshots kept") :].splitlines()
    assert table[1].split() == ["block", "5", "10", "12"]
    assert cells(table[8]) == ["joint", "100.0", "100.0", "100.0"]
    assert table[9].startswith("null, joint")


@pytest.mark.parametrize(("blocks", "count"), [("attention", 4), ("all", 9)])
def test_which_blocks(nursery: Nursery, tmp_path: Path, blocks: str, count: int) -> None:
    snapshots(tmp_path, line, 4)
    told = nursery.run("pca", "made", "--json", "--null=0", f"--blocks={blocks}", folder=tmp_path).json
    assert len(told["concentrations"]) == count + 1
    assert {block["null"] for block in told["concentrations"]} == {None}


def test_weights_that_never_moved(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, lambda number: np.ones(SIZE), 5)
    told = nursery.run("pca", "made", "--json", folder=tmp_path).json
    assert told["concentrations"][-1]["shares"] == [None, None]
    done = nursery.run("pca", "made", folder=tmp_path)
    assert done.code == 0
    assert next(row for row in done.out.splitlines() if row.startswith("joint")).split()[1:] == ["–"] * 5


@pytest.mark.parametrize(("count", "said"), [(0, "no snapshots"), (1, "one snapshot"), (3, "3 snapshots")])
def test_too_few_snapshots_are_one_sentence(nursery: Nursery, tmp_path: Path, count: int, said: str) -> None:
    snapshots(tmp_path, line, count)
    done = nursery.run("pca", "made", folder=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert re.fullmatch(r"grokscope: made has [^\n]+ 4: train with `--set snapshot.every=50`\n", done.err)
    assert said in done.err


def test_no_such_run(nursery: Nursery, tmp_path: Path) -> None:
    snapshots(tmp_path, line, 4)
    assert nursery.run("pca", "other", folder=tmp_path).code == 3
    (tmp_path / "runs/made/snapshots/step-00000100.safetensors").write_bytes(b"{}")
    broken = nursery.run("pca", "made", folder=tmp_path)
    assert (broken.code, broken.err.count("\n")) == (3, 1)
    assert "step-00000100.safetensors is not a snapshot" in broken.err


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure(nursery: Nursery, tmp_path: Path, ending: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    snapshots(tmp_path, wander, 8)
    done = nursery.run("pca", "made", "--figure", f"a.{ending}", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    drawn = (tmp_path / f"a.{ending}").read_bytes()
    assert drawn.startswith(start)
    if ending == "svg":
        nursery.run("pca", "made", "--figure", "b.svg", folder=tmp_path)
        assert (tmp_path / "b.svg").read_bytes() == drawn


@pytest.mark.parametrize(("file", "code", "said"), [("a.gif", 2, ".svg"), ("nowhere/a.svg", 1, "nowhere/a.svg")])
def test_a_figure_that_cannot_be_drawn(nursery: Nursery, tmp_path: Path, file: str, code: int, said: str) -> None:
    pytest.importorskip("matplotlib")
    snapshots(tmp_path, line, 4)
    done = nursery.run("pca", "made", "--figure", file, folder=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_live_run(nursery: Nursery, tmp_path: Path) -> None:
    settings = ("--steps=100000000", "--name=live", "--quiet", "--set=snapshot.every=5")
    process = nursery.start(*tiny("modular", *settings), folder=tmp_path)
    seen = -1
    for _ in range(6):
        seen = until_logged(tmp_path / "runs/live", "snapshot", after=seen)["seq"]
    told = nursery.run("pca", "live", "--json", folder=tmp_path).json
    process.kill()
    assert told["snapshots"] >= 6
    assert told["first_step"] == 0
    assert all(0 < block["shares"][0] <= 1 for block in told["concentrations"])

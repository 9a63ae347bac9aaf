"""All snapshots of a run as one sequence, from files that stay closed."""

import os
from pathlib import Path

import numpy as np
import pytest

from grokscope.contract.arrays import FloatArray
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import layout
from grokscope.gate import Unreadable
from grokscope.geometry.blocks import weight_blocks
from grokscope.geometry.gram import gram
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.history import History, NoHistory, history
from grokscope.runs.snapshots import write_snapshot

MODEL = ModelSpec("encoder", vocabulary=7, context=2, classes=7, width=8, layers=1, heads=2, feed_forward=8)
SIZE = layout(MODEL).size
STEPS = [0, 50, 100, 1000, 123456789]


def vector(step: int) -> FloatArray:
    return np.random.default_rng(step).standard_normal(SIZE).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    for step in reversed(STEPS):
        write_snapshot(tmp_path / "snapshots", step, layout(MODEL), vector(step))
    return RunDirectory(tmp_path)


def test_snapshots_come_by_step_and_slice_by_slice(run: RunDirectory) -> None:
    found = history(run)
    assert (len(found), found.steps) == (5, STEPS)
    assert found.layout.fits(layout(MODEL))
    for step, stored in zip(STEPS, found, strict=True):
        assert len(stored) == SIZE
        for start, stop in ((0, SIZE), (3, 17), (SIZE - 2, SIZE), (5, 5)):
            assert np.array_equal(stored[start:stop], vector(step)[start:stop])
        assert np.array_equal(np.asarray(stored), vector(step))
    assert isinstance(found[1:3], History)
    assert found[1:3].steps == [50, 100]


def test_float64_snapshots(tmp_path: Path) -> None:
    exact = np.random.default_rng(0).standard_normal(SIZE)
    write_snapshot(tmp_path / "snapshots", 3, layout(MODEL), exact)
    assert np.array_equal(history(RunDirectory(tmp_path))[0][:], exact)


def test_a_gram_matrix_is_the_same_from_files(run: RunDirectory) -> None:
    slices = [(block.start, block.stop) for block in weight_blocks(layout(MODEL))]
    assert np.array_equal(gram(history(run), slices), gram([vector(step) for step in STEPS], slices))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files where the system lists them")
def test_no_file_stays_open(run: RunDirectory) -> None:
    before = len(os.listdir("/proc/self/fd"))
    found = history(run)
    kept = [stored[:4] for stored in found]
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(kept) == 5


def test_too_few_snapshots(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match=r"has 5 snapshots, this takes 6: train with `--set snapshot\.every=50`"):
        history(run, 6)
    with pytest.raises(NoSuchRun, match="has no snapshots"):
        history(RunDirectory(tmp_path / "elsewhere"))


def test_a_damaged_snapshot_is_named(run: RunDirectory) -> None:
    file = run.snapshots / "step-00000100.safetensors"
    whole = file.read_bytes()
    for damaged in (b"", whole[:4], whole[:300], whole[:-1], b"\xff" * 100):
        file.write_bytes(damaged)
        with pytest.raises(Unreadable, match=r"step-00000100\.safetensors is not a snapshot"):
            history(run)
    file.write_bytes(whole)
    found = history(run)
    file.unlink()
    with pytest.raises(Unreadable, match="cannot be read any more"):
        found[2][:]
    file.write_bytes(whole[:-40])
    with pytest.raises(Unreadable, match="shorter"):
        found[2][:]


def test_another_model_among_them_is_refused(run: RunDirectory) -> None:
    other = ModelSpec("encoder", vocabulary=9, context=2, classes=9, width=8, layers=1, heads=2, feed_forward=8)
    write_snapshot(run.snapshots, 60, layout(other), np.zeros(layout(other).size, dtype=np.float32))
    with pytest.raises(Unreadable, match="another model"):
        history(run)

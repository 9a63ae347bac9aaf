"""Snapshots and checkpoints: there and back, damaged, and the newest two."""

import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file

from grokscope.contract.backends import TrainingState
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters, layout
from grokscope.runs.log import RunUnwritable
from grokscope.runs.snapshots import (
    Unreadable,
    newest_checkpoint,
    parameters_digest,
    read_snapshot,
    write_checkpoint,
    write_snapshot,
)

MODEL = ModelSpec("encoder-decoder", 5, 4, 6, width=8, layers=1, heads=2, feed_forward=8, target_vocabulary=6,
                  target_context=3, source_padding_attended=True)  # fmt: skip
PARAMETERS = initial_parameters(MODEL, 1)


def state(step: int) -> TrainingState:
    return TrainingState(step, PARAMETERS + step, PARAMETERS * 2, PARAMETERS**2)


def checkpoint(folder: Path, step: int, seq: int | None = None) -> Path:
    return write_checkpoint(
        folder, state(step), MODEL, seq=step * 10 if seq is None else seq, seconds=1.5, backend="torch"
    )


class TestSnapshot:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_there_and_back(self, tmp_path: Path, dtype: type) -> None:
        file = write_snapshot(tmp_path / "snapshots", 300, MODEL, PARAMETERS.astype(dtype))
        assert file.name == "step-00000300.safetensors"
        snapshot = read_snapshot(file)
        assert (snapshot.step, snapshot.model) == (300, MODEL)
        assert snapshot.parameters.dtype == dtype
        assert_array_equal(snapshot.parameters, PARAMETERS.astype(dtype))
        assert parameters_digest(snapshot.parameters) == parameters_digest(PARAMETERS)
        assert os.listdir(file.parent) == [file.name]

    def test_tensors_by_name(self, tmp_path: Path) -> None:
        tensors = read_snapshot(write_snapshot(tmp_path, 0, MODEL, PARAMETERS)).tensors()
        where = layout(MODEL)
        assert tensors.keys() == where.by_name.keys()
        for parameter in where:
            assert tensors[parameter.name].shape == parameter.shape
            assert_array_equal(tensors[parameter.name].ravel(), PARAMETERS[parameter.offset : parameter.stop])

    def test_a_stranger_can_read_it(self, tmp_path: Path) -> None:
        """The layout stands in the file: nobody needs grokscope to take the vector apart."""
        from safetensors import safe_open

        file = write_snapshot(tmp_path, 0, MODEL, PARAMETERS)
        with safe_open(file, framework="numpy") as opened:
            about = json.loads(opened.metadata()["about"])
        assert about["layout"] == [
            {"name": it.name, "shape": list(it.shape), "offset": it.offset} for it in layout(MODEL)
        ]
        assert load_file(file).keys() == {"parameters"}

    def test_digest_is_of_little_endian_float32(self) -> None:
        digest = parameters_digest(PARAMETERS)
        assert digest == hashlib.sha256(struct.pack(f"<{len(PARAMETERS)}f", *PARAMETERS)).hexdigest()
        assert digest == parameters_digest(PARAMETERS.astype(np.float64)) == parameters_digest(PARAMETERS.astype(">f4"))
        assert digest != parameters_digest(np.nextafter(PARAMETERS, np.float32(9)))

    @pytest.mark.parametrize("length", [0, 4, 100, -4])
    def test_torn(self, tmp_path: Path, length: int) -> None:
        file = write_snapshot(tmp_path, 0, MODEL, PARAMETERS)
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(Unreadable, match=f"{file.name} is not a snapshot or checkpoint"):
            read_snapshot(file)

    def test_of_somebody_else(self, tmp_path: Path) -> None:
        save_file({"weight": PARAMETERS}, tmp_path / "other.safetensors")
        (tmp_path / "text").write_text("not at all")
        for name in ("other.safetensors", "text", "missing"):
            with pytest.raises(Unreadable):
                read_snapshot(tmp_path / name)

    def test_nowhere_to_write(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunUnwritable, match="cannot write"):
            write_snapshot(tmp_path / "file", 0, MODEL, PARAMETERS)


class TestCheckpoint:
    def test_there_and_back(self, tmp_path: Path) -> None:
        file = checkpoint(tmp_path, 7)
        found = newest_checkpoint(tmp_path, 70)
        assert found is not None
        assert (found.model, found.seq, found.seconds, found.backend, found.file) == (MODEL, 70, 1.5, "torch", file)
        assert found.state.step == 7
        for one, other in zip(found.state[1:], state(7)[1:], strict=True):
            assert_array_equal(one, other)

    def test_the_newest_two_are_kept(self, tmp_path: Path) -> None:
        for step in (5, 10, 999, 100_000, 1_000_000):
            checkpoint(tmp_path, step)
        assert sorted(os.listdir(tmp_path)) == ["step-00100000.safetensors", "step-01000000.safetensors"]

    def test_a_torn_one_is_passed_over(self, tmp_path: Path) -> None:
        checkpoint(tmp_path, 5)
        newest = checkpoint(tmp_path, 10)
        newest.write_bytes(newest.read_bytes()[:-1])
        found = newest_checkpoint(tmp_path, 1000)
        assert found is not None
        assert found.state.step == 5

    def test_a_draft_is_none(self, tmp_path: Path) -> None:
        """What a process that died while writing leaves behind."""
        checkpoint(tmp_path, 10).rename(tmp_path / "step-00000010.draft")
        assert newest_checkpoint(tmp_path, 1000) is None

    def test_one_ahead_of_the_log_is_passed_over(self, tmp_path: Path) -> None:
        """After a power cut the log may have lost events that a checkpoint counts on."""
        checkpoint(tmp_path, 5)
        checkpoint(tmp_path, 10)
        found = newest_checkpoint(tmp_path, 99)
        assert found is not None
        assert found.state.step == 5
        assert newest_checkpoint(tmp_path, 49) is None

    @pytest.mark.parametrize(("events", "seq"), [(70, 70), (71, 71), (72, 72), (90, 72)])
    def test_what_it_announces_belongs_to_it_once_it_is_in_the_log(self, tmp_path: Path, events: int, seq: int) -> None:
        write_checkpoint(tmp_path, state(7), MODEL, seq=70, seconds=1.5, backend="torch", following=2)
        found = newest_checkpoint(tmp_path, events)
        assert found is not None
        assert found.seq == seq

    def test_none(self, tmp_path: Path) -> None:
        assert newest_checkpoint(tmp_path / "nowhere", 10) is None

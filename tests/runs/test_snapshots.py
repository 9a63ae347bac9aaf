"""Snapshots: there and back, by name, readable by strangers, and refused where a byte is not what was written."""

import hashlib
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file

from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import Layout, Parameter, initial_parameters, layout
from grokscope.gate import Unreadable
from grokscope.runs.log import RunUnwritable
from grokscope.runs.sealed import read_sealed, read_vector
from grokscope.runs.snapshots import parameters_digest, read_snapshot, write_snapshot

MODEL = ModelSpec("encoder-decoder", 5, 4, 6, width=8, layers=1, heads=2, feed_forward=8, target_vocabulary=6,
                  target_context=3, source_padding_attended=True)  # fmt: skip
LAYOUT = layout(MODEL)
PARAMETERS = initial_parameters(MODEL, 1)


class TestSnapshot:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_there_and_back(self, tmp_path: Path, dtype: type) -> None:
        file = write_snapshot(tmp_path / "snapshots", 300, LAYOUT, PARAMETERS.astype(dtype)).file
        assert file.name == "step-00000300.safetensors"
        snapshot = read_snapshot(file)
        assert snapshot.step == 300
        assert [replace(each, initial="zeros", scale=0.0) for each in LAYOUT] == list(snapshot.layout)
        assert snapshot.parameters.dtype == dtype
        assert_array_equal(snapshot.parameters, PARAMETERS.astype(dtype))
        assert parameters_digest(snapshot.parameters) == parameters_digest(PARAMETERS)
        assert os.listdir(file.parent) == [file.name]

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_part_of_it(self, tmp_path: Path, dtype: type) -> None:
        sealed = read_sealed(write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS.astype(dtype)).file)
        assert_array_equal(read_vector(sealed, "parameters", 5, 9), PARAMETERS[5:9].astype(dtype))

    def test_it_survives_a_power_cut(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As far as a program can see to it: the system was asked to put it onto the disk while it had no name yet."""
        synced: list[bool] = []
        file = tmp_path / "step-00000000.safetensors"
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(file.exists()))
        assert write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS).file == file
        assert synced[0] is False

    def test_of_a_model_that_nobody_knows(self, tmp_path: Path) -> None:
        """A layout is enough: names and shapes as somebody's own model has them."""
        own = Layout((Parameter("net.weight", (3, 2), 0), Parameter("net.bias", (3,), 6), Parameter("scale", (), 9)))
        snapshot = read_snapshot(write_snapshot(tmp_path, 7, own, np.arange(10, dtype=np.float32)).file)
        assert snapshot.layout == own
        assert_array_equal(snapshot.tensors()["net.weight"], [[0, 1], [2, 3], [4, 5]])
        assert snapshot.tensors()["scale"] == 9

    def test_tensors_by_name(self, tmp_path: Path) -> None:
        tensors = read_snapshot(write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS).file).tensors()
        assert tensors.keys() == LAYOUT.by_name.keys()
        for parameter in LAYOUT:
            assert tensors[parameter.name].shape == parameter.shape
            assert_array_equal(tensors[parameter.name].ravel(), PARAMETERS[parameter.offset : parameter.stop])

    def test_a_stranger_can_read_it(self, tmp_path: Path) -> None:
        """The layout stands in the file: nobody needs grokscope to take the vector apart, or to check it."""
        from safetensors import safe_open

        file = write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS).file
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata()
        told = [(it["name"], it["shape"], it["offset"]) for it in json.loads(metadata["about"])["layout"]]
        assert told == [(it.name, list(it.shape), it.offset) for it in LAYOUT]
        assert load_file(file).keys() == {"parameters"}
        blank = file.read_bytes().replace(metadata["digest"].encode(), b"0" * 64)
        assert hashlib.sha256(blank).hexdigest() == metadata["digest"]

    def test_digest_is_of_little_endian_float32(self) -> None:
        digest = parameters_digest(PARAMETERS)
        assert digest == hashlib.sha256(struct.pack(f"<{len(PARAMETERS)}f", *PARAMETERS)).hexdigest()
        assert digest == parameters_digest(PARAMETERS.astype(np.float64)) == parameters_digest(PARAMETERS.astype(">f4"))
        assert digest != parameters_digest(np.nextafter(PARAMETERS, np.float32(9)))

    @pytest.mark.parametrize("length", [0, 4, 100, -4])
    def test_torn(self, tmp_path: Path, length: int) -> None:
        file = write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS).file
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(Unreadable, match=f"{file.name} is not a snapshot or checkpoint, or is damaged"):
            read_snapshot(file)

    def test_of_somebody_else(self, tmp_path: Path) -> None:
        save_file({"weight": PARAMETERS}, tmp_path / "other.safetensors")
        save_file({"weight": PARAMETERS}, tmp_path / "named.safetensors", metadata={"about": "[]"})
        (tmp_path / "text").write_text("not at all")
        for name in ("other.safetensors", "named.safetensors", "text", "missing", "."):
            with pytest.raises(Unreadable):
                read_snapshot(tmp_path / name)

    @pytest.mark.parametrize(
        "tensor",
        [
            {"shape": [3]},
            {"shape": [2**62]},
            {"data_offsets": [0, 2**40]},
            {"shape": [2**38], "data_offsets": [0, 2**40]},
        ],
        ids=str,
    )
    def test_one_without_a_digest_is_no_longer_than_it_says(self, tmp_path: Path, tensor: dict[str, Any]) -> None:
        """Files of the first format have none."""
        file = tmp_path / "old.safetensors"
        told = {"format": "grokscope", "about": json.dumps({"step": 1, "layout": LAYOUT.to_json()})}
        save_file({"parameters": PARAMETERS}, file, metadata=told)
        assert read_sealed(file).vectors["parameters"].size == len(PARAMETERS)
        content = file.read_bytes()
        file.write_bytes(content[:-1])
        with pytest.raises(Unreadable, match="do not stand where it says"):
            read_sealed(file)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        header["parameters"] |= tensor
        changed = json.dumps(header).encode()
        file.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
        with pytest.raises(Unreadable, match="do not stand where it says"):
            read_sealed(file)

    def test_one_that_lost_its_digest_is_not_believed(self, tmp_path: Path) -> None:
        file = write_snapshot(tmp_path, 0, LAYOUT, PARAMETERS).file
        content = file.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        del header["__metadata__"]["digest"]
        changed = json.dumps(header).encode()
        file.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
        with pytest.raises(Unreadable, match="its digest is not that of its content"):
            read_sealed(file)

    def test_nowhere_to_write(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunUnwritable, match="cannot write"):
            write_snapshot(tmp_path / "file", 0, LAYOUT, PARAMETERS)

    def test_a_link_in_its_place_is_replaced_and_not_followed(self, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("mine")
        (tmp_path / "snapshots").mkdir()
        (tmp_path / "snapshots" / "step-00000000.safetensors").symlink_to(precious)
        file = write_snapshot(tmp_path / "snapshots", 0, LAYOUT, PARAMETERS).file
        assert precious.read_text() == "mine"
        assert not file.is_symlink()
        assert read_snapshot(file).step == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_snapshot(tmp_path_factory.mktemp("sealed"), 0, LAYOUT, PARAMETERS).file.read_bytes()


@given(data=st.data())
def test_one_flipped_bit_is_seen_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    """In a number, a name, the length of the header, the digest itself: no byte is looked at by nobody."""
    header = int.from_bytes(whole[:8], "little") + 8
    place = data.draw(st.one_of(st.integers(0, 8 * header - 1), st.integers(0, 8 * len(whole) - 1)))
    changed = bytearray(whole)
    changed[place // 8] ^= 1 << place % 8
    file = tmp_path_factory.mktemp("flipped") / "step-00000000.safetensors"
    file.write_bytes(changed)
    with pytest.raises(Unreadable):
        read_sealed(file)

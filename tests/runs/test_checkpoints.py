"""Checkpoints: there and back, the newest two, and nothing believed that is not what was written."""

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints_made import LAYOUT, MODEL, PARAMETERS, made
from numpy.testing import assert_array_equal

from grokscope.contract.parameters import layout
from grokscope.gate import Unreadable
from grokscope.runs.checkpoints import Place, newest_first, read_checkpoint, remove_ahead, write_checkpoint
from grokscope.runs.sealed import write_sealed


def test_there_and_back(tmp_path: Path) -> None:
    average = np.arange(5, dtype=np.float64)
    given = made(
        7, place=Place(70, 66, following=2, recorded=False, final=True), outcome=(0.1, float("nan")), seconds=1.5,
        levers={"drag": {"average": average, "of/two": PARAMETERS}, "kick": {"one": average[:1]}},
    )  # fmt: skip
    file = write_checkpoint(tmp_path, given).file
    found = read_checkpoint(file, LAYOUT)
    assert (found.place, found.seconds, found.file, found.state.step) == (given.place, 1.5, file, 7)
    assert repr(found.outcome) == repr(given.outcome)
    for one, other in zip(found.state[1:], given.state[1:], strict=True):
        assert_array_equal(one, other)
    assert {kind: set(kept) for kind, kept in found.levers.items()} == {"drag": {"average", "of/two"}, "kick": {"one"}}
    assert_array_equal(found.levers["drag"]["average"], average)
    assert found.levers["drag"]["average"].dtype == np.float64
    assert found.digest == given.digest


def test_its_digest_is_of_all_that_training_continues_from_and_of_nothing_else() -> None:
    """Two equal runs have it in common, whenever they ran and however often they were interrupted."""
    given = made(7)
    assert given.digest == made(7, seconds=9.0, place=Place(1, 1), outcome=(1.0, 1.0)).digest
    others = [
        made(8), made(7, state=given.state._replace(step=8)), made(7, levers={"drag": {"average": PARAMETERS}}),
        *(made(7, state=given.state._replace(**{name: PARAMETERS * 3})) for name in given.state._fields[1:]),
    ]  # fmt: skip
    assert len({given.digest, *(other.digest for other in others)}) == len(others) + 1


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 999, 100_000, 1_000_000):
        write_checkpoint(tmp_path, made(step))
    assert sorted(os.listdir(tmp_path)) == ["step-00100000.safetensors", "step-01000000.safetensors"]


def test_the_one_just_written_is_kept_whatever_else_lies_there(tmp_path: Path) -> None:
    """Files of larger steps belong to a future that the run no longer has."""
    for step in (50, 60):
        write_checkpoint(tmp_path, made(step))
    for step in (10, 20):
        write_checkpoint(tmp_path, made(step))
    assert [file.name for file in newest_first(tmp_path)] == ["step-00000020.safetensors", "step-00000010.safetensors"]


def test_what_is_ahead_is_removed(tmp_path: Path) -> None:
    for step in (10, 20):
        write_checkpoint(tmp_path, made(step))
    remove_ahead(tmp_path, 10)
    assert os.listdir(tmp_path) == ["step-00000010.safetensors"]


def test_of_another_model_or_lengths_that_do_not_fit(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path, made(7)).file
    other = layout(replace(MODEL, feed_forward=16))
    with pytest.raises(Unreadable, match="is of another model"):
        read_checkpoint(file, other)
    given = made(7)
    about = {"step": 7, "layout": LAYOUT.to_json(), "place": {"seq": 1, "began": 1}, "outcome": None, "seconds": 0.0}
    vectors = {**given.vectors, "second_moment": PARAMETERS[:-1]}
    write_sealed(file, vectors, about)
    with pytest.raises(Unreadable, match=f"holds {len(PARAMETERS) - 1} numbers as second_moment"):
        read_checkpoint(file, LAYOUT)
    write_sealed(file, {"parameters": PARAMETERS}, about)
    with pytest.raises(Unreadable, match="holds no first_moment"):
        read_checkpoint(file, LAYOUT)


def test_a_flipped_bit_is_seen(tmp_path: Path) -> None:
    """300 of them at random, a third in the header."""
    file = write_checkpoint(tmp_path, made(7)).file
    whole = file.read_bytes()
    header = int.from_bytes(whole[:8], "little") + 8
    places = random.Random(0)
    for number in range(300):
        bit = places.randrange(8 * (header if number % 3 == 0 else len(whole)))
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        with pytest.raises(Unreadable):
            read_checkpoint(file, LAYOUT)


def test_one_of_0_1_0_cannot_be_checked() -> None:
    file = Path(__file__).with_name("v1") / "modular" / "checkpoint" / "step-00000060.safetensors"
    with pytest.raises(Unreadable, match="written by another version"):
        read_checkpoint(file, LAYOUT)

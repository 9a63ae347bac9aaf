"""Damaged banks and tables of trajectories: what has a digest is never believed when one bit of it is wrong."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from campaign import Ended, Tally, assert_sound, call, campaign, lengths
from cli_made import write_made_run
from cli_process import tiny
from damage import Flipped, changed, changes
from forecast_made import bank
from hypothesis import strategies as st

from grokscope.training.loop import Trainer
from grokscope.warning.tables import write_table

FLIPS = 300
NAMES = ("bank.jsonl", "bank.jsonl.gz")

Reader = Callable[[Path, str], Ended]


def forecast(folder: Path, name: str) -> Ended:
    return call("forecast", "made", "--bank", name, "--json", folder=folder)


def law(folder: Path, name: str) -> Ended:
    return call("law", name, "--json", folder=folder)


def run(folder: Path, name: str) -> Ended:
    shutil.rmtree(folder / "runs" / "a", ignore_errors=True)
    with patch.object(Trainer, "run", lambda trainer, recorded=(): "completed"):
        return call(*tiny("modular", f"--set=forecast.bank={name}", "--name=a", "--quiet"), folder=folder)


READERS: tuple[Reader, ...] = (forecast, law, run)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run, and a small sound bank in both its forms."""
    pytest.importorskip("torch")
    write_made_run(tmp_path / "runs" / "made")
    for name in NAMES:
        write_table(tmp_path / name, bank()[:6])
        for reader in READERS:
            ended = reader(tmp_path, name)
            assert ended.code == 0, str(ended)
    return tmp_path


def contents(data: bytes, name: str) -> bytes | None:
    """What a table holds; None where it cannot be decompressed."""
    try:
        return gzip.decompress(data) if name.endswith(".gz") else data
    except (OSError, EOFError, ValueError):
        return None
    except Exception:  # zlib.error has no public base
        return None


@lengths(30, FLIPS)
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit(inputs: int, name: str, tally: Tally, folder: Path) -> None:
    """Every one is noticed, but those in the head of a `.gz` that change nothing of what it holds."""
    sound = (folder / name).read_bytes()

    @campaign(inputs, st.integers(0, len(sound) - 1), st.integers(0, 7), st.sampled_from(READERS))
    def _(at: int, bit: int, reader: Reader) -> None:
        data = Flipped(at, bit).of(sound)
        (folder / name).write_bytes(data)
        ended = reader(folder, name)
        tally.note(ended)
        assert_sound(ended)
        assert ended.code != 0 or contents(data, name) == contents(sound, name), str(ended)


@lengths(30, 3000)
@pytest.mark.parametrize("name", NAMES)
def test_damaged_banks(inputs: int, name: str, tally: Tally, folder: Path) -> None:
    """Changed before it was compressed, and after."""
    sound = contents((folder / name).read_bytes(), name)
    assert sound is not None

    @campaign(inputs, changes, changes | st.just([]), st.sampled_from(READERS))
    def _(inside: list[object], outside: list[object], reader: Reader) -> None:
        held = changed(sound, inside)
        data = changed(gzip.compress(held, mtime=0) if name.endswith(".gz") else held, outside)
        (folder / name).write_bytes(data)
        ended = reader(folder, name)
        tally.note(ended)
        assert_sound(ended)
        with_a_head = data if name == NAMES[0] else contents(data, name) or b""
        if with_a_head.startswith(b'{"format"'):
            assert ended.code != 0 or with_a_head == sound, str(ended)


@pytest.mark.campaign
def test_a_decompression_bomb(folder: Path) -> None:
    """A gigabyte of blanks in some megabytes: refused, and never held."""
    with gzip.open(folder / "bank.jsonl.gz", "wb", compresslevel=1) as out:
        for _ in range(1024):
            out.write(b" " * (1 << 20))
    for reader in READERS:
        ended = reader(folder, "bank.jsonl.gz")
        assert_sound(ended)
        assert ended.code != 0

"""The official SCAN files, as released, and proof that they are.

Lake & Baroni 2018, github.com/brendenlake/SCAN, BSD licence: the notice stands in LICENSE-SCAN beside this file.
"""

import gzip
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from grokscope.gate import write_file

Split = Literal["simple", "length", "addprim_jump", "addprim_turn_left"]
SPLITS: tuple[Split, ...] = get_args(Split)

Side = Literal["train", "test"]

SHA256 = {
    "tasks_train_simple.txt": "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
    "tasks_test_simple.txt": "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
    "tasks_train_length.txt": "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
    "tasks_test_length.txt": "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
    "tasks_train_addprim_jump.txt": "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
    "tasks_test_addprim_jump.txt": "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
    "tasks_train_addprim_turn_left.txt": "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
    "tasks_test_addprim_turn_left.txt": "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2",
}
"""Digests of the uncompressed files."""


def file_name(split: Split, side: Side) -> str:
    """The name under which SCAN publishes this file."""
    return f"tasks_{side}_{split}.txt"


def content(name: str) -> bytes:
    """One official file, byte for byte."""
    return gzip.decompress((files(__package__) / "official" / f"{name}.gz").read_bytes())


def export(split: str, folder: Path) -> list[Path]:
    """Write the two files of `split` into `folder`, which is made where missing; returns their paths.

    Raises `ValueError` for a split that SCAN does not have.
    """
    for known in SPLITS:
        if split == known:
            break
    else:
        raise ValueError(f"SCAN has no split {split!r}: choose one of {', '.join(SPLITS)}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for side in get_args(Side):
        path = folder / file_name(known, side)
        write_file(path, content(path.name))
        written.append(path)
    return written

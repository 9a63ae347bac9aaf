"""Splits of SCAN that do not ship, from a folder in which a person has them: nothing is downloaded.

A clone of github.com/brendenlake/SCAN has `tasks_train_NAME.txt` and `tasks_test_NAME.txt` for every official split:
`template_around_right`, `simple_p8`, `addprim_complex_jump_num4_rep1` and others. The MCD splits of Keysers et al. 2020
(arXiv 1912.09713) are files `mcd1.json` to `mcd3.json` of line numbers in SCAN's `tasks.txt`, under `trainIdxs` and
`testIdxs`; `tasks.txt` stands in the clone.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from grokscope.gate import Unreadable, read_bytes, read_json

_TRAIN, _TEST, _ALL = "tasks_train_", "tasks_test_", "tasks.txt"


def split_in(folder: Path, split: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """Name and content of the training and the test file of a split.

    Raises `ValueError`, with the nearest names where the folder has no such split, and where it has two.
    """
    root = folder.expanduser()
    files = _text_files(root)
    try:
        if (indices := _one(files, f"{split}.json")) is not None:
            return _by_index(indices, _one(files, _ALL))
        train, test = (_one(files, f"{side}{split}.txt") for side in (_TRAIN, _TEST))
        if train is not None and test is not None:
            return (str(train), read_bytes(train)), (str(test), read_bytes(test))
    except Unreadable as problem:
        raise ValueError(str(problem)) from None
    known = splits_in(files)
    if not known:
        raise ValueError(f"{folder} has no splits of SCAN: name a clone of github.com/brendenlake/SCAN")
    nearest = get_close_matches(split, known, n=3, cutoff=0) or known[:3]
    raise ValueError(f"{folder} has no split {split!r}; the nearest are {', '.join(nearest)}")


def splits_in(files: list[Path]) -> list[str]:
    """The names of the splits among `files`, sorted."""
    names = {each.name for each in files}
    pairs = {name.removeprefix(_TRAIN).removesuffix(".txt") for name in names if name.startswith(_TRAIN)}
    paired = {split for split in pairs if f"{_TEST}{split}.txt" in names}
    return sorted(paired | {name.removesuffix(".json") for name in names if name.lower().startswith("mcd")})


def _text_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}: name one with SCAN's files")
    return sorted(each for ending in ("txt", "json") for each in root.rglob(f"*.{ending}"))


def _one(files: list[Path], name: str) -> Path | None:
    found = [each for each in files if each.name == name]
    if len(found) > 1:
        raise ValueError(f"{found[0]} and {found[1]} have the same name: name a folder with one of them")
    return found[0] if found else None


def _by_index(indices: Path, lines: Path | None) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """Raises `Unreadable`, `ValueError`."""
    if lines is None:
        raise ValueError(f"{indices} counts lines of SCAN's {_ALL}, which is not in the same folder")
    table = read_json(indices)
    whole = read_bytes(lines).splitlines(keepends=True)

    def chosen(key: str) -> tuple[str, bytes]:
        numbers: Any = table.get(key) if isinstance(table, dict) else None
        if not isinstance(numbers, list) or not numbers or not all(_is_line(each, len(whole)) for each in numbers):
            raise ValueError(f"{indices} does not hold, under {key}, numbers of the {len(whole):,} lines of {lines}")
        return f"{key} of {indices}", b"".join(whole[number] for number in numbers)

    return chosen("trainIdxs"), chosen("testIdxs")


def _is_line(number: object, lines: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < lines

"""From options to SCAN examples: which file, which of its lines, and what a reader should know about them."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from grokscope.contract.examples import Ints
from grokscope.contract.models import ModelSpec
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, chance
from grokscope.gate import read_bytes
from grokscope_scan.encoding import ACTION_WORDS, COMMAND_WORDS, Pair, encode, parse
from grokscope_scan.folder import split_in
from grokscope_scan.official import SPLITS, Side, content, file_name

HELD_OUT = 5
"""One command in this many is held out of a training file that comes without a test file: the share of `simple`."""


class Options(BaseModel):
    """What can be chosen about SCAN."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field(
        "simple",
        description="official split: which commands are for training, which for the test; simple, length, addprim_jump "
        "and addprim_turn_left ship, any other is looked for in `folder`, mcd1 to mcd3 too",
    )
    folder: Path | None = Field(None, description="a folder with SCAN's own files, such as a clone of its repository")
    train: Path | None = Field(
        None,
        description="a training file of your own in SCAN format; without a `test` file, one in five of its distinct "
        "commands is held out as the test",
    )
    test: Path | None = Field(None, description="a test file of your own in SCAN format")
    train_size: int = Field(
        2048,
        ge=0,
        description="training lines, drawn without replacement, at most what the file has; 0: all of them, as they are "
        "used of files of your own unless you say a size",
    )
    test_size: int = Field(
        0, ge=0, description="test lines, drawn without replacement, at most what the file has; 0: all of them"
    )
    data_seed: int = Field(0, ge=0, description="seed of these draws, the same for all runs of a study")

    @model_validator(mode="before")
    @classmethod
    def _whole_file_of_ones_own(cls, values: Any) -> Any:
        """2,048 lines are the paper's protocol for the official files, and nobody's for another."""
        if isinstance(values, dict) and (values.get("train") is not None or values.get("folder") is not None):
            return {"train_size": 0, **values}
        return values

    @model_validator(mode="after")
    def _findable(self) -> "Options":
        if self.folder is None and self.split not in SPLITS:
            raise ValueError(
                f"the split {self.split!r} does not ship, as {', '.join(SPLITS)} do: name a folder that has its files "
                "(task.folder)"
            )
        if self.folder is not None and self.train is not None:
            raise ValueError("name a training file (task.train) or a folder (task.folder), not both")
        return self


class File(NamedTuple):
    """The lines of one file, and how to name it."""

    name: str
    digest: str
    pairs: list[Pair]
    own: bool = False
    """Whether a person named it; of the official ones the protocol is known"""


def load(options: Options, seed: int) -> TaskData:
    """SCAN as `options` say; the run's `seed` changes nothing.

    Raises `ValueError` for a file that cannot be read or has a line that is not SCAN's.
    """
    train_file, test_file = _files(options)
    train = _drawn(train_file.pairs, options.train_size, generator(options.data_seed, "split"))
    test = _drawn(test_file.pairs, options.test_size, generator(options.data_seed, "split", index=1))
    longest_command = max(len(pair.command) for pair in (*train, *test))
    longest_actions = max(len(pair.actions) for pair in (*train, *test))
    model = ModelSpec(
        "encoder-decoder",
        vocabulary=len(COMMAND_WORDS),
        context=max(11, longest_command),
        classes=len(ACTION_WORDS),
        width=256,
        layers=3,
        heads=4,
        feed_forward=512,
        target_vocabulary=len(ACTION_WORDS),
        target_context=max(50, longest_actions + 1),
        source_padding_attended=True,
    )
    encoded = encode(test)
    trained_length = max(len(pair.actions) for pair in train)
    facts: dict[str, int | float | str] = {
        "train_file": train_file.name,
        "train_sha256": train_file.digest,
        "train_lines": len(train_file.pairs),
        "train_examples": len(train),
        "train_distinct": len(set(train)),
        "test_file": test_file.name,
        "test_sha256": test_file.digest,
        "test_lines": len(test_file.pairs),
        "test_examples": len(test),
        "chance": chance(encoded, "sequence_accuracy"),
        "test_in_train": _count_in(test, train),
        "test_longer_than_train": sum(len(pair.actions) > trained_length for pair in test),
        "longest_command": longest_command,
        "longest_actions": longest_actions,
    }
    remarks = [
        f"{len(used):,} of {len(file.pairs):,} lines of {file.name} are used, as task.{size} says; 0 takes all of them"
        for file, used, size in ((train_file, train, "train_size"), (test_file, test, "test_size"))
        if file.own and len(used) < len(file.pairs)
    ]
    return TaskData(encode(train), {"test": encoded}, model, facts, remarks)


def _files(options: Options) -> tuple[File, File]:
    if options.folder:
        train, test = (_read(*each) for each in split_in(options.folder, options.split))
        return train, _own(options.test) if options.test else test
    train = _own(options.train) if options.train else _official(options.split, "train")
    if options.test:
        return train, _own(options.test)
    if options.train:
        return _held_out(train, options.data_seed)
    return train, _official(options.split, "test")


def _official(split: str, side: Side) -> File:
    name = file_name(next(each for each in SPLITS if each == split), side)
    raw = content(name)
    return File(name, sha256(raw).hexdigest(), parse(raw.decode().splitlines(), name))


def _own(path: Path) -> File:
    return _read(str(path), read_bytes(path.expanduser()))


def _read(name: str, raw: bytes) -> File:
    """A file that a person named."""
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not a text file in UTF-8") from None
    if not lines:
        raise ValueError(f"{name} is empty")
    return File(name, sha256(raw).hexdigest(), parse(lines, name), own=True)


def _held_out(file: File, data_seed: int) -> tuple[File, File]:
    """A file in two, no command in both."""
    commands = sorted({pair.command for pair in file.pairs})
    if len(commands) < HELD_OUT:
        raise ValueError(
            f"{file.name} has {len(commands)} distinct commands, too few to hold one in {HELD_OUT} out: "
            "name a test file (task.test)"
        )
    order = generator(data_seed, "split", index=2).permutation(len(commands))
    held = {commands[place] for place in order[: len(commands) // HELD_OUT]}
    train = [pair for pair in file.pairs if pair.command not in held]
    test = [pair for pair in file.pairs if pair.command in held]
    return file._replace(pairs=train), File(f"held out of {file.name}", file.digest, test, own=True)


def _drawn(pairs: Sequence[Pair], size: int, random: np.random.Generator) -> list[Pair]:
    """`size` of `pairs`; a smaller draw is the beginning of a larger one. All, in order, where size is 0."""
    if not size or size >= len(pairs):
        return list(pairs)
    chosen: Ints = random.permutation(len(pairs))[:size]
    return [pairs[place] for place in chosen]


def _count_in(test: Sequence[Pair], train: Sequence[Pair]) -> int:
    known = set(train)
    return sum(pair in known for pair in test)

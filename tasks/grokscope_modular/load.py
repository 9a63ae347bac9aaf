"""From options to modular examples: the table, cut in two, and how much of the test is a mirror of the training set."""

from math import sqrt

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grokscope.contract.examples import Ints
from grokscope.contract.models import ModelSpec
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, chance
from grokscope_modular.tables import Operation, examples, falsified, table

WIDTH = 128


class Options(BaseModel):
    """What can be chosen about modular arithmetic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: Operation = Field(
        "add",
        description="what is computed of a and b. Modulo n: add, sub, mul (nonzero operands), div (b with an inverse), "
        "x2_y2 (a² + b²), x2_xy_y2 (a² + ab + b²), x3_xy (a³ + ab), xy_y (ab + b), x2_minus_y (a² - b), random (each "
        "answer is drawn). Composition in a group: s5 and a4 (permutations; no modulus), dihedral (of the n-gon)",
    )
    modulus: int = Field(
        97,
        ge=2,
        le=4096,
        description="n, prime or not; where it is not prime, mul has products that are 0 and is no group; s5 and a4 "
        "do without",
    )
    train_fraction: float = Field(0.5, gt=0, lt=1, description="share of the table that is trained on; the rest tests")
    false_labels: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the training pairs whose answer is a false one, the test staying right; none: no pair",
    )
    split_seed: int | None = Field(None, ge=0, description="seed of the cut; none: the run's own seed, as in the paper")


def load(options: Options, seed: int) -> TaskData:
    """The table of `options.operation`, cut by `options.split_seed` or else by the run's `seed`.

    Raises `ValueError` where a table is too small to be cut.
    """
    split_seed = seed if options.split_seed is None else options.split_seed
    whole = table(options.operation, options.modulus, generator(split_seed, "data"))
    rows = whole.rows
    train_size = int(options.train_fraction * len(rows))
    if not 0 < train_size < len(rows):
        raise ValueError(
            f"{options.operation} modulo {options.modulus} has {len(rows)} pairs: a training fraction of "
            f"{options.train_fraction:g} leaves {train_size} for training and {len(rows) - train_size} for the test"
        )
    order = generator(split_seed, "split").permutation(len(rows))
    train, test = rows[order[:train_size]], rows[order[train_size:]]
    false = int((options.false_labels or 0) * train_size)
    train = falsified(train, whole.tokens, false, generator(split_seed, "data", index=1))
    model = ModelSpec(
        "encoder",
        vocabulary=whole.tokens,
        context=2,
        classes=whole.tokens,
        width=WIDTH,
        layers=2,
        heads=4,
        feed_forward=256,
        position_std=1 / sqrt(WIDTH),
        identical_layers=True,
    )
    facts: dict[str, int | float | str] = {
        "pairs": len(rows),
        "train_examples": len(train),
        "test_examples": len(test),
        "false_labels": false,
        "test_in_train": 0,
        "test_mirrored_in_train": _mirrored(train, test, whole.tokens),
        "distinct_answers": len(np.unique(rows[:, 2])),
        "chance": chance(examples(test), "accuracy"),
        "group": whole.group,
        "split_seed": split_seed,
    }
    return TaskData(examples(train), {"test": examples(test)}, model, facts)


def data_bytes(options: Options) -> int:
    """Memory that `load` takes, roughly: 300 bytes a pair of elements."""
    elements = {"s5": 120, "a4": 12, "dihedral": 2 * options.modulus}.get(options.operation, options.modulus)
    return 300 * elements**2


def _mirrored(train: Ints, test: Ints, tokens: int) -> int:
    """Test pairs (a, b) with (b, a) and the same answer in training: a symmetric model knows these."""
    known = (train[:, 1] * tokens + train[:, 0]) * tokens + train[:, 2]
    asked = (test[:, 0] * tokens + test[:, 1]) * tokens + test[:, 2]
    return int(np.isin(asked, known).sum())

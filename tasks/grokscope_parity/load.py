"""From options to examples of sparse parity: distinct inputs, none of them in both training and test."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from grokscope.contract.examples import IGNORED, Examples, Ints
from grokscope.contract.models import ModelSpec
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, chance

WIDTH = 64


class Options(BaseModel):
    """What can be chosen about sparse parity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: int = Field(40, ge=2, le=62, description="n, the length of an input")
    relevant: int = Field(3, ge=1, description="k, how many of the bits the answer depends on")
    train_size: int = Field(1000, ge=1, le=10**6, description="training examples")
    test_size: int = Field(2000, ge=1, le=10**6, description="test examples, none of them in training")
    data_seed: int = Field(0, ge=0, description="seed of the data and of the relevant bits, the same for all runs")

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if self.relevant > self.bits:
            raise ValueError(f"{self.relevant} of {self.bits} bits cannot be relevant: give relevant up to bits")
        if self.train_size + self.test_size > 2**self.bits:
            raise ValueError(
                f"there are {2**self.bits:,} inputs of {self.bits} bits, fewer than train_size and test_size ask for"
            )
        return self


def load(options: Options, seed: int) -> TaskData:
    """Sparse parity as `options` say; the run's `seed` changes nothing."""
    chosen = generator(options.data_seed, "split").permutation(options.bits)[: options.relevant]
    size = options.train_size + options.test_size
    numbers = generator(options.data_seed, "data").choice(2**options.bits, size, replace=False)
    inputs = (numbers[:, None] >> np.arange(options.bits)) & 1
    rows, answers = inputs.astype(np.int64), inputs[:, chosen].sum(axis=1) % 2
    train = _examples(rows[: options.train_size], answers[: options.train_size])
    test = _examples(rows[options.train_size :], answers[options.train_size :])
    model = ModelSpec(
        "encoder",
        vocabulary=2,
        context=options.bits,
        classes=2,
        width=WIDTH,
        layers=2,
        heads=4,
        feed_forward=2 * WIDTH,
    )
    facts: dict[str, int | float | str] = {
        "relevant_bits": " ".join(str(bit) for bit in sorted(chosen)),
        "train_examples": len(train),
        "test_examples": len(test),
        "test_in_train": 0,
        "chance": chance(test, "accuracy"),
    }
    return TaskData(train, {"test": test}, model, facts)


def data_bytes(options: Options) -> int:
    """Memory that `load` takes, roughly: 50 bytes a bit of an example."""
    return 50 * options.bits * (options.train_size + options.test_size)


def _examples(rows: Ints, answers: Ints) -> Examples:
    """The answer is read out at the first position."""
    labels = np.full(rows.shape, IGNORED, dtype=np.int64)
    labels[:, 0] = answers
    return Examples(rows, np.full(len(rows), rows.shape[1], dtype=np.int64), labels)

"""From options to Dyck examples: training, test and longer sequences, and how far apart these really are.

Longer sequences (`ood`) meet three walls: the table of positions, which positions were trained, and the classes. With
the paper's 24 positions a longer sequence does not fit, but a causal model never sees what comes later, so its first
24 brackets are a fair question: every position was trained, yet none of these sequences ever has to close in sight, and
deep brackets stand where training has shallow ones. With `context` 48, as in one of the author's scripts, whole
sequences fit, and positions that training never reached are asked too. The facts say how much of each there is.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from grokscope.contract.examples import Examples
from grokscope.contract.models import ModelSpec
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskData, chance
from grokscope_dyck.sequences import OPEN, draw, draw_longer, examples, prefixes

TRAIN, TEST, LONGER = 0, 1, 2
"""Each set has its own stream, so that the size of one changes nothing in another."""

MOST_PAIRS = 10_000
"""In a longer sequence: drawing them takes memory and time before any model is there that could be too large."""


class Options(BaseModel):
    """What can be chosen about Dyck-1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_size: int = Field(50, ge=1, description="training sequences")
    test_size: int = Field(5000, ge=1, description="test sequences, from the same generator")
    max_pairs: int = Field(12, ge=1, description="most bracket pairs of a sequence; their number is uniform from 1")
    p_open: float = Field(0.55, gt=0, lt=1, description="probability of opening where opening and closing are legal")
    context: int | None = Field(
        None, ge=2, description="rows of the model's position table; none: what the longest training sequence may need"
    )
    ood_size: int = Field(200, ge=0, description="longer sequences, the split `ood`; 0: no such split")
    ood_min_pairs: int | None = Field(
        None, ge=2, le=MOST_PAIRS, description="fewest pairs in `ood`; none: max_pairs + 1"
    )
    ood_max_pairs: int | None = Field(
        None,
        ge=2,
        le=MOST_PAIRS,
        description="most pairs in `ood`; none: 2 max_pairs; what exceeds `context` is cut off, and sequences deeper "
        "than max_pairs within it are drawn again",
    )
    data_seed: int = Field(0, ge=0, description="seed of the data, the same for all runs of a study")

    @property
    def positions(self) -> int:
        """Rows of the position table."""
        return 2 * self.max_pairs if self.context is None else self.context

    @property
    def ood_pairs(self) -> tuple[int, int]:
        """Fewest and most pairs of a longer sequence."""
        fewest = self.max_pairs + 1 if self.ood_min_pairs is None else self.ood_min_pairs
        most = max(2 * self.max_pairs, fewest) if self.ood_max_pairs is None else self.ood_max_pairs
        return fewest, most

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if self.positions < 2 * self.max_pairs:
            raise ValueError(f"context {self.positions} is too small for {self.max_pairs} pairs")
        fewest, most = self.ood_pairs
        if self.ood_size and not self.max_pairs < fewest <= most:
            raise ValueError(
                f"ood sequences are longer than the training set's: max_pairs {self.max_pairs} < ood_min_pairs "
                f"{fewest} <= ood_max_pairs {most} does not hold"
            )
        return self


def load(options: Options, seed: int) -> TaskData:
    """Dyck-1 as `options` say; the run's `seed` changes nothing.

    Raises `ValueError` where longer sequences that the classes can answer are too rare to draw.
    """
    pairs = (1, options.max_pairs)
    train = _drawn(options, TRAIN, options.train_size, pairs)
    test = _drawn(options, TEST, options.test_size, pairs)
    splits = {"test": test}
    facts: dict[str, int | float | str] = {
        "train_examples": len(train),
        "chance": chance(test, "accuracy"),
        **_repetition(train, test),
    }
    if options.ood_size:
        tokens, lengths, cut = draw_longer(
            generator(options.data_seed, "data", index=LONGER), options.ood_size, options.ood_pairs, options.p_open,
            options.positions, options.max_pairs,
        )  # fmt: skip
        splits["ood"] = examples(tokens, lengths)
        facts |= {"ood_examples": len(splits["ood"]), "ood_cut_at_context": cut, **_novelty(train, splits["ood"])}
    model = ModelSpec(
        "decoder",
        vocabulary=3,
        context=options.positions,
        classes=options.max_pairs + 1,
        width=128,
        layers=2,
        heads=4,
        feed_forward=256,
        identical_layers=True,
    )
    return TaskData(train, splits, model, facts)


def data_bytes(options: Options) -> int:
    """Memory that `load` takes, roughly: 150 bytes a bracket."""
    longest = max(options.max_pairs, options.ood_max_pairs or 2 * options.max_pairs)
    return 300 * longest * (options.train_size + options.test_size + options.ood_size)


def _drawn(options: Options, stream: int, size: int, pairs: tuple[int, int]) -> Examples:
    return examples(*draw(generator(options.data_seed, "data", index=stream), size, pairs, options.p_open))


def _repetition(train: Examples, test: Examples) -> dict[str, int | float]:
    """How much of the test was seen in training."""
    seen = set(_texts(train))
    seen_prefixes = set(prefixes(train.source, train.source_lengths))
    asked = prefixes(test.source, test.source_lengths)
    return {
        "train_distinct": len(seen),
        "test_examples": len(test),
        "test_in_train": sum(text in seen for text in _texts(test)),
        "test_prefixes_in_train": sum(prefix in seen_prefixes for prefix in asked) / len(asked),
    }


def _novelty(train: Examples, longer: Examples) -> dict[str, float]:
    """What the longer sequences ask, as shares of their positions, that training never did."""
    trained = {(position, depth) for row in _depths(train) for position, depth in enumerate(row)}
    asked = [(position, depth) for row in _depths(longer) for position, depth in enumerate(row)]
    positions, classes = ({pair[side] for pair in trained} for side in (0, 1))
    return {
        "ood_positions_untrained": float(np.mean([position not in positions for position, _ in asked])),
        "ood_depths_untrained": float(np.mean([depth not in classes for _, depth in asked])),
        "ood_depths_untrained_at_position": float(np.mean([pair not in trained for pair in asked])),
    }


def _texts(sequences: Examples) -> list[str]:
    signs = np.where(sequences.source == OPEN, "(", ")")
    return ["".join(row[:length]) for row, length in zip(signs, sequences.source_lengths, strict=True)]


def _depths(sequences: Examples) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(sequences.labels, sequences.source_lengths, strict=True)]

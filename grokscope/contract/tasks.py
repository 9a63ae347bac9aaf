"""The interface of tasks. A task has data, a model specification and presets, and knows nothing of training.

Tasks are found through the entry point `grokscope.tasks`; each entry names a `TaskSpec`. Reading a spec must import
nothing heavy; only `load` may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from grokscope.contract.examples import IGNORED, Examples
from grokscope.contract.models import ModelSpec

Metric = Literal["accuracy", "sequence_accuracy"]


@dataclass(frozen=True)
class GrokCriterion:
    """The criterion of grokking, as a rule on evaluations.

    The metric of the test split must be at least `threshold` for `consecutive` evaluations in a row. The grok step is
    the step of the first of these evaluations, or of the last.
    """

    metric: Metric
    threshold: float
    consecutive: int = 1
    report: Literal["first", "last"] = "first"


@dataclass(frozen=True)
class TaskData:
    """A task made concrete by its options and a seed."""

    train: Examples
    splits: Mapping[str, Examples]
    """What is evaluated beside the training set, by name; `test` first."""
    model: ModelSpec
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    """What a reader of results should know: overlaps, sizes, digests. Signals and forecasts read three of them:

    - `chance`: what guessing reaches in the task's metric, see `chance`; every task declares it.
    - `test_in_train`: how many test examples occur in training; none where it is missing.
    - `group`: the group whose elements the tokens are, where they are: `Z_59`, token k being the residue k; `S_5`.
    """
    remarks: Sequence[str] = ()
    """What a person should be told before step 0, a sentence each, such as which part of a file is left out"""


@dataclass(frozen=True)
class TaskSpec:
    """A task by name. Reading it imports nothing heavy."""

    name: str
    summary: str
    source: str
    """Where data and protocol come from, with licence where it is not ours."""
    options: type[BaseModel]
    """The `[task]` section of a configuration: a pydantic model that forbids unknown keys, every field with a
    default and a description."""
    presets: Mapping[str, Mapping[str, Any]]
    """Settings by preset name, dotted keys as in `--set`: `{"quick": {"optimizer.lr": 1e-3}}`. `paper` is the
    default and must exist."""
    load: Callable[[Any, int], TaskData]
    """`load(options, seed)`: data and model. Raises `ValueError` with a sentence for a person."""
    metric: Metric
    """The headline metric."""
    criteria: Mapping[str, GrokCriterion]
    """What "generalized" means, by name."""
    default_criterion: str
    """The name in `criteria` that a run stops on and reports."""
    vocabulary: Mapping[str, Sequence[str]]
    """Token names by side (`source`, `target`, `classes`), index = token."""
    data_bytes: Callable[[Any], int] | None = None
    """`data_bytes(options)`: memory that `load` will take, roughly; None where the options do not decide it."""
    export: Callable[[str, Path], list[Path]] | None = None
    """`export(split, folder)`: write the data set's own files, byte for byte; None where there are none."""


def chance(test: Examples, metric: Metric) -> float:
    """The metric of a model that gives every time the answer that is most frequent in `test`, in (0, 1].

    An answer is a class for `accuracy`, and the whole row of labels for `sequence_accuracy`.
    """
    answers = test.labels if metric == "sequence_accuracy" else test.labels[test.labels != IGNORED]
    counts = np.unique(answers, axis=0, return_counts=True)[1]
    return float(counts.max() / counts.sum())

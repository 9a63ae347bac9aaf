"""How the cost of a step, an evaluation and an exact sample grows with the size of a problem, as an exponent each.

One size varies at a time: width (and the feed-forward width with it), length, layers, and the training set. Sizes are
visited in turn, so that a machine whose speed drifts does so for all of them. On a CPU the time is CPU time.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grokscope.contract.examples import IGNORED, Examples, Packer
from grokscope.contract.models import ModelSpec
from grokscope.contract.parameters import initial_parameters
from grokscope.contract.streams import generator
from grokscope.contract.tasks import TaskSpec
from grokscope.geometry.commutator import bracket
from grokscope.machine.bench import LEAST_ROUNDS
from grokscope.settings.config import RunConfig
from grokscope.training.evaluation import PreparedSplit
from grokscope.training.launch import available_backend, loaded_data
from grokscope.words.numbers import fixed
from grokscope.words.table import Column, Table

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the width"""
LAYERS = (1, 2, 4, 8)
LENGTHS = (8, 16, 32, 64)
"""Of random sequences, so that no prefix is shared"""
SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the training set"""
_CONFIDENCE = 0.95

MATHEMATICS = {
    "width": ("1 to 2", "1 to 2", "1 to 2"),
    "length": ("1 to 2", "1 to 2", "1 to 2"),
    "layers": ("1", "1", "1"),
    "training set": ("0", "1", "0"),
}
"""Exponents of a step, of an evaluation of the training set, and of an exact sample: products of matrices grow with
width², everything else with width; attention grows with length², everything else with length; a batch has one size"""


@dataclass(frozen=True)
class Growth:
    """The cost of one operation against one size."""

    operation: str
    size: str
    sizes: tuple[int, ...]
    milliseconds: tuple[float, ...]
    """Median of each size"""
    exponent: float
    """Slope of log(milliseconds) against log(size), by least squares; nan where an operation is shorter than a tick of
    the clock"""
    low: float
    high: float
    """Interval of the slope at `_CONFIDENCE`, from the residuals (Student's t)"""
    mathematics: str
    """The exponent that the arithmetic has"""


def growth(config: RunConfig, task: TaskSpec, options: Any, *, seconds: float) -> list[Growth]:
    """Measure all sizes for about `seconds` seconds together, in at least three rounds.

    Raises `Unavailable`, `ConfigError`.
    """
    problems = _problems(config, task, options)
    timings: dict[tuple[str, int], list[list[float]]] = {
        (size, value): [[] for _ in problem.operations] for size, value, problem in problems
    }
    rounds, ends = 0, time.perf_counter() + seconds
    while rounds <= LEAST_ROUNDS or time.perf_counter() < ends:
        for size, value, problem in problems:
            for operation, call in enumerate(problem.operations.values()):
                milliseconds = problem.milliseconds(call, rounds)
                if rounds:  # the first round warms up
                    timings[size, value][operation].append(milliseconds)
        rounds += 1
    return [
        _fitted(operation, size, {value: timings[size, value][place] for each, value, _ in problems if each == size},
                MATHEMATICS[size][place])
        for size in MATHEMATICS
        for place, operation in enumerate(problems[0][2].operations)
    ]  # fmt: skip


def growth_table(found: Sequence[Growth]) -> Table:
    """One row per operation and size."""
    return Table(
        "growth",
        "How costs grow",
        (
            Column("operation"), Column("grows with"), Column("sizes"), Column("ms"), Column("exponent", fixed(2)),
            Column("from", fixed(2)), Column("to", fixed(2)), Column("mathematics"),
        ),
        tuple(
            (
                each.operation, each.size, " ".join(map(str, each.sizes)),
                " ".join(f"{value:.3g}" for value in each.milliseconds),
                each.exponent, each.low, each.high, each.mathematics,
            )
            for each in found
        ),
    )  # fmt: skip


class _Problem:
    """A model and its training set, to be timed."""

    def __init__(self, config: RunConfig, model: ModelSpec, examples: Examples) -> None:
        spec, device = available_backend(config)
        section = config.backend
        start = initial_parameters(model, config.train.seed)
        session = spec.open(model, start, device=device, precision=section.precision, threads=section.threads)
        packer = Packer(examples, model)
        split = PreparedSplit(packer, session)
        self._session = session

        def batch(*index: int) -> Any:
            random = generator(config.train.seed, "batch", *index)
            return session.prepare(packer.batch(random.integers(len(examples), size=config.train.batch_size)))

        def sample(index: int) -> float:
            both = bracket(session, session.parameters, batch(index, 1), batch(index, 2))
            return float(session.tonumpy(both.hvp_a_on_grad_b)[0])

        self.operations: dict[str, Callable[[int], object]] = {
            "step": lambda index: float(session.step(batch(index), config.optimizer_at(0)).loss),
            "evaluation": lambda index: split.scores(session.parameters),
            "exact sample": sample,
        }

    def milliseconds(self, call: Callable[[int], object], index: int) -> float:
        clock = time.process_time if self._session.device == "cpu" else time.perf_counter
        self._session.synchronize()
        began = clock()
        call(index)
        self._session.synchronize()
        return 1e3 * (clock() - began)


def _problems(config: RunConfig, task: TaskSpec, options: Any) -> list[tuple[str, int, _Problem]]:
    """Each size with its values."""
    data = loaded_data(task, options, config.train.seed)
    model, train = config.model_of(data.model), data.train
    order = generator(config.train.seed, "analysis").permutation(len(train))
    found: list[tuple[str, int, ModelSpec, Examples]] = []
    for factor in FACTORS:
        width = max(1, round(factor * model.width / model.heads)) * model.heads
        wide = replace(model, width=width, feed_forward=max(1, round(factor * model.feed_forward)))
        found.append(("width", width, wide, train))
    for length in LENGTHS:
        target = length if model.target_context else 0
        long = replace(model, context=length, target_context=target)
        found.append(("length", length, long, _random_examples(long, len(train), config.train.seed)))
    found += [("layers", layers, replace(model, layers=layers), train) for layers in LAYERS]
    for share in SHARES:
        rows = order[: max(1, round(share * len(train)))]
        found.append(("training set", len(rows), model, train.take(rows)))
    return [(size, value, _Problem(config, model, examples)) for size, value, model, examples in found]


def _random_examples(model: ModelSpec, count: int, seed: int) -> Examples:
    """As many sequences as there is room for, with a label at the end."""
    random, length = generator(seed, "analysis"), model.context
    lengths = np.full(count, length)
    labels = np.full((count, length), IGNORED)
    labels[:, -1] = random.integers(model.classes, size=count)
    source = random.integers(model.vocabulary, size=(count, length))
    if not model.target_context:
        return Examples(source, lengths, labels)
    return Examples(source, lengths, labels, random.integers(model.target_vocabulary, size=(count, length)), lengths)


def _fitted(operation: str, size: str, timings: dict[int, list[float]], mathematics: str) -> Growth:
    from scipy.stats import linregress, t

    sizes, medians = tuple(timings), tuple(float(np.median(each)) for each in timings.values())
    if min(medians) <= 0:
        return Growth(operation, size, sizes, medians, math.nan, math.nan, math.nan, mathematics)
    line = linregress(np.log(sizes), np.log(medians))
    error = 0.0 if np.isnan(line.stderr) else line.stderr  # SciPy's where all medians are equal
    reach = float(t.ppf(0.5 + _CONFIDENCE / 2, len(sizes) - 2) * error)
    slope = float(line.slope)
    return Growth(operation, size, sizes, medians, slope, slope - reach, slope + reach, mathematics)

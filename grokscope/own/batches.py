"""Where a probe's batches come from: the user's data, drawn by a stream of the probe's own.

Nobody else's loader is iterated, for that moves random streams and hands a training batch to the wrong reader. Rows are
drawn with replacement, as our own loop draws training batches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.contract.signals import NotOffered

USUAL_BATCH = 512
"""Rows of a batch where nobody says how many, if there are so many"""
_NO_LENGTH = "I cannot draw from an iterable without a length: give batches= a function of a NumPy generator"


class BatchSource(Protocol):
    """Batches, and what is known of them."""

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch; None where nobody knows."""

    def drawn(self, random: np.random.Generator) -> Any:
        """A batch."""

    def example(self, number: int, order: np.random.Generator) -> Any:
        """The batch that holds one example alone: number `number` in an order that `order` gives. Raises
        `NotOffered`."""


def batch_source(batches: Any, model: OwnModel, batch_size: int | None = None) -> BatchSource:
    """Batches of a DataLoader, a data set (anything with a length and examples by number), tensors (one, or a tuple or
    a mapping of them, whose rows are examples), or a function of a NumPy generator. Raises `CannotProbe`."""
    if _is_loader(batches):
        return _of_loader(batches, model, batch_size)
    if is_tensors(batches):
        rows = _length(batches)
        return ExampleRows(rows, _size(rows, batch_size), lambda chosen: model.taken(batches, chosen))
    if _has_numbers(batches):
        return ExampleRows(
            len(batches),
            _size(len(batches), batch_size),
            lambda chosen: model.collated([batches[int(row)] for row in chosen]),
        )
    if callable(batches):
        return BatchFunction(batches, batch_size)
    raise CannotProbe(_NO_LENGTH)


def in_order(split: Any, model: OwnModel, batch_size: int | None = None) -> Iterator[Any]:
    """All examples of a DataLoader, a data set or tensors once, in order, as batches. Raises `CannotProbe`."""
    source = batch_source(split, model, batch_size)
    if not isinstance(source, ExampleRows):
        raise CannotProbe("evaluate= takes a DataLoader, a data set, tensors or a function of the model")
    size = source.batch_size or 1
    for start in range(0, source.rows, size):
        yield source.batch(np.arange(start, min(start + size, source.rows)))


class ExampleRows:
    """Batches of rows that can be had by number."""

    def __init__(self, rows: int, batch_size: int, batch: Callable[[Any], Any]) -> None:
        """`batch`: the batch of the rows [n] of these numbers. Raises `CannotProbe` where there are none."""
        if not rows:
            raise CannotProbe("there is no example to draw: batches= is empty")
        self.rows = rows
        self.batch_size: int | None = batch_size
        self.batch = batch

    def drawn(self, random: np.random.Generator) -> Any:
        return self.batch(random.integers(self.rows, size=self.batch_size))

    def example(self, number: int, order: np.random.Generator) -> Any:
        if number >= self.rows:
            raise NotOffered(f"there are {self.rows} training examples, and no number {number}")
        return self.batch(order.permutation(self.rows)[number : number + 1])


class BatchFunction:
    """Batches that a function of a NumPy generator makes."""

    def __init__(self, draw: Callable[[np.random.Generator], Any], batch_size: int | None) -> None:
        self._draw = draw
        self.batch_size = batch_size

    def drawn(self, random: np.random.Generator) -> Any:
        return self._draw(random)

    def example(self, number: int, order: np.random.Generator) -> Any:
        raise NotOffered("batches= is a function, which knows no single examples")


def is_tensors(values: Any) -> bool:
    """Whether these are rows of tensors: one, or a tuple or a mapping of tensors of one length."""
    if isinstance(values, Mapping):
        values = tuple(values.values())
    parts = values if isinstance(values, tuple) else (values,)
    shapes: list[tuple[int, ...]] = [tuple(getattr(part, "shape", ())) for part in parts]
    return bool(shapes) and all(shapes) and len({shape[0] for shape in shapes}) == 1


def _length(tensors: Any) -> int:
    parts = list(tensors.values()) if isinstance(tensors, Mapping) else tensors
    return int(parts[0].shape[0] if isinstance(parts, tuple | list) else parts.shape[0])


def _size(rows: int, batch_size: int | None) -> int:
    return min(rows, USUAL_BATCH) if batch_size is None else batch_size


def _has_numbers(values: Any) -> bool:
    """Whether examples can be had by number. PyTorch's iterable data sets have the methods, and refuse."""
    iterable = any(kind.__name__ == "IterableDataset" for kind in type(values).__mro__)
    return hasattr(values, "__len__") and hasattr(values, "__getitem__") and not iterable


def _is_loader(batches: Any) -> bool:
    return hasattr(batches, "dataset") and hasattr(batches, "collate_fn")


def _of_loader(loader: Any, model: OwnModel, batch_size: int | None) -> BatchSource:
    """A PyTorch DataLoader, or what is made like one: its data set, its batch size, its way to collate."""
    data, collate = loader.dataset, loader.collate_fn or model.collated
    if not _has_numbers(data):
        raise CannotProbe(_NO_LENGTH)
    sampler = getattr(loader, "batch_sampler", None)
    numbers = _numbers_of(loader, len(data))
    if loader.batch_size is None and sampler is None:  # each item is a batch
        return ExampleRows(len(numbers), 1, lambda chosen: collate(data[numbers[int(chosen[0])]]))
    size = batch_size or loader.batch_size or getattr(sampler, "batch_size", None)
    if not isinstance(size, int):
        raise CannotProbe("the loader's batch sampler does not say how large a batch is: say batch_size= too")
    return ExampleRows(
        len(numbers), size, lambda chosen: collate(_examples(data, [numbers[int(row)] for row in chosen]))
    )


def _numbers_of(loader: Any, rows: int) -> Sequence[int]:
    """The examples that the loader draws from: all, or those of a sampler that names some."""
    named = getattr(getattr(loader, "sampler", None), "indices", None)
    return range(rows) if named is None else [int(number) for number in named]


def _examples(data: Any, numbers: list[int]) -> Any:
    fetch = getattr(data, "__getitems__", None)
    return fetch(numbers) if callable(fetch) else [data[number] for number in numbers]

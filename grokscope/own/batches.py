"""Where a probe's batches come from: the user's data, drawn by a stream of the probe's own.

Nobody else's loader is iterated, for that moves random streams and hands a training batch to the wrong reader. Rows are
drawn with replacement, as our own loop draws training batches; ready batches are drawn in pairs of two that differ.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from grokscope.contract.own_batches import batch_in_words, leaves, rows_in
from grokscope.contract.own_models import CannotProbe, OwnModel
from grokscope.contract.signals import NotOffered

USUAL_BATCH = 512
"""Rows of a batch where nobody says how many, if there are so many"""
_NO_LENGTH = "I cannot draw from an iterable without a length: give batches= a function of a NumPy generator"
TAKEN = "give a DataLoader, a data set, tensors, a list of batches, or a function of a NumPy generator"
"""What may be given as batches"""
_UNCLEAR = (
    "each part of the list batches= may be an example, a batch or a column: give a DataLoader of examples, a function "
    "of a NumPy generator that returns a batch, or a tuple of columns"
)


class BatchSource(Protocol):
    """Batches, and what is known of them."""

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch; None where nobody knows."""

    def pair(self, random: np.random.Generator) -> tuple[Any, Any]:
        """Two batches."""

    def example(self, number: int, order: np.random.Generator) -> Any:
        """The batch that holds one example alone: number `number` in an order that `order` gives. Raises
        `NotOffered`."""

    def in_order(self) -> Iterator[Any]:
        """All examples once, as batches. Raises `CannotProbe`."""


def batch_source(batches: Any, model: OwnModel, batch_size: int | None = None) -> BatchSource:
    """Batches of a DataLoader, a data set (anything with a length and examples by number), tensors (one, or a tuple or
    a mapping of them, whose rows are examples), a list of batches, or a function of a NumPy generator.

    A list is one of batches where the tensors of its first part have one length, and it is of examples where they have
    none; a list that might be either is refused. Raises `CannotProbe`.
    """
    if isinstance(batches, str | bytes | type):
        what = f"the class {batches.__name__}" if isinstance(batches, type) else f"of type {type(batches).__name__}"
        raise CannotProbe(f"batches= is {what}: {TAKEN}")
    if _is_loader(batches):
        return _of_loader(batches, model, batch_size)
    if isinstance(batches, list) and batches and _have_rows(batches[0]):
        return _of_list(batches, batch_size)
    if not isinstance(batches, list) and _have_rows(batches):
        rows = rows_in(batches)
        return ExampleRows(rows, _size(rows, batch_size), lambda chosen: model.taken(batches, chosen))
    if isinstance(batches, Mapping | tuple) and len(batches):
        raise CannotProbe(f"the parts of batches= are no tensors of one length, but {batch_in_words(batches)}: {TAKEN}")
    if _has_numbers(batches):
        return ExampleRows(
            len(batches),
            _size(len(batches), batch_size),
            lambda chosen: model.collated([batches[int(row)] for row in chosen]),
        )
    if callable(batches):
        return BatchFunction(batches, batch_size)
    raise CannotProbe(
        _NO_LENGTH if hasattr(batches, "__iter__") else f"batches= is of type {type(batches).__name__}: {TAKEN}"
    )


class ExampleRows:
    """Batches of rows that can be had by number."""

    def __init__(self, rows: int, batch_size: int, batch: Callable[[Any], Any]) -> None:
        """`batch`: the batch of the rows [n] of these numbers. Raises `CannotProbe` where there are none."""
        if not rows:
            raise CannotProbe("there is no example to draw: batches= is empty")
        self._rows = rows
        self.batch_size: int | None = batch_size
        self._size = batch_size
        self._batch = batch

    def pair(self, random: np.random.Generator) -> tuple[Any, Any]:
        return self._drawn(random), self._drawn(random)

    def _drawn(self, random: np.random.Generator) -> Any:
        return self._batch(random.integers(self._rows, size=self._size))

    def example(self, number: int, order: np.random.Generator) -> Any:
        if number >= self._rows:
            raise NotOffered(f"there are {self._rows} training examples, and no number {number}")
        return self._batch(order.permutation(self._rows)[number : number + 1])

    def in_order(self) -> Iterator[Any]:
        for start in range(0, self._rows, self._size):
            yield self._batch(np.arange(start, min(start + self._size, self._rows)))


class ReadyBatches:
    """Batches that somebody has made, to be had by number."""

    def __init__(self, count: int, batch_size: int | None, batch: Callable[[int], Any]) -> None:
        self._count = count
        self.batch_size = batch_size
        self._batch = batch

    def pair(self, random: np.random.Generator) -> tuple[Any, Any]:
        """Raises `CannotProbe` where there are no two of them."""
        if self._count < 2:
            raise CannotProbe("batches= holds one batch, and a batch commutes with itself: give two or more")
        a, b = random.choice(self._count, 2, replace=False)
        return self._batch(int(a)), self._batch(int(b))

    def example(self, number: int, order: np.random.Generator) -> Any:
        raise NotOffered("batches= holds batches, and no single examples")

    def in_order(self) -> Iterator[Any]:
        return map(self._batch, range(self._count))


class BatchFunction:
    """Batches that a function of a NumPy generator makes."""

    def __init__(self, draw: Callable[[np.random.Generator], Any], batch_size: int | None) -> None:
        """Raises `CannotProbe` for a function that takes something else."""
        if not _takes_one(draw):
            raise CannotProbe(
                "batches= is a function that does not take one argument: it is called with a NumPy generator, to draw "
                "a batch with"
            )
        self._draw = draw
        self.batch_size = batch_size

    def pair(self, random: np.random.Generator) -> tuple[Any, Any]:
        return self._drawn(random), self._drawn(random)

    def _drawn(self, random: np.random.Generator) -> Any:
        batch = self._draw(random)
        if isinstance(batch, Iterator):
            raise CannotProbe(f"batches= returned a {type(batch).__name__}: it must return one batch")
        return batch

    def example(self, number: int, order: np.random.Generator) -> Any:
        raise NotOffered("batches= is a function, which knows no single examples")

    def in_order(self) -> NoReturn:
        raise CannotProbe("a function has no order")


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # what is written in C may not say
        return True
    return True


def _have_rows(values: Any) -> bool:
    """Whether these are tensors of one length: one, or a tuple, list or mapping of such, at any depth.

    Tensors of all frameworks speak DLPack, and tables, which have shapes too, do not.
    """
    parts = list(leaves(values))
    shapes = [tuple(part.shape) for part in parts if hasattr(part, "__dlpack__")]
    return bool(parts) and len(shapes) == len(parts) and all(shapes) and len({shape[0] for shape in shapes}) == 1


def _of_list(batches: list[Any], batch_size: int | None) -> BatchSource:
    """A list whose parts have rows: two tensors, of which one has columns, are a batch; others might be anything."""
    tensors = list(leaves(batches[0]))
    if len(tensors) < 2 or max(len(tensor.shape) for tensor in tensors) < 2:
        raise CannotProbe(_UNCLEAR)
    sizes = {rows_in(batch) for batch in batches}
    if batch_size is not None and sizes != {batch_size}:
        raise CannotProbe(f"batch_size= is {batch_size}, and the batches of the list batches= have rows of their own")
    return ReadyBatches(len(batches), sizes.pop() if len(sizes) == 1 else None, batches.__getitem__)


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
        return ReadyBatches(len(numbers), batch_size, lambda number: collate(data[numbers[number]]))
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

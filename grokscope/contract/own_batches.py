"""Batches of a user's own loop: tensors in tuples, lists and mappings, at any depth."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np


def mapped(batch: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """The batch with every tensor of type `kind` changed. NumPy arrays of numbers count as tensors."""
    if isinstance(batch, kind) or (isinstance(batch, np.ndarray) and batch.dtype.kind in "biuf"):
        return change(batch)
    if isinstance(batch, Mapping):
        return _like(batch, {key: mapped(value, kind, change) for key, value in batch.items()})
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(value, kind, change) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(mapped(value, kind, change) for value in batch)
    return batch


def rows_in(batch: Any) -> int:
    """The number of examples in a batch: the length of the first tensor with a length, else 1."""
    return next((shape[0] for shape in _shapes(batch) if shape), 1)


def _shapes(batch: Any) -> Iterator[tuple[int, ...]]:
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, tuple | list):
        for part in batch:
            yield from _shapes(part)
    elif hasattr(batch, "shape"):
        yield tuple(batch.shape)


def _like(batch: Mapping[Any, Any], changed: dict[Any, Any]) -> Any:
    """The changed values in a mapping of the batch's kind, as those of Hugging Face are, where it can be made so."""
    try:
        return type(batch)(changed)  # type: ignore[call-arg]
    except TypeError:
        return changed

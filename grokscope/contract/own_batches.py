"""Batches of a user's own loop: tensors in tuples, lists and mappings, at any depth."""

from collections.abc import Callable, Iterator, Mapping
from textwrap import shorten
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


def leaves(batch: Any) -> Iterator[Any]:
    """What is in the tuples, lists and mappings of a batch."""
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, tuple | list):
        for part in batch:
            yield from leaves(part)
    else:
        yield batch


def rows_in(batch: Any) -> int:
    """The number of examples in a batch: the length of the first tensor with a length, else 1."""
    return next((int(leaf.shape[0]) for leaf in leaves(batch) if getattr(leaf, "shape", None)), 1)


def batch_in_words(batch: Any) -> str:
    """A batch as an error names it: `(float32 [8, 6], int64 [8])`."""
    return shorten(_in_words(batch), 120, placeholder=" …")


def _in_words(batch: Any) -> str:
    if isinstance(batch, Mapping):
        return "{" + ", ".join(f"{key}: {_in_words(value)}" for key, value in batch.items()) + "}"
    if isinstance(batch, tuple | list) and len(batch) > 4:
        return f"({_in_words(batch[0])}, …: {len(batch)})"
    if isinstance(batch, tuple | list):
        return "(" + ", ".join(map(_in_words, batch)) + ")"
    if not hasattr(batch, "shape"):
        return type(batch).__name__
    kind = str(getattr(batch, "dtype", type(batch).__name__)).rpartition(".")[2]
    return f"{kind} {list(batch.shape)}"


def _like(batch: Mapping[Any, Any], changed: dict[Any, Any]) -> Any:
    """The changed values in a mapping of the batch's kind, as those of Hugging Face are, where it can be made so."""
    try:
        return type(batch)(changed)  # type: ignore[call-arg]
    except TypeError:
        return changed

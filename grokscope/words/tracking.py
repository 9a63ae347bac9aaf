"""How a long loop tells somebody of its progress: it asks for its items through a `Track`."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Track(Protocol):
    """Yields the items one by one, and may show how many are done."""

    def __call__(self, items: Sequence[Item], words: str, /) -> Iterable[Item]:
        """`words`: what the items are, in the plural."""


def untracked(items: Sequence[Item], words: str, /) -> Iterable[Item]:
    """Nobody watches."""
    return items

"""Balanced sequences of one kind of bracket, drawn as the paper draws them, and the depth after every bracket."""

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.examples import IGNORED, Examples, Ints

OPEN, CLOSE, PAD = 0, 1, 2


def draw(random: np.random.Generator, size: int, pairs: tuple[int, int], p_open: float) -> tuple[Ints, Ints]:
    """`size` sequences: tokens padded at the end [size, 2 · most pairs], and lengths [size].

    The number of pairs is uniform from `pairs[0]` to `pairs[1]`, both included. A bracket opens with probability
    `p_open` where it may open or close, and is forced otherwise. A smaller draw is the beginning of a larger one.
    """
    fewest, most = pairs
    uniform = random.random((size, 1 + 2 * most))
    wanted = fewest + (uniform[:, 0] * (most - fewest + 1)).astype(np.int64)
    tokens = np.full((size, 2 * most), PAD, dtype=np.int64)
    opened = np.zeros(size, dtype=np.int64)
    for position in range(2 * most):
        depth = 2 * opened - position
        opens = (opened < wanted) & ((depth == 0) | (uniform[:, 1 + position] < p_open))
        alive = position < 2 * wanted
        tokens[alive, position] = np.where(opens, OPEN, CLOSE)[alive]
        opened += opens
    return tokens, 2 * wanted


def depths(tokens: Ints) -> Ints:
    """How many brackets are open after each token (padding changes nothing), [sequences, length]"""
    depth: Ints = np.cumsum((tokens == OPEN).astype(np.int64) - (tokens == CLOSE), axis=1)
    return depth


def examples(tokens: Ints, lengths: Ints) -> Examples:
    """Sequences with the depth asked for at every position."""
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    return Examples(tokens, lengths, np.where(inside, depths(tokens), IGNORED))


def draw_longer(
    random: np.random.Generator, size: int, pairs: tuple[int, int], p_open: float, window: int, deepest: int
) -> tuple[Ints, Ints, int]:
    """`size` sequences, seen through the first `window` positions, and how many of them that cuts.

    Sequences that go deeper than `deepest` within the window are drawn again: the model has no such class.
    Raises `ValueError` where hardly any sequence stays that shallow.
    """
    kept: list[tuple[Ints, Ints]] = []
    missing = size
    for _ in range(200):
        tokens, lengths = draw(random, size, pairs, p_open)
        shallow = np.flatnonzero(depths(tokens[:, :window]).max(axis=1) <= deepest)[:missing]
        kept.append((tokens[shallow, :window], lengths[shallow]))
        missing -= len(shallow)
        if not missing:
            break
    else:
        raise ValueError(
            f"sequences of {pairs[0]} to {pairs[1]} pairs nearly always go deeper than {deepest}, the deepest class: "
            "lower task.ood_max_pairs or task.p_open"
        )
    tokens, lengths = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return tokens, np.minimum(lengths, window), int((lengths > window).sum())


def prefixes(tokens: Ints, lengths: Ints) -> list[bytes]:
    """Every non-empty prefix of every sequence, as bytes."""
    rows: NDArray[np.uint8] = tokens.astype(np.uint8)
    texts = [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]
    return [text[:stop] for text in texts for stop in range(1, len(text) + 1)]

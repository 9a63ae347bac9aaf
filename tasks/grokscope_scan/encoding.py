"""SCAN lines as tokens, with the paper's token ids.

A command stands as its words. The decoder reads `<SOS>` and the actions, and is asked for the actions and `<EOS>`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from grokscope.contract.examples import IGNORED, Examples, Ints

COMMAND_WORDS = (
    "<PAD>", "<SOS>", "<EOS>", "jump", "opposite", "right", "twice", "and", "turn", "thrice", "run", "left", "after",
    "walk", "around", "look",
)  # fmt: skip
ACTION_WORDS = (
    "<PAD>", "<SOS>", "<EOS>", "I_TURN_RIGHT", "I_JUMP", "I_WALK", "I_TURN_LEFT", "I_RUN", "I_LOOK",
)  # fmt: skip
PAD, SOS, EOS = 0, 1, 2

_COMMANDS = {word: token for token, word in enumerate(COMMAND_WORDS) if token > EOS}
_ACTIONS = {word: token for token, word in enumerate(ACTION_WORDS) if token > EOS}


class Pair(NamedTuple):
    """One command and its actions, as tokens."""

    command: tuple[int, ...]
    actions: tuple[int, ...]


def parse(lines: Iterable[str], source: str) -> list[Pair]:
    """Lines `IN: command OUT: actions` of the file `source`, as tokens.

    Raises `ValueError` naming file and line where a line has another form or a word that SCAN does not have.
    """
    pairs = []
    for number, line in enumerate(lines, 1):
        where = f"{source}, line {number}"
        command, separator, actions = line.partition(" OUT: ")
        if not (separator and command.startswith("IN: ") and command[4:].strip() and actions.strip()):
            raise ValueError(f"{where}: expected 'IN: command OUT: ACTIONS', found {_shortened(line)!r}")
        pairs.append(
            Pair(_tokens(command[4:], _COMMANDS, "command", where), _tokens(actions, _ACTIONS, "action", where))
        )
    return pairs


def encode(pairs: Sequence[Pair]) -> Examples:
    """Pairs as padded examples."""
    commands = [pair.command for pair in pairs]
    inputs = [(SOS, *pair.actions) for pair in pairs]
    answers = [(*pair.actions, EOS) for pair in pairs]
    return Examples(
        _rectangle(commands, PAD), _lengths(commands), _rectangle(answers, IGNORED),
        _rectangle(inputs, PAD), _lengths(inputs),
    )  # fmt: skip


def _tokens(words: str, known: dict[str, int], kind: str, where: str) -> tuple[int, ...]:
    try:
        return tuple([known[word] for word in words.split()])
    except KeyError as unknown:
        raise ValueError(f"{where}: unknown {kind} {unknown}, SCAN has {', '.join(known)}") from None


def _lengths(rows: Sequence[Sequence[int]]) -> Ints:
    return np.array([len(row) for row in rows], dtype=np.int64)


def _rectangle(rows: Sequence[Sequence[int]], padding: int) -> Ints:
    table = np.full((len(rows), max(map(len, rows), default=0)), padding, dtype=np.int64)
    for row, tokens in zip(table, rows, strict=True):
        row[: len(tokens)] = tokens
    return table


def _shortened(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:59]}…"

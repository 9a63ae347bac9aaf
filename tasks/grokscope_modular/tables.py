"""Operation tables: every pair of operands that an operation is defined for, and its answer.

Three kinds of operations share one shape. Polynomials and division work on the residues modulo n; composition works on
the elements of a finite group; `random` has no structure at all, so that nothing about it can be generalized.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

from grokscope.contract.examples import IGNORED, Examples, Ints

Operation = Literal[
    "add", "sub", "mul", "div", "x2_y2", "x2_xy_y2", "x3_xy", "xy_y", "x2_minus_y", "s5", "a4", "dihedral", "random"
]  # fmt: skip

POLYNOMIALS: dict[Operation, Callable[[Ints, Ints], Ints]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "x2_y2": lambda a, b: a * a + b * b,
    "x2_xy_y2": lambda a, b: a * a + a * b + b * b,
    "x3_xy": lambda a, b: a * a * a + a * b,
    "xy_y": lambda a, b: a * b + b,
    "x2_minus_y": lambda a, b: a * a - b,
}


@dataclass(frozen=True)
class Table:
    """An operation on tokens 0 … `tokens` - 1."""

    rows: Ints
    """(a, b, answer), ordered by a, then b, [pairs, 3]"""
    tokens: int
    group: str
    """The group whose elements the tokens are: `Z_n` (token k is the residue k), `S_5`, `A_4`, `D_n`"""


def table(operation: Operation, modulus: int, random: np.random.Generator) -> Table:
    """All pairs that `operation` is defined for, with their answers; `random` is drawn from by `random` alone.

    `mul` leaves zero operands out, whose answer is plain; `div` leaves out the b that have no inverse modulo n.
    """
    match operation:
        case "s5":
            return _composition(_symmetric(5), "S_5")
        case "a4":
            return _composition([each for each in _symmetric(4) if _even(each)], "A_4")
        case "dihedral":
            return _dihedral(modulus)
    a, b = _grid(modulus)
    match operation:
        case "random":
            answers = random.integers(modulus, size=len(a))
        case "div":
            inverses = _inverses(modulus)
            defined = inverses[b] > 0
            a, b = a[defined], b[defined]
            answers = a * inverses[b]
        case "mul":
            nonzero = (a > 0) & (b > 0)
            a, b = a[nonzero], b[nonzero]
            answers = a * b
        case _:
            answers = POLYNOMIALS[operation](a, b)
    return Table(np.stack([a, b, answers % modulus], axis=1), modulus, f"Z_{modulus}")


def falsified(rows: Ints, tokens: int, count: int, random: np.random.Generator) -> Ints:
    """`rows` [pairs, 3] with `count` of the answers replaced, each by one of the other tokens, equally likely."""
    changed = rows.copy()
    chosen = random.permutation(len(rows))[:count]
    changed[chosen, 2] = (rows[chosen, 2] + random.integers(1, tokens, size=count)) % tokens
    return changed


def examples(rows: Ints) -> Examples:
    """Rows (a, b, answer) as examples: two tokens, the answer read out at the first."""
    labels = np.full((len(rows), 2), IGNORED, dtype=np.int64)
    labels[:, 0] = rows[:, 2]
    return Examples(rows[:, :2].copy(), np.full(len(rows), 2, dtype=np.int64), labels)


def _grid(tokens: int) -> tuple[Ints, Ints]:
    """Every pair of tokens, as two columns."""
    a, b = np.divmod(np.arange(tokens**2, dtype=np.int64), tokens)
    return a, b


def _inverses(modulus: int) -> Ints:
    """The inverse of each residue modulo n, 0 where there is none, [n]"""
    inverses = np.zeros(modulus, dtype=np.int64)
    for residue in range(1, modulus):
        try:
            inverses[residue] = pow(residue, -1, modulus)
        except ValueError:
            continue
    return inverses


def _symmetric(points: int) -> list[tuple[int, ...]]:
    """The permutations of 0 … points - 1 in lexicographic order: the identity is the first."""
    return list(permutations(range(points)))


def _even(permutation: tuple[int, ...]) -> bool:
    inversions = sum(
        permutation[left] > permutation[right] for right in range(len(permutation)) for left in range(right)
    )
    return inversions % 2 == 0


def _composition(elements: list[tuple[int, ...]], group: str) -> Table:
    """The group of these permutations: the answer to (f, g) is f after g, the permutation i -> f(g(i))."""
    index = {element: token for token, element in enumerate(elements)}
    answers = [index[tuple(f[image] for image in g)] for f in elements for g in elements]
    a, b = _grid(len(elements))
    return Table(np.stack([a, b, np.array(answers, dtype=np.int64)], axis=1), len(elements), group)


def _dihedral(corners: int) -> Table:
    """The symmetries i -> ±i + k of a polygon's corners modulo n: token k keeps the sign of i, token n + k turns it."""
    a, b = _grid(2 * corners)
    (turned_f, shift_f), (turned_g, shift_g) = np.divmod(a, corners), np.divmod(b, corners)
    shift = (shift_f + np.where(turned_f, -shift_g, shift_g)) % corners
    answers = corners * ((turned_f + turned_g) % 2) + shift
    return Table(np.stack([a, b, answers], axis=1), 2 * corners, f"D_{corners}")

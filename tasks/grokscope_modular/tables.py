"""Operation tables modulo n: every pair of operands and its answer."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from grokscope.contract.examples import IGNORED, Examples, Ints

Operation = Literal["add", "sub", "mul", "x2_y2", "x2_xy_y2", "x3_xy"]

OPERATIONS: dict[Operation, Callable[[Ints, Ints], Ints]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "x2_y2": lambda a, b: a * a + b * b,
    "x2_xy_y2": lambda a, b: a * a + a * b + b * b,
    "x3_xy": lambda a, b: a * a * a + a * b,
}


def table(operation: Operation, modulus: int) -> Ints:
    """All pairs and answers as rows (a, b, c), ordered by a, then b: [pairs, 3].

    `mul` leaves zero operands out, whose answer is plain.
    """
    first = 1 if operation == "mul" else 0
    a, b = np.divmod(np.arange((modulus - first) ** 2, dtype=np.int64), modulus - first)
    a, b = a + first, b + first
    return np.stack([a, b, OPERATIONS[operation](a, b) % modulus], axis=1)


def examples(rows: Ints) -> Examples:
    """Rows (a, b, c) as examples: two tokens, the answer read out at the first."""
    labels = np.full((len(rows), 2), IGNORED, dtype=np.int64)
    labels[:, 0] = rows[:, 2]
    return Examples(rows[:, :2].copy(), np.full(len(rows), 2, dtype=np.int64), labels)

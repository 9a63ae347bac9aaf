"""What a person says about the runs to be imported, beside naming the files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from grokscope.warning.trajectory import Fact

Duplicates = Literal["error", "first", "last"]
AccuracyScale = Literal["fraction", "percent"]

IMPORTED = "imported"
"""The task of runs of which nobody says what they learn"""


@dataclass(frozen=True)
class Recipe:
    """How records are to be read; what is said here is not judged again."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our names of signals to their columns"""
    run_column: str | None = None
    """The column that tells several runs apart"""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Settings of all runs, by dotted key"""
    fact_columns: Mapping[str, str] = field(default_factory=dict)
    """Settings by dotted key to the columns that hold them"""
    task: str = IMPORTED
    threshold: float = 0.98
    """Test accuracy that counts as grokked, a fraction"""
    consecutive: int = 3
    """Records in a row that it must last"""
    scale: AccuracyScale | None = None
    """Of accuracies; None: as the numbers show it"""
    duplicates: Duplicates = "error"
    """Which of two values for one step counts"""
    budget: int | None = None
    """Steps the runs were allowed"""


def fact_value(text: str) -> Fact:
    """A number where it is one that arithmetic can use, else the text."""
    for kind in (int, float):
        try:
            if math.isfinite(found := kind(text)):
                return found
        except (ValueError, OverflowError):  # no number; a whole number past every float
            continue
    return text

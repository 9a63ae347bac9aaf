"""The options of an import: what the user states about the runs in the files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from grokscope.warning.trajectory import Fact

Duplicates = Literal["error", "first", "last"]
AccuracyScale = Literal["fraction", "percent"]

IMPORTED = "imported"
"""The task of imported runs without a stated task"""


@dataclass(frozen=True)
class Recipe:
    """How to read the records. Stated options are never overruled by a guess."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by our names of signals"""
    run_column: str | None = None
    """The column that distinguishes several runs"""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Settings of all runs, by dotted key"""
    fact_columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of settings, by dotted key"""
    task: str = IMPORTED
    threshold: float = 0.98
    """Test accuracy that counts as grokked, a fraction"""
    consecutive: int = 3
    """Number of consecutive records that must reach the threshold"""
    scale: AccuracyScale | None = None
    """Scale of accuracies; None: decided from the values"""
    duplicates: Duplicates = "error"
    """Which of two values for one step counts"""
    steps_per_epoch: int | None = None
    """Steps in an epoch, for tables without steps; a table that does not count epochs has one a record"""
    budget: int | None = None
    """Step budget of the runs; None: from the files"""


def fact_value(text: str) -> Fact:
    """The text as an integer or a finite float, else the text itself."""
    for kind in (int, float):
        try:
            if math.isfinite(found := kind(text)):
                return found
        except (ValueError, OverflowError):  # not a number, or an integer above the largest float
            continue
    return text

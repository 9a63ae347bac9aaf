"""Budgets that give the outcome away.

Somebody who stops runs a while after they grok, and lets the others go on, has written the answer into the steps that
each run was allowed. A backtest on such runs measures that, and a bank of them teaches it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grokscope.warning.trajectory import ORIGIN, Trajectory
from grokscope.words.numbers import count

SEPARATED = 0.9
"""Share of pairs of a run that grokked and one that did not in which the same of the two has the larger budget, from
which on budgets tell them apart; equal budgets count half"""


def giveaway(runs: Sequence[Trajectory]) -> str | None:
    """What the budgets of finished runs say of their outcome, and what to do; None where they say little."""
    grokked = np.array([run.budget for run in runs if run.grok_step is not None])
    others = np.array([run.budget for run in runs if run.grok_step is None])
    if not len(grokked) or not len(others):
        return None
    difference = others[:, None] - grokked[None, :]
    larger = float(((difference > 0) + 0.5 * (difference == 0)).mean())
    if max(larger, 1 - larger) < SEPARATED:
        return None
    remedy = "train them with one train.steps"
    if any(ORIGIN in run.facts for run in runs):
        remedy = f"import them again with --budget {max(grokked.max(), others.max())} --force"
    return (
        f"budgets give the outcome away: runs that grokked were allowed {_range(grokked)} steps, the others "
        f"{_range(others)}; {remedy}"
    )


def _range(budgets: NDArray[np.int64]) -> str:
    return " to ".join(dict.fromkeys(map(count, (int(budgets.min()), int(budgets.max())))))

"""Budgets that give the outcome away.

Somebody who stops runs a while after they grok, and lets the others go on, has written the answer into the steps that
each run was allowed. A backtest on such runs measures that, and a bank of them teaches it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grokscope.contract.arrays import Floats
from grokscope.warning.trajectory import ORIGIN, Trajectory
from grokscope.words.numbers import Form, count, fixed

SEPARATED = 0.9
"""Share of pairs of a run that grokked and one that did not in which the same of the two has the larger budget, from
which on budgets tell them apart; equal budgets count half"""
ALIKE = 1.01
"""Decay times of budgets that differ by no more are one budget, rounded to steps"""


def giveaway(runs: Sequence[Trajectory]) -> str | None:
    """What the budgets of finished runs say of their outcome, and what to do; None where they say little.

    Budgets are compared in steps, and in decay time where all runs have that: a forecast compares runs there. One
    budget in decay time says nothing but lr · wd, whatever it is in steps.
    """
    grokked = np.array([run.grok_step is not None for run in runs], dtype=bool)
    steps = np.array([float(run.budget) for run in runs])
    rates = np.array([_rate(run) for run in runs])
    taus = steps * rates
    timed = len(runs) > 0 and bool((rates > 0).all())
    if timed and taus.max() <= ALIKE * taus.min():
        return None
    remedy = "train them with one train.steps"
    if any(ORIGIN in run.facts for run in runs):
        remedy = f"import them again with --budget {steps.max(initial=0):.0f} --force"
    if _separate(steps, grokked):
        said = f"{_range(steps[grokked], count)} steps, the others {_range(steps[~grokked], count)}"
        return f"budgets give the outcome away: runs that grokked were allowed {said}; {remedy}"
    if timed and _separate(taus, grokked):
        said = f"{_range(taus[grokked], fixed(1))}, the others {_range(taus[~grokked], fixed(1))}"
        return (
            f"budgets give the outcome away: runs that grokked were allowed a decay time lr · wd · step of {said}; "
            'train them with one, as "train.steps" = "12tau"'
        )
    return None


def _separate(budgets: Floats, grokked: NDArray[np.bool_]) -> bool:
    difference = budgets[~grokked][:, None] - budgets[grokked][None, :]
    if not difference.size:
        return False
    larger = float(((difference > 0) + 0.5 * (difference == 0)).mean())
    return max(larger, 1 - larger) >= SEPARATED


def _rate(run: Trajectory) -> float:
    lr, wd = (run.facts.get(f"optimizer.{name}") for name in ("lr", "wd"))
    return float(lr * wd) if isinstance(lr, int | float) and isinstance(wd, int | float) else 0.0


def _range(budgets: Floats, form: Form) -> str:
    return " to ".join(dict.fromkeys(map(form, (float(budgets.min()), float(budgets.max())))))

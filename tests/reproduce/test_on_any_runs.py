"""The claims about warning on runs that somebody else has: the same rules, another verdict where the runs differ."""

import numpy as np
import pytest
from reproduce_made import STEPS, made_run

from grokscope.reproduce.on_any_runs import ABOUT_WARNING, judged_on, warning_claims_table
from grokscope.warning.trajectory import Trajectory

TURNS = np.select([STEPS < 100, STEPS < 500], [2.0, 3.0], 1.0)
"""A test loss that climbs, and falls at step 500"""
LRS = [1e-3 * (1 + index / 10) for index in range(40)]
"""As many configurations"""


def findings(*runs: Trajectory) -> dict[str, str]:
    return {each.claim.id: each.finding for each in judged_on(runs, "test-loss-turn")}


def runs(alarm_of_controls: float | np.ndarray) -> list[Trajectory]:
    grokking = [made_run(f"g{lr}", 1000, lr=lr, test_loss=TURNS) for lr in LRS]
    return [*grokking, *(made_run(f"c{lr}", wd=0.0, lr=lr, test_loss=alarm_of_controls) for lr in LRS)]


def test_an_alarm_that_fires_in_what_groks_and_nowhere_else() -> None:
    found = findings(*runs(3.0))
    assert found["leads-dyck"] == "supported"
    assert found["false-alarms-dyck"] == "supported"
    assert found["window-dyck"] == "refuted", "it leads by half of the way"


def test_an_alarm_that_always_fires() -> None:
    assert findings(*runs(TURNS))["false-alarms-dyck"] == "refuted"


@pytest.mark.parametrize("nothing", [(), (made_run("one"),)], ids=["no runs", "one run"])
def test_without_runs_nothing_is_decided(nothing: tuple[Trajectory, ...]) -> None:
    assert set(findings(*nothing).values()) == {"undecided"}
    table = warning_claims_table(judged_on(nothing, "onset"))
    assert [row[0] for row in table.rows] == list(ABOUT_WARNING.values())


def test_no_claim_names_a_task() -> None:
    words = " ".join(row[0] for row in warning_claims_table(judged_on((), "onset")).rows if isinstance(row[0], str))
    assert not any(task in words.lower() for task in ("dyck", "scan", "modular"))

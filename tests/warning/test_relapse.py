"""A run that loses again what it had grokked is told from one that keeps it, whoever reads it."""

from pathlib import Path
from typing import Any

import pytest
from warning_made import made

from grokscope.warning.forecast.bank import forecast_of
from grokscope.warning.forecast.live import forecast_event
from grokscope.warning.forecast.projection_tables import answers, projection_headline
from grokscope.warning.relapse import Relapse, relapse_of, relapses_in_words
from grokscope.warning.tables import read_table, write_table
from grokscope.warning.trajectory import Trajectory

KEPT = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
LOST = [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0]
BACK = [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1]


def run(name: str, test: list[int], regressed: int | None = None, **facts: Any) -> Trajectory:
    """Grokked at 200, known at 400."""
    known = None if regressed is None else regressed + 200
    return made(
        name, grok_step=200, grok_known_at=400, budget=1200, test_accuracy=test, facts=facts, regress_step=regressed,
        regress_known_at=known,
    )  # fmt: skip


def test_when_it_was_lost_and_how_much_is_left() -> None:
    assert relapse_of(run("kept", KEPT)) is None
    assert relapse_of(made("never", budget=1200, test_accuracy=[0] * 13)) is None
    assert relapse_of(run("lost", LOST, 500)) == Relapse(500, 1000, 0.25, 0.98)
    assert relapse_of(run("back", BACK, 500)) == Relapse(500, None, 0.625, 0.98)
    low = run("low", LOST, 500, **{"detect.threshold": 0.5})
    assert relapse_of(low) == Relapse(500, 1000, 0.25, 0.5)


def test_nobody_knows_before_it_is_confirmed() -> None:
    lost = run("lost", LOST, 500)
    assert [lost.until(step).regress_step for step in (499, 500, 600, 699, 700, 900)] == [None] * 4 + [500] * 2


def test_it_stays_known_in_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "table.jsonl", [run("lost", LOST, 500), run("kept", KEPT)])
    assert list(map(relapse_of, read_table(tmp_path / "table.jsonl"))) == [Relapse(500, 1000, 0.25, 0.98), None]


def test_in_words() -> None:
    runs = [run("a", LOST, 500), run("b", KEPT), run("c", BACK, 500), made("d", test_accuracy=[0] * 11)]
    assert relapses_in_words(runs) == "2 of 3 runs that grokked lost it again: a at step 500 and c at step 500"
    assert relapses_in_words(runs[1:2]) is None
    relapse = relapse_of(runs[0])
    assert relapse is not None
    assert relapse.in_words() == (
        "lost it again at step 500, for good at step 1,000: 25 % of the later records reach 0.98"
    )


@pytest.mark.parametrize(("test", "regressed"), [(LOST, 500), (KEPT, None)])
def test_a_forecast_says_so(test: list[int], regressed: int | None) -> None:
    trajectory = run("r", test, regressed)
    event = forecast_event(*forecast_of(trajectory))
    said = dict(answers(trajectory, event))
    assert said["when"] == "already grokked"
    headline = projection_headline(trajectory, event)
    assert "grokked at step 200" in headline
    assert ("but" in said) == ("lost it again" in headline) == (regressed is not None)

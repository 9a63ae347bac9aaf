"""Signals of the record alone, for runs that did not look at them."""

import numpy as np
import pytest

from grokscope.contract.signals import NotOffered
from grokscope.warning.recorded import RecordVantage, with_recorded
from grokscope.warning.trajectory import Trajectory

STEPS = np.arange(0.0, 1100.0, 100.0)


def run(**facts: float) -> Trajectory:
    falling = np.exp(-STEPS / 500)
    columns = {"step": STEPS, "test_loss": 3 * falling, "weight_norm": 20 * falling, "test_accuracy": 1 - falling}
    return Trajectory("run", "imported", facts, columns, None, 1000, 1000)


def test_a_run_of_another_tool_has_them_too() -> None:
    """Test loss and ‖θ‖² fall as exp(−t/500) and exp(−t/250): the elasticity is 1/2, wherever it can be said."""
    found = with_recorded(run(**{"optimizer.lr": 1e-3, "optimizer.wd": 1.0}))
    assert found.columns["decay_time"].tolist() == pytest.approx(list(STEPS / 1000))
    known = found.signal("elasticity")[1]
    assert len(known) > 5
    np.testing.assert_allclose(known, 0.5)


def test_what_needs_a_clock_needs_its_rates() -> None:
    found = with_recorded(run())
    assert not found.has("decay_time")
    assert not found.has("elasticity")
    assert found.has("accuracy_roughness")


def test_what_is_on_record_stays() -> None:
    recorded = run(**{"optimizer.lr": 1e-3, "optimizer.wd": 1.0})
    columns = {**recorded.columns, "elasticity": np.full(len(STEPS), 7.0)}
    again = with_recorded(Trajectory("run", "modular", recorded.facts, columns, None, 1000, 1000))
    assert again.columns["elasticity"].tolist() == [7.0] * len(STEPS)


def test_nothing_else_is_offered() -> None:
    vantage = RecordVantage(run(), 300, run().signal)
    steps, values = vantage.series("test_loss")
    assert (steps.tolist(), len(values)) == ([0, 100, 200, 300], 4)
    with pytest.raises(NotOffered, match="only the record is left"):
        vantage.parameters  # noqa: B018

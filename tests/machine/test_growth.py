"""Exponents of costs: every operation against every size, and a fit that finds a known power."""

import math
from pathlib import Path

import pytest
from cli_process import grokscope

from grokscope.machine.growth import MATHEMATICS, _fitted, growth_table


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_a_power_is_found(power: float) -> None:
    timings = {size: [3.0 * size**power] * 3 for size in (8, 16, 32, 64)}
    found = _fitted("step", "width", timings, "1 to 2")
    assert found.exponent == pytest.approx(power, abs=1e-9)
    assert found.low - 1e-9 <= power <= found.high + 1e-9


def test_an_interval_is_as_wide_as_the_line_is_bad() -> None:
    bent = _fitted("step", "width", {8: [1.0], 16: [2.1], 32: [3.7], 64: [8.9]}, "1")
    assert bent.low < 1 < bent.high
    assert bent.high - bent.low > 0.1


@pytest.mark.slow
def test_what_is_shorter_than_a_tick_of_the_clock_has_no_exponent() -> None:
    ticked = _fitted("step", "width", {8: [0.0, 0.0, 10.0], 16: [10.0], 32: [10.0]}, "1")
    assert (ticked.milliseconds, math.isnan(ticked.exponent)) == ((0.0, 10.0, 10.0), True)
    assert growth_table([ticked]).terminal(120)[1].split()[-4:] == ["–", "–", "–", "1"]


def test_all_operations_against_all_sizes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    small = ["task.modulus=7", "model.width=8", "model.heads=2", "model.feed_forward=8", "train.batch_size=4"]
    sets = [f"--set={each}" for each in small]
    done = grokscope("bench", "modular", "--grow", "--seconds=0", *sets, "--json", folder=tmp_path)
    assert done.code == 0, done.err
    assert {(each["operation"], each["size"]) for each in done.json} == {
        (operation, size) for operation in ("step", "evaluation", "exact sample") for size in MATHEMATICS
    }
    for each in done.json:
        assert len(each["sizes"]) == len(each["milliseconds"])
        assert each["low"] <= each["exponent"] <= each["high"]
        assert all(math.isfinite(each[key]) for key in ("low", "exponent", "high"))

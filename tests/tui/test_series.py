"""Curves: bounded, immutable, and never without a peak."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grokscope.tui.raster import Canvas, Scale, averaged, heat, limits, spark
from grokscope.tui.series import CAPACITY, Series, extremes, joined


def test_appending_leaves_the_old_one_alone() -> None:
    before = joined([(0.0, 1.0)])
    after = before.append((1.0, 2.0))
    assert len(before) == 1
    assert len(after) == 2
    assert after.last == 2.0
    assert np.isnan(Series.empty().last)


def test_memory_is_bounded_and_peaks_stay() -> None:
    steps = np.arange(200_000.0)
    values = np.random.default_rng(0).random(200_000)
    values[77_777] = 50.0
    values[123_456] = -50.0
    whole = Series.empty().extend(np.stack([steps, values], axis=1))
    one_by_one = Series.empty()
    for row in zip(steps[:40_000], values[:40_000], strict=True):
        one_by_one = one_by_one.append(row)
    assert len(whole) <= 2 * CAPACITY
    assert len(one_by_one) <= 2 * CAPACITY + 200
    assert whole.seen == 200_000
    assert (77_777.0, 50.0) in set(map(tuple, whole.rows))
    assert (123_456.0, -50.0) in set(map(tuple, whole.rows))


@given(
    arrays.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e6, 1e6) | st.just(float("nan"))),
    st.integers(1, 20),
)
def test_extremes_keep_the_range_of_every_bucket(values: np.ndarray, buckets: int) -> None:
    rows = np.stack([np.arange(float(len(values))), values], axis=1)
    kept = extremes(rows, buckets)
    assert len(kept) <= max(2 * buckets, 1)
    assert (np.diff(kept[:, 0]) > 0).all()
    if not np.isnan(values).all():
        assert np.nanmin(kept[:, 1]) == np.nanmin(values)
        assert np.nanmax(kept[:, 1]) == np.nanmax(values)


def test_steps_that_go_back_or_are_none_are_left_out() -> None:
    series = joined([(0.0, 1.0), (5.0, 2.0), (3.0, 3.0), (float("nan"), 4.0), (6.0, 5.0)])
    assert series.steps.tolist() == [0, 5, 6]
    assert series.append((4.0, 1.0)) is series


def test_what_was_known_at_a_step() -> None:
    series = joined([(0.0, 1.0), (10.0, 2.0), (20.0, 3.0)])
    assert series.until(15).values.tolist() == [1, 2]
    assert series.until(20) is series
    assert series.at(15) == (10.0, 2.0)
    assert series.at(-1) is None


def test_limits() -> None:
    assert limits(np.array([]), True) == (0.1, 1.0)
    assert limits(np.array([np.nan, 0.0, -3.0]), True) == (0.1, 1.0)
    low, high = limits(np.array([1.0, 100.0, 0.0]), True)
    assert 0.5 < low < 1 < 100 < high < 200
    low, high = limits(np.array([3.0, 3.0]), False)
    assert low < 3 < high
    for log in (False, True):
        assert limits(np.array([1.0, 100.0, 1e308, -1e308]), log) == limits(np.array([1.0, 100.0]), log)


def test_a_line_of_dots() -> None:
    canvas = Canvas(4, 2)
    scale = Scale(0, 1, 0, 1)
    canvas.line(scale.across(np.array([0.0, 1.0])), scale.up(np.array([0.0, 1.0])), 0)
    drawn = [[canvas.glyph(y, x) for x in range(4)] for y in range(2)]
    assert drawn[1][0] == "⡠"
    assert drawn[0][3] == "⠊"
    assert drawn[0][0] == " "


def test_what_cannot_be_drawn_is_left_out() -> None:
    canvas = Canvas(5, 3)
    scale = Scale(0, 10, 0.1, 10, log=True)
    canvas.line(scale.across(np.array([0.0, 5.0])), scale.up(np.array([-1.0, np.nan])), 0)
    canvas.band(scale.across(np.array([0.0])), np.array([np.nan]), np.array([1.0]), 0)
    assert not canvas.dots.any()
    assert (canvas.shade == -1).all()


def test_sparks() -> None:
    across, up = np.array([0.0, 0.5, 0.999]), np.array([0.0, 0.5, 1.0])
    assert spark(across, up, 3) == ["▁▄█"]
    assert spark(across, up, 3, 2)[0][2] == "█"
    assert spark(across, np.full(3, np.nan), 3) == ["   "]
    assert spark(across, up, 0) == [""]


def test_a_curve_of_many_samples_is_their_middle() -> None:
    across = np.array([0.0, 0.1, 0.2, 0.6, 0.7, np.nan])
    columns, middle = averaged(across, np.array([0.0, 0.5, 1.0, 0.4, 0.6, 1.0]), 2)
    assert columns.tolist() == [0.25, 0.75]
    assert middle.tolist() == [0.5, 0.5]


def test_shades_of_heat() -> None:
    across, up = np.array([0.0, 0.5, 0.76]), np.array([0.0, 0.5, 1.0])
    assert heat(across, up, 4) == "░░▓█"
    assert heat(across[:2], up[:2], 4) == "░░▓ "
    assert heat(across, np.full(3, np.nan), 3) == "   "


def test_a_logarithmic_step_axis() -> None:
    scale = Scale(10, 1000, 0, 1, log_steps=True)
    assert scale.across(np.array([10.0, 100.0, 1000.0])).tolist() == [0, 0.5, 1]
    assert scale.across(np.array([0.0]))[0] < 0
    assert scale.column(0, 10) is None
    assert scale.step(0.5) == 100

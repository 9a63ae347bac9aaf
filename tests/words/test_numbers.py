"""Numbers and durations: one form for each, whoever shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.words.durations import duration
from grokscope.words.numbers import (
    assigned,
    bracketed,
    count,
    counted,
    estimate,
    listed,
    number,
    p_value,
    parts_of_whole,
    percent,
    short_count,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0, "0"), (-0.0, "0"), (45.23, "45.23"), (0.01234, "0.01234"), (12345.6, "12,346"), (0.5, "0.5"),
        (1.0, "1"), (1.234567e-7, "1.235e-7"), (2e9, "2e9"), (2**60, "1,152,921,504,606,846,976"), (9999.96, "10,000"),
        (None, "–"), (float("nan"), "–"), (float("-inf"), "-inf"), (True, "–"), ("x", "–"), (-3.14159, "-3.142"),
    ],
)  # fmt: skip
def test_numbers(value: object, text: str) -> None:
    assert number(value) == text


@given(st.floats(min_value=1e-300, max_value=1e300), st.sampled_from([1, -1]))
def test_a_number_is_read_back_to_its_digits(size: float, sign: int) -> None:
    assert float(number(sign * size).replace(",", "")) == pytest.approx(sign * size, rel=6e-4)


def test_counts_and_durations() -> None:
    assert [count(12345), count(float("nan")), count(None)] == ["12,345", "–", "–"]
    assert [short_count(900), short_count(1234), short_count(40000), short_count(3.5e6), short_count(0.25)] == [
        "900",
        "1.23k",
        "40k",
        "3.5M",
        "0.25",
    ]
    assert [duration(value) for value in (5, 65, 3665, 90000, -1, None)] == [
        "5 s", "1 min 05 s", "1 h 01 min", "1 d 1 h", "–", "–",
    ]  # fmt: skip


def test_what_is_made_of_numbers() -> None:
    assert [percent(0.9731), percent(0.5, 0), percent(None)] == ["97.3 %", "50 %", "–"]
    assert [p_value(0.0312), p_value(1.0), p_value(1e-20), p_value(None)] == ["0.031", "1", "< 1e-15", "–"]
    assert bracketed(0.9, None) == "[0.9, –]"
    assert estimate(percent)((0.5, 0.25, 0.75)) == "50.0 % [25.0 %, 75.0 %]"
    assert parts_of_whole((3, 4, 1200)) == "3/4/1,200"
    assert [counted(1, "run"), counted(1200, "run")] == ["1 run", "1,200 runs"]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"]), listed(list("abcd"), 2)] == [
        "", "a", "a, b and c", "a, b and 2 more",
    ]  # fmt: skip
    assert assigned({"lr": 0.001, "wd": None, "seed": 42, "on": True}, "=", " ") == "lr=0.001 seed=42 on=yes"

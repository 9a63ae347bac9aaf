"""Rules for signals that have no published one."""

from hypothesis import given
from hypothesis import strategies as st

from grokscope.warning.detectors import Detected
from grokscope.warning.rivals import RIVALS, Fall, Rise, SignalRule, Turn


def first(rule: SignalRule, values: list[float]) -> tuple[int, int] | None:
    """The step dated to and the one known at, records standing at 0, 1, 2, …; fails where the rule answers twice."""
    found: list[Detected] = [
        each for step, value in enumerate(values) if (each := rule.update(step, value)) is not None
    ]
    assert len(found) <= 1
    return (found[0].step, found[0].confirmed_at) if found else None


def test_a_fall_is_from_the_highest_value_so_far() -> None:
    assert first(Fall("fall", 0.5), [2, 4, 2.1, 2, 9]) == (3, 3)
    assert first(Fall("fall", 0.5), [2, 1.1, 1.1]) is None


def test_a_fall_that_must_last() -> None:
    assert first(Fall("fall", 0.5, 2), [4, 2, 3, 2, 1, 1]) == (3, 4)


def test_a_rise_is_from_the_first_value() -> None:
    assert first(Rise("rise", 10), [1, 9, 10]) == (2, 2)
    assert first(Rise("rise", 10, 2), [1, 10, 9, 10, 11]) == (3, 4)


def test_a_turn_is_two_decreases_behind_the_maximum() -> None:
    assert first(Turn("turn"), [1, 2, 1, 3, 2.5, 2]) == (4, 5)
    assert first(Turn("turn"), [1, 2, 1.5, 1.7, 1.6, 1.8]) is None
    assert first(Turn("turn"), [1, 2, 3, 4]) is None
    assert first(Turn("turn"), [1, 2, 2, 2]) is None


@given(st.lists(st.floats(0.01, 1e6), max_size=30))
def test_rules_answer_once_and_name_themselves(values: list[float]) -> None:
    for name, (_, rule) in RIVALS.items():
        fresh = rule()
        found = [each for step, value in enumerate(values) if (each := fresh.update(step, value)) is not None]
        assert len(found) <= 1
        assert all(each.rule["name"] == name and each.step <= each.confirmed_at for each in found)

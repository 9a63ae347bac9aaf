"""Each rule on sequences made by hand."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.signals import SignalRule
from grokscope.contract.tasks import GrokCriterion
from grokscope.warning.rules import (
    Detected,
    Grokking,
    PaperOnset,
    PersistentOnset,
    Regression,
    RuleFold,
    SignalRecord,
    fresh,
)

EVERY = 100


def found(rule: RuleFold, values: Sequence[float], below: Iterable[int] = ()) -> Detected | None:
    """What the rule says of one record every 100 steps; it answers once, at the record that settles it."""
    below = set(below)
    said = [rule.update(SignalRecord(index * EVERY, value, index in below)) for index, value in enumerate(values)]
    answers = [answer for answer in said if answer is not None]
    assert len(answers) <= 1
    if answers:
        assert said.index(answers[0]) * EVERY == answers[0].confirmed_at
    return answers[0] if answers else None


def step_of(found: Detected | None) -> int | None:
    return None if found is None else found.step


def steps(rule: RuleFold, values: Sequence[float], below: Iterable[int] = ()) -> tuple[int, int] | None:
    """The record dated to and the one known at."""
    detected = found(rule, values, below)
    return None if detected is None else (detected.step // EVERY, detected.confirmed_at // EVERY)


class TestThreshold:
    def test_first_time_at_least_there(self) -> None:
        rule = fresh(SignalRule("memorized", "above", threshold=0.99))
        assert found(rule, (0.2, 0.9899, 0.99, 0.5, 1.0)) == Detected(
            200, 0.99, 200, {"name": "memorized", "threshold": 0.99}
        )

    def test_one_record_lasts_no_time_whatever_a_log_says_of_its_cadence(self) -> None:
        rule = fresh(SignalRule("high", "above", threshold=2.0, consecutive=2))
        rule.count_steps(0)
        assert steps(rule, [3, 1, 3, 3]) == (2, 3)

    def test_at_most_there_for_some_records(self) -> None:
        rule = SignalRule("low", "below", threshold=2.0, consecutive=2)
        assert steps(fresh(rule), [3, 2, 2.5, 2, 1, 1]) == (3, 4)
        assert steps(fresh(rule), [3, 2, 2, 2, 2], below=[2]) == (3, 4)


class TestRise:
    def test_is_from_the_first_value(self) -> None:
        assert steps(fresh(SignalRule("rise", "rises", factor=10)), [1, 9, 10]) == (2, 2)
        assert steps(fresh(SignalRule("rise", "rises", factor=10, consecutive=2)), [1, 10, 9, 10, 11]) == (3, 4)


class TestFall:
    def test_is_from_the_highest_value_so_far(self) -> None:
        rule = SignalRule("fall", "falls", factor=0.5)
        assert steps(fresh(rule), [2, 4, 2.1, 2, 9]) == (3, 3)
        assert steps(fresh(rule), [2, 1.1, 1.1]) is None

    def test_that_must_last(self) -> None:
        assert steps(fresh(SignalRule("fall", "falls", factor=0.5, consecutive=2)), [4, 2, 3, 2, 1, 1]) == (3, 4)

    def test_says_what_it_went_by(self) -> None:
        rule = fresh(SignalRule("test-loss-turn", "falls", factor=0.9, climbed=True))
        parameters = {"name": "test-loss-turn", "factor": 0.9, "peak": 10}
        assert found(rule, [2, 4, 10, 9.1, 9.0, 1.0]) == Detected(400, 9.0, 400, parameters)

    @pytest.mark.parametrize(("losses", "step"), [([4, 3, 2, 1], None), ([2, 10, 9.5, 20, 18.5, 18], 500)])
    def test_only_once_it_has_climbed(self, losses: list[float], step: int | None) -> None:
        rule = fresh(SignalRule("turn", "falls", factor=0.9, climbed=True))
        assert step_of(found(rule, losses)) == step


class TestTurn:
    @pytest.mark.parametrize(
        ("values", "when"),
        [
            ([1, 2, 1, 3, 2.5, 2], (4, 5)),
            ([1, 2, 1.5, 1.7, 1.6, 1.8], None),
            ([1, 2, 3, 4], None),
            ([1, 2, 2, 2], None),
            ([3, 2, 1], (1, 2)),  # the first record is no fall
        ],
    )
    def test_is_two_decreases_behind_the_maximum(self, values: list[float], when: tuple[int, int] | None) -> None:
        assert steps(fresh(SignalRule("turn", "turns", consecutive=2)), values) == when


class TestPaperOnset:
    """`find_spike_step` of the paper's code."""

    @pytest.mark.parametrize(
        ("defects", "step"),
        [
            ([1, 1, 1, 21], 300),
            ([1, 1, 1, 20], None),  # 20 is not more than 20
            ([1, 1, 1, 20.001], 300),
            ([3, 3, 3, 30], None),  # 30 is not more than ten times 3
            ([3, 3, 3, 30.001], 300),
            ([0.01, 0.01, 0.01, 19], None),  # ten times the least baseline is 1, but 20 is asked for
            ([1, 1, 21], 200),  # the third record can fire, and the median keeps it out of the baseline
            ([1, 30, 30], None),  # with two of them it is the baseline
            ([500, 1, 1, 1], None),  # nothing can be said of the first record,
            ([1, 500, 1, 1], None),  # nor of the second,
            ([1, 500, 1, 21], 300),
            ([1, 1, 1, 21, 1, 1], 300),  # and one crossing suffices
            ([1, 1], None),
            ([], None),
            ([5, 1, 3, 29, 31, 500], 400),  # median 3, whatever the order
        ],
    )
    def test_sequences(self, defects: list[float], step: int | None) -> None:
        assert step_of(found(PaperOnset(), defects)) == step

    def test_baseline_is_at_least_a_tenth(self) -> None:
        said = found(PaperOnset("slow", "paper-slow"), [0.0, 0.0, 0.0, 5.1])
        assert said == Detected(300, 5.1, 300, {"name": "slow", "baseline": 0.1, "factor": 10.0, "least_defect": 5.0})

    def test_slow_regime_asks_for_5(self) -> None:
        assert found(PaperOnset("slow", "paper-slow"), [0.1, 0.1, 0.1, 5.0]) is None
        assert found(PaperOnset(), [0.1, 0.1, 0.1, 5.1]) is None

    def test_rounding_is_none_of_its_concern(self) -> None:
        assert step_of(found(PaperOnset(), [1, 1, 1, 21], below=[3])) == 300

    @given(st.lists(st.floats(0, 1e6), max_size=12))
    def test_against_its_definition(self, defects: list[float]) -> None:
        baseline = max(sorted(defects[:3])[1], 0.1) if len(defects) >= 3 else math.inf
        expected = [i * EVERY for i in range(2, len(defects)) if defects[i] > 10 * baseline and defects[i] > 20]
        assert step_of(found(PaperOnset(), defects)) == (expected[0] if expected else None)


class TestPersistentOnset:
    @pytest.mark.parametrize(
        ("defects", "step"),
        [
            ([1, 30, 30, 30], 100),  # the second record already
            ([1, 30, 30], None),  # but three are needed to say so
            ([1, 30, 30, 1, 30, 30, 30], 400),
            ([1, 1, 20, 20, 20], None),
            ([5, 50, 50, 50], None),
            ([5, 51, 51, 51], 100),
            ([0, 21, 21, 21], 100),
            ([900, 900, 900, 900], None),
        ],
    )
    def test_sequences(self, defects: list[float], step: int | None) -> None:
        said = found(PersistentOnset(), defects)
        assert step_of(said) == step
        if said is not None:
            assert said.confirmed_at == said.step + 2 * EVERY

    def test_what_drowns_in_rounding_breaks_the_row(self) -> None:
        assert step_of(found(PersistentOnset(), [1, 30, 30, 30, 30, 30, 30], below=[3])) == 400
        assert found(PersistentOnset(), [1, 30, 30, 30], below=[1, 2, 3]) is None

    def test_says_what_it_went_by(self) -> None:
        said = found(PersistentOnset(), [2, 30, 40, 50])
        rule = {"name": "persistent", "baseline": 2.0, "factor": 10.0, "least_defect": 20.0, "consecutive": 3}
        assert said == Detected(100, 30, 300, rule)
        assert found(PersistentOnset(), [0.01, 30, 40, 50]) == Detected(100, 30, 300, rule | {"baseline": 0.1})


class TestGrokking:
    def found(self, accuracies: Sequence[float], **criterion: Any) -> Detected | None:
        return found(Grokking("mine", GrokCriterion("accuracy", 0.9, **criterion)), accuracies)

    def test_at_once(self) -> None:
        said = self.found([0.1, 0.9, 0.95])
        rule = {"name": "mine", "metric": "accuracy", "threshold": 0.9, "consecutive": 1, "report": "first"}
        assert said == Detected(100, 0.9, 100, rule)

    def test_first_of_three_in_a_row(self) -> None:
        said = self.found([0.9, 0.9, 0.1, 0.91, 0.92, 0.93, 0.94], consecutive=3)
        assert said is not None
        assert (said.step, said.value, said.confirmed_at) == (300, 0.91, 500)

    def test_last_of_three_in_a_row(self) -> None:
        said = self.found([0.9, 0.9, 0.1, 0.91, 0.92, 0.93, 0.94], consecutive=3, report="last")
        assert said is not None
        assert (said.step, said.value, said.confirmed_at) == (500, 0.93, 500)

    def test_a_row_that_breaks_off(self) -> None:
        assert self.found([0.9, 0.9, 0.89, 0.9, 0.9], consecutive=3) is None


class TestRegression:
    """Lost is what stays below the threshold for as many records as the criterion asks for, three at least."""

    @pytest.mark.parametrize(
        ("accuracies", "consecutive", "when"),
        [
            ([0.1, 0.9, 0.9, 0.9, 0.9], 1, None),
            ([0.1, 0.9, 0.1, 0.1, 0.1], 1, (2, 4)),
            ([0.1, 0.9, 0.1, 0.1, 0.9, 0.1], 1, None),  # dips
            ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1, None),  # nothing was there to be lost
            ([0.9, 0.9, 0.1, 0.1, 0.1, 0.1], 3, None),
            ([0.9, 0.9, 0.9, 0.1, 0.1, 0.9, 0.89, 0.1, 0.1], 3, (6, 8)),
            ([0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1], 4, (4, 7)),
        ],
    )
    def test_sequences(self, accuracies: list[float], consecutive: int, when: tuple[int, int] | None) -> None:
        assert steps(Regression("mine", GrokCriterion("accuracy", 0.9, consecutive)), accuracies) == when


@given(
    st.lists(st.floats(0.01, 1e6), max_size=30),
    st.sampled_from(["above", "below", "rises", "falls", "turns", "persistent", "paper", "paper-slow"]),
    st.integers(1, 3),
)
def test_rules_answer_once_and_name_themselves(values: list[float], shape: Any, consecutive: int) -> None:
    detected = found(fresh(SignalRule("mine", shape, threshold=3.0, factor=2.0, consecutive=consecutive)), values)
    assert detected is None or (detected.rule["name"] == "mine" and detected.step <= detected.confirmed_at)

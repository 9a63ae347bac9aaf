"""Each rule on sequences made by hand; and the watch, live and over its own log again."""

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.contract.tasks import GrokCriterion
from grokscope.events import Detection, Evaluated, Event, Measured, Scores, Spread, Started, to_line
from grokscope.registry import get
from grokscope.settings.config import resolve
from grokscope.training.loop import judged_by
from grokscope.warning.detectors import (
    DefectRecord,
    Detected,
    Grokking,
    Memorization,
    OnsetRule,
    PaperOnset,
    PersistentOnset,
    TestLossTurn,
    onset_rule,
)
from grokscope.warning.watch import Watch

EVERY = 100


def record(index: int, defect: float, *, below_floor: bool = False) -> DefectRecord:
    return DefectRecord(index * EVERY, defect, [defect], below_floor)


def onset(rule: OnsetRule, defects: Sequence[float], below: Iterable[int] = ()) -> Detected | None:
    """What the rule says of one record every 100 steps; it answers once."""
    below = set(below)
    said = [rule.update(record(index, defect, below_floor=index in below)) for index, defect in enumerate(defects)]
    answers = [answer for answer in said if answer is not None]
    assert len(answers) <= 1
    if answers:
        assert said.index(answers[0]) * EVERY == answers[0].confirmed_at
    return answers[0] if answers else None


def step_of(found: Detected | None) -> int | None:
    return None if found is None else found.step


class TestMemorization:
    def test_first_time_at_the_threshold(self) -> None:
        rule = Memorization()
        said = [rule.update(step, accuracy) for step, accuracy in enumerate((0.2, 0.9899, 0.99, 0.5, 1.0))]
        assert said == [None, None, Detected(2, 0.99, 2, {"name": "train-accuracy", "threshold": 0.99}), None, None]

    def test_another_threshold(self) -> None:
        assert Memorization(1.0).update(0, 0.9999) is None
        assert step_of(Memorization(1.0).update(7, 1.0)) == 7


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
        assert step_of(onset(PaperOnset(), defects)) == step

    def test_baseline_is_at_least_a_tenth(self) -> None:
        found = onset(PaperOnset("paper-slow"), [0.0, 0.0, 0.0, 5.1])
        assert found == Detected(
            300, 5.1, 300, {"name": "paper-slow", "baseline": 0.1, "factor": 10.0, "least_defect": 5.0}
        )

    def test_slow_regime_asks_for_5(self) -> None:
        assert onset(PaperOnset("paper-slow"), [0.1, 0.1, 0.1, 5.0]) is None
        assert onset(PaperOnset(), [0.1, 0.1, 0.1, 5.1]) is None

    def test_rounding_is_none_of_its_concern(self) -> None:
        assert step_of(onset(PaperOnset(), [1, 1, 1, 21], below=[3])) == 300

    @given(st.lists(st.floats(0, 1e6), max_size=12))
    def test_against_its_definition(self, defects: list[float]) -> None:
        baseline = max(sorted(defects[:3])[1], 0.1) if len(defects) >= 3 else math.inf
        expected = [i * EVERY for i in range(2, len(defects)) if defects[i] > 10 * baseline and defects[i] > 20]
        assert step_of(onset(PaperOnset(), defects)) == (expected[0] if expected else None)


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
        found = onset(PersistentOnset(), defects)
        assert step_of(found) == step
        if found is not None:
            assert found.confirmed_at == found.step + 2 * EVERY

    def test_what_drowns_in_rounding_breaks_the_row(self) -> None:
        assert step_of(onset(PersistentOnset(), [1, 30, 30, 30, 30, 30, 30], below=[3])) == 400
        assert onset(PersistentOnset(), [1, 30, 30, 30], below=[1, 2, 3]) is None

    def test_baseline_is_the_median_of_the_first_samples_that_are_numbers(self) -> None:
        rule = PersistentOnset()
        rule.update(DefectRecord(0, math.nan, [2.0, math.nan, 4.0, 9.0, math.inf], True))
        assert rule.baseline == 4.0

    def test_baseline_of_nothing(self) -> None:
        rule = PersistentOnset()
        rule.update(DefectRecord(0, math.nan, [math.nan], True))
        assert rule.baseline == 0.1

    def test_says_what_it_went_by(self) -> None:
        found = onset(PersistentOnset(), [2, 30, 40, 50])
        rule = {"name": "persistent", "baseline": 2.0, "factor": 10.0, "least_defect": 20.0, "consecutive": 3}
        assert found == Detected(100, 30, 300, rule)


def test_onset_rules_by_name() -> None:
    assert isinstance(onset_rule("persistent"), PersistentOnset)
    for name in ("paper", "paper-slow"):
        rule = onset_rule(name)
        assert isinstance(rule, PaperOnset)
        assert rule.name == name


class TestGrokking:
    def found(self, accuracies: Sequence[float], **criterion: Any) -> Detected | None:
        rule = Grokking("mine", GrokCriterion("accuracy", 0.9, **criterion))
        said = [
            rule.update(index * EVERY, {"accuracy": value, "sequence_accuracy": 0.0})
            for index, value in enumerate(accuracies)
        ]
        answers = [answer for answer in said if answer is not None]
        assert len(answers) <= 1
        return answers[0] if answers else None

    def test_at_once(self) -> None:
        found = self.found([0.1, 0.9, 0.95])
        rule = {"name": "mine", "metric": "accuracy", "threshold": 0.9, "consecutive": 1, "report": "first"}
        assert found == Detected(100, 0.9, 100, rule)

    def test_first_of_three_in_a_row(self) -> None:
        found = self.found([0.9, 0.9, 0.1, 0.91, 0.92, 0.93, 0.94], consecutive=3)
        assert found is not None
        assert (found.step, found.value, found.confirmed_at) == (300, 0.91, 500)

    def test_last_of_three_in_a_row(self) -> None:
        found = self.found([0.9, 0.9, 0.1, 0.91, 0.92, 0.93, 0.94], consecutive=3, report="last")
        assert found is not None
        assert (found.step, found.value, found.confirmed_at) == (500, 0.93, 500)

    def test_a_row_that_breaks_off(self) -> None:
        assert self.found([0.9, 0.9, 0.89, 0.9, 0.9], consecutive=3) is None

    def test_reads_its_own_metric(self) -> None:
        rule = Grokking("whole", GrokCriterion("sequence_accuracy", 0.9))
        assert rule.update(0, {"accuracy": 1.0, "sequence_accuracy": 0.89}) is None
        assert step_of(rule.update(100, {"accuracy": 0.0, "sequence_accuracy": 0.9})) == 100


class TestTurn:
    def found(self, losses: Sequence[float], **options: float) -> Detected | None:
        rule = TestLossTurn(**options)
        said = [rule.update(index * EVERY, loss) for index, loss in enumerate(losses)]
        answers = [answer for answer in said if answer is not None]
        assert len(answers) <= 1
        return answers[0] if answers else None

    def test_climbed_and_fallen_by_a_tenth(self) -> None:
        found = self.found([2, 4, 10, 9.1, 9.0, 1.0])
        assert found == Detected(400, 9.0, 400, {"name": "test-loss-turn", "fall": 0.1, "peak": 10})

    def test_no_peak_no_turn(self) -> None:
        assert self.found([4, 3, 2, 1]) is None

    def test_a_peak_may_be_outdone(self) -> None:
        assert step_of(self.found([2, 10, 9.5, 20, 18.5, 18])) == 500

    def test_another_fall(self) -> None:
        assert step_of(self.found([2, 10, 9, 6, 5], fall=0.5)) == 400


# --- the watch --------------------------------------------------------------------------------------------------------


def measured(step: int, defects: Sequence[float], *, below_floor: bool = False) -> Measured:
    median = sorted(defects)[len(defects) // 2]
    return Measured(
        step=step, defect=Spread(median=median, p25=median, p75=median, samples=list(defects)), commutator_norm=1.0,
        relative_commutator=0.5, gradient_norm=1.0, gradient_cosine=0.0, estimator="exact", precision="float32",
        floor=0.01, below_floor=below_floor, seconds=0.0,
    )  # fmt: skip


def evaluated(step: int, train: float, test: float, loss: float) -> Evaluated:
    return Evaluated(
        step=step,
        train=Scores(loss=0.1, accuracy=train, sequence_accuracy=train),
        test=Scores(loss=loss, accuracy=test, sequence_accuracy=test),
        seconds=0.0,
    )


TASK = get("tasks", "modular")


def recorded(event: Event) -> dict[str, Any]:
    return dict(json.loads(to_line(event)))


@cache
def started(**settings: Any) -> dict[str, Any]:
    config, _ = resolve(TASK, {"evaluate.every": 100, "measure.every": 50, **settings})
    return recorded(
        Started(
            config=config.model_dump(mode="json"), task="modular", backend="", device="", precision="", parameters=1,
            versions={}, host="", process=1, facts={}, **judged_by(config, TASK),
        )
    )  # fmt: skip


def watch(**settings: Any) -> Watch:
    return Watch(started(**settings))


def seen(watch: Watch, events: Iterable[Event]) -> list[Detection]:
    return [detection for event in events for detection in watch.see(recorded(event))]


STORY: list[Event] = [
    event
    for step in range(0, 1001, 100)
    for event in (
        measured(step, [0.5 if step < 200 else 40.0]),
        evaluated(step, min(1.0, step / 300), 0.1 if step < 600 else 0.99, 3.0 + min(step, 500) - max(0, step - 500)),
    )
]


def test_detections_say_rule_cadence_and_when() -> None:
    found = {detection.__class__.__name__: detection for detection in seen(watch(), STORY)}
    assert {name: (it.step, it.confirmed_at, it.cadence, it.rule.name, it.value) for name, it in found.items()} == {
        "Memorized": (300, 300, 100, "train-accuracy", 1.0),
        "Onset": (200, 400, 50, "persistent", 40.0),
        "Grokked": (600, 800, 100, "sustained-0.98", 0.99),
    }
    assert found["Onset"].rule.model_dump()["baseline"] == 0.5


def test_result() -> None:
    watching = watch()
    assert watching.result() == {
        "memorized_step": None, "onset_step": None, "test_loss_turn_step": None, "grokked_step": None,
        "lead_steps": None, "metric": "accuracy",
    }  # fmt: skip
    seen(watching, STORY)
    assert watching.result() == {
        "memorized_step": 300, "onset_step": 200, "test_loss_turn_step": 600, "grokked_step": 600, "lead_steps": 400,
        "metric": "accuracy", "train": 1.0, "test": 0.99,
    }  # fmt: skip


def test_rules_are_those_of_the_configuration() -> None:
    found = seen(watch(**{"detect.onset": "paper", "detect.grokking": "strict", "detect.memorization": 0.5}), STORY)
    assert [(it.rule.name, it.step) for it in found] == [("paper", 200), ("train-accuracy", 200), ("strict", 800)]


NUMBERS = st.one_of(
    st.sampled_from([0.0, 0.5, 19.0, 21.0, 500.0, math.nan, math.inf]), st.floats(0, 1e3, allow_nan=False)
)
ACCURACIES = st.sampled_from([0.0, 0.5, 0.979, 0.98, 0.99, 1.0])
EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda defects, below: measured(0, defects, below_floor=below),
            st.lists(NUMBERS, min_size=1, max_size=3),
            st.booleans(),
        ),
        st.builds(lambda train, test, loss: evaluated(0, train, test, loss), ACCURACIES, ACCURACIES, NUMBERS),
    ),
    max_size=20,
)


@given(events=EVENTS, cut=st.integers(0, 20), rule=st.sampled_from(["persistent", "paper", "paper-slow"]))
def test_a_replayed_log_leads_to_the_same_state(events: list[Event], cut: int, rule: str) -> None:
    """Wherever a run is cut: what comes after is detected as if nothing had happened."""
    events = [event.model_copy(update={"step": index}) for index, event in enumerate(events)]
    live = watch(**{"detect.onset": rule})
    expected = [seen(live, [event]) for event in events]
    resumed = watch(**{"detect.onset": rule})
    for event in events[:cut]:
        seen(resumed, [event])
    assert [seen(resumed, [event]) for event in events[cut:]] == expected[cut:]
    assert resumed.result() == live.result()


def test_what_is_no_number_is_passed_over() -> None:
    defects = (math.nan, 1.0, 1.0, math.inf, 1.0, 25.0)
    events = [measured(index * 50, [defect]) for index, defect in enumerate(defects)]
    assert [it.step for it in seen(watch(**{"detect.onset": "paper"}), events)] == [250]

"""The watch, live and over its own log again; every other fold of detections comes to the same."""

import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grokscope.events import (
    Detection,
    Evaluated,
    Event,
    Fired,
    Grokked,
    Measured,
    Memorized,
    Observed,
    Onset,
    Regressed,
    Scores,
    Spread,
    Started,
    Turned,
    to_line,
)
from grokscope.registry import get
from grokscope.settings.config import resolve
from grokscope.training.launch import judged_by
from grokscope.warning.detection import Detections, detections, rule_numbers, rules_of_table
from grokscope.warning.review import Review
from grokscope.warning.trajectory import cells_of, trajectory_from
from grokscope.warning.watch import Watch


def measured(step: int, defects: Sequence[float], *, below_floor: bool = False) -> Measured:
    median = sorted(defects)[len(defects) // 2]
    return Measured(
        step=step, defect=Spread(median=median, p25=median, p75=median, samples=list(defects)), commutator_norm=1.0,
        relative_commutator=0.5, gradient_norm=1.0, gradient_cosine=0.0, estimator="exact", precision="float32",
        floor=median if below_floor else 0.01, below_floor=below_floor, seconds=0.0,
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
        "Turned": (600, 600, 100, "test-loss-turn", 403.0),
        "Grokked": (600, 800, 100, "sustained-0.98", 0.99),
    }
    assert found["Onset"].rule.model_dump()["baseline"] == 0.5


def stamped(event: Event, seconds: float) -> dict[str, Any]:
    return {**recorded(event), "time": f"2026-01-01T00:{int(seconds) // 60:02}:{seconds % 60:06.3f}Z"}


def test_grokking_says_how_long_ago_onset_was() -> None:
    """In steps, and in running time: what passed between two processes does not count."""
    watching, events = watch(), [event for event in STORY if (event.step or 0) <= 800]
    found: list[Detection] = []
    for index, event in enumerate(events):
        late = 1000 if index > 10 else 0  # seconds that nothing ran
        if index == 11:
            watching.see({"event": "started", "time": stamped(event, index + late)["time"]})
        found += watching.see(stamped(event, index + late))
    grokked = next(event for event in found if isinstance(event, Grokked))
    # onset is dated to the fifth event, grokking to the fourteenth; nothing ran between the eleventh and the twelfth
    assert (grokked.lead_steps, grokked.lead_seconds) == (400, 8.0)


def test_a_lead_has_no_seconds_where_the_clock_was_set_back() -> None:
    watching = watch()
    times = [30 + index if index < 8 else index for index in range(len(STORY))]
    found = [each for event, time in zip(STORY, times, strict=True) for each in watching.see(stamped(event, time))]
    grokked = next(event for event in found if isinstance(event, Grokked))
    assert (grokked.lead_steps, grokked.lead_seconds) == (400, None)


def test_a_run_that_loses_it_again() -> None:
    accuracies = [0.1, 0.99, 0.99, 0.99, 0.99, 0.2, 0.2, 0.2, 0.99]
    events = [evaluated(index * 100, 1.0, accuracy, 1.0) for index, accuracy in enumerate(accuracies)]
    watching = watch()
    found = [event for event in seen(watching, events) if isinstance(event, Grokked | Regressed)]
    assert [(type(event), event.step, event.confirmed_at) for event in found] == [
        (Grokked, 100, 300),
        (Regressed, 500, 700),
    ]
    assert watching.result()["regressed_step"] == 500


def test_a_rule_of_a_signal_fires_once() -> None:
    events = [Observed(step=step, signals={"weight_norm": 10.0 - step}) for step in range(9)]
    watching = watch()
    (found,) = [event for event in seen(watching, events) if isinstance(event, Fired)]
    assert (found.signal, found.rule.name, found.step, found.value) == ("weight_norm", "weight-norm-halved", 5, 5.0)
    assert "weight-norm-halved" in watching.found


def test_result() -> None:
    watching = watch()
    assert watching.result() == {
        "memorized_step": None, "onset_step": None, "test_loss_turn_step": None, "grokked_step": None,
        "regressed_step": None, "lead_steps": None, "metric": "accuracy",
    }  # fmt: skip
    seen(watching, STORY)
    assert watching.result() == {
        "memorized_step": 300, "onset_step": 200, "test_loss_turn_step": 600, "grokked_step": 600,
        "regressed_step": None, "lead_steps": 400, "metric": "accuracy", "train": 1.0, "test": 0.99,
    }  # fmt: skip


def test_rules_are_those_of_the_configuration() -> None:
    found = seen(watch(**{"detect.onset": "paper", "detect.grokking": "strict", "detect.memorization": 0.5}), STORY)
    said = [(it.rule.name, it.step) for it in found if not isinstance(it, Turned)]
    assert said == [("paper", 200), ("train-accuracy", 200), ("strict", 800)]


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


@given(events=EVENTS, signals=st.lists(NUMBERS, max_size=20))
def test_whoever_folds_a_run_finds_the_same(events: list[Event], signals: list[float]) -> None:
    """Live, from the log, and from the table that the log becomes: equal steps, values, baselines and thresholds."""
    observed = [Observed(step=0, signals={"weight_norm": value}) for value in signals]
    pairs = [event for pair in zip_longest(events, observed) for event in pair if event is not None]
    first = started(**{"detect.memorization": 0.5})
    log = [recorded(event.model_copy(update={"step": index})) for index, event in enumerate(pairs)]
    live = watch(**{"detect.memorization": 0.5})
    said = {type(event): event for line in log for event in live.see(line)}
    timed = [{"time": "2026-01-01T00:00:00Z", "step": 0, "seconds": 0.0, **event} for event in (first, *log)]
    reviewed = {(each.kind, each.rule): each for each in Review(timed).findings}
    if any(cells_of(line, "accuracy") for line in log):
        table = detections(trajectory_from([first, *log], "run"))
        for key, kind in (("memorized", Memorized), ("onset", Onset), ("test-loss-turn", Turned)):
            told, found = said.get(kind), table[key]
            assert (told is None) == (found is None)
            if told is not None and found is not None:
                assert told.rule.model_dump() == found.rule
                assert (told.step, told.value, told.confirmed_at) == (found.step, found.value, found.confirmed_at)
        for shape, key in (("persistent", "onset"), ("paper", "onset-paper"), ("paper-slow", "onset-paper-slow")):
            found, finding = table[key], reviewed["onset", shape]
            assert finding.step == (None if found is None else found.step)
        fired, found = said.get(Fired), table["weight-norm-halved"]
        assert (fired and (fired.step, fired.value)) == (found and (found.step, found.value))


NUMBERS = sorted({number for number in rule_numbers().values() if number} | {"train_accuracy"})


@given(st.lists(st.lists(st.one_of(st.just(float("nan")), st.floats(0.01, 100)), min_size=12, max_size=12),
                min_size=len(NUMBERS), max_size=len(NUMBERS)))  # fmt: skip
def test_columns_settle_what_their_rows_do(values: list[list[float]]) -> None:
    columns = {"step": np.arange(12.0) * 50, **dict(zip(NUMBERS, map(np.array, values), strict=True))}
    by_row, by_column = Detections(rules_of_table([])), Detections(rules_of_table([]))
    rows = [
        found
        for index, step in enumerate(columns["step"])
        for found in by_row.see_row(
            int(step), {name: columns[name][index] for name in NUMBERS if np.isfinite(columns[name][index])}
        )
    ]
    found = list(by_column.see_columns(columns))
    assert [(each.key, detected) for each, detected in rows] == [(each.key, detected) for each, detected in found]
    assert by_row.found == by_column.found

"""All rules on one log."""

import math
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from events_made import whole

from grokscope.runs.directory import NoSuchRun
from grokscope.runs.log import read, read_batches
from grokscope.tui.demo import DEMO
from grokscope.warning.review import Review, TimeFold, TimeSpent, findings_table, time_shares

CRITERIA = {
    "early": {"metric": "accuracy", "threshold": 0.5},
    "late": {"metric": "accuracy", "threshold": 0.9, "consecutive": 2, "report": "last"},
}


def measured(step: int, defect: float | None) -> dict[str, Any]:
    return {
        "event": "measured",
        "step": step,
        "estimator": "exact",
        "floor": 0.01,
        "defect": {"median": defect, "samples": [defect]},
        "commutator_norm": None,
    }


def evaluated(step: int, test: float, loss: float | None = 1.0) -> dict[str, Any]:
    return {
        "event": "evaluated", "step": step,
        "train": {"accuracy": 1.0, "loss": 0.1}, "test": {"accuracy": test, "loss": loss},
    }  # fmt: skip


def found(events: list[dict[str, Any]], **options: Any) -> dict[str, tuple[int | None, int | None]]:
    started: dict[str, Any] = {
        "event": "started", "metric": "accuracy", "criteria": options.pop("criteria", CRITERIA),
        "config": {"measure": {"estimator": "exact"}},
        "rules": {
            "memorized": {"name": "train-accuracy", "threshold": 0.99}, "onset": {"name": "persistent"},
            "grokked": {"name": options.pop("criterion", "early")},
        },
    }  # fmt: skip
    log = [{"time": "2026-01-01T00:00:00Z", "step": 0, "seconds": 0.0, **event} for event in (started, *events)]
    findings = Review(log).findings
    return {finding.rule: (finding.step, finding.lead_steps) for finding in findings}


def test_nothing_recorded() -> None:
    assert set(found([]).values()) == {(None, None)}


def test_leads_are_to_the_criterion_that_counts() -> None:
    events = [evaluated(step, step / 100) for step in range(0, 101, 10)]
    assert found(events)["train-accuracy"] == (0, 50)
    assert found(events, criterion="late")["train-accuracy"] == (0, 100)
    assert found(events, criterion="late")["early"] == (50, 50)


def test_a_lead_needs_a_grokked_run() -> None:
    events = [evaluated(0, 0.1), *(measured(step, 0.2 if step == 0 else 50.0) for step in range(0, 60, 10))]
    assert found(events)["persistent"] == (10, None)


def test_values_that_were_not_finite_are_passed_over() -> None:
    events = [measured(0, 0.2), measured(10, None), evaluated(10, 0.1, None), measured(20, 50.0)]
    assert found(events)["persistent"] == (None, None)
    assert found(events)["test-loss-turn"] == (None, None)


def at(second: float, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "time": f"2026-01-01T00:00:{second:06.3f}Z"}


def spent_in(events: list[dict[str, Any]]) -> TimeSpent:
    fold = TimeFold()
    for event in events:
        fold.see(event)
    return fold.spent


def test_cost_of_a_run_in_two_processes() -> None:
    events = [
        at(0, {"event": "started", "step": 0}),
        at(2, {"event": "measured", "seconds": 2.0}),
        at(3, {"event": "trained", "step": 10, "steps_per_second": 10.0}),
        at(30, {"event": "started", "step": 10}),
        at(31, {"event": "evaluated", "seconds": 0.5}),
        at(35, {"event": "trained", "step": 30, "steps_per_second": 5.0}),
    ]
    spent = spent_in(events)
    assert (spent.total, spent.training, spent.evaluation, spent.measurement) == (8.0, 5.0, 0.5, 2.0)
    assert spent.other == 0.5
    assert math.isclose(sum(time_shares(spent).values()), 1)


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    events = [
        at(30, {"event": "started", "step": 0}),
        at(2, {"event": "measured", "seconds": 2.0}),
        at(3, {"event": "started", "step": 10}),
        at(9, {"event": "evaluated", "seconds": 0.5}),
    ]
    assert [spent_in(events[:length]).total for length in range(1, 5)] == [0.0, 2.0, 2.0, 6.0]


@pytest.mark.parametrize("events", [[], [at(0, {"event": "started", "step": 0})]], ids=len)
def test_cost_of_nothing(events: list[dict[str, Any]]) -> None:
    assert set(time_shares(spent_in(events)).values()) == {0.0}


class Recorded(dict[str, Any]):
    """An event that says whether anybody still has it."""


def test_what_a_later_version_says_of_a_criterion_is_passed_over() -> None:
    events = [evaluated(step, step / 100) for step in range(0, 101, 10)]
    later = {name: {**criterion, "smoothed": True} for name, criterion in CRITERIA.items()}
    assert found(events, criteria=later) == found(events)


def test_a_review_keeps_no_events() -> None:
    """A log may be larger than memory."""
    alive: list[weakref.ref[Recorded]] = []

    def log() -> Iterator[Recorded]:
        yield Recorded(whole("started", metric="accuracy", rules={}, criteria={}))
        for seq in range(1, 200):
            event = Recorded(whole(("trained", "evaluated", "measured")[seq % 3], seq, step=seq))
            alive.append(weakref.ref(event))
            yield event

    review = Review(log())
    assert len(review.defects) == 66
    assert sum(event() is not None for event in alive) <= 1


def _demo_lines() -> list[bytes]:
    return (DEMO / "events.jsonl").read_bytes().splitlines(keepends=True)


def test_the_step_of_a_finding_is_the_last_to_leave_a_narrow_terminal() -> None:
    findings = Review(read(DEMO / "events.jsonl")).findings
    (grokked,) = [each for each in findings if each.kind == "grokked" and each.default]
    lines = findings_table(findings).terminal(40)
    assert lines[0].split() == ["found", "rule", "step"]
    assert f"{grokked.step:,}" in next(line for line in lines if line.startswith("grokked"))


def test_batches_say_what_their_events_do(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    first, *rest = _demo_lines()
    again = first.replace(b'"seq":0', b'"seq":%d' % (len(rest) + 1), 1)
    log.write_bytes(b"".join([first, *rest, again]))
    one, many = Review(read(log)), Review()
    for batch in read_batches(log):
        many.see_batch(batch)
    assert one.time.spent.training > 0
    assert (many.findings, many.time.spent, many.defects) == (one.findings, one.time.spent, one.defects)
    assert many.treatments.found == one.treatments.found


def test_a_batch_that_does_not_begin_a_run(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(b"".join(line for line in _demo_lines() if b'"trained"' in line))
    with pytest.raises(NoSuchRun, match="does not begin"):
        Review().see_batch(next(read_batches(log)))

"""How often a probe looks, where it has a share of the loop's time to keep: by a clock that the test turns."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_made import KINDS, events_of, probing, seeded, train

import grokscope
from grokscope.contract.tasks import GrokCriterion
from grokscope.own.cadence import HOOK, Cadence, Clocks, share_to_keep
from grokscope.warning.rules import Grokking, PersistentOnset, Regression, SignalRecord
from grokscope.words.events import event_in_words


class Loop:
    """A loop and its probe, on a clock of their own."""

    def __init__(self, every: int, share: float | None, cost: float, step: float, opening: float = 0.0) -> None:
        """`opening`: seconds before the first step, beyond a first record of three times the usual `cost`."""
        self.now = 0.0
        self.cost, self.step_seconds = cost, step
        self.cadence = Cadence(every, share, lambda: self.now)
        with self.cadence.probing():
            self.now += opening
            with self.cadence.recording():
                self.now += 3 * cost
            self.cadence.begin(1 / 3)
        self.records: list[int] = []
        self.distances: list[int] = []

    def run(self, steps: range) -> None:
        for step in steps:
            self.now += self.step_seconds
            with self.cadence.probing():
                self.cadence.stepped(1)
                if self.cadence.due(step):
                    with self.cadence.recording():
                        self.now += self.cost
                    self.records.append(step)
                    self.cadence.recorded()
            self.distances.append(self.cadence.every)


def test_without_a_share_the_distance_is_fixed() -> None:
    loop = Loop(10, None, cost=100.0, step=0.001)
    loop.run(range(1, 101))
    assert loop.records == list(range(10, 101, 10))


@given(st.integers(1, 100), st.floats(0.01, 0.5), st.floats(1e-3, 20), st.floats(0, 20), st.integers(1, 500))
def test_the_share_is_kept_at_every_moment(every: int, share: float, cost: float, opening: float, steps: int) -> None:
    """What came before the first step is paid back before anything is recorded again, and the share is kept then."""
    loop = Loop(every, share, cost=cost, step=1.0, opening=opening)
    for step in range(1, steps):
        loop.run(range(step, step + 1))
        paid = (opening + 3 * cost + step * HOOK) / share + step * HOOK
        assert loop.cadence.overhead <= share * (1 + 1e-9) or (step < paid and not loop.records)
    assert all(step % every == 0 for step in loop.records)
    assert all((distance // every).bit_count() == 1 for distance in loop.distances)


def test_what_is_cheap_is_recorded_as_often_as_was_asked() -> None:
    """Once the 0.6 s before the first step are paid back, which twelve steps do."""
    loop = Loop(10, 0.05, cost=0.2, step=1.0)
    loop.run(range(1, 201))
    assert loop.records == list(range(20, 201, 10))


def test_the_distance_follows_what_records_cost() -> None:
    loop = Loop(10, 0.05, cost=0.9, step=1.0)
    loop.run(range(1, 2001))
    assert loop.distances[-1] == 20
    assert len(loop.records) > 90
    loop.cost = 8.0
    loop.run(range(2001, 6001))
    assert loop.distances[-1] in {160, 320}
    loop.cost = 0.1
    loop.run(range(6001, 12001))
    assert loop.distances[-1] == 10


def test_time_that_somebody_pauses_is_nobody_s() -> None:
    loop = Loop(1, 0.05, cost=0.01, step=1.0)
    loop.run(range(1, 11))
    before = loop.cadence.overhead
    with loop.cadence.probing(), loop.cadence.waiting():
        loop.now += 1e6
    assert loop.cadence.overhead == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize("make", [
    lambda: PersistentOnset("persistent", 3), lambda: Grokking("sure", GrokCriterion("accuracy", 50.0, consecutive=3)),
])  # fmt: skip
def test_rules_count_the_steps_that_records_would_take(make: Any) -> None:
    """At the distance that was asked for nothing changes; farther apart, two records are enough."""

    def confirmed(steps: list[int], counting: bool) -> int | None:
        rule = make()
        if counting:
            rule.count_steps(10)
        found = [rule.update(SignalRecord(step, 1.0 if not step else 100.0)) for step in steps]
        return next((each.confirmed_at for each in found if each), None)

    close, far = list(range(0, 60, 10)), [0, 10, 40, 80]
    assert confirmed(close, True) == confirmed(close, False) == 30
    assert confirmed(far, False) == 80
    assert confirmed(far, True) == 40
    assert confirmed([0, 100], True) is None


def test_a_run_that_lost_it_again_counts_steps_too() -> None:
    rule = Regression("sure", GrokCriterion("accuracy", 0.9, consecutive=3))
    rule.count_steps(10)
    values = [(0, 1.0), (40, 1.0), (80, 0.1), (120, 0.1)]
    found = [rule.update(SignalRecord(step, value)) for step, value in values]
    assert [None if each is None else (each.step, each.confirmed_at) for each in found] == [None, None, None, (80, 120)]


def test_a_run_says_how_it_is_paced(tmp_path: Path) -> None:
    """A tiny model at a tiny share: nothing is affordable, and each change of the distance is an event."""
    kind = KINDS["MLP"]
    alone = train(*seeded(kind), kind.loss, 40)
    model, data = seeded(kind)
    run = tmp_path / "mine"
    probe = probing(kind, model, data, run, every=1, max_overhead=1e-4, evaluate={"test": data})
    assert train(model, data, kind.loss, 40, probe) == alone
    paced = events_of(run, "paced")
    assert paced
    assert all(event["every"] >= 1 and event["overhead"] >= 0 for event in paced)
    assert events_of(run)[0]["config"]["measure"]["max_overhead"] == 1e-4
    measured = events_of(run, "measured")
    assert len(measured) < 10
    assert {len(event["defect"]["samples"]) for event in measured} == {2}
    assert "steps from here on" in event_in_words(paced[0])


@pytest.mark.parametrize(("asked", "pairs"), [({}, 15), ({"max_overhead": 0.05}, 2), (
    {"max_overhead": 0.05, "baseline_samples": 4}, 4)])  # fmt: skip
def test_where_time_counts_the_first_measurement_is_one_like_any_other(
    tmp_path: Path, asked: dict[str, Any], pairs: int
) -> None:
    kind = KINDS["MLP"]
    model, data = seeded(kind)
    grokscope.Probe(model, kind.loss, data, run=tmp_path / "mine", samples=2, batch_size=8, **asked).finish()
    [first] = events_of(tmp_path / "mine", "measured")
    assert len(first["defect"]["samples"]) == pairs
    assert events_of(tmp_path / "mine")[0]["config"]["measure"]["baseline_samples"] == pairs


def test_a_share_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(grokscope.CannotProbe, match="max_overhead: input should be greater than 0"):
        grokscope.Probe(torch.nn.Linear(1, 1), lambda m, x: m(x).sum(), torch.ones(3, 1), run=tmp_path, max_overhead=-1)


def test_the_account_leaves_room_for_what_it_does_not_see() -> None:
    assert share_to_keep(None) is None
    assert share_to_keep(0.05) == pytest.approx(0.02)
    assert share_to_keep(0.2) == pytest.approx(0.17)
    assert share_to_keep(0.01) == pytest.approx(0.004)


def test_a_clock_counts_from_before_the_device_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time for a model on a CPU, time on the wall for any other."""
    monkeypatch.setattr(time, "process_time", lambda: 5.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0)
    clocks = Clocks()
    monkeypatch.setattr(time, "process_time", lambda: 6.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 103.0)
    assert (clocks.on("cpu")(), clocks.on("cuda:0")()) == (1.0, 3.0)
    assert Cadence(1, 0.05, clocks.on("cpu"))._spent() == 1.0

"""Stretches of a run in which it was treated, from the switches on record."""

from typing import Any

from events_made import whole

from grokscope.runs.treatments import TreatmentFold, TreatmentStretch


def stretches(*events: dict[str, Any]) -> list[TreatmentStretch]:
    fold = TreatmentFold()
    for seq, event in enumerate(events):
        fold.see(whole(event.pop("event", "intervened"), seq, **event))
    return fold.found


def test_on_and_off() -> None:
    (kick,) = stretches(
        {"step": 10, "state": "on", "parameters": {"alpha": 2}}, {"step": 11, "state": "applied"},
        {"step": 12, "event": "trained"}, {"step": 15, "state": "applied"}, {"step": 20, "state": "off"},
        {"step": 25, "state": "applied"},
    )  # fmt: skip
    assert (kick.kind, kick.on, kick.off, kick.applied, kick.last_applied) == ("kick", 10, 20, 2, 15)
    assert (kick.source, kick.parameters) == ("control", {"alpha": 2})


def test_a_change_begins_another() -> None:
    first, second = stretches({"step": 10, "state": "on"}, {"step": 30, "state": "changed"})
    assert [(each.on, each.off) for each in (first, second)] == [(10, 30), (30, None)]


def test_a_refusal_is_no_treatment() -> None:
    (refused,) = stretches({"step": 10, "state": "refused", "reason": "no basis"})
    assert (refused.on, refused.applied, refused.refused) == (None, 0, "no basis")

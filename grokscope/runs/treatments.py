"""What was done to a run: each intervention from when to when, by whom, and how often."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grokscope.words.numbers import assigned, count
from grokscope.words.table import Column, Table


@dataclass
class TreatmentStretch:
    """One stretch of one intervention, from a switch to the next, or a refusal."""

    kind: str
    on: int | None
    """Step at which it was switched on; None where the trainer refused"""
    off: int | None
    """None while it is on"""
    source: str
    parameters: Mapping[str, Any]
    applied: int = 0
    """How often it is on record that it acted"""
    last_applied: int | None = None
    refused: str | None = None
    """Why the trainer refused"""


class TreatmentFold:
    """The treatments of a run, event by event."""

    def __init__(self) -> None:
        self.found: list[TreatmentStretch] = []
        """In the order of their switches"""
        self._on: dict[str, TreatmentStretch] = {}

    def see(self, event: Mapping[str, Any]) -> None:
        """The next event of the log."""
        if event["event"] != "intervened":
            return
        kind, state, step, on = event["kind"], event["state"], event["step"], self._on
        if state in {"on", "changed"}:
            if kind in on:
                on[kind].off = step
            on[kind] = TreatmentStretch(kind, step, None, event["source"], event["parameters"])
            self.found.append(on[kind])
        elif state == "applied" and kind in on:
            on[kind].applied += 1
            on[kind].last_applied = step
        elif state == "off" and kind in on:
            on.pop(kind).off = step
        elif state == "refused":
            parameters = event.get("parameters", {})
            self.found.append(TreatmentStretch(kind, None, None, event["source"], parameters, refused=event["reason"]))


def treatments_table(treatments: Iterable[TreatmentStretch]) -> Table:
    """A row a treatment."""
    return Table(
        "interventions",
        "Interventions",
        (
            Column("intervention"),
            Column("on", count),
            Column("off", count),
            Column("applied", count),
            Column("by"),
            Column("parameters"),
        ),
        tuple(
            (
                each.kind, each.on, each.off, each.applied, each.source,
                f"refused: {each.refused}" if each.refused else assigned(each.parameters, "=", " "),
            )
            for each in treatments
        ),
        (
            "applied: how often it is on record. An intervention that acts in every step is recorded at its first act, "
            "and then with the loss.",
        ),
    )  # fmt: skip

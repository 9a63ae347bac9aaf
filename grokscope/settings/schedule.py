"""The schedule of a run's interventions, as text: the same form in a flag, in TOML and in a replay.

    KIND[@WHEN[..UNTIL]][:parameter=value,…]        project@500..2000:strength=0.5,basis=runs/base
    KIND@WHEN:off                                   noise@memorized:off

WHEN and UNTIL are a number of steps taken, or a detection of the run, which counts from the step of its confirmation.
Without WHEN, an intervention is on from the first step. If UNTIL comes before WHEN, the intervention is never on.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from grokscope import registry
from grokscope.contract.interventions import InterventionSpec
from grokscope.settings.parameters import BadParameters, read_parameters, written_parameters
from grokscope.settings.parameters import validated as valid_parameters
from grokscope.settings.signals import installed_signals

MOMENTS = ("memorized", "onset", "test-loss-turn", "grokked", "regressed")
"""Detections that a schedule may wait for, beside the rules of signals"""

Time = int | str
"""Steps taken, or one of `MOMENTS`, or the name of the rule of a signal"""

_STEPS = re.compile(r"[0-9]{1,18}")
_HEAD = re.compile(r"(?P<kind>[^@:]+)(@(?P<when>[^:]*?)(\.\.(?P<until>[^:]*))?)?(:(?P<rest>.*))?", re.DOTALL)


class BadSchedule(ValueError):
    """A text is not an intervention, or names an unknown one. The message is one sentence."""


@dataclass(frozen=True)
class Entry:
    """One entry of a schedule: an intervention, its beginning and its end."""

    kind: str
    when: Time = 0
    until: Time | None = None
    off: bool = False
    """Whether the intervention is switched off at `when`, instead of on"""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The entry as a text for `parsed`."""
        until = "" if self.until is None else f"..{self.until}"
        rest = "off" if self.off else written_parameters(self.parameters)
        return f"{self.kind}@{self.when}{until}" + (f":{rest}" if rest else "")


def reached(time: Time, step: int, found: Collection[str]) -> bool:
    """Whether `time` has come at `step`. `found`: the detections so far."""
    return step >= time if isinstance(time, int) else time in found


def may_be_on(on: Entry, off: Entry) -> bool:
    """Whether the intervention of `on` may still be on at `off`. The step of a detection is unknown."""
    if on.off or on.kind != off.kind:
        return False
    over = on.until is not None and _surely_by(on.until, off.when)
    return not over and not _surely_by(off.when, on.when)


def _surely_by(one: Time, other: Time) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one <= other


def parsed(text: str) -> Entry:
    """The entry in a text. The intervention need not exist. Raises `BadSchedule`."""
    head = _HEAD.fullmatch(text.strip())
    if head is None:
        raise BadSchedule(f"{text!r} is not an intervention; write KIND[@WHEN[..UNTIL]][:parameter=value,…]")
    when = 0 if head["when"] is None else _time(head["when"], text)
    until = None if head["until"] is None else _time(head["until"], text)
    if head["rest"] is not None and head["rest"].strip() == "off":
        if head["when"] is None:
            raise BadSchedule(f"{text!r} has no step; write KIND@WHEN:off")
        if until is not None:
            raise BadSchedule(f"{text!r} needs one step to switch off, KIND@WHEN:off; WHEN..UNTIL is for switching on")
        return Entry(head["kind"].strip(), when, off=True)
    if isinstance(when, int) and isinstance(until, int) and until <= when:
        place = "where" if until == when else "before"
        raise BadSchedule(f"{text!r} ends {place} it begins; give an UNTIL after WHEN")
    try:
        return Entry(head["kind"].strip(), when, until, parameters=read_parameters(head["rest"] or "", text))
    except BadParameters as problem:
        raise BadSchedule(str(problem)) from None


def checked(text: str) -> Entry:
    """The entry in a text, with known kind and parameters. Raises `BadSchedule`, which names the nearest known name."""
    entry = parsed(text)
    spec = specified(entry.kind)
    if not entry.off:
        validated_intervention(spec, entry.parameters)
    return entry


def specified(kind: str) -> InterventionSpec:
    """The intervention with this name. Raises `BadSchedule`, which names the nearest known name."""
    try:
        return registry.get("interventions", kind)
    except (registry.NoSuchPlugin, registry.BrokenPlugin) as problem:
        raise BadSchedule(str(problem.args[0])) from None


def validated_intervention(spec: InterventionSpec, parameters: Mapping[str, Any]) -> BaseModel:
    """The validated parameters of an intervention. Raises `BadSchedule`, which names the nearest known parameter."""
    try:
        return valid_parameters(spec.name, spec.parameters, parameters)
    except BadParameters as problem:
        raise BadSchedule(str(problem)) from None


def replayed(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """All interventions on a run, as a schedule with fixed steps. The source of an intervention does not matter.

    If a kind is switched several times at one step, the last switch counts, and whether the kind was off in between.
    """
    entries: dict[tuple[str, int], list[Entry]] = {}
    for event in events:
        if event["event"] == "intervened" and event["state"] in {"on", "changed", "off"}:
            place = event["kind"], event["step"]
            if event["state"] == "off":
                entries.pop(place, None)
                entries[place] = [Entry(*place, off=True)]
            else:
                off = [entry for entry in entries.get(place, []) if entry.off]
                entries[place] = [*off, Entry(*place, parameters=event["parameters"])]
    return [entry.text for switches in entries.values() for entry in switches]


def _time(text: str, whole: str) -> Time:
    text = text.strip()
    if _STEPS.fullmatch(text):
        return int(text)
    known = dict.fromkeys([*MOMENTS, *(rule.name for spec in installed_signals() for rule in spec.rules)])
    if text in known:
        return text
    nearest = get_close_matches(text, known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise BadSchedule(f"{whole!r}: {text!r} is neither a step nor one of {', '.join(known)}{hint}")

"""What is done to a run, and when: the text form of interventions, the same in a flag, in TOML and in a replay.

    KIND[@WHEN[..UNTIL]][:parameter=value,…]        project@500..2000:strength=0.5,basis=runs/base
    KIND@WHEN:off                                   noise@memorized:off

WHEN and UNTIL are a number of steps taken, or a detection of the run's own watch, acted upon at the step at which it is
confirmed. Without WHEN an intervention is on from the first step; where UNTIL comes before WHEN it never is.
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
"""What a schedule may wait for, beside the rules of signals"""

Time = int | str
"""Steps taken, or one of `MOMENTS`, or the name of a signal's rule"""

_STEPS = re.compile(r"[0-9]{1,18}")
_HEAD = re.compile(r"(?P<kind>[^@:]+)(@(?P<when>[^:]*?)(\.\.(?P<until>[^:]*))?)?(:(?P<rest>.*))?", re.DOTALL)


class BadSchedule(ValueError):
    """A text that is no intervention, or names one that does not exist; one sentence for a person."""


@dataclass(frozen=True)
class Entry:
    """One intervention, from when to when."""

    kind: str
    when: Time = 0
    until: Time | None = None
    off: bool = False
    """It is switched off at `when` instead of on"""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text form; `parsed` reads it."""
        until = "" if self.until is None else f"..{self.until}"
        rest = "off" if self.off else written_parameters(self.parameters)
        return f"{self.kind}@{self.when}{until}" + (f":{rest}" if rest else "")


def reached(time: Time, step: int, found: Collection[str]) -> bool:
    """Whether it has come by `step`, with the detections so far."""
    return step >= time if isinstance(time, int) else time in found


def may_be_on(on: Entry, off: Entry) -> bool:
    """Whether what `on` switches on may still be on when `off` comes; of detections nobody knows when."""
    if on.off or on.kind != off.kind:
        return False
    over = on.until is not None and _surely_by(on.until, off.when)
    return not over and not _surely_by(off.when, on.when)


def _surely_by(one: Time, other: Time) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one <= other


def parsed(text: str) -> Entry:
    """The text form read, whether or not there is such an intervention. Raises `BadSchedule`."""
    head = _HEAD.fullmatch(text.strip())
    if head is None:
        raise BadSchedule(f"{text!r} is no intervention: write KIND[@WHEN[..UNTIL]][:parameter=value,…]")
    when = 0 if head["when"] is None else _time(head["when"], text)
    until = None if head["until"] is None else _time(head["until"], text)
    if head["rest"] is not None and head["rest"].strip() == "off":
        if head["when"] is None:
            raise BadSchedule(f"{text!r}: say when it is switched off, KIND@WHEN:off")
        if until is not None:
            raise BadSchedule(
                f"{text!r}: it is switched off at one step, KIND@WHEN:off; WHEN..UNTIL is how long it is on"
            )
        return Entry(head["kind"].strip(), when, off=True)
    if isinstance(when, int) and isinstance(until, int) and until <= when:
        how = "where it begins, and so never is on" if until == when else "before it begins"
        raise BadSchedule(f"{text!r} ends {how}")
    try:
        return Entry(head["kind"].strip(), when, until, parameters=read_parameters(head["rest"] or "", text))
    except BadParameters as problem:
        raise BadSchedule(str(problem)) from None


def checked(text: str) -> Entry:
    """The text form read, of an intervention and parameters that exist. Raises `BadSchedule`, naming the nearest."""
    entry = parsed(text)
    spec = specified(entry.kind)
    if not entry.off:
        validated_intervention(spec, entry.parameters)
    return entry


def specified(kind: str) -> InterventionSpec:
    """The intervention of that name. Raises `BadSchedule`, naming the nearest."""
    try:
        return registry.get("interventions", kind)
    except (registry.NoSuchPlugin, registry.BrokenPlugin) as problem:
        raise BadSchedule(str(problem.args[0])) from None


def validated_intervention(spec: InterventionSpec, parameters: Mapping[str, Any]) -> BaseModel:
    """The parameters as the intervention takes them. Raises `BadSchedule`, naming the nearest where one is unknown."""
    try:
        return valid_parameters(spec.name, spec.parameters, parameters)
    except BadParameters as problem:
        raise BadSchedule(str(problem)) from None


def replayed(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was done to a run, by whomever and on whatever condition, as a schedule of fixed steps.

    Of several switches of one kind at one step the last one counts, and that it was off in between.
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

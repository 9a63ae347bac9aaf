"""Where a run goes on: the newest checkpoint that can be believed, and how much of the log stands before it.

Deciding touches nothing. What was recorded behind the checkpoint is recorded again when training repeats it; what would
not come again is lost, and a run that would lose something is left as it is unless somebody asks for that.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grokscope.contract.parameters import Layout
from grokscope.gate import Unreadable, open_regular
from grokscope.runs.checkpoints import (
    Checkpoint,
    Place,
    newest_first,
    read_checkpoint,
    remove_ahead,
    write_checkpoint,
)
from grokscope.runs.directory import NoSuchRun, RunDirectory
from grokscope.runs.log import decode


class WouldLose(NoSuchRun):
    """Going on would discard what does not come again; the message says how much of what, and why."""


@dataclass(frozen=True)
class Resumption:
    """How a run goes on."""

    checkpoint: Checkpoint | None
    """None: from step 0, as it began"""
    place: Place
    """Where in the log it goes on"""
    warnings: Sequence[str]
    """What could not be believed, and what is discarded"""


@dataclass
class _Survey:
    """What the log holds, in brief: a log may be larger than memory."""

    intact: int = 0
    """Events before the first damaged line"""
    damage: str = ""
    """What is wrong with that line; empty where there is none"""
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    """Of every event that can be read, also behind the damaged line; -1 where it has none"""
    acknowledged: list[int] = field(default_factory=list)
    """Places of what somebody asked for, and was told that it is safe"""
    checkpoints: list[tuple[int, int, str]] = field(default_factory=list)
    """Place, step and digest of the state, of every `checkpoint` event"""
    finished: bool = False


def resumption(directory: RunDirectory, layout: Layout, *, longer: bool = False, discard: bool = False) -> Resumption:
    """How the run in `directory`, of a model of this layout, goes on.

    `longer`: whether it may go on beyond the step that was to be its last. `discard`: whether events may be lost.
    Raises `WouldLose`, `Unreadable`.
    """
    survey = _surveyed(directory.events)
    found, complaints = _believed(directory, layout, survey)
    left = len(complaints) if found is None else 0
    if survey.damage:
        complaints.append(survey.damage)
    place = Place(seq=0, began=0, recorded=False)
    if found is not None:
        place = _going_on(found.place, survey.intact, longer)
        lost = [where for where in survey.acknowledged if where >= place.seq]
    elif left or survey.checkpoints or survey.finished or survey.acknowledged:
        lost = list(range(len(survey.steps)))
    else:  # killed before the first checkpoint: all that was recorded is recorded again
        lost = []
    if lost or left:
        sentence = _loss(found, [survey.steps[where] for where in lost], left)
        if not discard:
            reasons = "; ".join(complaints) or "it has no checkpoint"
            raise WouldLose(f"{directory.name} was left as it is: {reasons}; {sentence} (--discard-events permits it)")
        complaints.append(f"{sentence}, as was asked for")
    elif found is not None and complaints:
        complaints.append(f"going on from step {found.state.step:,}")
    return Resumption(found, place, complaints)


def events_until(file: Path, step: int) -> int:
    """How many events stay where somebody's own loop goes on behind `step` steps, by a checkpoint of its own: those
    before the first one that was recorded later.

    Raises `Unreadable`, also for a log that was no such loop's, and for one whose damage would take more with it.
    """
    events = _events(file)
    first = next(events, None)
    if first is None or first.get("origin") != "own loop":
        raise Unreadable(f"{file} is not the log of a loop of your own; choose another run=")
    count = 1
    for event in events:
        if event is None or event["seq"] != count:
            steps = [each.get("step") for each in events if each is not None]
            lost = sum(each is not None and each <= step for each in steps)
            if lost:
                raise Unreadable(
                    f"{file} is damaged in line {count + 1:,}, and {_counted(lost)} behind it would be lost; "
                    "choose another run="
                )
            break
        if (event.get("step") or 0) > step:
            break
        count += 1
    return count


def make_way(directory: RunDirectory, plan: Resumption) -> None:
    """Remove the files that stand ahead of the step at which the run goes on. Raises `RunUnwritable`.

    What the checkpoint says of its place in the log is put right, before the log is cut there: a process may die in
    between.
    """
    found = plan.checkpoint
    step = -1 if found is None else found.state.step
    for folder in (directory.checkpoints, directory.snapshots, directory.untreated):
        remove_ahead(folder, step)
    if found is not None and found.place != plan.place:
        write_checkpoint(directory.checkpoints, replace(found, place=plan.place))


def _going_on(place: Place, events: int, longer: bool) -> Place:
    if place.final and longer:
        return Place(seq=place.began, began=place.began, recorded=False)
    if not place.recorded:
        return place
    return replace(place, seq=min(place.seq + place.following, events), following=0)


def _believed(directory: RunDirectory, layout: Layout, survey: _Survey) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole and that the log leads to, and what is wrong with the newer ones."""
    complaints: list[str] = []
    for file in newest_first(directory.checkpoints):
        try:
            return _checked(read_checkpoint(file, layout), survey), complaints
        except Unreadable as problem:
            complaints.append(str(problem))
    return None, complaints


def _checked(found: Checkpoint, survey: _Survey) -> Checkpoint:
    if found.place.seq > survey.intact:
        held = _counted(survey.intact) + (" before a damaged line" if survey.damage else "")
        raise Unreadable(f"{found.file} was written behind {_counted(found.place.seq)}, and the log holds {held}")
    for place, step, digest in survey.checkpoints:
        if place >= found.place.seq and step == found.state.step:
            if digest != found.digest:
                raise Unreadable(f"{found.file} is not the file that the log speaks of")
            break
    return found


def _surveyed(file: Path) -> _Survey:
    survey = _Survey()
    for number, event in enumerate(_events(file)):
        if event is None or event.get("seq") != number:
            survey.damage = survey.damage or f"line {number + 1:,} of {file} is damaged"
        if event is None:
            continue
        step, place = event.get("step"), len(survey.steps)
        survey.steps.append(step if isinstance(step, int) else -1)
        if not survey.damage:
            survey.intact += 1
        if _is_acknowledgement(event):
            survey.acknowledged.append(place)
        if event["event"] == "checkpoint":
            survey.checkpoints.append((place, survey.steps[-1], str(event.get("state_digest"))))
        survey.finished |= event["event"] == "finished"
    return survey


def _events(file: Path) -> Iterator[dict[str, Any] | None]:
    """What every whole line holds, None for one that holds no event; a torn last line is none."""
    with open_regular(file) as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decode(line)


def _is_acknowledgement(event: dict[str, Any]) -> bool:
    asked = event.get("source") == "control"
    return asked and (event["event"] == "snapshot" or event.get("state") in {"on", "changed", "off"})


def _loss(found: Checkpoint | None, steps: Sequence[int], checkpoints: int) -> str:
    """What going on discards: events of these steps, and checkpoints that nothing can be read from now."""
    how = "beginning anew" if found is None else f"going on from step {found.state.step:,}"
    discarded = []
    if steps:
        first, last = min(steps), max(steps)
        where = f"of step {first:,}" if first == last else f"of steps {first:,} to {last:,}"
        discarded.append(f"{_counted(len(steps))} {where}")
    if checkpoints:
        discarded.append("a checkpoint" if checkpoints == 1 else f"{checkpoints} checkpoints")
    return f"{how} discards {' and '.join(discarded)}"


def _counted(events: int) -> str:
    return "one event" if events == 1 else f"{events:,} events"

"""What a run is doing, told from outside: by its log, its heartbeat and its process, read together.

The log says what the trainer did last, but a trainer that was killed cannot write that it is gone. Everybody who shows
runs (`ls`, `show`, `control`, the TUI, sweeps) asks here, so that they never disagree. A run whose log cannot be
understood has a state too, with the problem in a sentence: it must not keep others from being listed.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

from grokscope.gate import Missing, Unreadable, open_regular
from grokscope.runs.directory import RunDirectory
from grokscope.runs.heartbeat import STALE_SECONDS, age_seconds, process_of
from grokscope.runs.lines import LONGEST_LINE, OddLine, event_of
from grokscope.runs.process import process_lives
from grokscope.words.fields import section
from grokscope.words.names import state_in_words
from grokscope.words.numbers import count

Phase = Literal["waiting", "running", "paused", "finished"]
"""What the log alone says: nothing yet, or what its last word was."""
RunCondition = Literal["waiting", "running", "paused", "stale", "crashed", "finished", "unreadable"]
"""What log and signs of life say together; `stale`: silent, and nobody can tell whether for good."""

LOST_SECONDS = 60.0
"""A trainer on another machine that was silent for so long is counted as gone."""

DETECTED = ("memorized", "onset", "grokked", "regressed")
"""What `RunState.detected_step` knows."""

_NOT_LISTED = (b'"observed"', b'"forecast"', b'"intervened"', b'"snapshot"', b'"checkpoint"', b'"warned"', b'"fired"')
"""Kinds of which a list of runs says nothing"""
_BULKY = frozenset({"signals", "intervention_parameters", "criteria", "versions", "facts"})
"""What a list does not keep of an event: thousands of `started` would fill memory, and the garbage collector's day"""
_KEY = b'"event":'
_KIND = re.compile(rb'"event":\s*"([^"\\]{1,40})"')
_HEAD_BYTES = 400
_FIRST_BLOCK, _LARGEST_BLOCK = 1 << 13, 1 << 18
"""Bytes that are read at once from the end of a log: what matters stands at the end of most"""


@dataclass(frozen=True)
class Signs:
    """What the outside of a run says of its trainer."""

    silence: float | None = None
    """Seconds since the last heartbeat, negative where it is dated later than now; None where there never was one."""
    process_lives: bool | None = None
    """None where this machine cannot tell."""


def condition(phase: Phase, signs: Signs) -> RunCondition:
    """What to say of a run. A log that ends in `finished` needs no heartbeat.

    A heartbeat from the future tells nothing: the clock that dated it is not this one.
    """
    if phase == "finished":
        return phase
    if signs.process_lives is False:
        return "crashed"
    if phase == "waiting":
        return phase
    silence = signs.silence
    if silence is not None and (abs(silence) <= STALE_SECONDS or (silence < 0 and signs.process_lives)):
        return phase
    lost = silence is None or silence > LOST_SECONDS
    return "crashed" if lost and not signs.process_lives else "stale"


def signs_of(directory: RunDirectory, trainer: Mapping[str, Any]) -> Signs:
    """Signs of life now. `trainer` names the process where no heartbeat does: a `started` event does."""
    return Signs(age_seconds(directory.heartbeat), process_lives(process_of(directory.heartbeat) or trainer))


@dataclass(frozen=True)
class RunState:
    """A run at one moment: the newest event of each kind, and signs of life."""

    directory: RunDirectory
    last: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """The newest event of each kind; where a list was asked for, of the kinds that a list needs"""
    signs: Signs
    problem: str = ""
    """What is odd about the log, in a sentence; empty where nothing odd was met"""

    @cached_property
    def phase(self) -> Phase:
        """What the log alone says."""
        if not self.last:
            return "waiting"
        if self._seq("finished") > self._seq("started"):
            return "finished"
        paused = self._seq("paused")
        return "paused" if paused > self._seq("resumed") and paused > self._seq("started") else "running"

    @property
    def condition(self) -> RunCondition:
        return "unreadable" if self.problem and not self.last else condition(self.phase, self.signs)

    @property
    def status(self) -> str | None:
        """How a finished run ended: completed, grokked, stopped, interrupted, diverged."""
        return str(self.last["finished"]["status"]) if self.condition == "finished" else None

    @property
    def word(self) -> str:
        """How the run stands, for a person."""
        grokked, regressed = (self.detected_step(kind) is not None for kind in ("grokked", "regressed"))
        return state_in_words(self.condition, self.status, grokked=grokked, regressed=regressed)

    @property
    def standing(self) -> str:
        """The same with its step: `grokked at 2,050`, `did not grok by 20,000`, `running, 300 of 20,000`."""
        grokked, regressed = self.detected_step("grokked"), self.detected_step("regressed")
        steps = self.setting("train", "steps")
        if self.condition == "running" and steps is not None:
            return f"running, {count(self.step)} of {count(steps)}"
        step = {"grokked": grokked, "regressed": regressed}.get(self.word, self.step)
        between = "by" if self.word == "did not grok" else "at"
        return self.word if step is None else f"{self.word} {between} {count(step)}"

    @property
    def listens(self) -> bool:
        """Whether somebody reads the control inbox."""
        return self.condition in {"running", "paused", "stale"}

    @property
    def may_go_on(self) -> bool:
        """Whether more events may come: the run has not finished, and its trainer is not known to be gone."""
        return self.listens or self.condition == "waiting"

    @property
    def events(self) -> int:
        """Events written, by the number of the newest."""
        return max((event["seq"] + 1 for event in self.last.values()), default=0)

    @property
    def step(self) -> int | None:
        """The largest step that anything was recorded at."""
        return max((event["step"] for event in self.last.values() if event.get("step") is not None), default=None)

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration, by section; empty before the first event."""
        found: Mapping[str, Any] = self.last.get("started", {}).get("config", {})
        return found

    def setting(self, table: str, name: str) -> Any:
        """One setting of the configuration; None where it has no such setting."""
        return section(self.config, table).get(name)

    def detected_step(self, kind: str) -> int | None:
        """The step at which one of `DETECTED` is dated: by its event, or by what the run said when it finished.

        None where it has not come."""
        if kind in self.last:
            return int(self.last[kind]["step"])
        found = self.last["finished"]["result"].get(f"{kind}_step") if self.phase == "finished" else None
        return found if isinstance(found, int) else None

    def _seq(self, kind: str) -> int:
        return int(self.last[kind]["seq"]) if kind in self.last else -1


def read_state(directory: RunDirectory, *, listed: bool = False) -> RunState:
    """The state of a run now. Of the log it decodes no more than the newest event of each kind.

    Where it is `listed` among others, of a run that is finished the head and the tail of the log are read alone. Never
    raises: a log that is not there is a run that has not started, one that cannot be understood is a `problem`.
    """
    last: dict[str, dict[str, Any]] = {}
    problem = ""
    try:
        with open_regular(directory.events) as log:
            why = _read_newest(log, last, listed=listed)
        if why:
            holds = "has lines that are no events" if last else "holds no event of a run"
            problem = f"{directory.events} {holds} ({why})"
    except Missing:
        if directory.events.is_symlink():
            problem = f"{directory.events} is a link to a file that is not there"
    except Unreadable as odd:
        problem = str(odd)
    state = RunState(directory, last, Signs(), problem)
    return state if state.phase == "finished" else replace(state, signs=signs_of(directory, last.get("started", {})))


def _read_newest(log: BinaryIO, last: dict[str, dict[str, Any]], *, listed: bool) -> str:
    """Fill `last` with the newest event of each kind, from the end of the log; what is odd about it, in a few words.

    Of a list, a kind that it needs not is kept where nothing is newer.
    """
    problem = ""
    passed_over: tuple[bytes, ...] = ()
    for line in _backwards(log):
        place = line.find(_KEY, 0, _HEAD_BYTES)
        if place >= 0 and line.startswith(passed_over, place + len(_KEY)):  # as most lines are, and soon
            continue
        found = _KIND.search(line, 0, _HEAD_BYTES)
        if found is not None and b'"%s"' % found[1] in passed_over:
            continue
        try:
            event = event_of(line)
        except OddLine as odd:
            problem = str(odd)
            continue
        if listed and not last:
            passed_over = _NOT_LISTED
        last.setdefault(event["event"], _short(event) if listed else event)
        passed_over = (*passed_over, b'"%s"' % event["event"].encode())
        if listed and event["event"] == "finished":
            passed_over = (*passed_over, b'"trained"')
        if listed and _is_told(log, last):
            break
    return problem


def _is_told(log: BinaryIO, last: dict[str, dict[str, Any]]) -> bool:
    """Whether `last` holds all that a list needs of a finished run: what was detected, `finished` says itself.

    That includes the process that finished it. Where this was the first one, its `started` is the first line.
    """
    if not last.keys() >= {"finished", "evaluated", "measured"}:
        return False
    if "started" not in last and last["finished"].get("session") == 0:
        log.seek(0)
        with suppress(OddLine):
            started = event_of(log.readline(LONGEST_LINE).rstrip(b"\n"))
            last.setdefault(started["event"], _short(started))
    return "started" in last and last["finished"]["seq"] > last["started"]["seq"]


def _short(event: dict[str, Any]) -> dict[str, Any]:
    for name in _BULKY & event.keys():
        del event[name]
    return event


def _backwards(log: BinaryIO) -> Iterator[bytes]:
    """The whole lines of a log, the last one first; a torn one at the end is left out."""
    end, size = log.seek(0, os.SEEK_END), _FIRST_BLOCK
    rest: bytes | None = None
    """The end of a line that begins further up; None as long as no line end was seen"""
    while end:
        start = max(0, end - size)
        log.seek(start)
        pieces = log.read(end - start).split(b"\n")
        end, size = start, min(2 * size, _LARGEST_BLOCK)
        if rest is None and len(pieces) > 1:
            pieces.pop()
            rest = b""
        if rest is not None:
            pieces[-1] += rest
            rest = pieces[0] if len(pieces[0]) <= LONGEST_LINE else b"\n"  # too long, and odd whatever comes before it
            yield from reversed(pieces[1:])
    if rest is not None:
        yield rest


def bytes_in(folder: Path) -> int:
    """Size of everything in `folder`; what vanishes while it is counted counts nothing."""
    total = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def summary(state: RunState) -> dict[str, Any]:
    """One run in a list of runs. What is not known is None."""
    metric = state.last.get("started", {}).get("metric", "accuracy")
    started, evaluated = state.last.get("started", {}), state.last.get("evaluated", {})
    newest = max(state.last.values(), key=lambda event: int(event["seq"]), default=None)
    return {
        "name": state.directory.name,
        "path": str(state.directory.path),
        "task": started.get("task"),
        "state": state.condition,
        "status": state.status,
        "step": state.step,
        "steps": state.setting("train", "steps"),
        "metric": metric,
        "train": section(evaluated, "train").get(metric),
        "test": section(evaluated, "test").get(metric),
        "defect": state.last.get("measured", {}).get("defect", {}).get("median"),
        "grokked_step": state.detected_step("grokked"),
        "regressed_step": state.detected_step("regressed"),
        "started": started.get("time"),
        "written": None if newest is None else newest["time"],
        "problem": state.problem or None,
    }

"""Folds many lines at once, for opening long logs. The view equals that of `fold` line by line, but comes much sooner.

`columns.ColumnReader` reads the curves of the regular kinds from the text of the lines. JSON is parsed only for the
newest event of each regular kind and for all other events. These other events are folded one by one, each at the step
and the time that the lines before it have reached.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grokscope.gate import open_regular
from grokscope.runs.log import decode
from grokscope.tui.columns import MAX_CURVES, REGULAR, ColumnReader, samples
from grokscope.tui.fold import (
    MISSING_EVENTS,
    extended,
    fold,
    is_dated_back,
    meant,
    newer,
    noticed,
    seconds_of,
    unreadable,
)
from grokscope.tui.series import Rows
from grokscope.tui.view import KEPT_REGULAR, LogLine, View
from grokscope.words.clean import clean

WORTHWHILE = 256
"""Fewer lines than this are folded one by one"""

_KEY = b'"event":"'
_KINDS = {kind.encode()[:6]: kind for kind in REGULAR}
_NO_STEP = -1

WINDOWS, WINDOW_BYTES = 48, 1 << 15
"""Places of a long log that a preview reads, and bytes per place"""


class Discontinued(Exception):
    """The log does not continue the lines that were read before, and must be read again from its start."""


class Folder:
    """Folds blocks of lines. It remembers only the shapes of lines, which affect speed but not the result."""

    def __init__(self) -> None:
        self._readers = {kind: ColumnReader() for kind in REGULAR}

    def fold(self, view: View, lines: list[bytes], forgiving: bool = True) -> View:
        """The view after `lines`, equal to folding them one by one.

        If the `seq` of an event does not follow that of the view, a `forgiving` fold adds a notice; otherwise raises
        `Discontinued`.
        """
        if len(lines) < WORTHWHILE:
            return _one_by_one(view, lines, forgiving)
        block = _Block(lines, self._readers)
        if not block.good.any() or len(view.series.keys() | block.curves.keys()) > MAX_CURVES:
            return _one_by_one(view, lines, forgiving)
        return block.folded(view, forgiving)


def _one_by_one(view: View, lines: list[bytes], forgiving: bool) -> View:
    for line in lines:
        event = decode(line)
        if event is None:
            view = unreadable(view)
            continue
        missing = event["seq"] - view.events
        if missing and not forgiving:
            raise Discontinued
        view = fold(noticed(view, MISSING_EVENTS, missing) if missing > 0 else view, event)
    return view


class _Block:
    """Many lines, read. Arrays [lines]; their values at damaged lines are undefined."""

    def __init__(self, lines: Sequence[bytes], readers: Mapping[str, ColumnReader]) -> None:
        self.lines = lines
        self.good = np.zeros(len(lines), dtype=bool)
        self.seq = np.zeros(len(lines), dtype=np.int64)
        self.step = np.full(len(lines), _NO_STEP)
        self.seconds = np.zeros(len(lines))
        self.events: dict[int, Mapping[str, Any]] = {}
        """Events of unknown shape, by the place of their line"""
        self.places: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in REGULAR}
        """Places of the events of each regular kind"""
        self.curves: dict[str, list[tuple[NDArray[np.int64], Rows]]] = {}
        """Samples by curve, with the places of their lines"""
        alone: list[int] = []
        for kind, places in _by_kind(lines).items():
            alone += self._read(readers[kind], places) if kind in readers else places
        for place in sorted(alone):
            event = decode(lines[place])
            if event is not None:
                self._take(place, event)

    def _read(self, reader: ColumnReader, places: list[int]) -> list[int]:
        batches, rest = reader.read(self.lines, places)
        for batch in batches:
            at = batch.places
            self.good[at], self.seq[at], self.step[at], self.seconds[at] = True, batch.seq, batch.step, batch.seconds
            self._keep(batch.kind, at, batch.curves)
        return rest

    def _take(self, place: int, event: Mapping[str, Any]) -> None:
        self.events[place] = event
        step = None if is_dated_back(event) else event.get("step")
        self.good[place], self.seq[place], self.step[place] = True, event["seq"], _NO_STEP if step is None else step
        self.seconds[place] = seconds_of(event)
        if event["event"] in REGULAR:
            curves = {name: np.array([row]) for name, row in samples(event)}
            self._keep(event["event"], np.array([place]), curves)

    def _keep(self, kind: str, places: NDArray[np.int64], curves: Mapping[str, Rows]) -> None:
        self.places[kind].append(places)
        for name, rows in curves.items():
            self.curves.setdefault(name, []).append((places, rows))

    def folded(self, view: View, forgiving: bool) -> View:
        """The view after these lines. Raises `Discontinued`."""
        good = np.flatnonzero(self.good)
        odd = len(self.lines) - len(good)
        view = _counted(unreadable(view, odd) if odd else view, self.seq[good], forgiving)
        view = replace(view, run=view.run or self._run())
        steps = np.maximum.accumulate(np.maximum(self.step[good], view.step))
        rank = np.cumsum(self.good) - 1
        sessions = [int(rank[place]) for place, event in self.events.items() if event["event"] == "started"]
        origin, elapsed = _clocked(view, self.seconds[good], sessions)
        for place, event in self.events.items():
            view = newer(view, event)
            if event["event"] not in REGULAR:
                at = rank[place]
                view = meant(replace(view, step=int(steps[at]), elapsed=float(elapsed[at])), event)
        view = replace(
            view,
            step=int(steps[-1]),
            elapsed=float(elapsed[-1]),
            clock_origin=origin,
            clock=view.clock.extend(np.stack([steps.astype(np.float64), elapsed], axis=1)),
        )
        return self._regular(view)

    def _run(self) -> str:
        """The name of the run, from the first line that has a name."""
        events = (decode(self.lines[place]) or {} for place in np.flatnonzero(self.good).tolist())
        return next((name for event in events if (name := clean(event.get("run", "")))), "")

    def _regular(self, view: View) -> View:
        """Curves, newest event and lines of the log of the regular kinds."""
        for name, parts in self.curves.items():
            places, rows = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            view = extended(view, name, rows[np.argsort(places)])
        latest, regular = dict(view.latest), dict(view.regular)
        for kind, several in self.places.items():
            if several:
                places = np.sort(np.concatenate(several))
                latest[kind] = decode(self.lines[places[-1]]) or {}
                lines = [LogLine(self.lines[place]) for place in places[-KEPT_REGULAR:]]
                regular[kind] = (*regular.get(kind, ()), *lines)[-KEPT_REGULAR:]
        return replace(view, latest=latest, regular=regular)


def _by_kind(lines: Sequence[bytes]) -> dict[str, list[int]]:
    """Places of the lines by regular kind, judged by their first bytes; all other lines stand under an empty name."""
    begins = [line.find(_KEY, 20, 400) + len(_KEY) for line in lines]
    kinds = [_KINDS.get(line[at : at + 6], "") for line, at in zip(lines, begins, strict=True)]
    return {kind: [place for place, each in enumerate(kinds) if each == kind] for kind in set(kinds)}


def _counted(view: View, seq: NDArray[np.int64], forgiving: bool) -> View:
    """The view with the events counted. Missing events give a notice if `forgiving`, else raise `Discontinued`."""
    reached = np.maximum.accumulate(np.append(view.events, seq + 1))
    missing = seq - reached[:-1]
    if missing.any() and not forgiving:
        raise Discontinued
    gap = int(missing[missing > 0].sum())
    return replace(noticed(view, MISSING_EVENTS, gap) if gap else view, events=int(reached[-1]))


def _clocked(
    view: View, seconds: NDArray[np.float64], sessions: Sequence[int]
) -> tuple[float | None, NDArray[np.float64]]:
    """The origin of the clock after events at `seconds` [n], and the seconds of training at each event [n].

    A session begins at each place in `sessions`. The clock does not run between sessions.
    """
    origin, reached, elapsed = view.clock_origin, view.elapsed, np.empty(len(seconds))
    for first, end in pairwise(sorted({0, *sessions, len(seconds)})):
        if origin is None or first in sessions:
            origin = float(seconds[first]) - reached
        elapsed[first:end] = np.maximum.accumulate(np.maximum(seconds[first:end] - origin, reached))
        reached = float(elapsed[end - 1])
    return origin, elapsed


def preview(file: Path) -> View:
    """A quick view of a long log, from its head, its tail and some places between.

    The newest events are exact. Curves are samples, and events between the places are missing. Raises `Unreadable`.
    """
    lines: list[bytes] = []
    with open_regular(file) as log:
        size = os.fstat(log.fileno()).st_size
        for window in range(WINDOWS):
            start = max(0, size - WINDOW_BYTES) * window // (WINDOWS - 1)
            log.seek(start)
            data = log.read(WINDOW_BYTES)
            first = 0 if start == 0 else data.find(b"\n") + 1
            lines += data[first : data.rfind(b"\n") + 1].split(b"\n")[:-1]
    view = Folder().fold(View(), lines)
    return replace(view, problems={})

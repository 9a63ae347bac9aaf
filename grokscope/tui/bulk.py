"""Folding many lines at once, for opening long logs: the same view as `fold` line by line, much sooner.

What a viewer needs of the regular kinds is their curves, the newest event and the last lines of the log; only those are
parsed as JSON, the curves are read by `columns.Reader`.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from grokscope.runs.log import decode
from grokscope.tui.columns import REGULAR, Reader, samples
from grokscope.tui.fold import GAP, extended, fold, logged, noticed, unreadable
from grokscope.tui.series import Rows
from grokscope.tui.view import KEPT_REGULAR, View

WORTHWHILE = 256
"""Fewer lines than this are folded one by one."""

_KEY = b'"event":"'
_KINDS = {kind.encode()[:6]: kind for kind in REGULAR}


WINDOWS, WINDOW_BYTES = 48, 1 << 16
"""How many places of a long log a preview reads, and how much at each."""


class Discontinued(Exception):
    """The log is not the continuation of what was read before: read it again from its start."""


class Folder:
    """Folds blocks of lines; remembers nothing but the shapes of lines, which are only a matter of speed."""

    def __init__(self) -> None:
        self._readers = {kind: Reader() for kind in REGULAR}

    def fold(self, view: View, lines: list[bytes], forgiving: bool = True) -> View:
        """The view after `lines`. Raises `Discontinued` where `seq` does not go on from the view, unless `forgiving`:
        then a gap is a notice."""
        if len(lines) < WORTHWHILE:
            return self._one_by_one(view, lines, forgiving)
        several: dict[str, list[bytes]] = {kind: [] for kind in REGULAR}
        others: list[bytes] = []
        for line in lines:
            at = line.find(_KEY, 20, 400) + len(_KEY)
            kind = _KINDS.get(line[at : at + 6])
            (others if kind is None else several[kind]).append(line)
        expected = view.events
        first = decode(lines[0])
        view = self._one_by_one(view, others, forgiving=True, contiguous=False)
        for kind, block in several.items():
            view = self._regular(view, kind, block)
        if first is None or first.get("seq") != expected or view.events - expected != len(lines):
            if not forgiving:
                raise Discontinued
            missing = view.events - expected - len(lines)
            view = noticed(view, GAP, missing) if missing > 0 else view
        return view

    def _one_by_one(self, view: View, lines: list[bytes], forgiving: bool, contiguous: bool = True) -> View:
        for line in lines:
            event = decode(line)
            if event is None:
                view = unreadable(view)
                continue
            missing = event["seq"] - view.events if isinstance(event.get("seq"), int) else 0
            if contiguous and missing:
                if not forgiving:
                    raise Discontinued
                view = noticed(view, GAP, missing) if missing > 0 else view
            view = fold(view, event)
        return view

    def _regular(self, view: View, kind: str, lines: list[bytes]) -> View:
        if not lines:
            return view
        older, newest = lines[:-1], lines[-1]
        tables, misfits = self._readers[kind].read(older)
        parts: dict[str, list[Rows]] = {}
        for table in tables:
            for name, rows in table.items():
                parts.setdefault(name, []).append(rows)
        for line in misfits:
            event = decode(line)
            if event is None:
                view = unreadable(view)
                continue
            for name, row in samples(event):
                parts.setdefault(name, []).append(np.array([row]))
        for name, found in parts.items():
            view = extended(view, name, _in_order(found))
        for line in older[-KEPT_REGULAR + 1 :]:
            view = logged(view, line, kind)
        return self._one_by_one(view, [newest], forgiving=True, contiguous=False)


def _in_order(parts: list[Rows]) -> Rows:
    """Rows of several shapes of line as one table, ascending in step."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate(parts)
    ordered: Rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return ordered


def preview(file: Path) -> View:
    """A long log at a glance: its head, its tail and samples between, so that something true can be shown at once.

    The newest events are exact; curves are a sample, and events between the samples are missing. Raises `OSError`.
    """
    lines: list[bytes] = []
    with file.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        for window in range(WINDOWS):
            start = max(0, size - WINDOW_BYTES) * window // (WINDOWS - 1)
            log.seek(start)
            data = log.read(WINDOW_BYTES)
            first = 0 if start == 0 else data.find(b"\n") + 1
            lines += data[first : data.rfind(b"\n") + 1].splitlines()
    view = Folder().fold(View(), lines)
    return replace(view, problems={})

"""A long command says how far it is, on a terminal alone."""

import io
import sys
import time

import pytest

from grokscope.cli import progress
from grokscope.cli.progress import progress_line, tracked


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 40, 3.0, "0 of 40 figures, 3 s so far"),
        (10, 40, 20.0, "10 of 40 figures, 0.5/s, 1 min 00 s left"),
        (1000, 4000, 10.0, "1,000 of 4,000 figures, 100/s, 30 s left"),
    ],
)
def test_a_line(done: int, total: int, seconds: float, line: str) -> None:
    assert progress_line(done, total, seconds, "figures") == line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, seconds: float) -> str:
    """What ten items of so many seconds each show."""
    now = 0.0
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "clock", lambda: now)
    monkeypatch.setattr(sys, "stderr", stderr)
    seen = []
    for item in tracked(range(10), "items"):
        seen.append(item)
        now += seconds
    assert seen == list(range(10))
    return stderr.getvalue()


def test_a_terminal_sees_progress_that_is_cleared_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = watched(monkeypatch, Terminal(), 3.0)
    assert "\r5 of 10 items, 0.33/s, 15 s left" in shown
    assert shown.endswith("\r\x1b[K")


def test_what_is_short_or_has_no_terminal_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch, Terminal(), 0.1) == ""
    assert watched(monkeypatch, io.StringIO(), 3.0) == ""


def test_one_long_item_is_shown_while_it_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a large file is while it is read."""
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0.01)
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    for _ in tracked(range(1), "files read"):
        until = time.monotonic() + 60
        while "so far" not in stderr.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert "\r0 of 1 files read, " in stderr.getvalue()
    assert stderr.getvalue().endswith("\r\x1b[K")

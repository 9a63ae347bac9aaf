"""Progress of commands that may take more than a minute: one line on stderr, and only on a terminal."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from shutil import get_terminal_size
from threading import Event, Lock, Thread
from time import monotonic as clock

from grokscope.words.durations import duration
from grokscope.words.numbers import number
from grokscope.words.tracking import Item

PATIENCE_SECONDS = 2.0
"""What takes less time shows nothing"""
_REDRAW_SECONDS = 0.25


def tracked(items: Sequence[Item], words: str, /) -> Iterable[Item]:
    """The items, with a line such as `3 of 40 figures, 1.2/s, 31 s left` while they are worked on."""
    return _shown(items, words) if on_terminal() else items


def on_terminal() -> bool:
    """Whether somebody sees stderr, on a terminal that can rewrite a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def progress_line(done: int, total: int, seconds: float, words: str) -> str:
    """How much is done, how fast it goes, and how long the rest may take; before anything is done, how long it took."""
    line = f"{done:,} of {total:,} {words}"
    if not done or seconds <= 0:
        return f"{line}, {duration(seconds)} so far"
    return f"{line}, {number(done / seconds, 2)}/s, {duration((total - done) * seconds / done)} left"


def _shown(items: Sequence[Item], words: str) -> Iterator[Item]:
    line = _Line(len(items), words)
    try:
        for done, item in enumerate(items):
            line.done = done
            line.draw()
            yield item
    finally:
        line.clear()


class _Line:
    """The line of progress. A thread draws it while one item takes long, such as a large file."""

    def __init__(self, total: int, words: str) -> None:
        self.done = 0
        self._total, self._words = total, words
        self._width = get_terminal_size().columns - 1
        self._started = self._drawn = clock()
        self._lock, self._over = Lock(), Event()
        Thread(target=self._wait, name="progress", daemon=True).start()

    def draw(self) -> None:
        with self._lock:
            now = clock()
            due = now - self._started > PATIENCE_SECONDS and now - self._drawn > _REDRAW_SECONDS
            if due and not self._over.is_set():
                _write(progress_line(self.done, self._total, now - self._started, self._words)[: self._width])
                self._drawn = now

    def clear(self) -> None:
        with self._lock:
            self._over.set()
            if self._drawn != self._started:
                _write("")

    def _wait(self) -> None:
        while not self._over.wait(_REDRAW_SECONDS):
            self.draw()


def _write(line: str) -> None:
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201

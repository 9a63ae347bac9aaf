"""Progress of commands that may take more than a minute: one line on stderr, and only on a terminal."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from shutil import get_terminal_size
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
    """How much is done, how fast it goes, and how long the rest may take."""
    line = f"{done:,} of {total:,} {words}"
    if not done or seconds <= 0:
        return line
    return f"{line}, {number(done / seconds, 2)}/s, {duration((total - done) * seconds / done)} left"


def _shown(items: Sequence[Item], words: str) -> Iterator[Item]:
    started = drawn = clock()
    width = get_terminal_size().columns - 1
    try:
        for done, item in enumerate(items):
            now = clock()
            if now - started > PATIENCE_SECONDS and now - drawn > _REDRAW_SECONDS:
                _write(progress_line(done, len(items), now - started, words)[:width])
                drawn = now
            yield item
    finally:
        if drawn != started:
            _write("")


def _write(line: str) -> None:
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201

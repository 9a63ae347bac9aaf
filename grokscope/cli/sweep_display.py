"""Progress of a sweep on stderr: a grid of cells on a terminal, one line per ended cell elsewhere."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from grokscope.sweeps.grid import Sweep, axis_keys, point_on, slug_of
from grokscope.sweeps.standing import CellStanding, read_standing
from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.numbers import count, number

ShowCell = Callable[[CellStanding], None]

CELL_GLYPHS: Mapping[str, tuple[str, str, str]] = {
    "missing": ("·", ".", "dim"),
    "running": ("▶", ">", "cyan"),
    "interrupted": ("‖", "=", "yellow"),
    "stale": ("?", "?", "yellow"),
    "crashed": ("✗", "x", "red"),
    "failed": ("✗", "x", "red"),
    "diverged": ("∞", "%", "magenta"),
    "not grokked": ("■", "#", ""),
    "grokked": ("●", "o", "green"),
}
"""Glyph, ASCII glyph and style of a cell, by the state or outcome of the cell"""
MOST_LABEL = 0.5
"""Largest share of the window's width for the names of rows"""


@contextmanager
def sweep_display(sweep: Sweep, *, quiet: bool) -> Iterator[ShowCell]:
    """Yields a listener that shows cells on stderr: as a grid on a terminal, else as lines."""
    console = Console(stderr=True, highlight=False)
    view = SweepView(sweep)
    if quiet:
        yield lambda standing: None
    elif console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI"):
        with Live(console=console, refresh_per_second=4, get_renderable=lambda: view.panel(console), transient=False):
            yield view.see
    else:

        def show(standing: CellStanding) -> None:
            line = view.line(standing)
            view.see(standing)
            if line:
                console.print(line, markup=False, soft_wrap=True)

        yield show


class SweepView:
    """The newest standing of every cell."""

    def __init__(self, sweep: Sweep, clock: Callable[[], float] = time.monotonic) -> None:
        self.sweep = sweep
        self.standings = {cell.slug: read_standing(cell) for cell in sweep.cells}
        self._clock = clock
        self._began, self._before = clock(), self._steps

    def see(self, standing: CellStanding) -> None:
        self.standings[standing.cell.slug] = standing

    def line(self, standing: CellStanding) -> str | None:
        """A line about a cell that is no longer running; None if its state has not changed."""
        if standing.state == self.standings[standing.cell.slug].state or standing.state == "running":
            return None
        others = [other for slug, other in self.standings.items() if slug != standing.cell.slug]
        ended = sum(other.ended for other in others) + standing.ended
        outcome = f"{standing.word}, step {count(standing.step or 0)} of {count(standing.steps)}"
        if standing.grokked_step is not None:
            outcome += f", grok step {count(standing.grokked_step)}"
        if standing.reason:
            outcome += f": {standing.reason}"
        return clean(f"{standing.cell.slug}: {outcome} ({ended}/{len(self.standings)})", None)

    def panel(self, console: Console) -> Group:
        """Counts, the grid and the running cells, cut to the size of the window."""
        width, height = max(console.width, 1), console.height
        ascii_only = console.options.ascii_only
        grid = grid_lines(self.sweep, self.standings, width, ascii_only)
        if len(grid) > height - 4:
            grid = _wrapped([self.standings[cell.slug] for cell in self.sweep.cells], width, ascii_only)
        room = max(0, height - len(grid) - 3)
        working = [standing for standing in self.standings.values() if standing.state == "running"][:room]
        lines = [self._title(), *grid, _legend(self.standings.values(), ascii_only), *map(_progress, working)]
        for line in lines:
            line.truncate(width, overflow="crop" if ascii_only else "ellipsis")
        return Group(*lines[: max(1, height - 1)])

    def _title(self) -> Text:
        ended = sum(standing.ended for standing in self.standings.values())
        grokked = sum(standing.grokked_step is not None for standing in self.standings.values())
        return Text(f"{ended}/{len(self.standings)} ended, {grokked} grokked{self.pace()}  ", "bold").append(
            self.sweep.name, "not bold"
        )

    @property
    def _steps(self) -> int:
        """Steps that all cells have taken."""
        return sum(standing.step or 0 for standing in self.standings.values())

    def pace(self) -> str:
        """Steps a second since the display began, and the longest time that is left; empty before any step."""
        seconds, taken = self._clock() - self._began, self._steps - self._before
        if seconds <= 0 or taken <= 0:
            return ""
        left = sum(each.steps - (each.step or 0) for each in self.standings.values() if not each.ended)
        return f", {number(taken / seconds, 2)} steps/s, at most {duration(left * seconds / taken)} left"


def glyph_key(standing: CellStanding) -> str:
    """The key of a cell in `CELL_GLYPHS`."""
    if standing.state == "finished":
        return "not grokked" if standing.grokked_step is None else "grokked"
    return "failed" if standing.reason else standing.state


def grid_lines(sweep: Sweep, standings: Mapping[str, CellStanding], width: int, ascii_only: bool = False) -> list[Text]:
    """The cells as lines of glyphs.

    The last axis runs from left to right, all other axes from top to bottom. Cells without a point on the grid stand
    below.
    """
    axes = list(sweep.axes)
    rows: dict[str, list[CellStanding]] = {}
    beside: list[CellStanding] = []
    for cell in sweep.cells:
        standing = standings[cell.slug]
        if len(axes) < 2 or not cell.point:
            beside.append(standing)
        else:
            label = slug_of({key: cell.point[key] for axis in axes[:-1] for key in axis_keys(axis)})
            rows.setdefault(label, []).append(standing)
    lines: list[Text] = []
    if rows:
        longest = min(max(map(len, rows)), max(1, int(width * MOST_LABEL)))
        columns = max(1, (width - longest - 1) // 2)
        lines.append(Text(" " * (longest + 1) + _across(axes[-1], sweep.axes[axes[-1]]), "dim"))
        for label, row in rows.items():
            for start in range(0, len(row), columns):
                name = label[-longest:] if start == 0 else ""
                glyphs = _glyphs(row[start : start + columns], ascii_only)
                lines.append(Text().append(name.ljust(longest + 1), "dim").append_text(glyphs))
    return lines + _wrapped(beside, width, ascii_only)


def _across(axis: str, values: Sequence[Any]) -> str:
    first, last = (slug_of(point_on(axis, value)) for value in (values[0], values[-1]))
    if len(values) == 1:
        return first
    return f"{first} to {values[-1] if len(axis_keys(axis)) == 1 else last}"


def _wrapped(standings: Sequence[CellStanding], width: int, ascii_only: bool) -> list[Text]:
    columns = max(1, width // 2)
    return [_glyphs(standings[at : at + columns], ascii_only) for at in range(0, len(standings), columns)]


def _glyphs(standings: Sequence[CellStanding], ascii_only: bool) -> Text:
    line = Text(no_wrap=True)
    for standing in standings:
        line.append_text(_glyph(glyph_key(standing), ascii_only)).append(" ")
    return line


def _glyph(word: str, ascii_only: bool) -> Text:
    letter, plain, style = CELL_GLYPHS[word]
    return Text().append(plain if ascii_only else letter, style)


def _legend(standings: Any, ascii_only: bool) -> Text:
    words = {glyph_key(standing) for standing in standings}
    legend = Text(no_wrap=True)
    for word in CELL_GLYPHS:
        if word in words:
            legend.append_text(_glyph(word, ascii_only)).append(f" {word}  ", "dim")
    return legend


def _progress(standing: CellStanding) -> Text:
    step = f"{count(standing.step or 0)}/{count(standing.steps)} "
    return Text().append(step, "cyan").append(standing.cell.slug)

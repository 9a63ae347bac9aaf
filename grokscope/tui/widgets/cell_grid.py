"""The runs of a sweep as a grid over two settings: a glyph for the state, and a shade for the grok step.

Runs that share a cell, such as those of several seeds, stand side by side in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.comparison import distinguishing, is_chance, short_names
from grokscope.tui.raster import SHADES
from grokscope.tui.summaries import Summary
from grokscope.tui.widgets.base import Drawn, Inks, strip
from grokscope.words.numbers import value_text

_RUN = 3
"""Columns of one run"""
_STATES = {"waiting": "○", "running": "●", "paused": "‖", "stale": "?", "crashed": "✗", "unreadable": "!"}
_WORDS = {"grokked": "★", "regressed": "☆"}
_INKS = {"★": "grokked", "☆": "regressed", "✗": "bad", "!": "bad", "●": "good", "·": "muted"}


@dataclass(frozen=True)
class GridLayout:
    """Where the runs of a sweep stand."""

    down: str = ""
    """The setting of the rows, as a dotted name; empty if the runs differ in nothing"""
    across: str = ""
    """The setting of the columns; empty if the runs differ in one setting"""
    rows: tuple[str, ...] = ("",)
    columns: tuple[str, ...] = ("",)
    cells: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    """Runs by row and column, as indices"""


def grid_layout(runs: Sequence[Summary]) -> GridLayout:
    """The grid over the two settings with the most values that are no seeds; seeds only if there is nothing else."""
    differing = distinguishing([item.run_state.config for item in runs])
    several = {name: len({repr(value) for value in values}) for name, values in differing.items()}
    order = sorted(several, key=lambda name: (is_chance(name), -several[name]))
    down, across = (*order[:2], "", "")[:2]
    rows, row_of = _axis(differing.get(down, [None] * len(runs)))
    columns, column_of = _axis(differing.get(across, [None] * len(runs)))
    cells: dict[tuple[int, int], tuple[int, ...]] = {}
    for index in sorted(range(len(runs)), key=lambda index: runs[index].name):
        place = row_of[index], column_of[index]
        cells[place] = (*cells.get(place, ()), index)
    return GridLayout(down, across, rows, columns, cells)


def _axis(values: Sequence[object]) -> tuple[tuple[str, ...], list[int]]:
    """The labels of the distinct values, ascending, and the place of each value among them."""
    numbers = all(isinstance(value, int | float) for value in values)
    distinct = sorted(set(values) if numbers else {repr(value): value for value in values}.values(), key=_rank)
    places = {repr(value): place for place, value in enumerate(distinct)}
    labels = tuple("" if value is None and len(distinct) == 1 else value_text(value) for value in distinct)
    return labels, [places[repr(value)] for value in values]


def _rank(value: object) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, float(value) if isinstance(value, int | float) else 0.0, repr(value)


def glyph_of(run: Summary) -> str:
    """One glyph for how a run stands."""
    state = run.run_state
    return _STATES.get(state.condition) or _WORDS.get(state.word, "·")


class CellGrid(Drawn, can_focus=True):
    """The grid; the cursor moves from run to run."""

    runs: reactive[tuple[Summary, ...]] = reactive(())
    at: reactive[int] = reactive(0)
    """The run under the cursor, as an index"""

    class Moved(Message):
        """The cursor stands on another run."""

    class Chosen(Message):
        """The user wants to open the run under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = GridLayout()

    def watch_runs(self, old: tuple[Summary, ...], new: tuple[Summary, ...]) -> None:
        """Keep the cursor on its run; at first it stands on the first one of the grid."""
        self.plan = grid_layout(new)
        before = old[self.at].run if old else None
        first = next(iter(self.plan.cells[min(self.plan.cells)]), 0) if self.plan.cells else 0
        self.at = next((index for index, item in enumerate(new) if item.run == before), first)
        self.redraw()

    def watch_at(self) -> None:
        self.post_message(self.Moved())
        self.redraw()

    @property
    def _geometry(self) -> tuple[int, list[int]]:
        """The width of the row labels, and of each column."""
        corner = sum(map(len, short_names([self.plan.down, self.plan.across]))) + 3
        label = max([corner, *(len(row) for row in self.plan.rows)]) + 2
        widths = []
        for column, name in enumerate(self.plan.columns):
            most = max((len(runs) for (_, place), runs in self.plan.cells.items() if place == column), default=1)
            widths.append(max(len(name) + 2, most * _RUN + 2))
        return label, widths

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        plan, (label, widths) = self.plan, self._geometry
        across, down = short_names([plan.across, plan.down])
        corner = f" {down} \\ {across}" if across else f" {down}"
        heads = "".join(f"{name:<{size}}" for name, size in zip(plan.columns, widths, strict=True))
        lines = [strip((f"{corner:<{label}}", inks["muted"]), (heads, inks["axis"]))]
        first = self._first_row(height)
        for row in range(first, min(len(plan.rows), first + max(1, height - 1))):
            pieces = [(f" {plan.rows[row]:<{label - 1}}", inks["axis"])]
            for column, size in enumerate(widths):
                runs = plan.cells.get((row, column), ())
                pieces += [self._run(index, inks) for index in runs]
                pieces.append((" " * (size - _RUN * len(runs)), inks["plain"]))
            lines.append(strip(*pieces))
        return lines[:height]

    def _first_row(self, height: int) -> int:
        """The first row that is shown, so that the row of the cursor is."""
        row = next((row for (row, _), runs in self.plan.cells.items() if self.at in runs), 0)
        return max(0, row - max(1, height - 1) + 1)

    def _run(self, index: int, inks: Inks) -> tuple[str, Style]:
        """State and shade: the darker, the earlier the run grokked beside the others."""
        glyph = glyph_of(self.runs[index])
        step = self.runs[index].run_state.detected_step("grokked")
        all_steps = {run.run_state.detected_step("grokked") for run in self.runs}
        steps = sorted(each for each in all_steps if each is not None)
        shade = " " if step is None else SHADES[4 - int(3.99 * steps.index(step) / len(steps))]
        style = inks[_INKS.get(glyph, "plain")]
        return f"{glyph}{shade} ", style + Style(reverse=True) if index == self.at else style

    def move(self, down: int, across: int) -> None:
        """Move the cursor by rows, or by runs of a row."""
        if not self.runs:
            return
        row = next(row for (row, _), runs in self.plan.cells.items() if self.at in runs)
        line = self._line(row)
        if across:
            self.at = line[min(max(line.index(self.at) + across, 0), len(line) - 1)]
            return
        place = line.index(self.at)
        beyond = self._line(min(max(row + down, 0), len(self.plan.rows) - 1))
        if beyond:
            self.at = beyond[min(place, len(beyond) - 1)]

    def _line(self, row: int) -> list[int]:
        return [index for column in range(len(self.plan.columns)) for index in self.plan.cells.get((row, column), ())]

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a click on the run under the cursor opens it."""
        place = event.get_content_offset(self)
        if place is None:
            return
        label, widths = self._geometry
        row, x = place.y - 1 + self._first_row(self.content_size.height), place.x - label
        for column, size in enumerate(widths):
            if 0 <= x < size:
                runs = self.plan.cells.get((row, column), ())
                if x // _RUN < len(runs):
                    index = runs[x // _RUN]
                    if index == self.at:
                        self.post_message(self.Chosen())
                    self.at = index
            x -= size

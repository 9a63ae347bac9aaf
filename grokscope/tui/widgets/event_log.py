"""The event log: what happened, filterable; follows the newest line until scrolled away from it."""

from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from grokscope.tui.columns import REGULAR
from grokscope.tui.moment import Moment
from grokscope.tui.view import LogLine
from grokscope.tui.widgets.drawn import INKS, Inks, ShowsMoment

_INKS = {
    "started": "strong",
    "memorized": "memorized",
    "onset": "onset",
    "grokked": "grokked",
    "intervened": "treated",
    "warned": "warn",
    "diverged": "bad",
    "finished": "good",
    "paused": "warn",
    "resumed": "good",
}


class EventLog(ScrollView, ShowsMoment, can_focus=True):
    wanted: reactive[str] = reactive("")
    """Words that a line must contain; empty: all but `trained`, which are a curve rather than news."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"ink--{ink}" for ink in INKS)}
    ALLOW_MAXIMIZE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", show=False),
        Binding("k,up", "scroll_up", show=False),
        Binding("g,home", "first", show=False),
        Binding("G,end", "last", show=False),
    ]

    _lines: list[LogLine]

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines = []
        self.entitle("6 events")

    def watch_moment(self, old: Moment, new: Moment) -> None:
        if self._kept(old) != self._kept(new):
            self._select()

    def _kept(self, moment: Moment) -> tuple[object, ...]:
        """What the shown lines are chosen from."""
        regular = (id(lines) for kind, lines in moment.view.regular.items() if kind not in self._hidden)
        return (id(moment.view.notable), *regular)

    @property
    def _hidden(self) -> set[str]:
        return set() if self.wanted.split() else {"trained"}

    def watch_wanted(self) -> None:
        self._select()

    def on_resize(self) -> None:
        self._select()

    def _select(self) -> None:
        words = self.wanted.lower().split()
        follow = self.scroll_y >= self.max_scroll_y - 1
        self._lines = [line for line in self.moment.view.log if line.event not in self._hidden and fits(line, words)]
        self.entitle("6 events", f"{len(self._lines)} lines" + (" · filtered" if words else ""))
        self.virtual_size = Size(self.size.width, len(self._lines))
        if follow:
            self.call_after_refresh(self.scroll_end, animate=False)
        self.refresh()

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = y + int(self.scroll_offset.y)
        base = self.rich_style
        if not 0 <= index < len(self._lines):
            return Strip.blank(width, base)
        return line_strip(self._lines[index], Inks(self)).adjust_cell_length(width).apply_style(base)


def fits(line: LogLine, words: list[str]) -> bool:
    """Whether every word occurs in the line; a word after `-` must not."""
    if not words:
        return True
    text = f"{line.event} {line.step} {line.text}".lower()
    return all(word[1:] not in text if word[0] == "-" and word[1:] else word in text for word in words)


def line_strip(line: LogLine, inks: Inks) -> Strip:
    ink = inks[_INKS.get(line.event, "muted" if line.event in REGULAR else "plain")]
    step = f"{line.step:,}" if line.step is not None else ""
    return Strip(
        [
            Segment(f" {step:>9} ", inks["axis"]),
            Segment(f"{line.event:<11}", ink),
            Segment(line.text, inks["muted"] if line.event in REGULAR else inks["plain"]),
        ]
    )

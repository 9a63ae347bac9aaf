"""The event log: a list of events with a filter. It follows the newest line until the user scrolls away."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.reactive import reactive
from textual.strip import Strip

from grokscope.tui.actions import bindings
from grokscope.tui.columns import REGULAR
from grokscope.tui.frame import Frame
from grokscope.tui.view import LogLine, Treated
from grokscope.tui.widgets.base import Drawn, Inks

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


class EventLogPanel(Drawn, can_focus=True):
    """A panel that scrolls its own lines.

    A scroll view of Textual lays out the whole screen for every new line, which took more than half of the time of
    following a run.
    """

    wanted: reactive[str] = reactive("", repaint=False)
    """Words that a line must contain; empty: all lines except events that hold only points of curves"""
    top: reactive[int | None] = reactive[int | None](None, repaint=False)
    """The first visible line; None: follow the newest line"""

    ALLOW_MAXIMIZE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("events")

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines_chosen: list[LogLine] = []

    @property
    def chosen(self) -> list[LogLine]:
        """The lines that the filter accepts."""
        return self._lines_chosen

    def watch_frame(self, old: Frame, new: Frame) -> None:
        if self._kept(old) != self._kept(new):
            self._select()

    def _kept(self, frame: Frame) -> tuple[object, ...]:
        """The kept lines, of which the filter chooses."""
        regular = (id(lines) for kind, lines in frame.view.regular.items() if kind not in self._hidden)
        return (id(frame.view.notable), *regular)

    @property
    def _hidden(self) -> set[str]:
        return set() if self.wanted.split() else {"trained", "observed"}

    def watch_wanted(self) -> None:
        self.top = None
        self._select()

    def watch_top(self) -> None:
        self._caption()
        self.redraw()

    def on_mount(self) -> None:
        self._caption()

    def _select(self) -> None:
        words = self.wanted.lower().split()
        log = [line for line in self.frame.view.log if line.event not in self._hidden]
        self._lines_chosen = [line for line in folded(log, self.frame.view.treated) if fits(line, words)]
        self._caption()
        self.redraw()

    def _caption(self) -> None:
        count = len(self.chosen)
        place = f"line {self.top + 1} of {count}" if self.top is not None else f"{count} lines"
        self.entitle("6 events", place + (" · filtered" if self.wanted.split() else ""))

    @property
    def _last_top(self) -> int:
        return max(0, len(self.chosen) - self.content_size.height)

    def action_move(self, by: int) -> None:
        """Scroll by lines. At the last line, follow the newest line."""
        top = (self._last_top if self.top is None else self.top) + by
        self.top = None if top >= self._last_top else max(0, top)

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.content_size.height - 1))

    def action_first(self) -> None:
        self.action_move(-len(self.chosen))

    def action_last(self) -> None:
        self.top = None

    @property
    def _first(self) -> int:
        """The first visible line."""
        return self._last_top if self.top is None else min(self.top, self._last_top)

    def action_record(self) -> None:
        """Show the last visible event as the log holds it; the others are a key away."""
        self._show_record(self._first + self.content_size.height - 1)

    def on_click(self, event: events.Click) -> None:
        """A click shows the event of the line."""
        place = event.get_content_offset(self)
        if place is not None:
            self._show_record(self._first + place.y)

    def _show_record(self, line: int) -> None:
        from grokscope.tui.screens.record import RecordScreen

        if self.chosen:
            self.app.push_screen(RecordScreen(self.chosen, min(line, len(self.chosen) - 1)))

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)

    def draw(self, width: int, height: int, inks: Inks) -> list[Strip]:
        return [line_strip(line, inks) for line in self.chosen[self._first : self._first + height]]


def folded(lines: Sequence[LogLine], treated: Sequence[Treated]) -> list[LogLine]:
    """The lines, with all `applied` events between two switches of an intervention as one line with a count."""
    stretches: dict[str, list[int]] = {}  # by kind: where the lines stand of what it did since its last switch
    times: dict[int, int] = {}
    for place, line in enumerate(lines):
        kind, state = line.treatment or ("", "")
        if state != "applied":
            stretches.pop(kind, None)
            continue
        stretch = stretches.setdefault(kind, [])
        for earlier in stretch[-1:]:
            times[earlier] = 0
        stretch.append(place)
        times[place] = len(stretch)
    counted = {answer.seq: answer.times for answer in treated}  # the log keeps only so many of these lines
    return [
        line if often == 1 else replace(line, times=max(often, counted.get(line.seq, 0)))
        for place, line in enumerate(lines)
        if (often := times.get(place, 1))
    ]


def fits(line: LogLine, words: list[str]) -> bool:
    """Whether every word occurs in the line, and no word after `-` does."""
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

"""Progress of a run on stderr: a live panel on a terminal, occasional lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from math import log

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grokscope.words.clean import clean
from grokscope.words.durations import duration
from grokscope.words.events import EventRecord, event_details, event_in_words
from grokscope.words.numbers import count, number

ShowEvent = Callable[[EventRecord], None]
LINE_SECONDS = 10.0
"""Seconds between two lines of readings where stderr is no terminal"""
SPARK_GLYPHS = "▁▂▃▄▅▆▇█"
LINES: Mapping[str, tuple[str, str]] = {
    "started": ("", "bold"),
    "paused": ("", "yellow"),
    "resumed": ("", "yellow"),
    "warned": ("! ", "yellow"),
    "diverged": ("! ", "yellow"),
    "memorized": ("● ", "green"),
    "onset": ("● ", "green"),
    "turned": ("● ", "green"),
    "grokked": ("● ", "green"),
    "regressed": ("● ", "yellow"),
    "fired": ("● ", "green"),
    "intervened": ("◆ ", "magenta"),
    "finished": ("", "bold"),
}
"""Glyph and style of each kind of event that is printed as a line"""


@contextmanager
def display() -> Iterator[ShowEvent]:
    """Yields a listener that shows events on stderr: as a panel on a terminal, else as lines."""
    console = Console(stderr=True, highlight=False)
    state = NewestEvents()
    if console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI"):
        with Live(console=console, refresh_per_second=4, get_renderable=state.panel, transient=False) as live:

            def show(event: EventRecord) -> None:
                for line in state.see(event):
                    live.console.print(line)

            yield show
    else:
        yield PlainLines(state).see


class NewestEvents:
    """The newest event of each kind, and every defect so far."""

    def __init__(self) -> None:
        self.latest: dict[str, EventRecord] = {}
        self.defects: list[float] = []
        self.paused = False
        self._timed = False
        """Whether the time that the run may take was said"""

    def see(self, event: EventRecord) -> list[Text]:
        """Take in an event. Returns the line to print, if the event is of a kind in `LINES`."""
        kind = event["event"]
        self.latest[kind] = event
        if kind == "measured" and event["defect"]["median"]:
            self.defects.append(event["defect"]["median"])
        if kind == "trained" and not self._timed and event.get("seconds_left"):
            self._timed = True
            return [Text(self._longest(event), "dim")]
        if kind in {"paused", "resumed"}:
            self.paused = kind == "paused"
        if kind not in LINES or event.get("state") == "applied":
            return []
        glyph, style = LINES[kind]
        return [Text(clean(glyph + event_in_words(event), None), style)]

    def _longest(self, trained: EventRecord) -> str:
        """How long the run may take: said once, when its speed is known."""
        after = self.latest.get("started", {}).get("config", {}).get("train", {}).get("stop_after_grok", -1)
        early = f"; if it groks, it ends {count(after)} steps later" if after >= 0 else ""
        return f"at most {duration(trained['seconds_left'])} for {count(self.steps)} steps{early}"

    def panel(self) -> Group:
        """The live panel: progress, then defect and accuracies, then the forecast."""
        if "started" not in self.latest:
            return Group(Text("starting", "dim"))
        step = max(self.latest[kind]["step"] for kind in ("started", "trained", "evaluated") if kind in self.latest)
        table = Table.grid(padding=(0, 2))
        table.add_row(ProgressBar(total=max(self.steps, 1), completed=step, width=30), self.pace(step))
        return Group(table, Text("  ").join(self.readings()), *self.expected())

    @property
    def steps(self) -> int:
        """The step budget of the run."""
        steps: int = self.latest["started"]["config"]["train"]["steps"]
        return steps

    def pace(self, step: int) -> Text:
        """Step, steps per second, and the longest time that is left."""
        text = Text(f"step {count(step)} of {count(self.steps)}")
        if self.paused:
            return text.append("  paused", "yellow")
        trained = self.latest.get("trained", {})
        if trained.get("steps_per_second"):
            text.append(f"  {number(trained['steps_per_second'], 3)} steps/s", "dim")
            if trained.get("seconds_left") and "finished" not in self.latest:
                text.append(f"  at most {duration(trained['seconds_left'])} left", "dim")
        return text

    def readings(self) -> list[Text]:
        """The newest defect, the history of the defect, and the newest scores."""
        readings = []
        if self.defects:
            readings += [
                Text(event_details(self.latest["measured"]), "cyan"),
                Text(sparkline(self.defects, 24), "cyan"),
            ]
        if "evaluated" in self.latest:
            readings.append(Text(clean(event_details(self.latest["evaluated"]), None)))
        return readings

    def expected(self) -> list[Text]:
        """The newest forecast, until the run has ended."""
        if "forecast" not in self.latest or "finished" in self.latest:
            return []
        return [Text(clean(event_in_words(self.latest["forecast"]), None), "magenta")]


class PlainLines:
    """For logs and pipes: notable events at once, and a line of readings every `LINE_SECONDS`."""

    def __init__(self, progress: NewestEvents) -> None:
        self.progress = progress
        self._printed_at = time.monotonic()

    def see(self, event: EventRecord) -> None:
        for line in self.progress.see(event):
            self._print(line.plain)
        due = time.monotonic() - self._printed_at > LINE_SECONDS
        if event["event"] == "evaluated" and due and "started" in self.progress.latest:
            parts = [self.progress.pace(event["step"]), *self.progress.readings(), *self.progress.expected()]
            self._print("  ".join(part.plain for part in parts))

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201
        self._printed_at = time.monotonic()


def sparkline(values: list[float], width: int) -> str:
    """All positive `values` on a log scale in at most `width` cells. A cell shows the largest of its values."""
    values = [value for value in values if value > 0]
    if not values:
        return ""
    cells = min(width, len(values))
    bounds = [round(index * len(values) / cells) for index in range(cells + 1)]
    logs = [log(max(values[start:stop])) for start, stop in pairwise(bounds)]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    return "".join(SPARK_GLYPHS[round((value - low) / span * (len(SPARK_GLYPHS) - 1))] for value in logs)

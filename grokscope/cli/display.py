"""What a person sees on stderr while a run goes on: a live panel on a terminal, a line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from math import log
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from grokscope.events import (
    Detection,
    Diverged,
    Evaluated,
    Event,
    Finished,
    Fired,
    Forecast,
    Intervened,
    Measured,
    Paused,
    Resumed,
    Started,
    Trained,
    Warned,
    typed,
)
from grokscope.words.durations import duration

Show = Callable[[Mapping[str, Any]], None]
LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""
SPARKS = "▁▂▃▄▅▆▇█"


@contextmanager
def display(*, quiet: bool) -> Iterator[Show]:
    """A listener that shows events on stderr, as this stderr can."""
    console = Console(stderr=True, highlight=False)
    state = View()
    if quiet:
        yield lambda event: None
    elif console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI"):
        with Live(console=console, refresh_per_second=4, get_renderable=state.panel, transient=False) as live:

            def show(event: Mapping[str, Any]) -> None:
                for sentence in state.see(typed(event)):
                    live.console.print(sentence)

            yield show
    else:
        yield PlainLines(state).see


class View:
    """The latest of everything."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.trained: Trained | None = None
        self.evaluated: Evaluated | None = None
        self.measured: Measured | None = None
        self.finished: Finished | None = None
        self.forecast: Forecast | None = None
        self.defects: list[float] = []
        self.paused = False

    def see(self, event: Event) -> list[Text]:
        """Take an event in; what deserves a line of its own comes back."""
        match event:
            case Started():
                self.started = event
            case Trained():
                self.trained = event
            case Evaluated():
                self.evaluated = event
            case Measured():
                self.measured = event
                if event.defect.median:
                    self.defects.append(event.defect.median)
            case Forecast():
                self.forecast = event
            case Paused() | Resumed():
                self.paused = isinstance(event, Paused)
            case Finished():
                self.finished = event
        line = _line(event)
        return [] if line is None else [line]

    def panel(self) -> Group:
        """The live part: progress, then defect and accuracies."""
        if self.started is None:
            return Group(Text("starting", "dim"))
        steps = self.started.config["train"]["steps"]
        step = max((event.step or 0 for event in (self.trained, self.evaluated) if event is not None), default=0)
        table = Table.grid(padding=(0, 2))
        table.add_row(ProgressBar(total=max(steps, 1), completed=step, width=30), self.pace(step, steps))
        lines = [Text("  ").join(self.readings())]
        if self.forecast is not None and self.finished is None:
            lines.append(_forecast(self.forecast))
        return Group(table, *lines)

    def pace(self, step: int, steps: int) -> Text:
        text = Text(f"step {step:,} of {steps:,}")
        if self.paused:
            return text.append("  paused", "yellow")
        if self.trained is not None and self.trained.steps_per_second:
            text.append(f"  {self.trained.steps_per_second:.3g} steps/s", "dim")
            if self.trained.seconds_left is not None and self.finished is None:
                text.append(f"  at most {duration(self.trained.seconds_left)} left", "dim")
        return text

    def readings(self) -> list[Text]:
        readings = []
        if self.measured is not None and self.measured.defect.median is not None:
            defect = self.measured.defect
            low = " below its rounding floor" if self.measured.below_floor else ""
            readings.append(Text(f"defect {defect.median:.3g} [{defect.p25:.3g}, {defect.p75:.3g}]{low}", "cyan"))
            readings.append(Text(sparkline(self.defects, 24), "cyan"))
        if self.evaluated is not None:
            metric = self.started.metric if self.started else "accuracy"
            for name, scores in (("train", self.evaluated.train), ("test", self.evaluated.test)):
                value = getattr(scores, metric, None)
                if value is not None:
                    readings.append(Text(f"{name} {100 * value:.1f} %"))
        return readings


class PlainLines:
    """For logs and pipes: what deserves a line at once, and a reading every `LINE_SECONDS`."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._said = time.monotonic()

    def see(self, recorded: Mapping[str, Any]) -> None:
        event = typed(recorded)
        for sentence in self.view.see(event):
            self._say(sentence.plain)
        due = time.monotonic() - self._said > LINE_SECONDS
        if isinstance(event, Evaluated) and due and self.view.started is not None:
            steps = self.view.started.config["train"]["steps"]
            told = [] if self.view.forecast is None else [_forecast(self.view.forecast)]
            parts = [self.view.pace(event.step or 0, steps), *self.view.readings(), *told]
            self._say("  ".join(part.plain for part in parts))

    def _say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201
        self._said = time.monotonic()


def sparkline(values: list[float], width: int) -> str:
    """The whole history on a log scale in at most `width` cells, each the largest of its share."""
    if not values:
        return ""
    cells = min(width, len(values))
    bounds = [round(index * len(values) / cells) for index in range(cells + 1)]
    logs = [log(max(values[start:stop])) for start, stop in pairwise(bounds)]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    return "".join(SPARKS[round((value - low) / span * (len(SPARKS) - 1))] for value in logs)


def _line(event: Event) -> Text | None:
    match event:
        case Started():
            return _title(event)
        case Paused() | Resumed():
            return Text(f"{event.event} at step {event.step:,}: {event.reason}", "yellow")
        case Warned() | Diverged():
            return Text(f"! {event.reason}", "yellow")
        case Detection():
            return _detected(event)
        case Intervened() if event.state != "applied":
            return _switched(event)
        case Finished():
            return _ended(event)
    return None


def _title(event: Started) -> Text:
    config = event.config
    text = Text(event.run, "bold")
    text.append(
        f"  {event.task} on {event.backend} {event.device} {event.precision}, {event.parameters:,} parameters, "
        f"lr {config['optimizer']['lr']:g}, wd {config['optimizer']['wd']:g}, seed {config['train']['seed']}",
        "not bold",
    )
    if event.resumed_from is not None:
        text.append(f", resumed from step {event.resumed_from:,}", "yellow")
    return text


def _detected(event: Detection) -> Text:
    rule = event.rule.name
    said = {"onset": "onset of the defect", "turned": "test loss turned", "regressed": "lost it again"}
    kind = f"{event.signal} fired" if isinstance(event, Fired) else str(getattr(event, "event", "detected"))
    late = f", confirmed at {event.confirmed_at:,}" if event.confirmed_at != event.step else ""
    value = "" if event.value is None else f"{event.value:.4g}, "
    return Text(f"● {said.get(kind, kind)} at step {event.step:,} ({value}rule {rule}{late})", "green")


def _switched(event: Intervened) -> Text:
    reason = f": {event.reason}" if event.reason else ""
    style = "yellow" if event.state == "refused" else "magenta"
    return Text(f"◆ {event.kind} {event.state} at step {event.step:,} ({event.source}){reason}", style)


def _forecast(event: Forecast) -> Text:
    chance = "" if event.probability is None else f", {100 * event.probability:.0f} % likely to grok within the budget"
    if event.grok_step is None:
        return Text(f"no forecast: {event.abstained}{chance}", "dim")
    ends = event.interval
    between = ", without an interval" if ends is None else f" [{ends.low:,.0f}, {ends.high:,.0f}]"
    return Text(f"forecast: groks at step {event.grok_step:,.0f}{between}{chance}", "magenta")


def _ended(event: Finished) -> Text:
    result = event.result
    parts = [f"{event.status} at step {event.steps:,} after {duration(event.seconds)}"]
    parts += [f"{split} {100 * result[split]:.1f} %" for split in ("train", "test") if result.get(split) is not None]
    if result.get("lead_steps") is not None:
        parts.append(f"onset led grokking by {result['lead_steps']:,} steps")
    elif result.get("grokked_step") is None:
        parts.append("not grokked")
    return Text(", ".join(parts), "bold")

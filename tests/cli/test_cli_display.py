"""The panel on stderr, as it reads for a person."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from grokscope.cli.display import NewestEvents, sparkline
from grokscope.cli.sweep_display import grid_lines
from grokscope.events import (
    ChanceSaid,
    Event,
    Finished,
    Forecast,
    Interval,
    Intervened,
    Started,
    WhenSaid,
    to_line,
)
from grokscope.sweeps import CellStanding, plan
from grokscope.words.events import EventRecord
from grokscope.words.forecasts import QUESTIONS

STARTED = Started(
    task="modular", backend="torch", device="cpu", precision="float32", parameters=1234, versions={}, step=0,
    host="here", process=1, facts={},
    config={"train": {"steps": 6000, "seed": 1}, "optimizer": {"lr": 2e-3, "wd": 1.0}},
)  # fmt: skip


def logged(event: Event) -> EventRecord:
    """As the log has it."""
    fields: EventRecord = json.loads(to_line(event))
    return fields


def panel(*events: Event) -> str:
    view = NewestEvents()
    for event in (STARTED, *events):
        view.see(logged(event))
    console = Console(width=120)
    with console.capture() as captured:
        console.print(view.panel())
    return captured.get()


@pytest.mark.parametrize(
    ("forecast", "said"),
    [
        (
            Forecast(
                step=500,
                reaches=ChanceSaid(probability=0.92),
                when=WhenSaid(grok_step=1834.6, interval=Interval(level=0.9, low=1600, high=2101.2)),
            ),
            "forecast: groks at step 1,835 [1,600, 2,101], 92 % likely to grok within the budget",
        ),
        (
            Forecast(step=500, reaches=ChanceSaid(abstained="cannot be known yet"), when=WhenSaid(grok_step=1834.6)),
            "forecast: if it groks, at step 1,835, without an interval; whether: cannot be known yet",
        ),
        (
            Forecast(step=500, reaches=ChanceSaid(probability=0.04), when=WhenSaid(abstained="unlikely to grok")),
            "forecast: no grok step: unlikely to grok, 4 % likely to grok within the budget",
        ),
        (Forecast(step=500, **{name: {"abstained": "no clock"} for name in QUESTIONS}), "no forecast: no clock\n"),
    ],
)
def test_the_newest_forecast_is_in_the_panel_until_the_end(forecast: Forecast, said: str) -> None:
    before = Forecast(step=100, when=WhenSaid(grok_step=999.0))
    assert said in panel(before, forecast).replace(" \n", "\n")
    assert "999" not in panel(before, forecast)
    over = Finished(step=600, status="interrupted", steps=600, seconds=1.0, result={}, parameters_digest="")
    assert "forecast" not in panel(forecast, over)


def test_switches_are_lines_and_applications_are_not() -> None:
    view = NewestEvents()
    on = Intervened(step=100, kind="noise", state="on", source="control")
    refused = Intervened(step=110, kind="project", state="refused", reason="its basis cannot be read")
    assert [line.plain for line in view.see(logged(on))] == ["◆ noise on at step 100 (control)"]
    assert [line.plain for line in view.see(logged(refused))] == [
        "◆ project refused at step 110 (control): its basis cannot be read"
    ]
    assert view.see(logged(Intervened(step=101, kind="noise", state="applied", relative_norm=0.1))) == []


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            {"seed": [1, 2], "lr": [1e-3, 2e-3, 3e-3]},
            ["      lr0.001 to 0.003", "seed1 . . .", "seed2 . . ."],
        ),
        (
            {"model.width, model.heads": [[8, 2], [16, 4]], "seed": [1, 2]},
            ["               seed1 to 2", "width8-heads2  . .", "width16-heads4 . ."],
        ),
        (
            {"seed": [1], "model.width, model.heads": [[8, 2], [16, 4]]},
            ["      width8-heads2 to width16-heads4", "seed1 . ."],
        ),
    ],
)
def test_the_last_axis_of_a_sweep_goes_across(axes: dict[str, list[object]], said: list[str]) -> None:
    sweep = plan({"name": "s", "task": "modular", "axes": axes}, Path("runs"))
    standings = {cell.slug: CellStanding(cell, "missing") for cell in sweep.cells}
    assert [line.plain.rstrip() for line in grid_lines(sweep, standings, 80, ascii_only=True)] == said


def test_a_sparkline_is_of_positive_values() -> None:
    """A log that somebody else wrote may hold any defect."""
    assert sparkline([-1.0, 1.0, 0.0, 100.0], 60) == sparkline([1.0, 100.0], 60)
    assert sparkline([-1.0], 60) == ""

"""The interventions panel against a trainer that really trains."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static
from tui_made import Driven, Script, whole_run

from grokscope.runs.directory import RunDirectory
from grokscope.runs.inbox import Command, send
from grokscope.runs.log import read
from grokscope.tui.control import Requests, standing
from grokscope.tui.fold import fold
from grokscope.tui.screens.parameters import parsed_value, written_value
from grokscope.tui.view import View
from grokscope.tui.widgets.marks import marks_of
from grokscope.tui.widgets.treatments import TreatmentRow, differing, history_line
from grokscope.words.events import event_details

PATIENCE = 60.0


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[RunDirectory]:
    """A run that goes on until the test is over."""
    pytest.importorskip("torch")
    arguments = (
        "run modular --backend torch --name live --steps 100000000 --eval-every 50 --measure-every 50 --samples 1 "
        "--batch-size 8 --set task.modulus=11 --set model.width=16 --set model.heads=2 --set model.layers=1 "
        "--set model.feed_forward=16 --set measure.baseline_samples=1 --set snapshot.every=50 --quiet"
    )
    process = subprocess.Popen([sys.executable, "-m", "grokscope", *arguments.split()], cwd=tmp_path)
    run = RunDirectory(tmp_path / "runs" / "live")
    deadline = time.monotonic() + PATIENCE
    while not run.events.exists() or b'"snapshot"' not in run.events.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield run
    process.kill()
    process.wait()


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await pilot.pause(0.05)


@pytest.mark.slow
async def test_against_a_real_trainer(trainer: RunDirectory, driven: Driven) -> None:
    async with driven(trainer, (160, 45), follow=True) as (app, pilot):
        await until(pilot, lambda: len(app.screen.query(TreatmentRow)) >= 5)
        rows = {row.kind: row for row in app.screen.query(TreatmentRow)}
        noise, kick = rows["noise"], rows["kick"]
        assert str(noise.query_one(".state", Static).content) == "○ off  epsilon 0.1"

        noise.query_one(Checkbox).focus()
        await pilot.press("space", "y")
        await until(pilot, lambda: noise.standing.word in {"on", "applied"})
        assert noise.query_one(Checkbox).value
        await until(pilot, lambda: noise.standing.times > 1)

        await pilot.press("enter")
        app.screen.query(Input).first().value = "0.3"
        await pilot.press("enter")
        await until(pilot, lambda: noise.standing.parameters.get("epsilon") == 0.3)

        await pilot.press("enter")
        app.screen.query(Input).first().value = "much"
        await pilot.press("enter")
        history = app.screen.query_one("#history", Static)
        await until(pilot, lambda: "noise refused" in str(history.content))
        assert noise.standing.on
        assert noise.query_one(Checkbox).value
        assert noise.standing.parameters["epsilon"] == 0.3

        noise.query_one(Checkbox).focus()
        await pilot.press("space")
        await until(pilot, lambda: noise.standing.word == "off")
        assert not noise.query_one(Checkbox).value

        kick.query_one(Checkbox).focus()
        await pilot.press("space")
        await until(pilot, lambda: kick.standing.word == "off" and kick.standing.reason == "it has acted")
        send(trainer.control, Command(action="stop"))
    switches = [event for event in read(trainer.events) if event["event"] == "intervened"]
    assert [(event["kind"], event["state"]) for event in switches if event["state"] != "applied"] == [
        ("noise", "on"), ("noise", "changed"), ("noise", "refused"), ("noise", "off"), ("kick", "on"), ("kick", "off")
    ]  # fmt: skip


# --- what the fold keeps ----------------------------------------------------------------------------------------------


def folded(script: Script) -> View:
    view = View()
    for event in script.events:
        view = fold(view, event)
    return view


def treated(times: int = 300) -> Script:
    script = whole_run(finish=False, interventions=["noise"], intervention_parameters={"noise": {"epsilon": 0.1}})
    common: dict[str, Any] = {"kind": "noise", "parameters": {"epsilon": 0.1, "relative": None}, "source": "control"}
    script.add("intervened", 3000, state="on", **common)
    for step in range(times):
        script.add("intervened", 3001 + step, state="applied", norm=0.1, relative_norm=0.0025, **common)
    return script


def test_what_it_does_crowds_nothing_out() -> None:
    view = folded(treated())
    assert [(answer.state, answer.times) for answer in view.treated] == [("on", 0), ("applied", 300)]
    assert standing("noise", view, Requests()).times == 300
    assert "grokked" in {line.event for line in view.notable}
    assert sum(line.event == "intervened" for line in view.notable) == 1
    assert [mark.step for mark in marks_of(view) if mark.kind == "treated"] == [3000]


def test_a_switch_begins_the_count_anew() -> None:
    script = treated(3)
    common: dict[str, Any] = {"kind": "noise", "parameters": {}, "source": "control"}
    script.add("intervened", 3010, state="off", **common)
    script.add("intervened", 3020, state="on", **common)
    script.add("intervened", 3021, state="applied", **common)
    view = folded(script)
    assert [(answer.state, answer.times) for answer in view.treated] == [
        ("on", 0), ("applied", 3), ("off", 0), ("on", 0), ("applied", 1)
    ]  # fmt: skip


def test_a_refusal_does_not_begin_the_count_anew() -> None:
    script = treated(3)
    common: dict[str, Any] = {"kind": "noise", "parameters": {}, "source": "control"}
    script.add("intervened", 3004, state="refused", reason="it is on already", **common)
    script.add("intervened", 3005, state="applied", **common)
    view = folded(script)
    assert [(answer.state, answer.times) for answer in view.treated] == [("on", 0), ("refused", 0), ("applied", 4)]


def test_history_says_the_dose() -> None:
    on, applied = folded(treated()).treated
    assert history_line(on).split() == ["3,000", "noise", "on", "epsilon", "0.1", "(control)"]
    assert history_line(applied).split() == ["3,300", "noise", "applied", "300x,", "last", "dose", "0.0025"]


def test_the_log_says_how_much_of_what() -> None:
    event = {
        "event": "intervened",
        "kind": "noise",
        "state": "applied",
        "relative_norm": 0.0025,
        "target": "parameters",
    }
    assert event_details(event) == "noise applied, 0.0025 of the parameters"
    assert event_details({**event, "target": None}) == "noise applied"


def test_parameters_are_edited_as_they_are_shown() -> None:
    for value in (0.1, 50, "../runs/a", False):
        assert parsed_value(written_value(value)) == value
    assert written_value(None) == ""
    assert parsed_value("inf") == "inf"


def test_a_row_shows_what_differs() -> None:
    defaults = {"alpha": 10.0, "direction": "random", "every": 0}
    assert differing(defaults, defaults) == "alpha 10"
    assert differing(defaults | {"every": 5}, defaults) == "every 5"
    assert differing({}, {}) == ""

"""Every action, driven by its key; what is written is what stands in the inbox."""

import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, DataTable, Input, Static
from tui_made import Driven, Script, whole_run

from grokscope.runs import inbox
from grokscope.runs.directory import RunDirectory
from grokscope.tui.actions import KEY_ACTIONS, actions_of
from grokscope.tui.app import GrokscopeApp
from grokscope.tui.run_look import RunLook
from grokscope.tui.screens.chart import ChartScreen
from grokscope.tui.screens.dialogs import Ask, Confirm
from grokscope.tui.screens.help import HelpScreen
from grokscope.tui.screens.runs import RunsScreen
from grokscope.tui.screens.watch import WatchScreen
from grokscope.tui.settings import Settings
from grokscope.tui.trainer import trainer_output
from grokscope.tui.widgets.chart import DefectChart
from grokscope.tui.widgets.event_log import EventLogPanel
from grokscope.tui.widgets.notices import notices
from grokscope.tui.widgets.run_line import RunLine
from grokscope.tui.widgets.signals import SignalsPanel
from grokscope.tui.widgets.transport import Transport
from grokscope.tui.widgets.treatments import TreatmentRow, Treatments


def live(folder: Path, script: Script | None = None) -> tuple[RunDirectory, Script]:
    script = script or whole_run(finish=False)
    run = script.write(folder)
    run.heartbeat.touch()
    return run, script


async def again(app: GrokscopeApp, pilot: Pilot[None], script: Script) -> None:
    """The trainer has written; the reader reads."""
    script.write(app.run_directory.path.parent)
    next(iter(app._readers.values())).poll()
    await pilot.pause()
    await pilot.pause()


def asked(run: RunDirectory) -> list[dict[str, Any]]:
    received = inbox.Inbox(run.control)
    letters = list(received.letters())
    for letter in letters:
        received.remove(letter.name)
    return [{"bad": letter.trouble} if letter.command is None else letter.command.model_dump() for letter in letters]


async def test_pause_and_resume(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path)
    async with driven(run) as (app, pilot):
        assert app.snapshot.state is RunLook.RUNNING
        await pilot.press("space")
        assert [command["action"] for command in asked(run)] == ["pause"]
        assert [request.word for request in app.requests.open] == ["pause"]
        script.add("paused", 3000, reason="asked")
        await again(app, pilot, script)
        assert app.snapshot.state is RunLook.PAUSED
        assert app.requests.open == ()
        await pilot.press("space")
        assert [command["action"] for command in asked(run)] == ["resume"]


async def test_step_and_steps(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path)
    async with driven(run) as (app, pilot):
        await pilot.press("s")
        assert asked(run) == []  # not while running
        script.add("paused", 3000, reason="asked")
        await again(app, pilot, script)
        await pilot.press("s")
        assert [(command["action"], command["count"]) for command in asked(run)] == [("step", 1)]
        await pilot.press("S")
        assert isinstance(app.screen, Ask)
        await pilot.press("2", "enter")
        assert [command["count"] for command in asked(run)] == [2]
        await pilot.press("S", "escape")
        assert asked(run) == []


async def test_stop_asks_first(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path)
    async with driven(run) as (app, pilot):
        await pilot.press("X")
        assert isinstance(app.screen, Confirm)
        await pilot.press("enter", "n")
        assert asked(run) == []
        await pilot.press("X", "y")
        assert [command["action"] for command in asked(run)] == ["stop"]
        script.add("finished", 3000, status="stopped", steps=3000, seconds=1, result={}, parameters_digest="")
        await again(app, pilot, script)
        assert app.snapshot.state is RunLook.FINISHED
        await pilot.press("X")
        assert isinstance(app.screen, WatchScreen)


async def test_snapshot(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path)
    async with driven(run) as (app, pilot):
        await pilot.press("w")
        assert [command["action"] for command in asked(run)] == ["snapshot"]
        script.add("snapshot", 3000, path="snapshots/step-00003000.safetensors", bytes=5, digest="00")
        await again(app, pilot, script)
        assert app.requests.open == ()


async def test_nobody_listens_to_a_crashed_run(tmp_path: Path, driven: Driven) -> None:
    run = whole_run(finish=False).write(tmp_path)
    async with driven(run) as (app, pilot):
        assert app.snapshot.state is RunLook.CRASHED
        await pilot.press("space", "w", "X")
        assert asked(run) == []
        assert isinstance(app.screen, WatchScreen)
        assert any("--resume" in said for said in notices(app.screen.frame))


async def test_an_inbox_that_cannot_be_written(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path)
    run.control.rmdir()
    run.control.write_text("a file")
    async with driven(run) as (app, pilot):
        await pilot.press("space")
        assert app.requests.open == ()


async def test_interventions_as_acknowledged(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path, treatable("kick", "noise", "project", "penalty"))
    async with driven(run, (160, 45)) as (app, pilot):
        rows = {row.kind: row for row in app.screen.query(TreatmentRow)}
        assert list(rows) == ["kick", "noise", "project", "penalty"]
        kick = rows["kick"]
        kick.query_one(Checkbox).focus()
        await pilot.press("space", "y")
        command = asked(run)[0]
        assert (command["action"], command["kind"], command["state"]) == ("intervene", "kick", "on")
        assert command["parameters"] == {"alpha": 10, "relative": None}
        await pilot.pause()
        assert kick.standing.word == "requested"
        assert not kick.query_one(Checkbox).value
        script.add("intervened", 3000, kind="kick", state="on", parameters={"alpha": 10}, source="control")
        await again(app, pilot, script)
        assert kick.standing.word == "on"
        assert kick.query_one(Checkbox).value
        rows["noise"].query_one(Checkbox).focus()
        await pilot.press("space")
        script.add(
            "intervened", 3000, kind="noise", state="refused", parameters={}, source="control", reason="too loud"
        )
        await again(app, pilot, script)
        assert rows["noise"].standing.word == "off"
        assert "noise refused (control): too loud" in history(app)
        assert not rows["noise"].query_one(Checkbox).value


def treatable(*kinds: str, name: str = "made") -> Script:
    """A run whose trainer offers these interventions."""
    defaults = {kind: {"alpha": 10, "relative": None} for kind in kinds}
    return whole_run(name, finish=False, interventions=list(kinds), intervention_parameters=defaults)


async def test_the_first_switch_asks_once_and_says_what_it_costs(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path, treatable("kick", "noise"))
    async with driven(run, (80, 24)) as (app, pilot):
        await pilot.press("5", "space")
        assert isinstance(app.screen, Confirm)
        assert "forecast ends" in "\n".join(screen(app))
        await pilot.press("n")
        assert asked(run) == []
        await pilot.press("space", "y")
        assert [command["kind"] for command in asked(run)] == ["kick"]
        await pilot.press("tab", "space")  # before the trainer has answered
        assert [command["kind"] for command in asked(run)] == ["noise"]


async def test_no_question_about_a_run_that_was_treated_before(tmp_path: Path, driven: Driven) -> None:
    script = treatable("noise")
    script.add("intervened", 3000, kind="noise", state="on", parameters={}, source="schedule")
    run, _ = live(tmp_path, script)
    async with driven(run, (80, 24)) as (_app, pilot):
        await pilot.press("5", "space")
        assert [command["state"] for command in asked(run)] == ["off"]


def history(app: GrokscopeApp) -> str:
    return str(app.screen.query_one("#history", Static).content)


def state(row: TreatmentRow) -> str:
    return str(row.query_one(".state", Static).content)


async def test_a_refusal_does_not_hide_what_is_on(tmp_path: Path, driven: Driven) -> None:
    """Also not that of a kind which nobody offers: that is a line of the history, and no row."""
    run, script = live(tmp_path, whole_run(finish=False, interventions=["noise"]))
    async with driven(run, (160, 45)) as (app, pilot):
        common: dict[str, Any] = {"parameters": {}, "source": "control"}
        script.add("intervened", 3000, kind="noise", state="on", **common)
        script.add("intervened", 3010, kind="noise", state="refused", reason="too loud", **common)
        script.add("intervened", 3020, kind="nois", state="refused", reason="no such kind", **common)
        await again(app, pilot, script)
        (row,) = app.screen.query(TreatmentRow)
        assert (row.kind, state(row)) == ("noise", "● on")
        assert row.query_one(Checkbox).value
        assert [line.split(": ")[1] for line in history(app).splitlines()[:2]] == ["no such kind", "too loud"]


async def test_the_panel_says_how_to_toggle(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path, whole_run(finish=False, interventions=["noise"]))
    async with driven(run, (160, 45)) as (app, pilot):
        assert app.screen.query_one(Treatments).border_subtitle == "space: switch, enter: all"
        await pilot.press("5", "space", "y")
        assert [(command["kind"], command["state"]) for command in asked(run)] == [("noise", "on")]


@pytest.mark.parametrize("size", [(160, 45), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_enter_shows_all_parameters(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    """What is changed while it is off goes to the next switch; while it is on, to the trainer."""
    run, script = live(tmp_path, treatable("kick"))
    async with driven(run, size) as (app, pilot):
        (row,) = app.screen.query(TreatmentRow)
        assert state(row) == "○ off  alpha 10"
        await pilot.press("5", "enter")
        assert [field.name for field in app.screen.query(Input)] == ["alpha", "relative"]
        await pilot.press("end", "backspace", "escape")
        assert row.parameters["alpha"] == 10
        await pilot.press("enter", "end", "backspace", "2", "enter")
        assert asked(run) == []
        assert state(row) == "○ off  alpha 12"
        await pilot.press("space", "y")
        assert [command["parameters"] for command in asked(run)] == [{"alpha": 12}]
        script.add("intervened", 3000, kind="kick", state="on", parameters={"alpha": 12}, source="control")
        await again(app, pilot, script)
        await pilot.press("enter", "end", "0", "enter")
        assert [command["parameters"] for command in asked(run)] == [{"alpha": 120}]


@pytest.mark.parametrize("size", [(160, 45), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_mouse_does_the_same(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    run, _ = live(tmp_path, treatable("kick"))
    async with driven(run, size) as (app, pilot):
        await pilot.press("5")
        (row,) = app.screen.query(TreatmentRow)
        await pilot.click(row.query_one(".state"))
        assert app.screen.query(Input)
        await pilot.press("escape")
        await pilot.click(row.query_one(Checkbox))
        assert isinstance(app.screen, Confirm)
        answers = app.screen.query(Static).last()
        await pilot.click(answers, offset=(9, 1))  # no
        assert not isinstance(app.screen, Confirm)
        assert asked(run) == []
        await pilot.click(row.query_one(Checkbox))
        await pilot.click(app.screen.query(Static).last(), offset=(0, 1))
        assert [command["kind"] for command in asked(run)] == ["kick"]


async def test_no_tick_before_it_is_true(tmp_path: Path, driven: Driven) -> None:
    """Asked for around the finish: the trainer never answers, and afterwards nothing can be ticked."""
    run, script = live(tmp_path, whole_run(finish=False, interventions=["noise"]))
    async with driven(run, (160, 45)) as (app, pilot):
        (row,) = app.screen.query(TreatmentRow)
        box = row.query_one(Checkbox)
        box.focus()
        await pilot.press("space", "y")
        await pilot.pause()
        assert row.standing.word == "requested"
        assert not box.value
        script.add("finished", 3000, status="completed", steps=3000, seconds=150.0, result={}, parameters_digest="00")
        await again(app, pilot, script)
        assert row.standing.word == "off"
        assert row.disabled
        assert not box.value
        assert app.requests.open == ()
        assert app.screen.query_one(Treatments).border_subtitle == ""
        await pilot.click(box)
        assert not box.value


async def test_a_tick_that_cannot_be_sent_is_taken_back(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path, whole_run(finish=False, interventions=["noise"]))
    run.control.rmdir()
    run.control.write_text("a file")
    async with driven(run, (160, 45)) as (app, pilot):
        box = app.screen.query_one(Checkbox)
        box.focus()
        await pilot.press("space", "y")
        await pilot.pause()
        assert not box.value


async def test_what_it_does_is_counted_in_one_line(tmp_path: Path, driven: Driven) -> None:
    script = whole_run(finish=False, interventions=["noise"], intervention_parameters={"noise": {"basis": "none"}})
    common: dict[str, Any] = {"kind": "noise", "parameters": {"basis": "none"}, "source": "control"}
    script.add("intervened", 3000, state="on", **common)
    for step in range(3001, 6123):
        script.add("intervened", step, state="applied", **common)
    run, script = live(tmp_path, script)
    async with driven(run, (160, 45)) as (app, pilot):
        (row,) = app.screen.query(TreatmentRow)
        assert re.search(r"● on, 3,122x +basis none", "\n".join(screen(app)))
        assert said_of_noise(app) == ["noise on basis none (control)", "noise applied · 3,122x"]
        script.add("intervened", 6123, state="off", **common)
        script.add("intervened", 6124, state="on", **common)
        script.add("intervened", 6125, state="applied", **common)
        await again(app, pilot, script)
        assert said_of_noise(app)[-3:] == [
            "noise off basis none (control)",
            "noise on basis none (control)",
            "noise applied",
        ]
        assert "noise applied · 3,122x" in said_of_noise(app)
        assert state(row) == "● on, 1x  basis none"


def said_of_noise(app: GrokscopeApp) -> list[str]:
    return [line.text for line in app.screen.query_one(EventLogPanel).chosen if line.event == "intervened"]


def screen(app: GrokscopeApp) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


async def test_replay_and_scrubbing(tmp_path: Path, driven: Driven) -> None:
    run = whole_run().write(tmp_path)
    async with driven(run) as (app, pilot):
        await pilot.press("p")
        assert app.player is not None
        assert app.player.playing
        assert app.screen.frame.state is RunLook.RECORDED
        app.player = app.player.advanced(0, app.snapshot.view)
        await pilot.press("space")
        assert not app.player.playing
        app.player = app.player.moved(-1, app.snapshot.view)
        assert app.screen.frame.view.step == 0
        await pilot.press("right")
        assert app.player.seconds == pytest.approx(1.5)
        assert app.screen.frame.view.step == 30
        await pilot.press("end")
        assert app.screen.frame.view.step == 3000
        await pilot.press("home", "comma")
        assert app.player.seconds == 0
        await pilot.press("right_square_bracket")
        assert app.player.speed == 10
        await pilot.press(*["right_square_bracket"] * 9)
        assert app.player.speed == 1000
        await pilot.press(*["left_square_bracket"] * 9)
        assert app.player.speed == 1
        transport = app.screen.query_one(Transport)
        await pilot.click(transport, offset=(transport.size.width // 2, 0))
        assert 0.3 < app.player.seconds / app.snapshot.view.elapsed < 0.7
        await pilot.press("space")
        app.player = app.player.advanced(1000, app.snapshot.view)
        assert not app.player.playing
        await pilot.press("p")
        assert app.player is None
        assert app.screen.frame.state is RunLook.FINISHED


async def test_space_replays_a_finished_run(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        await pilot.press("space")
        assert app.player is not None


async def test_replay_at_once(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), replaying=True) as (app, _pilot):
        assert app.player is not None


async def test_a_replay_sends_nothing(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path)
    async with driven(run) as (_app, pilot):
        await pilot.press("p", "w", "s", "X")
        assert asked(run) == []


async def test_panels_zoom_and_scale(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        for key, panel in zip("123456", ("defect", "accuracy", "signals", "forecast", "treat", "events"), strict=True):
            await pilot.press(key)
            assert app.focused is not None
            assert app.focused.id == panel
            assert app.focused.display
        await pilot.press("1", "tab")
        assert app.focused.id == "accuracy"
        await pilot.press("k")
        assert app.focused.id == "defect"
        await pilot.press("z")
        assert app.screen.maximized is app.focused
        await pilot.press("z")
        assert app.screen.maximized is None
        await pilot.press("l")
        assert not app.log_scale
        await pilot.press("l")
        assert app.log_scale


async def test_one_chart_has_an_axis_of_its_own(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        wants_log = lambda curve: app.frame().wants_log(curve)  # noqa: E731
        await pilot.press("1", "y")
        assert (wants_log("defect"), wants_log("test.loss")) == (False, True)
        assert str(app.screen.query_one(DefectChart).border_subtitle).endswith("linear")
        await pilot.press("3", "y")
        assert not wants_log(app.screen.query_one(SignalsPanel).charted)
        await pilot.press("2", "y")
        assert "always linear" in [notification.message for notification in app._notifications][-1]
        await pilot.press("c")
        assert app.screen.quantity == "accuracy"
        await pilot.press("right_square_bracket", "y")
        assert (app.screen.quantity, wants_log("test.loss")) == ("loss", False)
        await pilot.press("l")
        assert app.frame().excepted == frozenset()
        await pilot.press("escape", "4", "y")
        assert "no chart has the focus" in [notification.message for notification in app._notifications][-1]


async def test_one_chart_has_a_fixed_range_of_values(tmp_path: Path, driven: Driven) -> None:
    def ends() -> tuple[float, float]:
        chart = app.screen.query_one(DefectChart)
        scale = chart.scale(app.frame(), chart.curves(app.frame().view))
        return scale.bottom, scale.top

    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        fitting = ends()
        await pilot.press("1", "Y", *"0.5 200", "enter")
        assert ends() == (0.5, 200)
        assert str(app.screen.query_one(DefectChart).border_subtitle).endswith("log, fixed range")
        await pilot.press("c", "l")  # the full chart has the same range, on either axis
        assert "linear, fixed range" in str(app.screen.query_one("#heading", Static).content)
        await pilot.press("l", "Y", *["backspace"] * 9, *"0 50", "enter", "escape")
        assert ends() == (fitting[0], 50)  # a logarithmic axis cannot begin at 0
        await pilot.press("Y", *["backspace"] * 9, *"3 2", "enter")
        assert "the smaller one first" in [notification.message for notification in app._notifications][-1]
        assert ends() == (fitting[0], 50)
        await pilot.press("Y", *["backspace"] * 9, "enter")
        assert ends() == fitting
        await pilot.press("2", "Y", *"0.9 1", "enter")
        assert app.frame().fixed == {"test.accuracy": (0.9, 1.0)}
        await pilot.press("4", "Y")
        assert "no chart has the focus" in [notification.message for notification in app._notifications][-1]


async def test_escape_clears_a_filter_wherever_it_stands(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        for screen_key, field in (("g", "#filter"), ("r", "#filter")):
            await pilot.press(screen_key, "slash", *"nothing", "escape")
            entry = app.screen.query_one(field, Input)
            assert (entry.value, entry.has_focus) == ("", False)
            await pilot.press("escape")


async def test_the_event_log_filters(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        log = app.screen.query_one(EventLogPanel)
        everything = len(log.chosen)
        await pilot.press("slash", *"onset")
        assert [line.event for line in log.chosen] == ["onset"]
        await pilot.press("enter")
        assert app.focused is log
        await pilot.press("escape")
        assert len(log.chosen) == everything
        log.wanted = "-measured -evaluated -observed -trained"
        assert {line.event for line in log.chosen} == {"started", "memorized", "onset", "grokked", "finished"}
        log.wanted = "trained"
        assert len(log.chosen) > 100
        await pilot.press("6", "k", "k")
        assert log.top is not None
        await pilot.press("home")
        assert log.top == 0
        await pilot.press("pagedown", "pageup", "j")
        assert log.top == 1
        await pilot.press("G")
        assert log.top is None


async def test_the_full_chart(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        await pilot.press("c")
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        await pilot.press("left")
        assert screen.at_step == 3000
        await pilot.press("left")
        assert screen.at_step == 2900
        await pilot.press("right")
        assert screen.at_step == 3000
        await pilot.press("b", "b")
        assert screen.at_step == 1200
        assert "1,200" in str(screen.query_one("#readout").render())
        await pilot.press("w")
        assert screen.at_step == 2200
        await pilot.press("plus")
        assert screen.window == (1450, 2950)
        await pilot.press("minus", "minus")
        assert screen.window is None
        await pilot.press("right_square_bracket")
        assert screen.quantity == "accuracy"
        await pilot.press("left_square_bracket")
        assert screen.quantity == "commutator defect"
        await pilot.press("g")
        assert not screen.banded
        await pilot.press("l")
        assert not app.log_scale
        await pilot.click(screen.query_one("FullChart"), offset=(60, 10))
        assert 1000 < (screen.at_step or 0) < 2000
        await pilot.press("0")
        assert screen.at_step is None
        for _ in range(12):
            await pilot.press("right_square_bracket")
        await pilot.press("left", "escape")
        assert app.screen is screen
        await pilot.press("escape")
        assert isinstance(app.screen, WatchScreen)


def readout(app: GrokscopeApp) -> str:
    return str(app.screen.query_one("#readout").render())


async def test_the_full_chart_in_a_replay(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), at=1000) as (app, pilot):
        await pilot.press("c")
        screen = app.screen
        assert isinstance(screen, ChartScreen)
        assert readout(app).startswith(" step 1,000   defect 3.0")
        assert "▶ replay" in str(screen.query_one("#heading").render())
        await pilot.press("right")
        assert readout(app).startswith(" step 1,030 ")
        await pilot.press("left", "left")
        assert readout(app).startswith(" step 970 ")
        assert app.player is not None
        await pilot.press("space")
        assert app.player.playing
        await pilot.press("space")
        assert not app.player.playing
        transport = screen.query_one(Transport)
        await pilot.click(transport, offset=(transport.size.width - 30, 0))
        assert screen.frame.view.step > 1100
        await pilot.press("end", "b")
        assert readout(app).startswith(" step 2,200 ")
        await pilot.press("left")
        assert readout(app).startswith(" step 2,100 ")
        assert screen.frame.view.step == 3000
        await pilot.press("home")
        assert readout(app).startswith(" step 0 ")
        await pilot.press("p")
        assert app.player is None
        assert not transport.display
        assert readout(app).startswith(" step 3,000 ")


async def test_another_run_on_the_full_chart(tmp_path: Path, driven: Driven) -> None:
    whole_run("another", steps=1000).write(tmp_path)
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        await pilot.press("c", "b", "plus", "r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        names = [item.run.name for item in app.screen._shown]
        app.screen.query_one(DataTable).move_cursor(row=names.index("another"))
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ChartScreen)
        assert app.screen.window is None
        assert readout(app).startswith(" step 1,000 ")


async def test_the_runs(tmp_path: Path, driven: Driven) -> None:
    for index in range(8):
        whole_run(f"run-{index}", steps=1000 + 100 * index).write(tmp_path)
    run = RunDirectory(tmp_path / "run-0")
    async with driven(run) as (app, pilot):
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        table = screen.query_one(DataTable)
        assert table.row_count == 8
        await pilot.press("slash", *"step>1550 lr<1")
        assert [item.run.name for item in screen._shown] == ["run-7", "run-6"]
        await pilot.press("escape")
        assert app.focused is table
        screen.query_one(Input).value = ""
        await pilot.pause()
        for _ in range(7):
            await pilot.press("space", "j")
        assert len(app.overlays) == 6
        await pilot.press("k", "k", "o")
        assert len(app.overlays) == 5
        await pilot.press("f5")
        wanted = screen._shown[table.cursor_row].run
        await pilot.press("l")
        await pilot.pause()
        assert app.run_directory == wanted
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("c")
        await pilot.pause()
        assert len(app.screen._lines()) > 1


async def test_picking_first(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), pick=True) as (app, pilot):
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, WatchScreen)


async def test_help_and_detach(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path)
    async with driven(run) as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = str(app.screen.query_one("Static").render())
        assert all(action.help in text and f"[{action.name}]" in text for action in KEY_ACTIONS)
        await pilot.press("j", "k", "escape", "q")
    assert asked(run) == []


async def test_the_palette_has_every_action_that_can_be_obeyed(tmp_path: Path, driven: Driven) -> None:
    of_a_trainer = {"pause", "step", "steps", "snapshot", "untreat", "stop", "panel_treat"}
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        for where, keys in (("watch", ("p", "end")), ("chart", ("c",))):
            await pilot.press(*keys)
            offered = {command.help for command in app.get_system_commands(app.screen)}
            actions = {action.name: action.help for action in (*actions_of(where), *actions_of("everywhere"))}
            assert {name for name, words in actions.items() if words not in offered} <= of_a_trainer - {"pause"}
        before = app.log_scale
        command = next(item for item in app.get_system_commands(app.screen) if item.title.startswith("Log"))
        await command.callback()
        assert app.log_scale is not before


async def test_a_key_map_moves_a_key(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path)
    async with driven(run, settings=Settings(keys={"pause": "u"}, problems=("a problem",))) as (_app, pilot):
        await pilot.press("space")
        assert asked(run) == []
        await pilot.press("u")
        assert [command["action"] for command in asked(run)] == ["pause"]


async def test_saving(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (_app, pilot):
        await pilot.press("v", "d", "d")
        svg = list(tmp_path.glob("made-*.svg"))
        tables = list(tmp_path.glob("made-*.csv"))
        assert "<svg" in svg[0].read_text()
        assert len(tables) == 2
        head, *rows = tables[0].read_text().splitlines()
        assert head.startswith("step,")
        assert "defect.p25" in head
        assert "test.accuracy" in head
        assert len(rows) == 151
        assert rows[0].startswith("0,")


async def test_themes_and_ascii(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path)) as (app, pilot):
        first = app.theme
        seen = set()
        for _ in range(5):
            await pilot.press("t")
            seen.add(app.theme)
        assert len(seen) == 5
        assert app.theme == first
        await pilot.press("A")
        await pilot.pause()
        lines = [strip.text for strip in app.screen._compositor.render_strips()]
        assert any("commutator defect" in line for line in lines)
        assert all(line.isascii() for line in lines)


async def test_without_colour_ansi_themes_are_refused(
    tmp_path: Path, driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(whole_run().write(tmp_path), theme="ansi-dark") as (app, _pilot):
        assert app.no_color
        assert not any(name.startswith(("ansi", "textual-ansi")) for name in app.available_themes)
        assert app.theme == "grokscope-dark"


class Ended:
    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


async def test_waiting_for_a_run(tmp_path: Path, driven: Driven) -> None:
    run = RunDirectory(tmp_path / "made")
    run.path.mkdir()
    trainer_output(run).write_text("Traceback\ngrokscope: no such [red]preset\n\n")
    trainer = Ended(None)
    async with driven(run, trainer=trainer) as (app, pilot):
        assert app.screen.frame.waiting == "waiting for the run to start"
        trainer.code = 2
        app.show()
        await pilot.pause()
        waiting = app.screen.frame.waiting
        assert "code 2" in waiting
        assert waiting.endswith("grokscope: no such [red]preset")
        await pilot.press("space", "p", "c", "escape", "d")
        whole_run().write(tmp_path)
        app._readers[run.path].poll()
        await pilot.pause()
        await pilot.pause()
        assert app.screen.frame.view.step == 3000


async def test_a_trainer_that_fails_is_heard(tmp_path: Path, driven: Driven) -> None:
    """Also where the run had events before: a trainer that refuses to begin leaves them as they are."""
    run = whole_run().write(tmp_path)
    trainer_output(run).write_text("grokscope: there is a run called [red]made\n")
    async with driven(run, trainer=Ended(2)) as (app, pilot):
        app._mind_trainer()
        await pilot.pause()
        (heard,) = app._notifications
        assert heard.message == "the trainer ended with code 2: grokscope: there is a run called [red]made"


async def test_a_run_that_vanishes(tmp_path: Path, driven: Driven) -> None:
    run, _ = live(tmp_path)
    async with driven(run) as (app, pilot):
        shutil.rmtree(run.path)
        app._readers[run.path].poll()
        await pilot.pause()
        await pilot.pause()
        assert app.snapshot.state is RunLook.GONE
        assert any("was removed" in sentence for sentence in notices(app.screen.frame))
        await pilot.press("space", "r", "escape", "c", "escape")


async def test_hostile_text_on_every_screen(tmp_path: Path, driven: Driven) -> None:
    evil = "[bold red]\x1b[2J[/x] \u202e[link='x"
    script = whole_run(finish=False, task=evil, backend=evil, device=evil, interventions=[evil])
    script.add("warned", 1, reason=evil)
    script.add(evil, 2, note=evil)
    script.add("observed", 3020, signals={evil: 1.0})
    refused = {"probability": evil, "abstained": evil}
    dated = {"law": evil, "grok_step": 9.0, "interval": {"level": evil, "low": evil}, "lead_steps": evil}
    script.add("forecast", 3020, generalizes=refused, reaches=evil, when=dated, basis=evil, rivals={evil: 3.0})
    script.add("intervened", 3020, kind=evil, state="refused", parameters={evil: evil}, reason=evil)
    run, _ = live(tmp_path, script)
    async with driven(run, (160, 45)) as (app, pilot):
        for keys in (("1",), ("c",), ("left_square_bracket",) * 3, ("escape",), ("r",), ("escape",), ("p",)):
            await pilot.press(*keys)
            await pilot.pause()
            text = "".join(strip.text for strip in app.screen._compositor.render_strips())
            assert "\x1b" not in text
            assert "\u202e" not in text


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (80, 24), (200, 40)])
async def test_every_size(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    run, _ = live(tmp_path)
    async with driven(run, size) as (app, pilot):
        for keys in (
            ("z",),
            ("z",),
            ("c", "left"),
            ("escape", "escape"),
            ("p",),
            ("question_mark",),
            ("escape",),
            ("r",),
        ):
            await pilot.press(*keys)
        await pilot.press("escape")
        for wide, high in ((160, 45), (20, 5), (80, 24)):
            await pilot.resize_terminal(wide, high)
            await pilot.pause()
        assert app.screen.query_one(RunLine).size.width == 80


async def test_nothing_is_drawn_again_when_nothing_changed(tmp_path: Path, driven: Driven) -> None:
    run, script = live(tmp_path)
    async with driven(run) as (app, pilot):
        drawn: list[str] = []
        for widget in app.screen.query("*"):
            if hasattr(widget, "redraw"):
                widget.redraw = partial(drawn.append, type(widget).__name__)
        app.show()
        await pilot.pause()
        assert drawn == []
        script.trained(3000)
        await again(app, pilot, script)
        assert set(drawn) <= {"RunLine", "SignalsPanel"}
        signals = app.screen.query_one(SignalsPanel)
        signals.at = 1
        assert "SignalsPanel" in drawn

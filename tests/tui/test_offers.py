"""The footer in every state of a run: it offers what the run can obey, and nothing else."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from textual.widgets._footer import FooterKey
from tui_made import Driven, Script, whole_run

from grokscope.runs.directory import RunDirectory
from grokscope.tui.app import GrokscopeApp
from grokscope.tui.demo import DEMO

TREATABLE = {"interventions": ["clamp"], "intervention_parameters": {"clamp": {}}}


def running(folder: Path, script: Script | None = None) -> RunDirectory:
    run = (script or whole_run(finish=False, **TREATABLE)).write(folder)
    run.heartbeat.touch()
    return run


def paused(folder: Path) -> RunDirectory:
    script = whole_run(finish=False, **TREATABLE)
    script.add("paused", 3000, reason="asked")
    return running(folder, script)


def own_loop(folder: Path, *, refused: bool = False) -> RunDirectory:
    script = whole_run(finish=False, origin="own loop")
    if refused:
        script.add("warned", 3000, reason="stop was refused: nothing in this loop could obey")
    return running(folder, script)


def crashed(folder: Path) -> RunDirectory:
    return whole_run(finish=False, host="elsewhere").write(folder)


def imported(folder: Path) -> RunDirectory:
    """All of it has one time: that of the import."""
    script = whole_run()
    for event in script.events:
        event["time"] = script.events[0]["time"]
    return script.write(folder)


def waiting(folder: Path) -> RunDirectory:
    run = RunDirectory(folder / "made")
    run.control.mkdir(parents=True)
    return run


def offered(app: GrokscopeApp) -> set[str]:
    return {key.description for key in app.screen.query(FooterKey)}


RUN_KEYS = {"Pause", "Resume", "Play", "Stop…", "Replay", "Present", "Interventions"}

STATES: Mapping[str, tuple[Callable[[Path], RunDirectory], set[str]]] = {
    "running": (running, {"Pause", "Stop…", "Replay", "Interventions"}),
    "paused": (paused, {"Resume", "Stop…", "Replay", "Interventions"}),
    "finished": (lambda folder: whole_run(**TREATABLE).write(folder), {"Replay", "Interventions"}),
    "crashed": (crashed, {"Replay"}),
    "own loop": (own_loop, {"Pause", "Stop…", "Replay"}),
    "own loop that cannot stop": (lambda folder: own_loop(folder, refused=True), {"Pause", "Replay"}),
    "imported": (imported, {"Replay"}),
    "waiting": (waiting, set()),
    "demo": (lambda folder: RunDirectory(Path(shutil.copytree(DEMO, folder / "demo"))), {"Replay", "Interventions"}),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_footer_offers_what_the_run_can_obey(tmp_path: Path, driven: Driven, state: str) -> None:
    made, expected = STATES[state]
    async with driven(made(tmp_path), size=(160, 45)) as (app, pilot):
        assert offered(app) & RUN_KEYS == expected
        assert {"Help", "Detach", "Chart", "Runs"} <= offered(app)
        stoppable = any(command.title.startswith("Stop") for command in app.get_system_commands(app.screen))
        assert stoppable == ("Stop…" in expected)
        if state == "waiting":
            return
        await pilot.press("p")
        await pilot.pause()
        assert offered(app) & RUN_KEYS == ({"Pause", "Present"} | expected & {"Interventions"})
        await pilot.press("space")
        await pilot.pause()
        assert "Play" in offered(app)


async def test_the_footer_follows_the_run(tmp_path: Path, driven: Driven) -> None:
    """A run that finishes while it is watched cannot be stopped any more; its keys still answer."""
    run = running(tmp_path)
    async with driven(run, size=(160, 45)) as (app, pilot):
        assert "Stop…" in offered(app)
        whole_run(**TREATABLE).write(tmp_path)
        next(iter(app._readers.values())).poll()
        for _ in range(3):
            await pilot.pause()
        assert "Stop…" not in offered(app)
        await pilot.press("X")
        assert [each.message for each in app._notifications] == [
            "the run is finished, so there is no trainer to control"
        ]


async def test_a_run_without_times_is_replayed_by_its_steps(tmp_path: Path, driven: Driven) -> None:
    """Nothing is shown that was found out after the step."""
    async with driven(imported(tmp_path), at=1200) as (app, pilot):
        assert (app.frame().view.step, [found.name for found in app.frame().view.detected]) == (1200, ["memorized"])
        app.action_scrub(0.5)
        assert app.frame().view.step == 2700
        await pilot.press("p", "p")
        await pilot.pause()
        assert app.player is not None
        assert app.frame().view.step < 3000


async def test_at_80_columns_the_footer_of_a_switch_is_whole(tmp_path: Path, driven: Driven) -> None:
    async with driven(running(tmp_path), size=(80, 24)) as (app, pilot):
        await pilot.press("5")
        await pilot.pause()
        assert {"On/off", "Parameters", "Stop…", "Detach"} <= offered(app)
        assert "Interventions" not in offered(app), "the focus is there already"
        assert max(key.region.right for key in app.screen.query(FooterKey)) <= 80

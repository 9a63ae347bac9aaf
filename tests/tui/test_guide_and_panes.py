"""The guide, whose values all charts show, and the sizes of panels: by key and by mouse."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui_made import Driven, whole_run

from grokscope.tui.app import GrokscopeApp
from grokscope.tui.screens.chart import ChartScreen
from grokscope.tui.screens.grid import GridScreen


def titles(app: GrokscopeApp) -> str:
    panels = (app.screen.query_one(name) for name in ("#defect", "#accuracy", "#signals"))
    return " ".join(f"{panel.border_title} {panel.border_subtitle}" for panel in panels)


async def test_the_guide_by_key(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        newest = titles(app)
        await pilot.press("H")
        assert app.guide == 3000
        await pilot.press("shift+left", "H", "L")
        assert app.guide == 2900
        assert titles(app).count("at 2,900") == 3
        await pilot.press("c")
        assert isinstance(app.screen, ChartScreen)
        assert app.screen.at_step == 2900
        await pilot.press("left", "escape", "escape", "shift+right")
        assert app.guide == 3000
        await pilot.press("escape")
        assert app.guide is None
        assert titles(app) == newest


async def test_the_charts_show_the_values_at_the_guide(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        curve = app.frame().view.curve("test.accuracy")
        app.guide = 1000.0
        await pilot.pause()
        row = curve.at(1000.0)
        assert row is not None
        assert row[1] != curve.last
        assert f"test {100 * row[1]:.1f} %" in str(app.screen.query_one("#accuracy").border_subtitle)


@pytest.mark.parametrize("chart", ["#defect", "#loss"])
async def test_a_click_sets_the_guide(tmp_path: Path, driven: Driven, chart: str) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        panel = app.screen.query_one(chart)
        await pilot.click(panel, offset=(panel.size.width - 4, 3))
        assert app.guide is not None
        assert app.guide > 2000
        assert app.guide in app.frame().guided
        await pilot.click(panel, offset=(10, 3))
        assert app.guide < 1000


async def test_a_replay_before_the_guide_removes_it(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        await pilot.press("H", "p", "space", "home")
        assert app.guide is None


async def test_the_guide_on_the_grid(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        await pilot.press("g", "H", "H")
        assert isinstance(app.screen, GridScreen)
        assert app.guide == 2900
        assert "at 2,900" in str(app.screen.query_one("#heading").render())
        await pilot.click("ChartGrid", offset=(60, 5))
        assert 0 < (app.guide or 0) < 2900
        await pilot.press("escape")
        assert app.guide is None
        assert isinstance(app.screen, GridScreen)


async def test_without_samples_there_is_nothing_to_guide_to(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run(steps=0, finish=False).write(tmp_path)) as (app, pilot):
        app.snapshot = type(app.snapshot)()
        await pilot.press("H")
        assert app.guide is None


def heights(app: GrokscopeApp) -> list[int]:
    return [app.screen.query_one(name).outer_size.height for name in ("#defect", "#curves", "#signals")]


def side(app: GrokscopeApp) -> int:
    return app.screen.query_one("#side").size.width


async def drag(pilot: Pilot[None], start: tuple[int, int], end: tuple[int, int]) -> None:
    await pilot.mouse_down(offset=start)
    await pilot.hover(offset=end)
    await pilot.mouse_up(offset=end)
    await pilot.pause()


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24)])
async def test_panels_grow_and_shrink_by_key(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    async with driven(whole_run().write(tmp_path), size=size) as (app, pilot):
        first, wide = heights(app), side(app)
        await pilot.press("1", "plus")
        assert heights(app) == [first[0] + 2, first[1] - 2, first[2]]
        await pilot.press("minus", "3", "minus")
        assert heights(app) == [first[0], first[1] + 2, first[2] - 2]
        await pilot.press("greater_than_sign")
        assert side(app) == wide - 4
        await pilot.press("less_than_sign", "less_than_sign")
        assert side(app) == wide + 4
        await pilot.press("0")
        assert (heights(app), side(app)) == (first, wide)


@pytest.mark.parametrize("size", [(160, 45), (100, 30), (80, 24)])
async def test_the_mouse_drags_the_lines(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    async with driven(whole_run().write(tmp_path), size=size) as (app, pilot):
        first, wide = heights(app), side(app)
        top = app.screen.query_one("#curves").region.y
        await drag(pilot, (5, top), (5, top + 2))
        assert heights(app) == [first[0] + 2, first[1] - 2, first[2]]
        assert app.guide is None
        left = app.screen.query_one("#side").region
        await drag(pilot, (left.x, left.y + 1), (left.x - 6, left.y + 1))
        assert side(app) == wide + 6
        await drag(pilot, (5, app.screen.query_one("#signals").region.y), (5, size[1] - 1))
        assert heights(app)[2] == 4


async def test_a_panel_beside_all_charts_grows_in_columns(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), size=(160, 45)) as (app, pilot):
        first, wide = heights(app), side(app)
        await pilot.press("6", "plus")
        assert (heights(app), side(app)) == (first, wide + 4)


async def test_another_layout_begins_with_its_own_sizes(tmp_path: Path, driven: Driven) -> None:
    run = whole_run().write(tmp_path)
    async with driven(run, size=(100, 30)) as (app, _):
        expected = heights(app), side(app)
    async with driven(run, size=(160, 45)) as (app, pilot):
        await pilot.press("1", "plus", "less_than_sign")
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert (heights(app), side(app)) == expected

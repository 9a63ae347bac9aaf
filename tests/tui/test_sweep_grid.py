"""All charts on pages, the signals with their cursor, and events as the log holds them."""

from pathlib import Path

from textual.widgets import Static
from tui_made import Driven, Script, whole_run

from grokscope.tui.screens.chart import ChartScreen
from grokscope.tui.screens.grid import GridScreen
from grokscope.tui.screens.record import RecordScreen
from grokscope.tui.screens.watch import WatchScreen
from grokscope.tui.widgets.chart_grid import ChartGrid
from grokscope.tui.widgets.event_log import EventLogPanel
from grokscope.tui.widgets.signals import SignalsPanel


async def test_all_charts_on_pages(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        await pilot.press("g")
        screen = app.screen
        assert isinstance(screen, GridScreen)
        grid = screen.query_one(ChartGrid)
        assert (grid.shape, grid.page) == ((2, 2), (1, 3))
        assert grid.titles[:4] == ["commutator defect", "accuracy", "loss", "commutator norm"]
        assert "▸commutator defect" in grid.render_line(0).text
        assert "accuracy  ○ 1  × 1" in grid.render_line(0).text
        await pilot.press("down", "right")
        assert grid.title == "commutator norm"
        await pilot.press("right_square_bracket")
        assert grid.page == (2, 3)
        await pilot.press("slash", *"norm", "enter")
        assert grid.titles == ["commutator norm", "probe gradient norm", "weight norm"]
        await pilot.press("right", "enter")
        assert isinstance(app.screen, ChartScreen)
        assert app.screen.quantity == "probe gradient norm"
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, WatchScreen)


async def test_a_click_on_a_chart(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        await pilot.press("g")
        grid = app.screen.query_one(ChartGrid)
        await pilot.click(grid, offset=(50, 3))
        assert grid.title == "accuracy"
        await pilot.click(grid, offset=(50, 3))
        await pilot.pause()
        assert isinstance(app.screen, ChartScreen)
        assert app.screen.quantity == "accuracy"


async def test_a_signal_is_pinned_and_opened(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        panel = app.screen.query_one(SignalsPanel)
        assert panel.rows[0][0] == "commutator_norm"
        await pilot.press("3", "down", "down", "P")
        assert [name for name, _ in panel.rows[:2]] == ["gradient_cosine", "commutator_norm"]
        assert panel.at == 0
        await pilot.press("1")
        await pilot.pause()
        assert panel.render_line(0).text.startswith("▪gradient")
        await pilot.press("3", "enter")
        assert isinstance(app.screen, ChartScreen)
        assert app.screen.quantity == "gradient cosine"


async def test_the_cursor_scrolls_to_every_signal(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        panel = app.screen.query_one(SignalsPanel)
        await pilot.press("3", *["down"] * 10)
        await pilot.pause()
        lines = [panel.render_line(y).text for y in range(panel.content_size.height)]
        assert lines[-1].startswith("▸weight norm")


async def test_shares_of_blocks_are_rows_of_heat(tmp_path: Path, driven: Driven) -> None:
    script: Script = whole_run(finish=False)
    for event in script.events:
        if event["event"] == "measured":
            event["blocks"] = {"embedding": event["step"] / 3000, "layer 1": 1 - event["step"] / 3000}
    async with driven(script.write(tmp_path), (160, 45)) as (app, _pilot):
        panel = app.screen.query_one(SignalsPanel)
        lines = {name: panel.render_line(y).text for y, (name, _) in enumerate(panel.rows)}
        rising = lines["blocks.embedding"].split("share of embedding")[1]
        assert rising.index("░") < rising.index("▒") < rising.index("▓") < rising.index("█")
        falling = lines["blocks.layer 1"]
        assert falling.index("█") < falling.index("░")


def record(app: object) -> str:
    return str(app.screen.query_one("#record", Static).content)  # type: ignore[attr-defined]


async def test_an_event_as_the_log_holds_it(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        await pilot.press("6", "i")
        assert isinstance(app.screen, RecordScreen)
        assert '"status": "grokked"' in record(app)
        await pilot.press("left_square_bracket")
        assert '"event": "evaluated"' in record(app)
        await pilot.press("escape")
        await pilot.click(EventLogPanel, offset=(10, 1))
        assert isinstance(app.screen, RecordScreen)
        assert '"seq"' in record(app)


async def test_a_hostile_event_is_harmless(tmp_path: Path, driven: Driven) -> None:
    script: Script = whole_run(finish=False)
    script.add("warned", 3000, reason="a\x1b[31m[bold]b\u202e")
    async with driven(script.write(tmp_path), (80, 24)) as (app, pilot):
        await pilot.press("6", "i")
        assert "\x1b" not in record(app)
        assert "[bold]b" in record(app)

"""A sweep as a grid: what stands where, the way into a cell, and how runs differ."""

from pathlib import Path

from textual.widgets import DataTable, Static
from tui_made import Driven, config, whole_run

from grokscope.tui.comparison import change_in_words, difference_in_words, distinguishing
from grokscope.tui.screens.runs import RunsScreen
from grokscope.tui.screens.sweep import SweepScreen
from grokscope.tui.screens.watch import WatchScreen
from grokscope.tui.summaries import summaries, sweep_summaries
from grokscope.tui.widgets.cell_grid import CellGrid, grid_layout


def sweep(folder: Path) -> Path:
    """Two learning rates, three weight decays, two seeds; a run of the largest weight decay does not grok."""
    number = 0
    for lr in (1e-3, 3e-3):
        for wd in (0.1, 0.5, 1.0):
            for seed in (1, 2):
                number += 1
                script = whole_run(f"cell-{number:02d}", config=config(lr, wd, seed))
                script.events = [event for event in script.events if event["event"] != "grokked"]
                for seq, event in enumerate(script.events):
                    event["seq"] = seq
                grokked = not (wd == 1.0 and seed == 2)
                script.events[-1] |= {
                    "status": "grokked" if grokked else "completed",
                    "result": {"grokked_step": 2000 + number} if grokked else {},
                }
                script.write(folder / "grid")
    return folder / "grid"


def test_what_differs_between_runs() -> None:
    first, second = config(lr=1e-3, seed=1), config(lr=3e-3, seed=2)
    differences = distinguishing([first, second])
    assert differences == {"optimizer.lr": [1e-3, 3e-3], "train.seed": [1, 2]}
    assert difference_in_words(differences, 1) == "lr 0.003, seed 2"
    assert change_in_words(first, second) == "lr 0.001 → 0.003, seed 1 → 2"
    assert change_in_words(first, first) == ""
    assert distinguishing([first, {}])["optimizer.lr"] == [1e-3, None]


def test_seeds_share_a_cell(tmp_path: Path) -> None:
    runs = summaries(sweep(tmp_path))
    plan = grid_layout(runs)
    assert {plan.down, plan.across} == {"optimizer.wd", "optimizer.lr"}
    assert (plan.rows, plan.columns) == (("0.1", "0.5", "1"), ("0.001", "0.003"))
    assert [[runs[index].name for index in plan.cells[row, 0]] for row in range(3)] == [
        ["cell-01", "cell-02"], ["cell-03", "cell-04"], ["cell-05", "cell-06"]
    ]  # fmt: skip
    assert grid_layout(runs[:1]).cells == {(0, 0): (0,)}
    assert grid_layout([]).cells == {}


async def test_into_a_cell_and_back_by_keys(tmp_path: Path, driven: Driven) -> None:
    sweep(tmp_path)
    async with driven(whole_run("watched").write(tmp_path), (80, 24)) as (app, pilot):
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)
        assert [item.name for item in app.screen._shown] == ["watched", "grid/"]
        await pilot.press("j", "enter")
        screen = app.screen
        assert isinstance(screen, SweepScreen)
        grid = screen.query_one(CellGrid)
        drawn = [grid.render_line(y).text for y in range(4)]
        assert drawn[0].split() == ["wd", "\\", "lr", "0.001", "0.003"]
        assert drawn[1].split() == ["0.1", "★█", "★█", "★▓", "★▒"]
        assert drawn[3].split()[2] == "·"
        await pilot.press("down", "right")
        assert str(screen.query_one("#about", Static).content).split() == [
            "★", "grid/cell-04:", "grokked", "at", "2,004", "lr", "0.001,", "wd", "0.5,", "seed", "2"
        ]  # fmt: skip
        await pilot.press("space")
        assert [path.name for path in app.overlays] == ["cell-04"]
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, WatchScreen)
        assert app.run_directory.path == tmp_path / "grid" / "cell-04"


async def test_into_a_cell_by_mouse(tmp_path: Path, driven: Driven) -> None:
    sweep(tmp_path)
    async with driven(whole_run("watched").write(tmp_path), (80, 24)) as (app, pilot):
        app.push_screen(SweepScreen(tmp_path / "grid", sweep_summaries(tmp_path)[0].runs))
        await pilot.pause()
        grid = app.screen.query_one(CellGrid)
        x = grid.render_line(2).text.index("★") + grid.content_region.x - grid.region.x
        y = 2 + grid.content_region.y - grid.region.y
        await pilot.click(grid, offset=(x, y))
        assert grid.runs[grid.at].run.name == "cell-03"
        await pilot.click(grid, offset=(x, y))
        await pilot.pause()
        assert app.run_directory.name == "cell-03"


async def test_the_list_compares_with_the_watched_run(tmp_path: Path, driven: Driven) -> None:
    whole_run("other", config=config(lr=3e-3)).write(tmp_path)
    async with driven(whole_run("watched").write(tmp_path), (100, 24)) as (app, pilot):
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        names = [item.name for item in app.screen._shown]
        app.screen.query_one(DataTable).move_cursor(row=names.index("other"))
        await pilot.pause()
        assert str(app.screen.query_one("#compared", Static).content) == " watched → other: lr 0.001 → 0.003"

"""A picture of a run: the TUI, drawn without a terminal."""

import asyncio
from pathlib import Path

from grokscope.gate import write_file
from grokscope.runs.directory import RunDirectory
from grokscope.tui.app import GrokscopeApp
from grokscope.tui.settings import Settings


def picture(
    run: RunDirectory,
    width: int,
    height: int,
    *,
    theme: str = "",
    screen: str = "watch",
    at: int | None = None,
    sweep: Path | None = None,
) -> str:
    """SVG of the dashboard, of the full chart (`screen="chart"`), at step `at` (by default the last), or of `sweep`."""
    app = GrokscopeApp(run, settings=Settings(), theme=theme, follow=False, at=at, sweep=sweep)
    return asyncio.run(_picture(app, width, height, screen))


async def _picture(app: GrokscopeApp, width: int, height: int, screen: str) -> str:
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        if screen == "chart":
            app.action_chart()
        app.set_focus(None)
        await pilot.pause()
        await pilot.pause()
        return app.export_screenshot(title="grokscope")


def write_picture(
    run: RunDirectory, file: Path, size: str, theme: str = "", at: int | None = None, sweep: Path | None = None
) -> None:
    """Write the dashboard, or the grid of a sweep, as SVG. Raises `ValueError` for an invalid size, `OSError`."""
    width, sign, height = size.lower().partition("x")
    if not (sign and width.isdigit() and height.isdigit() and 1 <= int(width) <= 500 and 1 <= int(height) <= 200):
        raise ValueError(f"{size!r} is not a size; give columns x lines, such as 160x45")
    text = picture(run, int(width), int(height), theme=theme, at=at, sweep=sweep)
    write_file(file, text)

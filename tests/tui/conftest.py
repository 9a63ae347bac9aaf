"""Shared by the tests of the TUI: nobody's own settings, no colour variables, and a way to drive the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_made import Driven

from grokscope.runs.directory import RunDirectory
from grokscope.tui.app import GrokscopeApp
from grokscope.tui.settings import Settings


@pytest.fixture(autouse=True)
def _neutral(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def driven() -> Driven:
    """`async with driven(run, size=…) as (app, pilot)`: the app on a run, without a reader thread."""

    @asynccontextmanager
    async def drive(
        run: RunDirectory, size: tuple[int, int] = (100, 30), **options: Any
    ) -> AsyncIterator[tuple[GrokscopeApp, Pilot[None]]]:
        app = GrokscopeApp(run, **{"settings": Settings(), "follow": False} | options)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.pause()
            yield app, pilot

    return drive

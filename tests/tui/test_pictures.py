"""The screens as stored pictures, at four sizes and in two themes.

A picture is its characters, line by line, and for the smallest size also its colours. After a change that was meant,
`GROKSCOPE_UPDATE_PICTURES=1 pytest tests/tui/test_pictures.py` writes them anew: look at the difference before you
commit it.
"""

import os
from itertools import groupby
from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui_made import Driven, whole_run

from grokscope.tui.app import GrokscopeApp
from grokscope.tui.picture import write_picture
from grokscope.tui.replay import Player

PICTURES = Path(__file__).parent / "pictures"
UPDATE = bool(os.environ.get("GROKSCOPE_UPDATE_PICTURES"))


def characters(app: GrokscopeApp) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips()) + "\n"


async def settled(app: GrokscopeApp, pilot: Pilot[None], name: str = "") -> None:
    """Wait until nothing moves, and up to 15 s for the stored picture: a table measures its columns when it is idle."""
    file = PICTURES / f"{name}.txt"
    before = ""
    for _ in range(150):
        still, before = before == characters(app), characters(app)
        if still and (UPDATE or not file.is_file() or before == file.read_text(encoding="utf-8")):
            return
        await pilot.pause(0.1)


def colours(app: GrokscopeApp) -> str:
    """Every run of cells of one style: its colours and attributes, and what stands in it."""
    lines = []
    for strip in app.screen._compositor.render_strips():
        cells = [(str(style), text) for text, style, _ in strip._segments]
        runs = ((style, "".join(text for _, text in run)) for style, run in groupby(cells, key=lambda cell: cell[0]))
        lines += [f"{style}: {text.rstrip()}" for style, text in runs]
        lines.append("")
    return "\n".join(lines)


def compare(name: str, seen: str) -> None:
    file = PICTURES / f"{name}.txt"
    if UPDATE:
        PICTURES.mkdir(exist_ok=True)
        file.write_text(seen, encoding="utf-8")
    assert seen == file.read_text(encoding="utf-8"), f"{file.name} differs; see the docstring of this file"


@pytest.mark.parametrize("theme", ["grokscope-dark", "grokscope-light"])
@pytest.mark.parametrize("size", [(20, 5), (80, 24), (120, 40), (160, 45)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_dashboard(tmp_path: Path, driven: Driven, size: tuple[int, int], theme: str) -> None:
    run = whole_run(interventions=["kick", "noise"]).write(tmp_path)
    async with driven(run, size, theme=theme) as (app, _pilot):
        name = f"watch-{size[0]}x{size[1]}"
        compare(name, characters(app))
        if size == (80, 24):
            compare(f"{name}-{theme}", colours(app))


@pytest.mark.parametrize("keys", [("c",), ("question_mark",), ("X",), ("r",)], ids=["chart", "help", "stop", "runs"])
async def test_other_screens(
    tmp_path: Path, driven: Driven, keys: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    run = whole_run(finish="stop" not in request.node.callspec.id).write(tmp_path)
    run.heartbeat.touch()
    async with driven(run, (100, 30)) as (app, pilot):
        await pilot.press(*keys)
        await app.workers.wait_for_complete()
        await settled(app, pilot, request.node.callspec.id)
        compare(request.node.callspec.id, characters(app))


async def test_replaying(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (80, 24)) as (app, pilot):
        app.player = Player(75.0, 10.0, playing=False)
        await pilot.pause()
        compare("replay-80x24", characters(app))


async def test_nothing_yet(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run("other").write(tmp_path), (80, 24)) as (app, pilot):
        app.run_directory.events.write_bytes(b"")
        app.open_run(app.run_directory)
        await pilot.pause()
        compare("waiting-80x24", characters(app))


def test_a_picture_without_a_terminal(tmp_path: Path) -> None:
    run = whole_run().write(tmp_path)
    write_picture(run, tmp_path / "a.svg", "90x30", "grokscope-light")
    assert "commutator" in (tmp_path / "a.svg").read_text()
    for size in ("90", "x", "0x5", "9x9x9", "1000x1000"):
        with pytest.raises(ValueError, match="is not a size"):
            write_picture(run, tmp_path / "b.svg", size)

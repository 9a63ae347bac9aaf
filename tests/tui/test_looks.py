"""What every look has at every size: the answer, the panels, and curves that differ without colour."""

import re
from pathlib import Path

import pytest
from textual.app import App
from tui_made import Driven, Script, whole_run

from grokscope.tui.raster import Scale
from grokscope.tui.settings import Settings
from grokscope.tui.widgets.answer import AnswerLine
from grokscope.tui.widgets.chart import AccuracyChart, DefectChart
from grokscope.tui.widgets.plot import gutter_of, value_ticks

SIZES = [(80, 24), (100, 30), (120, 40), (160, 45)]
LOOKS = ["grokscope-dark", "grokscope-light", "no colour", "ascii"]
TITLES = ("1 commutator defect", "2 accuracy", "loss", "3 signals", "4 forecast")


def forecasting() -> Script:
    """A run on its way, with marks close to each other and a forecast."""
    script = whole_run(steps=1600, finish=False, interventions=["noise", "kick"])
    for step in (1410, 1430):
        script.add("intervened", step, kind="noise", state="on", parameters={}, source="schedule")
    when = {"grok_step": 2343.0, "interval": {"level": 0.9, "low": 1990.0, "high": 2900.0}}
    script.add("forecast", 1500, reaches={"probability": 0.93}, generalizes={"probability": 0.97}, when=when)
    return script


def screen(app: App[None]) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_look(
    tmp_path: Path, driven: Driven, size: tuple[int, int], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if look == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    run = forecasting().write(tmp_path)
    run.heartbeat.touch()
    settings, theme = Settings(ascii=look == "ascii"), look if look.startswith("grokscope") else ""
    async with driven(run, size, settings=settings, theme=theme) as (app, _pilot):
        lines = screen(app)
        text = "\n".join(lines)
        assert all(title in text for title in TITLES)
        assert "5 Interventions" in lines[-1]
        assert all(len(line) == size[0] for line in lines)
        assert text.isascii() == (look == "ascii")
        answer = app.screen.query_one(AnswerLine).region
        assert lines[answer.y].startswith(" 93 % likely to grok, if so at step 2,343 (1,990 to 2,900)")
        defect, accuracy = (inside(app, kind, lines) for kind in (DefectChart, AccuracyChart))
        begin, middle, end = ("[", "?", "]") if look == "ascii" else ("╞", "◇", "╡")
        axis = next(line for line in defect if middle in line)
        assert axis.index(begin) < axis.index(middle)
        assert end not in axis[: axis.index(middle)]
        train, test = ("o", "x") if look == "ascii" else ("○", "×")
        assert any(train in line for line in accuracy)
        assert any(test in line for line in accuracy)
        labels = [line for line in (*defect, *accuracy) if "k" in line]
        assert labels
        assert not any(re.search(r"\d[▲◆★✚◇^#*+?]\d", line) for line in labels), "a glyph with a label on either side"
        assert re.match(r" +\d", "".join(accuracy)), "values have labels"


def inside(app: App[None], kind: type[DefectChart] | type[AccuracyChart], lines: list[str]) -> list[str]:
    """The lines of a chart, without its border."""
    region = app.screen.query_one(kind).content_region
    return [line[region.x : region.right] for line in lines[region.y : region.bottom]]


async def test_collapse_after_grokking_is_marked(tmp_path: Path, driven: Driven) -> None:
    script = whole_run(finish=False)
    script.detected("regressed", 2600, 2700)
    async with driven(script.write(tmp_path), (120, 40)) as (app, _pilot):
        axis = next(line for line in inside(app, DefectChart, screen(app)) if "★" in line)
        assert axis.index("★") < axis.index("☆")
        assert "lost it again at step 2,600" in "\n".join(screen(app))


async def test_a_logarithmic_step_axis_by_key(tmp_path: Path, driven: Driven) -> None:
    async with driven(whole_run().write(tmp_path), (120, 40)) as (app, pilot):
        before = next(line for line in inside(app, DefectChart, screen(app)) if "★" in line)
        await pilot.press("x")
        await pilot.pause()
        after = next(line for line in inside(app, DefectChart, screen(app)) if "★" in line)
        assert app.log_steps
        assert after.index("▲") > before.index("▲")  # early steps have more room
        assert any(line.split()[:1] == ["100"] for line in inside(app, DefectChart, screen(app)))


async def test_many_samples_have_a_band(tmp_path: Path, driven: Driven) -> None:
    script = Script()
    script.started()
    for step in range(2000):
        script.evaluated(step, test={"loss": 1.0 + step % 2, "accuracy": (step % 10) / 10, "sequence_accuracy": 0.0})
    async with driven(script.write(tmp_path), (120, 40)) as (app, _pilot):
        chart = app.screen.query_one(AccuracyChart)
        backgrounds = {
            segment.style.bgcolor for y in range(chart.content_size.height) for segment in chart.render_line(y)
            if segment.style is not None
        }  # fmt: skip
        assert len(backgrounds) > 1


async def test_each_block_has_a_row_of_shades_under_its_whole_name(tmp_path: Path, driven: Driven) -> None:
    script = Script()
    script.started()
    for step in range(0, 1000, 50):
        script.measured(step, blocks={"embedding": 0.1, "encoder.0": step / 1000, "encoder.1": 1 - step / 1000})
    async with driven(script.write(tmp_path), (120, 40)) as (app, pilot):
        await pilot.press("3", "z")
        await pilot.pause()
        rows = {name: line for line in screen(app) for name in re.findall(r"share of \S+", line)}
        assert set(rows) == {"share of embedding", "share of encoder.0", "share of encoder.1"}
        first, second = (re.sub(r"[^░▒▓█]", "", rows[f"share of encoder.{layer}"]) for layer in (0, 1))
        assert (first[0], first[-1], second[0], second[-1]) == ("░", "█", "█", "░")


@pytest.mark.parametrize(("bottom", "top"), [(0.22, 0.27), (1e-5, 1.3e-5), (2, 4.9), (64e3, 69e3), (1e-3, 1e3)])
def test_a_logarithmic_axis_has_labels_of_its_own_at_every_range(bottom: float, top: float) -> None:
    labels = list(value_ticks(Scale(0, 1, bottom, top, log=True), 10).values())
    assert len(labels) >= 2
    assert len({*labels}) == len(labels)
    assert all(len(label) <= gutter_of(80) - 1 for label in labels)

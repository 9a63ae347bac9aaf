"""The forecast panel says what could be known at the step it shows, and no more."""

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from tui_made import Driven, Script, config, whole_run

from grokscope.runs.upgrade import upgraded
from grokscope.tui.expected import Expected, expected, headline
from grokscope.tui.fold import fold
from grokscope.tui.frame import Frame
from grokscope.tui.replay import as_known_at
from grokscope.tui.view import View
from grokscope.tui.widgets.answer import AnswerLine
from grokscope.tui.widgets.chart import AccuracyChart, DefectChart
from grokscope.tui.widgets.forecast import ForecastPanel, lines
from grokscope.words.forecasts import forecast_answers


def said(view: View) -> str:
    return "\n".join(" ".join(line[:2]) for line in lines(view))


def turning_run() -> View:
    script: Script = whole_run(finish=False)
    script.add(
        "finished", 3000, status="completed", steps=3000, seconds=150.0, result={"test_loss_turn_step": 1150},
        parameters_digest="00",
    )  # fmt: skip
    return reduce(fold, script.events, View())


def test_a_replay_does_not_show_the_future() -> None:
    whole = turning_run()
    assert "test loss turned at step 1,150" in said(whole)
    assert "test loss turned" in said(as_known_at(whole, 1150))
    assert "test loss turned" not in said(as_known_at(whole, 1149))
    assert "grokked" not in said(as_known_at(whole, 1149)).replace("grokked –", "").replace("not grokked yet", "")


def test_no_lead_without_grokking() -> None:
    half_way = as_known_at(turning_run(), 2000)
    assert "elapsed 800 steps, " in said(half_way)
    assert "not grokked yet" in said(half_way)
    assert "lead" not in said(half_way)


def forecasting(**fields: Any) -> View:
    script: Script = whole_run(steps=1500, finish=False)
    script.add("forecast", 1500, **fields)
    return reduce(fold, script.events, View())


def likely(grok_step: float = 2310.0, **when: Any) -> dict[str, Any]:
    """An answer to every question."""
    dated = {"grok_step": grok_step, "lead_steps": 810.0, "lead_seconds": 75.0, "law": "elasticity", **when}
    return {
        "generalizes": {"probability": 0.97, "base_rate": 0.5}, "reaches": {"probability": 0.93, "base_rate": 0.54},
        "when": dated, "basis": "elasticity and training loss", "rivals": {"lr·wd": 2400.0},
    }  # fmt: skip


INTERVAL = {"level": 0.9, "low": 1990.0, "high": 12650.0}


def test_the_three_answers_stand_apart_beside_what_they_rest_on() -> None:
    view = forecasting(**likely(interval=INTERVAL))
    assert said(view).splitlines()[:4] == [
        "groks 93 % (bank: 54 %)",
        "when step 2,310, in 810 steps (1 min 15 s)",
        "interval 1,990 to 12,650",
        "generalizes 97 % (bank: 50 %)",
    ]
    assert said(view).splitlines()[-2:] == ["rests on elasticity and training loss", "rivals lr·wd 2,400"]
    assert "groks at step 2,310 [1,990, 12,650], 93 % likely to grok within the budget" in view.log[-1].text


def test_the_lead_is_counted_from_now() -> None:
    """A projection that still holds is not made again, but the run goes on."""
    script: Script = whole_run(steps=1500, finish=False)
    script.add("forecast", 1300, when={"grok_step": 2300.0, "lead_steps": 1000.0, "lead_seconds": 100.0})
    view = reduce(fold, script.events, View())
    assert view.step == 1500
    assert "in 800 steps (1 min 20 s)" in said(view)
    assert "in 0 steps (0 s)" in said(replace(view, step=2500))


def test_a_projection_without_an_interval_says_why() -> None:
    view = forecasting(**likely(no_interval="too few runs in the bank: 3 of 9 configurations that grokked"))
    assert "no interval: too few runs in the bank: 3 of 9 configurations that grokked" in said(view)
    assert "interval –" not in said(view)


def test_what_cannot_be_known_yet_says_from_when_on() -> None:
    reason = {"probability": None, "abstained": "cannot be known yet: not before step 2,010", "refusal": "not-yet"}
    view = forecasting(generalizes=reason, reaches=reason, when={"grok_step": 4811.0}, basis="lr · wd alone")
    assert said(view).splitlines()[:3] == [
        "groks cannot be known yet: not before step 2,010",
        "when step 4,811, in 3,311 steps",
        "generalizes cannot be known yet: not before step 2,010",
    ]
    assert said(view).splitlines()[-1] == "rests on lr · wd alone"


def test_one_reason_for_all_is_said_once() -> None:
    reason = {"abstained": "outside of the bank: model.width 128 (the bank has 64)"}
    view = forecasting(generalizes=reason, reaches=reason, when=reason)
    assert said(view).count("outside of the bank") == 1
    assert view.log[-1].text.startswith("no forecast: outside of the bank: model.width 128")


def test_certainty_is_no_percentage() -> None:
    sure = forecasting(generalizes={"probability": 1.0}, reaches={"probability": 0.0}, when={"abstained": "over"})
    assert said(sure).splitlines()[:3] == ["groks no", "when over", "generalizes yes, it has"]
    rounded = forecasting(**(likely() | {"reaches": {"probability": 0.998}, "generalizes": {"probability": 0.003}}))
    assert "groks over 99 %" in said(rounded)
    assert "generalizes under 1 %" in said(rounded)


def test_after_grokking_what_was_found_comes_first() -> None:
    script: Script = whole_run(finish=False)
    assert said(reduce(fold, script.events, View())).splitlines()[-1] == " no forecast yet"
    script.add("forecast", 3000, generalizes={"probability": 1.0}, reaches={"probability": 1.0},
               when={"abstained": "already grokked"})  # fmt: skip
    shown = said(reduce(fold, script.events, View())).splitlines()
    assert shown[0] == "memorized 400"
    assert shown[-3:] == ["groks yes, it has", "when already grokked", "generalizes yes, it has"]


async def test_a_probe_that_was_told_little_says_what_it_lacks(tmp_path: Path, driven: Driven) -> None:
    script = Script()
    script.started(origin="own loop", config=config() | {"forecast": {"enabled": False}})
    script.trained(10)
    async with driven(script.write(tmp_path), (160, 45)) as (app, _pilot):
        accuracy = app.screen.query_one(AccuracyChart)
        said_there = " ".join(accuracy.render_line(y).text.strip() for y in range(3))
        assert "nothing evaluated yet: give the probe evaluate={…}" in said_there
        assert one_line(app.snapshot.view) == "no forecast: give the probe steps=…"
        assert "no forecast: give the probe steps=…" in said(app.snapshot.view)


def test_a_forecast_of_0_1_0_is_read() -> None:
    old = {
        "v": 1, "event": "forecast", "step": 900, "probability": 0.35, "law": "regression", "grok_step": 2518.0,
        "interval": {"level": 0.9, "low": 1545.0, "high": 4115.0}, "no_interval": None, "lead_steps": 1618.0,
        "lead_seconds": 17.6, "abstained": None, "stage": "memorized",
        "candidates": {"regression": 2518.0, "same lr": 2850.0},
    }  # fmt: skip
    told = list(forecast_answers(upgraded(old)))
    assert told == [
        ("generalizes", "version 0.1.0 did not ask this"),
        ("groks", "35 %, within the budget"),
        ("when", "step 2,518, in 1,618 steps (18 s), if it groks"),
        ("interval", "1,545 to 4,115, 90 % of runs that grok"),
        ("rests on", "regression"),
        ("rivals", "same lr 2,850"),
    ]
    silent = upgraded({"v": 1, "event": "forecast", "step": 0, "probability": None, "abstained": "too early"})
    assert dict(forecast_answers(silent))["groks"] == "too early"


@pytest.mark.parametrize("at", [None, 1500], ids=["live", "replay"])
async def test_a_projection_fits_a_small_terminal(tmp_path: Path, driven: Driven, at: int | None) -> None:
    script: Script = whole_run(steps=1600, finish=False)
    script.add("forecast", 1500, **likely(2343.0, lead_steps=843.0, lead_seconds=30.0, interval=INTERVAL))
    run = script.write(tmp_path)
    run.heartbeat.touch()
    async with driven(run, (80, 24), at=at) as (app, _pilot):
        panel = app.screen.query_one(ForecastPanel)
        seen = [panel.render_line(y).text.strip() for y in range(panel.content_size.height)]
        shown = " ".join(" ".join(seen).split())
        left = "743 steps (26 s)" if at is None else "843 steps (30 s)"
        assert shown.startswith("groks 93 % (bank: 54 %) ")
        assert f"when step 2,343, in {left}" in shown


# --- the answer line, and what charts draw of it ----------------------------------------------------------------------


def one_line(view: View) -> str:
    return ", ".join(text for text, _ in headline(view))


def test_the_answer_in_one_line() -> None:
    assert one_line(View()) == ""
    assert one_line(forecasting(**likely(interval=INTERVAL))) == (
        "93 % likely to grok, if so at step 2,310 (1,990 to 12,650), in 810 steps (1 min 15 s)"
    )
    refused = {"abstained": "too early"}
    assert one_line(forecasting(generalizes=refused, reaches=refused, when=refused)) == "no forecast: too early"
    assert one_line(forecasting(reaches={"abstained": "not yet"}, when={"grok_step": 4811.0})) == (
        "whether: not yet, if so at step 4,811, in 3,311 steps"
    )
    assert one_line(turning_run()) == "★ grokked at step 2,200, the onset led by 1,000 steps (50 s)"


def test_a_run_that_lost_it_again_says_so() -> None:
    script: Script = whole_run(finish=False)
    script.detected("regressed", 2700, 2800)
    assert "☆ lost it again at step 2,700" in one_line(reduce(fold, script.events, View()))


def test_the_expected_step_and_its_interval() -> None:
    assert expected(forecasting(**likely(interval=INTERVAL))) == Expected(2310.0, 1990.0, 12650.0)
    assert expected(forecasting(**likely())) == Expected(2310.0, 2310.0, 2310.0)
    open_end = expected(forecasting(**likely(interval={"low": 1990.0, "high": None})))
    assert open_end == Expected(2310.0, 1990.0, None)
    assert expected(forecasting(reaches={"probability": 0.5}, when={"abstained": "over"})) is None
    assert expected(turning_run()) is None


def test_a_chart_leaves_room_for_what_is_expected() -> None:
    def horizon(**when: Any) -> float:
        return Frame(view=(view := forecasting(**likely(**when))), whole=view).horizon

    assert horizon() == pytest.approx(2310 * 1.02)
    assert horizon(interval={"low": 2000.0, "high": 3000.0}) == pytest.approx(3000 * 1.02)
    assert horizon(interval=INTERVAL) == pytest.approx(4000 * 1.02)  # the run ends at 4,000
    finished = turning_run()
    assert Frame(view=finished, whole=finished).horizon == 3000


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_answer_is_on_the_chart_and_above_it(tmp_path: Path, driven: Driven, size: tuple[int, int]) -> None:
    script: Script = whole_run(steps=1600, finish=False)
    interval = {"level": 0.9, "low": 1990.0, "high": 2900.0}
    script.add("forecast", 1500, **likely(2343.0, interval=interval))
    run = script.write(tmp_path)
    run.heartbeat.touch()
    async with driven(run, size) as (app, _pilot):
        answer = app.screen.query_one(AnswerLine).render_line(0).text
        assert answer.startswith(" 93 % likely to grok, if so at step 2,343 (1,990 to 2,900)")
        chart = app.screen.query_one(DefectChart)
        drawn = [chart.render_line(y).text for y in range(chart.content_size.height)]
        axis = next(line for line in drawn if "◇" in line)
        assert axis.index("╞") < axis.index("◇")
        assert any("2.34k" in line for line in drawn)

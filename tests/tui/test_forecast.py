"""The forecast panel says what could be known at the step it shows, and no more."""

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from tui_made import Driven, Script, whole_run

from grokscope.tui.fold import fold
from grokscope.tui.replay import as_known_at
from grokscope.tui.view import View
from grokscope.tui.widgets.forecast import ForecastPanel, lines


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


def test_a_projection_is_shown_with_its_odds_and_its_rivals() -> None:
    view = forecasting(
        probability=0.93, law="regression", grok_step=2310.0, interval={"level": 0.9, "low": 1990.0, "high": 12650.0},
        no_interval=None, lead_steps=810.0, lead_seconds=75.0, abstained=None, stage="turned",
        candidates={"regression": 2310.0, "same lr": 2400.0, "decay time": 2000.0},
    )  # fmt: skip
    shown = said(view).splitlines()
    assert shown[:4] == [
        "chance 93% within budget",
        "grok step 2,310",
        "interval 1,990 – 12,650 (90%)",
        "lead 810 steps, 1 min 15 s",
    ]
    assert shown[-2:] == ["law regression", " 2 other laws say 2,000 – 2,400"]
    assert "groks at step 2,310 [1,990, 12,650], 93 % likely to grok within the budget" in view.log[-1].text


def test_the_lead_is_counted_from_now() -> None:
    """A projection that still holds is not made again, but the run goes on."""
    script: Script = whole_run(steps=1500, finish=False)
    script.add(
        "forecast", 1300, law="regression", grok_step=2300.0, lead_steps=1000.0, lead_seconds=100.0, abstained=None
    )
    view = reduce(fold, script.events, View())
    assert view.step == 1500
    assert "lead 800 steps, 1 min 20 s" in said(view)
    assert "lead 0 steps, 0 s" in said(replace(view, step=2500))


def test_a_projection_without_an_interval_says_why() -> None:
    view = forecasting(
        probability=None, law="decay time", grok_step=2310.0, interval=None, lead_steps=810.0,
        no_interval="too few calibration runs: 3 of 9 configurations that grokked",
    )  # fmt: skip
    assert "no interval: too few calibration runs: 3 of 9 configurations that grokked" in said(view)
    assert "interval –" not in said(view)
    assert "chance" not in said(view)


def test_an_abstention_says_why_and_how_likely() -> None:
    view = forecasting(probability=0.06, abstained="grokking within the budget is unlikely")
    assert said(view).splitlines()[:2] == [
        "chance 6% within budget",
        " no forecast: grokking within the budget is unlikely",
    ]
    assert "no forecast: grokking within the budget is unlikely, 6 % likely to grok" in view.log[-1].text
    certain = forecasting(probability=1.0, abstained="already grokked")
    assert "chance" not in said(certain)
    assert "no forecast: already grokked" in said(certain)


def test_after_grokking_what_was_found_comes_first() -> None:
    script: Script = whole_run(finish=False)
    assert said(reduce(fold, script.events, View())).splitlines()[-1] == " no forecast yet"
    script.add("forecast", 3000, probability=1.0, abstained="already grokked")
    shown = said(reduce(fold, script.events, View())).splitlines()
    assert shown[0] == "memorized 400"
    assert shown[-1] == " no forecast: already grokked"


@pytest.mark.parametrize("at", [None, 1500], ids=["live", "replay"])
async def test_a_projection_fits_a_small_terminal(tmp_path: Path, driven: Driven, at: int | None) -> None:
    script: Script = whole_run(steps=1600, finish=False)
    script.add(
        "forecast", 1500, probability=0.41, law="regression", grok_step=2343.0, lead_steps=843.0, lead_seconds=30.0,
        interval={"level": 0.9, "low": 1480.0, "high": 13866.0}, candidates={"same lr": 2400.0, "decay time": 2000.0},
    )  # fmt: skip
    run = script.write(tmp_path)
    run.heartbeat.touch()
    async with driven(run, (80, 24), at=at) as (app, _pilot):
        panel = app.screen.query_one(ForecastPanel)
        seen = [panel.render_line(y).text.strip() for y in range(panel.content_size.height)]
        left = "743 steps, 26 s" if at is None else "843 steps, 30 s"
        assert [" ".join(line.split()) for line in seen[:4]] == [
            "chance 41% within budget",
            "grok step 2,343",
            "interval 1,480 – 13,866 (90%)",
            f"lead {left}",
        ]

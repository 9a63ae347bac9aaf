"""The forecast panel says what could be known at the step it shows, and no more."""

from functools import reduce

from tui_made import Script, whole_run

from grokscope.tui.fold import fold
from grokscope.tui.replay import as_known_at
from grokscope.tui.view import View
from grokscope.tui.widgets.forecast import lines


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

"""The fold is the model of the TUI: what a view says after events, one by one and many at once."""

import json
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tui_made import Script, whole_run

from grokscope.events import SCHEMA_VERSION
from grokscope.tui import fold as folding
from grokscope.tui.bulk_fold import Discontinued, Folder, preview
from grokscope.tui.fold import fold
from grokscope.tui.view import View


def folded(events: list[dict[str, Any]]) -> View:
    return reduce(fold, events, View())


def test_a_whole_run() -> None:
    view = folded(whole_run().events)
    assert (view.run, view.step, view.phase, view.phase_reason) == ("made", 3000, "finished", "grokked")
    assert [(found.name, found.step, found.confirmed_at) for found in view.detected] == [
        ("memorized", 400, 400),
        ("onset", 1200, 1400),
        ("grokked", 2200, 2300),
    ]
    assert view.detected[1].rule == "persistent (times 3)"
    assert view.elapsed == pytest.approx(150)
    defect = view.curve("defect").rows
    assert defect.shape == (31, 6)
    assert defect[0, 5] == 1
    assert defect[-1, 5] == 0
    assert not view.problems


def test_the_step_of_a_detection_does_not_turn_the_run_back() -> None:
    script = Script()
    script.started()
    script.evaluated(500)
    script.detected("memorized", 300, 500)
    assert folded(script.events).step == 500


def test_paused_and_resumed() -> None:
    script = Script()
    script.started()
    assert folded(script.events).phase == "running"
    script.add("paused", 20, reason="asked")
    assert folded(script.events).phase == "paused"
    script.add("resumed", 20, reason="asked")
    assert folded(script.events).phase == "running"


def test_time_between_sessions_does_not_count() -> None:
    script = Script()
    script.started()
    script.add("trained", 100, at=10.0, loss=1.0)
    script.add("started", 100, at=5000.0, config={}, resumed_from=100)
    script.add("trained", 200, at=5010.0, loss=1.0)
    view = folded(script.events)
    assert view.elapsed == pytest.approx(20)
    assert view.phase == "running"


def test_what_is_unknown_or_newer_is_a_notice() -> None:
    script = Script()
    script.started()
    script.add("dreamt", 3, of=["sheep"])
    script.events[-1]["v"] = SCHEMA_VERSION + 1
    view = folding.unreadable(folded(script.events))
    assert view.problems == {folding.NEWER: 1, folding.UNKNOWN: 1, folding.UNREADABLE: 1}
    assert view.log[-1].event == "dreamt"


def test_hostile_text_is_neutralised() -> None:
    script = Script()
    script.started(task="[bold]x\x1b[31m\n‮evil")
    script.add("warned", 1, reason="\x1b]0;owned\x07[link=x]")
    view = folded(script.events)
    texts = [line.text for line in view.log]
    assert all(text.isprintable() for text in texts)
    assert "‮" not in "".join(texts)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "measured"},
        {"event": "measured", "step": "x", "defect": 3},
        {"event": "measured", "step": 1, "defect": {"median": "a", "p25": [], "p75": None}},
        {"event": "evaluated", "step": 1, "train": {"accuracy": {}}, "test": None},
        {"event": "observed", "step": True, "signals": [1]},
        {"event": "onset"},
        {"event": "onset", "rule": 3, "step": None, "confirmed_at": "never"},
        {"event": "started", "config": 3, "interventions": "kick"},
        {"event": "intervened", "parameters": 1, "norm": "x"},
        {"event": "forecast", "interval": 3},
        {"event": "finished", "status": None, "seq": "x", "time": 3, "v": "y"},
    ],
)
def test_nonsense_does_not_raise(event: dict[str, Any]) -> None:
    view = fold(fold(View(), event), event)
    assert [line.text for line in view.log]


def test_more_signals_than_anybody_can_watch() -> None:
    events = [{"event": "observed", "step": step, "signals": {f"s{step}": 1.0}} for step in range(300)]
    view = folded(events)
    assert len(view.series) == 96
    assert folding.CROWDED in view.problems


def same(one: View, other: View) -> None:
    assert one.series.keys() == other.series.keys()
    for name, series in one.series.items():
        np.testing.assert_array_equal(series.rows, other.curve(name).rows)
    for name in ("run", "events", "step", "phase", "detected", "started", "finished", "problems", "latest", "treated"):
        assert getattr(one, name) == getattr(other, name), name
    assert [(line.seq, line.text) for line in one.log] == [(line.seq, line.text) for line in other.log]


def test_many_lines_at_once_give_the_same_view() -> None:
    script = whole_run()
    same(Folder().fold(View(), script.lines()), folded(script.events))


def test_lines_of_another_shape_among_many() -> None:
    script = whole_run(finish=False)
    script.measured(3100, blocks={"attention": 0.4, "mlp": 0.6})
    script.evaluated(3100, train={"loss": None, "accuracy": 1, "sequence_accuracy": 0}, ood={"accuracy": 0.5})
    script.trained(3120, flags={"loss": "nan"}, loss=None, lr=0.1, gradient_norm=-1e-9, clipped=True)
    script.measured(3200, blocks={"attention": None, "mlp": 0.5})
    script.trained(3220, loss=1.5, extra='a "quoted" string, with 3 numbers')
    same(Folder().fold(View(), script.lines()), folded(script.events))


NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("loss", "gradient_norm", "steps_per_second"), NUMBERS),
                "note": NUMBERS | st.booleans() | st.text(max_size=5),
            },
        ),
        min_size=1,
        max_size=20,
    )
)
def test_shapes_read_what_json_reads(events: list[dict[str, Any]]) -> None:
    script = Script()
    for index in range(300):
        script.trained(index, **events[index % len(events)])
    lines = [json.dumps(event, separators=(",", ":")).encode() for event in script.events]
    same(Folder().fold(View(), lines), folded([json.loads(line) for line in lines]))


@pytest.mark.parametrize("many", [False, True])
def test_a_sequence_that_does_not_go_on(many: bool) -> None:
    lines = whole_run().lines()
    view = Folder().fold(View(), lines[:3])
    rest = lines[5:] if many else lines[5:9]
    with pytest.raises(Discontinued):
        Folder().fold(view, rest, forgiving=False)
    assert Folder().fold(view, rest).problems == {folding.MISSING_EVENTS: 2}


def test_lines_that_are_no_events(tmp_path: Any) -> None:
    lines = [b"", b"{}", b"null", b'{"event":3}', b"\xff\xfe", *whole_run().lines()]
    view = Folder().fold(View(), lines)
    assert view.problems == {folding.UNREADABLE: 5}
    assert view.phase == "finished"


def test_a_preview_knows_the_newest(tmp_path: Any) -> None:
    run = whole_run(steps=20000).write(tmp_path)
    view = preview(run.events)
    assert view.step == 20000
    assert view.phase == "finished"
    assert view.curve("defect").steps[-1] == 20000

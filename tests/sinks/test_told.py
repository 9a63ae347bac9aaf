"""What a tracker is told of a run."""

from pathlib import Path

from cli_made import made_events

from grokscope.cli.sinks import ToolChoice
from grokscope.sinks.numbers import numbers_of, told_run
from grokscope.sinks.tools import TOOLS


def test_names_are_columns_with_a_group() -> None:
    told = [each for event in made_events() if (each := numbers_of(event)) is not None]
    [scores] = [each.numbers for each in told if each.step == 700 and "test/accuracy" in each.numbers]
    assert scores["test/accuracy"] == 0.92
    assert {"train/loss", "test/sequence_accuracy"} < set(scores)
    names = {name for each in told for name in each.numbers}
    assert {"defect/median", "signals/weight_norm", "trained/lr", "measured/gradient_cosine"} < names
    assert not any("samples" in name or "estimator" in name for name in names)


def test_a_detection_is_its_step_where_it_could_be_said() -> None:
    [grokked] = [event for event in made_events() if event["event"] == "grokked"]
    told = numbers_of(grokked)
    assert told is not None
    assert (told.step, told.numbers) == (1000, {"grokked/step": 800.0})


def test_what_is_no_number_is_left_out() -> None:
    stamp = {"time": "2026-11-23T12:00:00.000Z", "step": 5}
    told = numbers_of({"event": "observed", "signals": {"a": None, "b": 1.5, "c": float("nan")}, **stamp})
    assert told is not None
    assert told.numbers == {"signals/b": 1.5}
    assert numbers_of({"event": "observed", "signals": {"a": None}, **stamp}) is None
    assert numbers_of({"event": "warned", "reason": "x", **stamp}) is None


def test_settings_are_told_and_the_host_is_not() -> None:
    told = told_run(made_events()[0], Path("somewhere/made"))
    assert told.name == "made"
    assert (told.config["task.modulus"], told.config["backend"], told.config["parameters"]) == (11, "torch", 2123)
    assert "nowhere" not in told.config.values()


def test_the_command_line_offers_every_tool() -> None:
    assert set(ToolChoice) == set(TOOLS)

"""The text form of interventions: what it means, that it can be written back, and what is said of a wrong one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope import registry
from grokscope.settings.config import ConfigError, RunConfig, read_settings_file, resolve
from grokscope.settings.schedule import MOMENTS, BadSchedule, Entry, checked, parsed, replayed

MODULAR = registry.get("tasks", "modular")


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("kick", Entry("kick")),
        ("project@500:strength=0.5", Entry("project", 500, parameters={"strength": 0.5})),
        ("noise@onset..2000", Entry("noise", "onset", 2000)),
        ("noise@500..test-loss-turn", Entry("noise", 500, "test-loss-turn")),
        ("noise@2000:off", Entry("noise", 2000, off=True)),
        ("project:basis=../runs/a:b@c,published=true", Entry(
            "project", parameters={"basis": "../runs/a:b@c", "published": True}
        )),
        ('project:basis="a,b",components=3', Entry("project", parameters={"basis": "a,b", "components": 3})),
        (" project @ 5 .. 6 : strength = 1 ", Entry("project", 5, 6, parameters={"strength": 1})),
    ],
)  # fmt: skip
def test_what_it_means(text: str, entry: Entry) -> None:
    assert parsed(text) == entry


TIMES = st.one_of(st.integers(0, 10**6), st.sampled_from(MOMENTS))
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1),
)  # fmt: skip
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)


@given(st.from_regex(r"[a-z-]{1,12}", fullmatch=True), TIMES, st.none() | TIMES, st.dictionaries(NAMES, VALUES))
def test_what_is_written_is_read_back(kind: str, when: Any, until: Any, parameters: dict[str, Any]) -> None:
    if isinstance(when, int) and isinstance(until, int) and until <= when:
        until = None
    entry = Entry(kind, when, until, parameters=parameters)
    assert parsed(entry.text) == entry


def test_parameters_that_are_none_are_left_out() -> None:
    assert Entry("noise", 3, parameters={"relative": None, "every": 5}).text == "noise@3:every=5"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kik@500", "no intervention is called 'kik' .*; did you mean kick"),
        ("project:stength=1", "project has no parameter 'stength'; the nearest is strength"),
        ("project:strength=2", r"project: strength: input should be less than or equal to 1 \(it is 2\)"),
        ("noise:epsilon=loud", r"noise: epsilon: .*number.* \(it is 'loud'\)"),
        ("noise@onst", "'onst' is neither a step nor one of .*; did you mean onset"),
        ("noise@5..5", "ends where it begins"),
        ("noise@5..4", "ends before it begins"),
        ("noise:epsilon=inf", r"noise: epsilon: input should be a finite number \(it is inf\)"),
        ("kick:relative=nan", "kick: relative: input should be a finite number"),
        ("penalty:weight=inf", "penalty: weight: input should be a finite number"),
        ("noise:off", "has no step"),
        ("noise@5..8:off", "needs one step to switch off, KIND@WHEN:off"),
        ("noise@5..5:off", "needs one step to switch off, KIND@WHEN:off"),
        ("noise:epsilon", "write parameter=value, not 'epsilon'"),
        ("", "is not an intervention; write KIND"),
        ("@500", "is not an intervention; write KIND"),
        ("kik@500:off", "did you mean kick"),
    ],
)
def test_a_wrong_one(text: str, sentence: str) -> None:
    with pytest.raises(BadSchedule, match=sentence):
        checked(text)


class TestSettings:
    def test_it_is_wrong_before_anything_runs(self) -> None:
        with pytest.raises(ConfigError, match="did you mean kick"):
            resolve(MODULAR, {"interventions.schedule": ["noise", "kik"]})

    def test_one_may_stand_alone(self) -> None:
        config, _ = resolve(MODULAR, {"interventions.schedule": "noise@5"})
        assert config.interventions.schedule == ("noise@5",)

    def test_it_survives_a_file(self, tmp_path: Any) -> None:
        texts = ["noise@onset..2000:epsilon=0.5", 'project:basis="a,b"']
        config, _ = resolve(MODULAR, {"interventions.schedule": texts})
        (tmp_path / "config.toml").write_text(config.to_toml())
        again: RunConfig = resolve(MODULAR, read_settings_file(tmp_path / "config.toml"))[0]
        assert again == config


def event(seq: int, kind: str, step: int, state: str, **parameters: Any) -> dict[str, Any]:
    return {"event": "intervened", "seq": seq, "kind": kind, "step": step, "state": state, "parameters": parameters}


def test_a_log_becomes_a_schedule_of_fixed_steps() -> None:
    events = [
        {"event": "trained", "step": 5},
        event(0, "noise", 10, "on", epsilon=0.1),
        event(1, "noise", 11, "applied", epsilon=0.1),
        event(2, "kick", 11, "refused"),
        event(3, "noise", 20, "changed", epsilon=0.2),
        event(4, "noise", 30, "off", epsilon=0.2),
    ]
    assert replayed(events) == ["noise@10:epsilon=0.1", "noise@20:epsilon=0.2", "noise@30:off"]


def test_of_several_switches_at_one_step_the_last_one_counts() -> None:
    events = [
        event(0, "noise", 10, "on", epsilon=0.1),
        event(1, "project", 10, "on"),
        event(2, "noise", 10, "changed", epsilon=0.3),
        event(3, "project", 10, "off"),
    ]
    assert replayed(events) == ["noise@10:epsilon=0.3", "project@10:off"]


def test_what_was_off_in_between_is_switched_off_first() -> None:
    events = [
        event(0, "noise", 10, "off"),
        event(1, "noise", 10, "on", every=3),
        event(2, "noise", 10, "changed", every=4),
    ]
    assert replayed(events) == ["noise@10:off", "noise@10:every=4"]

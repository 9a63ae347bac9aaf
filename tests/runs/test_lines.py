"""One line of a log: what passes may be indexed, what does not is named."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from events_made import whole
from hypothesis import given
from hypothesis import strategies as st

from grokscope import events
from grokscope.runs.lines import FREQUENT, LONGEST_LINE, OddLine, as_dictionaries, batches_on, event_of
from grokscope.words.fields import section

KINDS = sorted(events.event_schema()["discriminator"]["mapping"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def line_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_passes_and_nothing_else_in_its_place(kind: str) -> None:
    event = whole(kind, 3, step=7)
    assert event_of(line_of(event)).items() >= (event | {"v": events.SCHEMA_VERSION}).items()
    for needed in ("seq", "time", "event"):
        with pytest.raises(OddLine, match=needed if needed != "event" else "no event"):
            event_of(line_of(without(event, needed)))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"seq": True}, "seq"),
        ({"seq": -1}, "seq"),
        ({"seq": 2**63}, "seq"),
        ({"seq": "3"}, "seq"),
        ({"step": 1.5}, "step"),
        ({"time": "yesterday"}, "time is no time as RFC 3339"),
        ({"time": "2025-02-29T00:00:00Z"}, "time is no time"),
        ({"defect": {"median": 1.0}}, r"defect\.p25 is missing"),
        ({"floor": "small"}, "floor"),
        ({"floor": 10**400}, "floor"),
        ({"below_floor": 0}, "below_floor"),
        ({"estimator": "guess"}, "estimator"),
        ({"own": 10**400}, "own holds a number that is not finite"),
        ({"own": float("inf")}, "own holds a number that is not finite"),
        ({"own": "\ud800"}, "no JSON object"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change: dict[str, Any], wrong: str) -> None:
    with pytest.raises(OddLine, match=wrong):
        event_of(line_of(whole("measured", 3) | change))


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"{}", b"\xff", b'{"event":' * 5000, b"\0" * 50, b'{"event":"step","loss":1}', b"x" * 40],
    ids=lambda line: str(line[:12]),
)
def test_what_is_no_event(line: bytes) -> None:
    with pytest.raises(OddLine):
        event_of(line)


def test_a_line_is_bounded() -> None:
    line = line_of(whole("warned", reason=""))
    longest = line.replace(b'""', b'"' + b"x" * (LONGEST_LINE - len(line)) + b'"')
    assert event_of(longest)["event"] == "warned"
    with pytest.raises(OddLine, match="longer than"):
        event_of(longest + b" ")


@pytest.mark.parametrize("number", [b"1e999", b"-1E+400", b"Infinity", b"NaN", b"1" * 400])
@pytest.mark.parametrize(
    ("kind", "field"), [("started", "config"), ("finished", "result"), ("intervened", "parameters")]
)
def test_fields_that_hold_anything_hold_finite_numbers(number: bytes, kind: str, field: str) -> None:
    line = line_of(whole(kind) | {field: {"deep": [{"x": "HERE"}]}})
    assert event_of(line.replace(b'"HERE"', b"1e299"))["event"] == kind
    with pytest.raises(OddLine):
        event_of(line.replace(b'"HERE"', number))


def test_what_the_schema_does_not_know_is_kept() -> None:
    event = whole("dreamt", 3, of=["sheep", {"electric": True}]) | {"v": 99}
    assert event_of(line_of(event)) == event
    assert event_of(line_of(whole("warned", own={"a": [1]})))["own"] == {"a": [1]}
    with pytest.raises(OddLine, match="v: input should be a valid integer"):
        event_of(line_of(event | {"v": "new"}))


@pytest.mark.parametrize(
    "config",
    [{"train": {"steps": "many"}}, {"evaluate": {"every": 0.5}}, {"interventions": {"schedule": "kick"}}, 3, None],
    ids=str,
)
def test_settings_that_readers_count_with_are_what_they_should_be(config: Any) -> None:
    with pytest.raises(OddLine, match="config"):
        event_of(line_of(whole("started", config=config)))


@pytest.mark.parametrize("config", [{"train": 3}, {"evaluate": "often"}, {"preset": 3}, {"colour": None}], ids=str)
def test_a_section_that_is_no_table_is_somebody_elses(config: dict[str, Any]) -> None:
    event = event_of(line_of(whole("started", config=config)))
    assert event["config"] == config
    assert all(section(event["config"], name) == {} for name in config)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(["config", "defect", "test", "rule", "step", "own"]), ANY_JSON),
)
def test_a_line_that_passes_has_what_the_schema_requires(kind: str, changes: dict[str, Any]) -> None:
    try:
        event = event_of(line_of(whole(kind, 1) | changes))
    except OddLine:
        return
    events.typed(event)


@given(st.binary(max_size=120) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_an_event_or_odd(line: bytes) -> None:
    with suppress(OddLine):
        assert isinstance(event_of(line)["event"], str)


FORECAST = events.Forecast(
    when=events.WhenSaid(grok_step=5051.0, interval=events.Interval(level=0.9, low=2248.0, high=11187.0)),
    bank=events.BankSaid(name="made", digest="0", runs=3),
    rivals={"lr": 5051.0, "wd": None},
).model_dump(exclude={*events.Event.model_fields, "event"})  # fmt: skip
NUMBERS = ["1", "-0", "1.0", "1e0", "-5", "9" * 30, "9" * 400, "1e999", "NaN", "true", "null", '"1"', str(2**63), "01"]
TEXTS = [
    '"\\ud800"',
    '"\xff"',
    '"\\u0061"',
    '"2026-02-30T00:00:00Z"',
    '"2026-11-23T12:00:00.5+01:00"',
    '"a\n"',
    '"',
    "{}",
]
MORE = [
    '"own":[1]',
    '"loss":0.5',
    '"step":"x"',
    '"flags":{"loss":"nan"}',
    '"flags":null',
    '"command":"a"',
    '"s\\u0065q":7',
    "}",
]


def as_written(kind: str, seq: int = 0) -> str:
    """A line as the trainer writes it."""
    fields = FORECAST if kind == "forecast" else {}
    return events.to_line(events.typed(whole(kind, seq, v=events.SCHEMA_VERSION, **fields)))


@st.composite
def nearly_sound(draw: st.DrawFn) -> bytes:
    """A line of a frequent kind, as we write it, with a few changes."""
    text = as_written(draw(st.sampled_from(FREQUENT)), draw(st.integers(0, 9)))
    for _ in range(draw(st.integers(0, 2))):
        cells = list(re.finditer(r'(?<=[:\[])("[^"]*"|[-0-9.e]+|true|false|null)(?=[,}\]])', text))
        cell = draw(st.sampled_from(cells))
        text = text[: cell.start()] + draw(st.sampled_from(NUMBERS + TEXTS)) + text[cell.end() :]
    if draw(st.booleans()):
        text = text[:-1] + "," + draw(st.sampled_from(MORE)) + "}"
    line = text.encode("latin-1")
    at = draw(st.integers(0, len(line)))
    return draw(
        st.sampled_from([line, line, line, line[:at], line[:at] + b" " + line[at:], line[:at] + line[at + 1 :]])
    )


def outcome(found: dict[str, Any] | OddLine) -> str:
    return str(found) if isinstance(found, OddLine) else json.dumps(found)


def carefully(line: bytes) -> dict[str, Any] | OddLine:
    try:
        return event_of(line)
    except OddLine as odd:
        return odd


@given(st.lists(nearly_sound(), max_size=4))
def test_many_lines_are_read_as_each_of_them(lines: list[bytes]) -> None:
    """To the order of the fields, the kind of each number, and the words for what is wrong."""
    found = [event for batch in batches_on(lines) for event in as_dictionaries(batch)]
    assert list(map(outcome, found)) == [outcome(carefully(line)) for line in lines]


@pytest.mark.parametrize("kind", FREQUENT)
def test_a_frequent_kind_is_read_quickly(kind: str) -> None:
    line = as_written(kind).encode()
    (batch,) = batches_on([line])
    assert not isinstance(batch[0], dict)
    assert list(as_dictionaries(batch)) == [event_of(line)]


@pytest.mark.parametrize("kind", FREQUENT)
def test_a_frequent_kind_without_a_field_is_read_as_ever(kind: str) -> None:
    event = json.loads(as_written(kind))
    lines = [json.dumps(without(event, name), separators=(",", ":")).encode() for name in event]
    found = [event for batch in batches_on(lines) for event in as_dictionaries(batch)]
    assert list(map(outcome, found)) == [outcome(carefully(line)) for line in lines]


@pytest.mark.parametrize("version", [1, events.SCHEMA_VERSION])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(events.RECURRING)))
def test_what_a_line_may_leave_out_is_there(kind: str, version: int) -> None:
    """Readers ask for it by name."""
    event = event_of(line_of(whole(kind, v=version)))
    assert event.keys() >= type(events.typed(event)).model_fields.keys() - events.Event.model_fields.keys()


def test_a_byte_order_mark_is_read_over() -> None:
    """Editors put it before the first line."""
    event = whole("started", v=events.SCHEMA_VERSION)
    assert event_of(b"\xef\xbb\xbf" + line_of(event)) == event_of(line_of(event))

"""Reading a log in blocks and line by line ends in equal views, all fields."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from events_made import whole
from hypothesis import given
from hypothesis import strategies as st
from tui_made import whole_run

from grokscope.runs.log import decode
from grokscope.tui.bulk_fold import WORTHWHILE, Discontinued, Folder
from grokscope.tui.series import Series
from grokscope.tui.view import LogLine, View

LINES = 2 * WORTHWHILE


def compact(event: dict[str, Any], /, **changes: Any) -> bytes:
    """An event as the trainer writes it."""
    return json.dumps(event | changes, separators=(",", ":")).encode()


def line_by_line(lines: Sequence[bytes]) -> View:
    view = View()
    for line in lines:
        view = Folder().fold(view, [line])
    return view


def in_blocks(lines: list[bytes], *sizes: int) -> View:
    folder, view, at = Folder(), View(), 0
    for size in (*sizes, len(lines)):
        view = folder.fold(view, lines[at : at + size])
        at += size
    return view


def comparable(value: Any) -> Any:
    """What a field holds, without how it is held."""
    match value:
        case Series():
            return value.rows.tobytes(), value.rows.shape, value.seen, value.reached
        case LogLine():
            return value.seq, value.text, value.times
        case tuple():
            return [comparable(each) for each in value]
        case dict():
            return {key: comparable(each) for key, each in value.items()}
    return value


def assert_equal(one: View, other: View) -> None:
    for field in fields(View):
        assert comparable(getattr(one, field.name)) == comparable(getattr(other, field.name)), field.name


def test_a_whole_run() -> None:
    lines = whole_run(steps=20000).lines()
    expected = line_by_line(lines)
    assert expected.detected[-1].elapsed == pytest.approx(115.0), "the clock stands where the run was"
    for sizes in ((), (WORTHWHILE,), (300, 700), (1, 299, WORTHWHILE - 1)):
        assert_equal(in_blocks(lines, *sizes), expected)


def test_more_samples_than_are_kept() -> None:
    lines = [compact(whole("trained", seq, step=seq, loss=(seq * 7919) % 1009)) for seq in range(40_000)]
    view = in_blocks(lines, 20_001)
    assert_equal(view, in_blocks(lines, *[500] * 79))
    assert view.curve("trained.loss").last == (39_999 * 7919) % 1009
    assert len(view.curve("trained.loss")) < 20_000


NUMBERS = st.none() | st.floats(-1e30, 1e30) | st.integers(-9, 9)
CHANGES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "as it is": compact,
    "with spaces": lambda event: json.dumps(event).encode(),
    "without a step": lambda event: compact(event, step=None),
    "of an earlier step": lambda event: compact(event, step=event["step"] // 2),
    "of a later seq": lambda event: compact(event, seq=event["seq"] + 2),
    "of an earlier seq": lambda event: compact(event, seq=event["seq"] // 2),
    "of an earlier time": lambda event: compact(event, time="2026-11-23T11:00:00Z"),
    "of no day": lambda event: compact(event, time="2026-02-30T11:00:00Z"),
    "in another zone": lambda event: compact(event, time="2026-11-23T13:59:00+01:00"),
    "of a newer schema": lambda event: compact(event, v=99),
    "of another run": lambda event: compact(event, run="\x1b[31mother"),
    "of an unknown kind": lambda event: compact(event, event="dreamt"),
    "torn": lambda event: compact(event)[:-9],
    "with a number in quotes": lambda event: compact(event, seq=str(event["seq"])),
    "with a number too many": lambda event: compact(event, loss=10**400),
    "with a broken number": lambda event: compact(event).replace(b":0.", b":0.0.", 1),
    "with zeros in front": lambda event: compact(event).replace(b'"step":', b'"step":0', 1),
    "empty": lambda event: b"",
}


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A log with a pattern of kinds that comes again and again, and here and there a line that is changed."""
    values = draw(st.lists(NUMBERS, min_size=3, max_size=3))
    kinds = draw(
        st.lists(
            st.sampled_from(
                ["trained", "trained", "evaluated", "measured", "observed", "forecast", "intervened", "checkpoint"]
            ),
            min_size=1,
            max_size=5,
        )
    )
    rare = draw(
        st.dictionaries(
            st.integers(0, LINES - 1),
            st.sampled_from(["started", "memorized", "onset", "grokked", "paused", "resumed", "snapshot", "finished"]),
            max_size=6,
        )
    )
    changed = draw(st.dictionaries(st.integers(0, LINES - 1), st.sampled_from(sorted(CHANGES)), max_size=12))
    own: dict[str, dict[str, Any]] = {
        "trained": {"loss": values[0], "clipped": values[1] is None},
        "observed": {"signals": {"a": values[0], "b": values[1]}},
        "evaluated": {"ood": {"loss": values[2], "accuracy": 0.25, "sequence_accuracy": 0.5}},
    }
    lines = []
    for seq in range(LINES):
        kind = rare.get(seq, kinds[seq % len(kinds)])
        event = whole(kind, seq, step=seq * 10, **own.get(kind, {}) if seq % 3 else {})
        lines.append(CHANGES[changed.get(seq, "as it is")](event))
    return lines


@given(logs(), st.lists(st.integers(1, LINES), max_size=2))
def test_any_log_in_any_blocks(lines: list[bytes], sizes: list[int]) -> None:
    assert_equal(in_blocks(lines, *sizes), line_by_line(lines))


@given(logs())
def test_a_log_that_does_not_go_on_is_found_out_either_way(lines: list[bytes]) -> None:
    def discontinued(block: int) -> bool:
        view, folder = View(), Folder()
        try:
            for at in range(0, LINES, block):
                view = folder.fold(view, lines[at : at + block], forgiving=False)
        except Discontinued:
            return True
        return False

    assert discontinued(LINES) == discontinued(1)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-9, 9)), max_size=60), st.integers(1, 60))
def test_a_series_does_not_know_how_it_was_filled(rows: list[tuple[int, float]], size: int) -> None:
    one = Series.empty()
    many = Series.empty()
    for step, value in rows:
        one = one.append((float(step), value))
    for at in range(0, len(rows), size):
        many = many.extend(np.array(rows[at : at + size], dtype=float))
    assert comparable(one) == comparable(many)


def test_lines_that_are_no_events_at_all() -> None:
    lines = [b"{}"] * LINES
    assert decode(lines[0]) is None
    assert_equal(in_blocks(lines), line_by_line(lines))

"""The wide table of a log says what its lines say, taken one by one."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grokscope.events import RECURRING, Forecast
from grokscope.runs.lines import OddLine, event_of
from grokscope.runs.log import read_batches
from grokscope.runs.table import ENVELOPE, wide_table
from grokscope.words.table import Column, Table

NUMBERS = [0.5, -0.0, 0, 3, 1e-4, 9.9e-5, 1e-7, 1e15, 1e16, 1.7976931348623157e308, 5e-324, 0.1 + 0.2, None]
WORDS = ["exact", "", "déjà, vu", 'a "b"', "\u202eevil\x1b[31m", "100%", "null", "x" * 3000, "7", "}, {", "],["]
OTHERS = ["validation", "note", "lists", "deep", "big"]


def cells(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {column: cell for name, each in value.items() for column, cell in cells(f"{path}.{name}", each).items()}
    return {} if isinstance(value, list) else {path: value}


def slowly(lines: list[bytes], kinds: tuple[str, ...]) -> Table:
    """The table of these lines, each read alone."""
    rows: dict[int, dict[str, Any]] = {}
    columns = {"step": None}
    for line in lines:
        try:
            event = event_of(line)
        except OddLine:
            continue
        if event["event"] not in kinds or event.get("step") is None:
            continue
        row = rows.setdefault(event["step"], {"step": event["step"]})
        for name, value in event.items():
            if name not in ENVELOPE:
                bare = event["event"] in RECURRING and isinstance(value, dict)
                row |= cells(name if bare else f"{event['event']}.{name}", value)
        columns |= dict.fromkeys(row)
    found = [tuple(rows[step].get(name) for name in columns) for step in sorted(rows)]
    return Table("events", "Events", tuple(map(Column, columns)), tuple(found))


def event(draw: random.Random, odd: float) -> dict[str, Any]:
    """An event with fields at random: with probability `odd` one that is rarely seen."""

    def number() -> Any:
        return draw.choice(NUMBERS) if draw.random() < odd else draw.random()

    kind = draw.choice(["trained"] * 6 + ["evaluated", "measured", "observed", "warned", "checkpoint", "forecast"])
    fields: dict[str, Any] = {
        "trained": {"loss": number(), "lr": 1e-3, "gradient_norm": number(), "clipped": draw.random() < 0.5,
                    "steps_per_second": number(), "tokens_per_second": number()},
        "evaluated": {"train": {"loss": number(), "accuracy": 0.5}, "test": {"loss": number()}, "seconds": 0.25},
        "measured": {"defect": {"median": number(), "p25": 1.0, "p75": 2.0, "samples": [1.0, 2.0]},
                     "commutator_norm": 0.5, "relative_commutator": None, "gradient_norm": number(),
                     "gradient_cosine": 0.5, "estimator": "exact", "precision": draw.choice(WORDS), "floor": 1e-9,
                     "below_floor": False, "seconds": 0.5},
        "observed": {"signals": {"weight_norm": number(), "é%s": 1.5}},
        "warned": {"reason": draw.choice(WORDS)},
        "checkpoint": {"path": draw.choice(WORDS), "bytes": 7, "digest": "0", "state_digest": "1"},
        "forecast": Forecast(rivals={draw.choice("ab"): draw.random()}).model_dump(exclude={*ENVELOPE, "command"}),
    }[kind]  # fmt: skip
    if draw.random() < odd:
        fields |= draw.choice(
            [
                {"seconds_left": number()},
                {"validation": {"loss": number(), "accuracy": None}},
                {"note": draw.choice([*WORDS, 3, 2.5e-7, True])},
                {"big": draw.choice([10**30, 2**62, 7])},
                {"lists": [1, {"a": 2}], "deep": {"a": {"b": number()}, "c": {}}},
                {"flags": {"loss": "nan"}, "command": "0001.json"},
            ]
        )
        if kind == "observed":
            fields = {"signals": {draw.choice("abc"): number()}}
    return {"event": kind} | fields


@pytest.mark.parametrize("odd", [0.0, 0.002, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_a_table_by_column_is_the_table_by_line(tmp_path: Path, seed: int, odd: float) -> None:
    draw = random.Random(seed)
    lines: list[bytes] = []
    step = 0
    for seq in range(1800):
        step = draw.randint(0, step) if draw.random() < odd / 4 else step + draw.randint(0, 2)
        head = {"v": 1 if draw.random() < odd / 4 else 2, "run": "r", "seq": seq, "time": "2026-01-01T00:00:00Z"}
        told = event(draw, odd)
        line = json.dumps(head | {"event": told.pop("event"), "step": step} | told, separators=(",", ":")).encode()
        lines.append(line[: draw.randint(0, len(line))] if draw.random() < odd / 8 else line)
    (tmp_path / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines) + lines[-1][:40])
    for kinds in (RECURRING, ("trained", "warned", "checkpoint", "forecast"), ("evaluated",), ()):
        expected = slowly(lines, kinds)
        table = wide_table(read_batches(tmp_path / "events.jsonl"), kinds)
        assert [column.name for column in table.columns] == [column.words for column in expected.columns]
        assert table.rows() == expected.rows
        assert list(map(type, sum(table.rows(), ()))) == list(map(type, sum(expected.rows, ())))
        assert "".join(table.csv()) == expected.csv()
        assert "".join(table.json()) == expected.json()


@pytest.mark.parametrize("value", [*NUMBERS[:-1], -1e-5, 123456789012345680.0])
def test_numbers_to_the_last_digit(tmp_path: Path, value: float) -> None:
    """However large or small, and with whatever beside and below them."""
    head = {"v": 2, "run": "r", "time": "2026-01-01T00:00:00Z", "event": "observed"}
    cells = [{"a": value, "b": 0.5}, {"a": 0.5, "b": value}]
    lines = [
        json.dumps(head | {"seq": step, "step": step, "signals": each}, separators=(",", ":")).encode()
        for step, each in enumerate(cells)
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    table = wide_table(read_batches(tmp_path / "events.jsonl"))
    expected = slowly(lines, RECURRING)
    assert ("".join(table.csv()), "".join(table.json())) == (expected.csv(), expected.json())
    assert float("".join(table.csv()).split("\n")[1].split(",")[1]) == value


def test_steps_at_their_limits(tmp_path: Path) -> None:
    head = {"v": 2, "run": "r", "time": "2026-01-01T00:00:00Z", "event": "observed"}
    lines = [
        json.dumps(head | {"seq": seq, "step": step, "signals": {"a": float(seq)}}, separators=(",", ":")).encode()
        for seq, step in enumerate([2**63 - 1, 0, 2**63 - 1])
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    assert wide_table(read_batches(tmp_path / "events.jsonl")).rows() == ((0, 1.0), (2**63 - 1, 2.0))

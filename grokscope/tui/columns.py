"""Which numbers of an event become curves, and a fast way to read these numbers from many lines at once.

The trainer writes all events of one kind in one shape: the same keys in the same order. So one parsed and checked line
gives a regular expression, which reads the numbers from all lines of this shape several times faster than a JSON
parser. The expression accepts only lines that would pass the check: integers, finite numbers, and unchanged text in
their places. Every other line is parsed, so that the shape affects only speed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from grokscope.events import SCHEMA_VERSION
from grokscope.runs.lines import OddLine, event_of
from grokscope.runs.upgrade import CHANGED
from grokscope.tui.series import Rows

REGULAR = ("trained", "evaluated", "measured", "observed")
"""Kinds of events that come at a regular interval and hold mostly numbers"""

MAX_CURVES = 96
"""Curves kept per run, so that a log with a new signal in every line cannot fill the memory"""

Path = tuple[str, ...]

_MEASURED: dict[str, tuple[Path, ...]] = {
    "defect": (("defect", "median"), ("defect", "p25"), ("defect", "p75"), ("floor",), ("below_floor",)),
    "commutator_norm": (("commutator_norm",),),
    "relative_commutator": (("relative_commutator",),),
    "probe_gradient_norm": (("gradient_norm",),),
    "gradient_cosine": (("gradient_cosine",),),
}
_TRAINED: dict[str, tuple[Path, ...]] = {
    "trained.loss": (("loss",),),
    "trained.gradient_norm": (("gradient_norm",),),
    "trained.steps_per_second": (("steps_per_second",),),
}


def curves(event: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """The curves that this event extends: from a name to the paths of the value and its companions."""
    kind = event.get("event")
    if kind == "trained":
        return _TRAINED
    if kind == "measured":
        blocks = event.get("blocks")
        shares = blocks if isinstance(blocks, dict) else {}
        return _MEASURED | {f"blocks.{name}": (("blocks", name),) for name in shares}
    if kind == "observed":
        signals = event.get("signals")
        return {f"signals.{name}": (("signals", name),) for name in (signals if isinstance(signals, dict) else {})}
    if kind == "evaluated":
        splits = [key for key, value in event.items() if isinstance(value, dict) and "accuracy" in value]
        measures = ("loss", "accuracy", "sequence_accuracy")
        return {f"{split}.{measure}": ((split, measure),) for split in splits for measure in measures}
    return {}


def value(event: Any, path: Path) -> float:
    """The number at `path`; NaN without a number."""
    for key in path:
        if not isinstance(event, Mapping):
            return float("nan")
        event = event.get(key)
    return float(event) if isinstance(event, int | float) else float("nan")


def samples(event: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The samples (step, value, companions …) of one event, by curve."""
    step = value(event, ("step",))
    for name, paths in curves(event).items():
        yield name, (step, *(value(event, path) for path in paths))


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_WHOLE = rb"(?:0|[1-9][0-9]{0,17}+)"
_NUMBER = rb"-?+(?:0|[1-9][0-9]{0,17}+)(?:\.[0-9]{1,40}+)?+(?:[eE][+-]?+[0-9]{1,2}+)?+"
"""What follows a number is no part of one, so that nothing is gained by trying fewer digits: `+` takes a quarter less
time"""
_TIME = rb'"([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3})Z"'
_MILLISECONDS = np.array([36_000_000, 3_600_000, 600_000, 60_000, 10_000, 1000, 100, 10, 1])
"""Milliseconds of each digit of HH:MM:SS.mmm"""
_EPOCH = date(1970, 1, 1).toordinal()
_TRUTH = {b"true": 1.0, b"false": 0.0}
_SEQ, _STEP = ("seq",), ("step",)
_ENVELOPE: tuple[Path, ...] = (_SEQ, _STEP)


@dataclass(frozen=True)
class EventBatch:
    """Events of one shape from many lines. All arrays [n], in the order of the lines."""

    kind: str
    places: NDArray[np.int64]
    """Places of the events among the lines"""
    seq: NDArray[np.int64]
    step: NDArray[np.int64]
    seconds: NDArray[np.float64]
    """Time stamps, in seconds since 1970"""
    curves: Mapping[str, Rows]
    """Samples [n, width] by curve"""


class LineShape:
    """The regular expression of all lines that differ from `line` only in numbers and time stamps.

    Raises `ValueError` for a line without a shape: a damaged line, one of a newer version, or one of an irregular kind.
    """

    def __init__(self, line: bytes) -> None:
        event, raw = event_of(line), from_json(line)
        if event["event"] not in set(REGULAR) - CHANGED or event["v"] > SCHEMA_VERSION:
            raise ValueError("no shape")
        self.kind = str(event["event"])
        self._curves = curves(event)
        wanted = {*_ENVELOPE, *(path for paths in self._curves.values() for path in paths)}
        leaves = _scalars(raw)
        pattern: list[bytes] = []
        groups: list[Path] = []
        at = 0
        for token in _TOKEN.finditer(line):
            pattern.append(re.escape(line[at : token.start()]))
            at = token.end()
            if line[at : at + 1] == b":":  # a key
                pattern.append(re.escape(token.group()))
                continue
            path, leaf = next(leaves)
            if path == ("time",):
                pattern.append(_TIME)
                groups.append(path)
                continue
            values = _like(path, leaf, token.group())
            pattern.append(b"(%s)" % values if path in wanted else b"(?:%s)" % values)
            groups += [path] if path in wanted else []
        pattern.append(re.escape(line[at:]))
        expression = b"".join(pattern)
        self._match = re.compile(expression).fullmatch
        self._find = re.compile(b"^" + expression + b"$", re.MULTILINE).findall
        self._group = {path: index for index, path in enumerate(groups)}
        if self._match(line) is None:
            raise ValueError("no shape")

    def read(self, lines: Sequence[bytes], places: Sequence[int]) -> tuple[EventBatch | None, list[int]]:
        """The events at `places` that have this shape (None if none has), and the places of the other lines."""
        fit, rest = list(places), []
        rows = self._find(b"\n".join([lines[place] for place in places]))
        if len(rows) != len(places):
            matches = [self._match(lines[place]) for place in places]
            fit = [place for place, match in zip(places, matches, strict=True) if match is not None]
            rest = [place for place, match in zip(places, matches, strict=True) if match is None]
            rows = [match.groups() for match in matches if match is not None]
        if not fit:
            return None, rest
        texts = list(zip(*rows, strict=True))
        try:
            seconds = _seconds(texts[self._group[("time",)]])
        except ValueError:  # an impossible date: the lines are then read one by one
            return None, list(places)
        columns = {path: _floats(texts[index]) for path, index in self._group.items() if path != ("time",)}
        missing = np.full(len(fit), np.nan)
        seq, step = (_numbers(texts[self._group[path]], np.int64) for path in _ENVELOPE)
        table = {
            name: np.stack([columns[_STEP], *(columns.get(path, missing) for path in paths)], axis=1)
            for name, paths in self._curves.items()
        }
        return EventBatch(self.kind, np.array(fit), seq, step, seconds, table), rest


def _like(path: Path, leaf: Any, text: bytes) -> bytes:
    """The pattern of all values that may replace this value in an event of the same shape."""
    if isinstance(leaf, bool):
        return b"true|false"
    if path == ("v",) or not isinstance(leaf, int | float):
        return re.escape(text)
    return _WHOLE if isinstance(leaf, int) else _NUMBER


def _scalars(event: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of an event, in the order of the JSON text."""
    if isinstance(event, Mapping):
        for key, item in event.items():
            yield from _scalars(item, (*path, key))
    elif isinstance(event, list):
        for index, item in enumerate(event):
            yield from _scalars(item, (*path, str(index)))
    else:
        yield path, event


def _floats(texts: tuple[bytes, ...]) -> NDArray[np.float64]:
    """Texts [n] as floats [n]. The texts are all numbers, all truth values, or all null."""
    if texts[0] == b"null":
        return np.full(len(texts), np.nan)
    if texts[0] in _TRUTH:
        return np.array([_TRUTH[text] for text in texts])
    return _numbers(texts, np.float64)


def _seconds(stamps: tuple[bytes, ...]) -> NDArray[np.float64]:
    """Time stamps [n] of the form `_TIME`, as seconds since 1970 [n]. Raises `ValueError` for an impossible date.

    NumPy's parser of dates is not used, because it crashed on impossible dates.
    """
    days = {day: date.fromisoformat(day.decode()).toordinal() for day in {stamp[:10] for stamp in stamps}}
    digits = np.frombuffer(b"".join(stamps), dtype=np.uint8).reshape(len(stamps), -1)[:, 11:].astype(np.int64) - ord(
        "0"
    )
    of_day = digits[:, [0, 1, 3, 4, 6, 7, 9, 10, 11]] @ _MILLISECONDS
    since = np.array([days[stamp[:10]] for stamp in stamps]) - _EPOCH
    seconds: NDArray[np.float64] = (since * 86_400_000 + of_day) * 1000 / 1e6
    return seconds


def _numbers(texts: tuple[bytes, ...], kind: type[np.int64] | type[np.float64]) -> NDArray[Any]:
    return np.fromstring(b",".join(texts), dtype=kind, sep=",", count=len(texts))


class ColumnReader:
    """Reads events from many lines of one kind, with the shapes that occurred so far."""

    MAX_SHAPES = 8

    def __init__(self) -> None:
        self._shapes: list[LineShape] = []

    def read(self, lines: Sequence[bytes], places: Sequence[int]) -> tuple[list[EventBatch], list[int]]:
        """The events on the lines at `places`, and the places of lines without a known shape."""
        batches: list[EventBatch] = []
        rest = list(places)
        for shape in self._shapes:
            batch, rest = shape.read(lines, rest)
            batches += [batch] if batch is not None else []
        shapeless: list[int] = []
        while rest and len(self._shapes) < self.MAX_SHAPES and len(shapeless) < self.MAX_SHAPES:
            try:
                shape = LineShape(lines[rest[0]])
            except (OddLine, ValueError, StopIteration):
                shapeless.append(rest.pop(0))
                continue
            self._shapes.append(shape)
            batch, rest = shape.read(lines, rest)
            batches += [batch] if batch is not None else []
        return batches, shapeless + rest

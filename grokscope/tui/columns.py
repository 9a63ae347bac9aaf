"""Which numbers of an event become curves, and a fast way to read them out of many lines at once.

The trainer writes events of one kind in one shape: the same keys in the same order, other numbers. So one line, parsed
properly, gives a regular expression that reads the wanted numbers out of all others like it, several times faster than
a JSON parser. A line it does not fit is parsed; nothing but speed depends on the guess.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from grokscope.tui.series import Rows

REGULAR = ("trained", "evaluated", "measured", "observed")
"""Kinds that come at a regular interval and are mostly numbers."""

MAX_CURVES = 96
"""Curves kept a run: a log that names a new signal in every line must not eat the machine."""

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
    """The curves this event adds a sample to: name to the paths of its value and companions."""
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
    """The number at `path`; NaN where there is none."""
    for key in path:
        if not isinstance(event, Mapping):
            return float("nan")
        event = event.get(key)
    return float(event) if isinstance(event, int | float) else float("nan")


def samples(event: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The samples (step, value, companions …) that one event adds, by curve."""
    step = value(event, ("step",))
    for name, paths in curves(event).items():
        yield name, (step, *(value(event, path) for path in paths))


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_LITERALS = {b"null": float("nan"), b"true": 1.0, b"false": 0.0}


class Shape:
    """The regular expression of all lines that differ from `line` in numbers and time stamps only."""

    def __init__(self, line: bytes, event: Mapping[str, Any]) -> None:
        self._curves = curves(event)
        wanted = {path: index for index, path in enumerate({path: None for paths in self._paths() for path in paths})}
        leaves = _scalars(event)
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
            if isinstance(leaf, str):
                pattern.append(rb'"[^"\\]*"' if path in {("time",)} else re.escape(token.group()))
            elif path in wanted:
                pattern.append(rb"([^,\]}]+)")
                groups.append(path)
            else:
                pattern.append(rb"[^,\]}]+")
        pattern.append(re.escape(line[at:]))
        expression = b"".join(pattern)
        self._match = re.compile(expression).fullmatch
        self._find = re.compile(b"^" + expression + b"$", re.MULTILINE).findall
        self._group = {path: index for index, path in enumerate(groups)}

    def _paths(self) -> Iterable[tuple[Path, ...]]:
        return [(("step",),), *self._curves.values()]

    def read(self, lines: list[bytes]) -> tuple[dict[str, Rows], list[bytes]]:
        """Samples [n, width] by curve out of the lines that fit, and the lines that do not."""
        rows, rest = self._find(b"\n".join(lines)), []
        if len(rows) != len(lines):
            matches = list(map(self._match, lines))
            rest = [line for line, match in zip(lines, matches, strict=True) if match is None]
            rows = [match.groups() for match in matches if match is not None]
        if not rows:
            return {}, rest
        texts = list(zip(*rows, strict=True))
        columns = {path: _floats(texts[index]) for path, index in self._group.items()}
        missing = np.full(len(rows), np.nan)
        table = {
            name: np.stack([columns[("step",)], *(columns.get(path, missing) for path in paths)], axis=1)
            for name, paths in self._curves.items()
        }
        return table, rest


def _scalars(event: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar in the order in which JSON writes it."""
    if isinstance(event, Mapping):
        for key, item in event.items():
            yield from _scalars(item, (*path, key))
    elif isinstance(event, list):
        for index, item in enumerate(event):
            yield from _scalars(item, (*path, str(index)))
    else:
        yield path, event


def _floats(texts: tuple[bytes, ...]) -> Rows:
    joined = b",".join(texts)
    if b"u" in joined or b"a" in joined:  # null, true, false
        return np.array([_LITERALS[text] if text in _LITERALS else float(text) for text in texts])
    return np.fromstring(joined, sep=",", count=len(texts))


class Reader:
    """Samples out of many lines of one kind, with the shapes met so far."""

    MAX_SHAPES = 8

    def __init__(self) -> None:
        self._shapes: list[Shape] = []

    def read(self, lines: list[bytes]) -> tuple[list[dict[str, Rows]], list[bytes]]:
        """Tables of samples by curve, and the lines that are no events of a known shape."""
        tables: list[dict[str, Rows]] = []
        for shape in self._shapes:
            table, lines = shape.read(lines)
            tables.append(table)
        while lines and len(self._shapes) < self.MAX_SHAPES:
            try:
                shape = Shape(lines[0], json.loads(lines[0]))
                table, rest = shape.read(lines)
            except (ValueError, StopIteration, KeyError, AttributeError):
                break
            if len(rest) == len(lines):
                break
            self._shapes.append(shape)
            tables.append(table)
            lines = rest
        return tables, lines

"""Damage: changes of bytes, lines and JSON values that make a sound file a wrong one.

A change is drawn, printed and applied; a campaign that fails prints the few that it took.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

ODD_VALUES = (
    "null", "true", "false", "0", "-1", "1", "1.5", "-0.0", "1e999", "-1e999", "NaN", "1e-320", "9007199254740993",
    "1" + "0" * 400, "[]", "{}", '""', '"x"', '"\\u0000"', '"\\ud800"', '"\\u001b[31mred\\u0007"', '"\\u202eabc"',
    '"²"', '"1e3"', '"<script>|`"', '"' + "long " * 2000 + '"', "[1,[2,[3]]]", '{"a":{"b":1}}', "[" * 5000 + "]" * 5000,
    '"2026-99-99T99:99:99Z"', '"../../etc"', '"=1+1"', "[null]", '["x"]', '{"median":"x"}',
)  # fmt: skip
"""JSON texts that hardly any field is meant to hold"""

ODD_BYTES = (
    b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r\n", b"\r", b"\x1b[31m", b"\x80", "\u2028".encode(),
    b'"', b"{", b"}", b"[", b",", b";", b"\t", b"=", b"#", b"\\", b"-", b"e", b"9" * 400, b"A" * 70_000, b"",
)  # fmt: skip


# --- bytes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flipped:
    at: int
    bit: int

    def of(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self.at % len(data)
        return data[:at] + bytes([data[at] ^ (1 << self.bit)]) + data[at + 1 :]


@dataclass(frozen=True)
class Replaced:
    """`length` bytes give way to others: a cut, an insertion, or both."""

    at: int
    length: int
    by: bytes

    def of(self, data: bytes) -> bytes:
        at = self.at % (len(data) + 1)
        return data[:at] + self.by + data[at + self.length :]


@dataclass(frozen=True)
class Torn:
    """Nothing from here on."""

    at: int

    def of(self, data: bytes) -> bytes:
        return data[: self.at % (len(data) + 1)]


@dataclass(frozen=True)
class Recoded:
    encoding: str

    def of(self, data: bytes) -> bytes:
        return data.decode("utf-8", "replace").encode(self.encoding, "replace")


# --- lines ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One line is lost, comes twice, changes places with another, or gives way to something else."""

    at: int
    how: str
    other: int = 0
    by: bytes = b""

    def of(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        if not lines:
            return data
        at, other = self.at % len(lines), self.other % len(lines)
        match self.how:
            case "lost":
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "swapped":
                lines[at], lines[other] = lines[other], lines[at]
            case "joined":
                lines[at] = lines[at].rstrip(b"\r\n")
            case "replaced":
                lines[at] = self.by + b"\n"
        return b"".join(lines)


@dataclass(frozen=True)
class Value:
    """In the JSON object of a line, one value gives way to another, or one key is lost or renamed."""

    at: int
    path: int
    by: str | None
    """JSON text; None takes the key away"""

    def of(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        if not lines:
            return data
        at = self.at % len(lines)
        try:
            document = json.loads(lines[at])
        except (ValueError, RecursionError):
            return data
        lines[at] = replaced(document, self.path, self.by).encode("utf-8", "surrogatepass") + b"\n"
        return b"".join(lines)


MARK = "\N{OBJECT REPLACEMENT CHARACTER}here"


def replaced(document: Any, path: int, by: str | None) -> str:
    """A JSON document as text with the value at one of its paths replaced by any text; None takes it away."""
    paths = list(paths_of(document))
    if not paths:
        return by or ""
    *way, last = paths[path % len(paths)]
    place = document
    for step in way:
        place = place[step]
    if by is None:
        del place[last]
        return json.dumps(document)
    place[last] = MARK
    return json.dumps(document, ensure_ascii=False).replace(f'"{MARK}"', by)


def paths_of(value: Any, prefix: tuple[Any, ...] = ()) -> Sequence[tuple[Any, ...]]:
    """Of every value inside a JSON document, keys and indices on the way to it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = []
    for step, below in inside:
        found += [(*prefix, step), *paths_of(below, (*prefix, step))]
    return found


# --- drawn ------------------------------------------------------------------------------------------------------------

PLACES = st.integers(0, 1 << 24)
BYTES = st.sampled_from(ODD_BYTES) | st.binary(max_size=12)
VALUES = st.none() | st.sampled_from(ODD_VALUES)

of_bytes = st.one_of(
    st.builds(Flipped, PLACES, st.integers(0, 7)),
    st.builds(Replaced, PLACES, st.integers(0, 40), BYTES),
    st.builds(Torn, PLACES),
)
of_lines = st.one_of(
    st.builds(Line, PLACES, st.sampled_from(["lost", "twice", "swapped", "joined"]), PLACES),
    st.builds(Line, PLACES, st.just("replaced"), by=BYTES | st.sampled_from([value.encode() for value in ODD_VALUES])),
)
of_values = st.builds(Value, PLACES, PLACES, VALUES)
of_encoding = st.builds(Recoded, st.sampled_from(["utf-16", "latin-1", "utf-8-sig", "utf-32"]))

changes = st.lists(st.one_of(of_values, of_values, of_lines, of_bytes, of_encoding), min_size=1, max_size=3)
"""Of a file of JSON lines"""


def changed(data: bytes, by: Sequence[Any]) -> bytes:
    for change in by:
        data = change.of(data)
    return data

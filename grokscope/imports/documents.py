"""JSON in its usual shapes: one object per line, an array of objects, or lists by name.

A shape may also stand in an object with the settings of the run, or in an object with one key per run.

Lines and arrays are read as a stream. Any other JSON file is read as one document, and must be small.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from grokscope.imports.delimited import LARGEST_FILE, TORN, check_rows, opened
from grokscope.imports.names import SPLITS, usual_signal, words_of
from grokscope.imports.sheets import Cells, Collector, Columns, Fragment, Unimportable, flattened, shortened
from grokscope.words.numbers import counted

LARGEST_DOCUMENT = 1 << 28
"""Largest document, in characters; as objects in memory, it takes ten times as many bytes"""
ARRAY_BLOCK = 1 << 20
"""Characters of an array that are read at a time"""
LARGEST_RECORD = 1 << 24
"""Largest record of an array, in characters"""
LONGEST_WORD = 64
"""Characters of a number or a name that may be incomplete at the end of a file"""
DEEPEST = 4
"""Levels of nesting that are searched for a history"""
FIRST_RECORDS = 100
"""Records of a list that are examined to decide what the list holds"""
HISTORIES = frozenset(
    {"history", "log_history", "logs", "log", "metrics", "records", "results", "rows", "data", "evaluations", "evals"}
)
"""Keys of histories, which are not part of the names of columns"""
SETTINGS = frozenset(
    {"config", "args", "arguments", "hparams", "hyperparameters", "params", "parameters", "settings", "options"}
)
LAST_SUMMARY = "train_runtime"
"""A key that only the last record of a Hugging Face trainer has; its `train_loss` is a mean over the run"""

Record = Mapping[str, Any]
Numbered = Iterator[tuple[int, Record]]
_POINTS = re.compile(r"\s*\[\s*\[")
_BETWEEN = re.compile(r"[\s,]*")


@dataclass
class Records:
    """A sheet of objects; each object is a row."""

    place: str
    stream: Callable[[list[str]], Numbered]
    """Starts a new pass over the records; adds a sentence to the given list for everything it skips"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = tuple(dict.fromkeys(name for _, record in self.stream([]) for name, _ in flattened(record)))

    def read(self, numbers: Sequence[str], words: Sequence[str] = ()) -> Cells:
        self.left_out = []
        collector = Collector(self.place, numbers, words)
        collector.look(lambda name: lambda cells: cells.get(name))
        for line, record in self.stream(self.left_out):
            collector.add(line, dict(flattened(record)))
        return collector.cells(self.left_out)


def fragments_of(file: Path) -> list[Fragment]:
    """Every table of a JSON file. Raises `Unimportable`."""
    start = first_letter(file)
    stream = _Array(file) if start == "[" else _Lines(file) if _is_lines(file) else None
    if stream is None:
        return _of_document(_document(file), file)
    first = [record for _, record in islice(stream([]), FIRST_RECORDS)]
    _refuse_own(first[:1], file)
    if all(map(_is_row, first)):
        return [Fragment(Records(file.name, stream))]
    return _of_document([dict(record) for _, record in stream([])], file)


def first_letter(file: Path) -> str:
    """The first character that is no blank; empty for a file of blanks. Raises `Unimportable`."""
    with opened(file, LARGEST_FILE) as text:
        return next((block.lstrip()[0] for block in iter(lambda: text.read(ARRAY_BLOCK), "") if block.strip()), "")


def _is_row(record: Record) -> bool:
    """Whether an object is the record of a step. Otherwise it is the record of a run, which may count its steps too."""
    if not _inside(record):
        return True
    return any(usual_signal(name) == "step" for name, _ in flattened(record)) and not any(
        name.lower() in HISTORIES and _is_history(value) for name, value in record.items()
    )


def _is_history(value: Any) -> bool:
    """Whether a value is a list of objects, or lists by name with one of steps."""
    if isinstance(value, dict):
        return any(usual_signal(name) == "step" and _are_values(each) for name, each in value.items())
    return isinstance(value, list) and bool(value) and _are_objects(value)


def without_summary(records: Numbered, place: str, left_out: list[str]) -> Numbered:
    """The records without that of a Hugging Face trainer which holds means over the run."""
    for number, record in records:
        if LAST_SUMMARY in record:
            left_out.append(f"{place}, record {number}: it holds means over the run, not a step")
        else:
            yield number, record


def _refuse_own(records: Sequence[Record], file: Path) -> None:
    for record in records:
        if record.get("event") == "started" and "config" in record:
            raise Unimportable(f"{file} is the log of a run of grokscope; it needs no import, give its folder")
        if record.get("format") == "grokscope trajectories" or {"columns", "grok_step", "facts"} <= record.keys():
            raise Unimportable(f"{file} is a table of grokscope's runs; it needs no import, use `grokscope law`")


# --- streams ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """One object per line."""

    file: Path

    def __call__(self, left_out: list[str]) -> Numbered:
        return without_summary(self._records(left_out), self.file.name, left_out)

    def _records(self, left_out: list[str]) -> Numbered:
        with opened(self.file, LARGEST_DOCUMENT) as text:
            for number, line in enumerate(text, 1):
                content = line.strip("\0 \t\r\n")
                if not content:
                    continue
                try:
                    record = json.loads(content)
                except (ValueError, RecursionError):
                    if not line.endswith(("\n", "\r")):
                        left_out.append(f"{self.file.name}: {TORN}")
                        return
                    raise Unimportable(f"{self.file.name}, line {number} is not JSON") from None
                if not isinstance(record, dict):
                    raise Unimportable(f"{self.file.name}, line {number} is not a JSON object")
                yield number, record


def _is_lines(file: Path) -> bool:
    """Whether the first non-empty line is a complete object, and more than a document on one line."""
    with opened(file, LARGEST_DOCUMENT) as text:
        first, *more = islice((line for line in text if line.strip()), 2)
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and (bool(more) or (_is_row(record) and _of_pandas(record) is record))


@dataclass(frozen=True)
class _Array:
    """An array of objects, decoded element by element."""

    file: Path

    def __call__(self, left_out: list[str]) -> Numbered:
        return without_summary(self._records(left_out), self.file.name, left_out)

    def _records(self, left_out: list[str]) -> Numbered:
        decoder, number = json.JSONDecoder(), 0
        with opened(self.file, LARGEST_FILE) as text:
            buffer, at = "", 0
            while not buffer:
                buffer = text.read(ARRAY_BLOCK).lstrip()
            at = 1
            while True:
                at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]
                if buffer.startswith("]", at):
                    return
                try:
                    record, at = decoder.raw_decode(buffer, at)
                except RecursionError:
                    raise Unimportable(f"{self.file.name}, record {number + 1} is nested too deeply") from None
                except ValueError:
                    more = text.read(ARRAY_BLOCK)
                    buffer, at = buffer[at:] + more, 0
                    if not more and _ends_within(buffer):
                        left_out.append(f"{self.file.name}: the last record, which is incomplete")
                        return
                    if not more or len(buffer) > LARGEST_RECORD + ARRAY_BLOCK:
                        raise Unimportable(f"{self.file.name}, record {number + 1} is not JSON") from None
                    continue
                number += 1
                check_rows(number, self.file)
                if not isinstance(record, dict):
                    raise Unimportable(f"{self.file.name}, record {number} is {shortened(record)}, not an object")
                yield number, record


def _ends_within(buffer: str) -> bool:
    """Whether the text ends inside of its last record, as after a crash of the writer."""
    try:
        json.loads(buffer)
    except json.JSONDecodeError as problem:
        near = problem.pos >= len(buffer) - LONGEST_WORD or problem.msg.startswith("Unterminated")
        return near and not buffer.rstrip().endswith("]")
    except (ValueError, RecursionError):
        pass
    return False


# --- documents --------------------------------------------------------------------------------------------------------


def _document(file: Path) -> Any:
    with opened(file, LARGEST_FILE) as text:
        content = text.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise Unimportable(
            f"{file} is a JSON document of over {LARGEST_DOCUMENT >> 20} MiB; write one record per line instead"
        )
    return json_value(content, str(file))


def json_value(text: Any, place: str) -> Any:
    """What a JSON text says. `place`: where it stands. Raises `Unimportable`, also for what is no text."""
    try:
        return json.loads(text)
    except RecursionError:
        raise Unimportable(f"{place} is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeError, TypeError) as problem:
        raise Unimportable(f"{place} is not JSON: {problem}") from None
    except ValueError:
        raise Unimportable(f"{place} holds a number with too many digits") from None


def json_object(text: Any, place: str) -> Record:
    """The same for an object. Raises `Unimportable`."""
    value = json_value(text, place)
    if not isinstance(value, dict):
        raise Unimportable(f"{place} is {shortened(value)}, not an object")
    return value


def scalar_points(file: Path) -> Columns | None:
    """One scalar as TensorBoard gives it in JSON, `[[time, step, value], …]`, by the names of its CSV. None: it is
    something else. Raises `Unimportable`."""
    with opened(file, LARGEST_FILE) as text:
        if not _POINTS.match(text.read(LONGEST_WORD)):
            return None
    points = _document(file)
    if not all(isinstance(point, list) and len(point) == 3 for point in points):
        return None
    columns = dict(zip(("Wall time", "Step", "Value"), map(list, zip(*points, strict=True)), strict=True))
    return Columns(file.name, columns)


def _of_document(document: Any, file: Path) -> list[Fragment]:
    parts = list(_walked(document, _Where(file.name)))
    if not parts:
        raise Unimportable(f"{file.name} holds no history: it has no list of records and no lists of numbers")
    return parts


@dataclass(frozen=True)
class _Where:
    """A place in a document, with the settings found on the way."""

    place: str
    prefix: str = ""
    """Put before the names of columns"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    depth: int = DEEPEST

    def into(self, key: str, prefix: str = "", run: str | None = None) -> "_Where":
        return _Where(f"{self.place}: {key}", self.prefix + prefix, self.facts, run or self.run, self.depth - 1)


def _walked(value: Any, at: _Where) -> Iterator[Fragment]:
    """The tables in a value."""
    if at.depth < 0:
        return
    value = _of_pandas(value)
    if isinstance(value, list) and value and _are_objects(value):
        if all(map(_is_row, value[:FIRST_RECORDS])):
            yield Fragment(_of_records(value, at), at.run)
            return
        for number, each in enumerate(value, 1):
            yield from _walked(each, at.into(str(number), run=_name_of(each, number)))
    elif isinstance(value, dict):
        yield from _walked_object(
            value, _Where(at.place, at.prefix, {**at.facts, **_settings(value)}, at.run, at.depth)
        )


def _of_pandas(value: Any) -> Any:
    """A table as pandas writes it (by column and index, by index, split) as lists by name, or records; else `value`."""
    if not isinstance(value, dict) or not value:
        return value
    if value.keys() == {"columns", "index", "data"} and _are_rows(value["data"], value["columns"]):
        columns = {name: [row[place] for row in value["data"]] for place, name in enumerate(value["columns"])}
        return {"index": value["index"], **columns}
    inner = list(value.values())
    if not all(isinstance(each, dict) and each and not _inside(each) for each in inner):
        return value
    indices = list(inner[0])
    if all(map(str.isdecimal, indices)) and all(each.keys() == inner[0].keys() for each in inner):
        return {"index": list(map(int, indices)), **{name: list(each.values()) for name, each in value.items()}}
    if all(map(str.isdecimal, value)):
        return [{"index": int(index), **each} for index, each in value.items()]
    return value


def _are_rows(rows: Any, names: Any) -> bool:
    lists = isinstance(rows, list) and isinstance(names, list) and bool(rows)
    return lists and all(isinstance(row, list) and len(row) == len(names) for row in rows)


def _walked_object(value: Record, at: _Where) -> Iterator[Fragment]:
    lists = {name: each for name, each in value.items() if _are_values(each)}
    if lists:
        yield _of_lists(lists, at)
    inside = {
        name: each
        for name, each in value.items()
        if name not in lists and name.lower() not in SETTINGS and _inside(each)
    }
    alone = len(inside) == 1
    runs = not alone and not lists and at.run is None and not any(map(_is_part, inside))
    for name, each in inside.items():
        if runs:
            yield from _walked(each, at.into(name, run=name))
        else:
            silent = name.lower() in HISTORIES or (alone and not _is_part(name))
            yield from _walked(each, at.into(name, "" if silent else f"{name}."))


def _is_part(name: str) -> bool:
    """Whether a key names a part of one run (a split or a history). Otherwise it names a run."""
    return name.lower() in HISTORIES or bool(set(words_of(name)) & SPLITS.keys())


def _of_records(records: Sequence[Record], at: _Where) -> Records:
    def stream(left_out: list[str]) -> Numbered:
        named = ({f"{at.prefix}{name}": each for name, each in record.items()} for record in records)
        return without_summary(enumerate(named, 1), at.place, left_out)

    return Records(at.place, stream, at.facts)


def _of_lists(lists: Mapping[str, list[Any]], at: _Where) -> Fragment:
    """A sheet whose columns are the lists of equal length: the length of the steps, or the most common length."""
    steps = [len(each) for name, each in lists.items() if usual_signal(name) == "step"]
    lengths = [len(each) for each in lists.values()]
    length = steps[0] if steps else max(lengths, key=lambda each: (lengths.count(each), each))
    columns = {f"{at.prefix}{name}": each for name, each in lists.items() if len(each) == length}
    others = len(lists) - len(columns)
    left_out = [f"{at.place}: {counted(others, 'list')} of another length than the steps"] if others else []
    return Fragment(Columns(at.place, columns, at.facts, left_out), at.run)


def _are_objects(values: list[Any]) -> bool:
    return all(isinstance(each, dict) for each in values)


def _are_values(values: Any) -> bool:
    """Whether `values` is a non-empty list of plain values."""
    return isinstance(values, list) and bool(values) and not any(isinstance(each, dict | list) for each in values)


def _inside(value: Any, depth: int = DEEPEST) -> bool:
    """Whether a value contains a table."""
    if depth < 0:
        return False
    if isinstance(value, list):
        return _are_values(value) or (bool(value) and _are_objects(value))
    return isinstance(value, dict) and any(_inside(each, depth - 1) for each in value.values())


def _settings(value: Record) -> dict[str, Any]:
    """The plain values of an object and of its settings."""
    plain = {name: each for name, each in value.items() if not isinstance(each, dict | list)}
    for name, each in value.items():
        if name.lower() in SETTINGS and isinstance(each, dict):
            plain |= dict(flattened(each))
    return plain


def _name_of(record: Record, number: int) -> str:
    named = next((record[key] for key in ("name", "run_name", "run", "id", "run_id") if key in record), None)
    return str(number) if named is None else str(named).strip() or str(number)

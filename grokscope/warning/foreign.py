"""Somebody else's table, as rows of cells with their line numbers: CSV (also with tabs or semicolons) or JSON lines."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Cell = str | float | int | None


class Unimportable(ValueError):
    """A table that cannot be read as trajectories; one sentence, with the line where there is one."""


@dataclass(frozen=True)
class Row:
    """One line of the file."""

    line: int
    """From 1, as an editor counts"""
    cells: Mapping[str, Cell]


def rows_of(file: Path) -> list[Row]:
    """All rows of a file; JSON lines where its first letter is a brace. Raises `Unimportable`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise Unimportable(f"cannot read {file}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Unimportable(f"{file} is no text in UTF-8") from None
    start = text.lstrip()[:1]
    if start == "[":
        raise Unimportable(f"{file} is one JSON array: write one object a line (`jq -c '.[]'` does)")
    found = list(_json_rows(text) if start == "{" else _csv_rows(text))
    if not found:
        raise Unimportable(f"{file} holds no rows")
    return found


def _csv_rows(text: str) -> Iterator[Row]:
    lines = text.splitlines(keepends=True)
    skipped = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    lines = lines[skipped:]
    head = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(",\t;", key=head.count))
    header = [name.strip() for name in next(reader, [])]
    repeated = {name for name in header if header.count(name) > 1}
    if repeated:
        raise Unimportable(f"two columns are called {min(repeated)!r}")
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        line = skipped + reader.line_num
        if len(cells) != len(header):
            raise Unimportable(f"line {line} has {len(cells)} cells, the header {len(header)}")
        yield Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=True)))


def _json_rows(text: str) -> Iterator[Row]:
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except ValueError:
            raise Unimportable(f"line {line} is no JSON") from None
        if not isinstance(record, dict):
            raise Unimportable(f"line {line} is no JSON object")
        cells: dict[str, Cell] = {}
        _flatten(record, "", cells)
        yield Row(line, cells)


def _flatten(record: Mapping[str, Any], prefix: str, cells: dict[str, Cell]) -> None:
    """Nested objects become dotted columns; lists are left out."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}{name}.", cells)
        elif not isinstance(value, list):
            cells[f"{prefix}{name}"] = value

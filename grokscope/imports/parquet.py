"""Tables in Parquet, as pandas, polars and trackio write them, read by pyarrow or polars, whichever is installed."""

from pathlib import Path
from typing import Any

from grokscope.contract.backends import Unavailable
from grokscope.gate import Unreadable, open_regular
from grokscope.imports.databases import COUNTER, DATABASES, record_sheet, run_labels
from grokscope.imports.delimited import LARGEST_FILE, check_rows
from grokscope.imports.sheets import Fragment, Unimportable

PARQUET = ".parquet"
_CONFIGS = "_configs"
_BESIDE = (_CONFIGS, "_system", "_traces")
"""Ends of the stems of what trackio writes beside the metrics of a project"""
_TRACKED = {"run_id", "run_name", "step", "timestamp"}
"""Columns of trackio's metrics"""

_Rows = list[dict[str, Any]]


def is_beside_metrics(file: Path) -> bool:
    """Whether a table says nothing that is not found elsewhere: trackio's own copy of a database, or no metrics."""
    copied = any(file.with_suffix(suffix).exists() for suffix in DATABASES)
    return copied or file.stem.endswith(_BESIDE)


def parquet_fragments(file: Path) -> list[Fragment]:
    """The table of a file, or those of all runs of a project of trackio.

    Raises `Unavailable` without pyarrow and polars, `Unimportable`.
    """
    rows = _rows(file)
    if not rows or not rows[0].keys() >= _TRACKED:
        return [Fragment(record_sheet(file.name, rows, {}))]
    runs: dict[str, _Rows] = {}
    for row in rows:
        runs.setdefault(str(row["run_id"]), []).append({COUNTER: row.pop("step"), **row})
    beside = file.with_name(f"{file.stem}{_CONFIGS}{PARQUET}")
    settings = {str(row.get("run_id")): row for row in (_rows(beside) if beside.exists() else [])}
    labels = run_labels([(key, str(mine[0]["run_name"])) for key, mine in runs.items()])
    return [Fragment(record_sheet(label, runs[key], settings.get(key, {})), label) for key, label in labels.items()]


def _rows(file: Path) -> _Rows:
    try:
        with open_regular(file) as raw:
            size = raw.seek(0, 2)
    except Unreadable as problem:
        raise Unimportable(str(problem)) from None
    if size > LARGEST_FILE:
        raise Unimportable(f"{file} holds more than {LARGEST_FILE >> 30} GiB; split it into smaller files")
    try:
        rows = _read_by_any(file)
    except ImportError:
        raise Unavailable(
            f"{file.name} needs pyarrow or polars, and neither is installed: pip install pyarrow; or give the table as "
            "CSV"
        ) from None
    except Exception as problem:  # the packages of somebody else
        first = str(problem).strip().split("\n")[0]
        raise Unimportable(f"{file} cannot be read as Parquet: {first}") from None
    check_rows(len(rows), file)
    return rows


def _read_by_any(file: Path) -> _Rows:
    """Raises `ImportError` without either, and whatever they do."""
    try:
        from pyarrow.parquet import read_table
    except ImportError:
        from polars import read_parquet

        return read_parquet(file).to_dicts()
    found: _Rows = read_table(file).to_pylist()
    return found

"""Writes the curves of a run as CSV, and finds free file names."""

from datetime import datetime
from pathlib import Path

from grokscope.gate import write_file
from grokscope.tui.view import View
from grokscope.words.table import Column, Table

_COMPANIONS = {"defect": ("defect", "defect.p25", "defect.p75", "defect.floor", "defect.below_floor")}


def write_csv(view: View, file: Path) -> int:
    """Write all curves: one column per curve, one line per step. Returns the number of lines. Raises `OSError`."""
    table: dict[float, dict[str, float]] = {}
    names: list[str] = []
    for name, series in sorted(view.series.items()):
        columns = _COMPANIONS.get(name, (name,))
        names += columns
        for row in series.rows:
            table.setdefault(row[0], {}).update(zip(columns, row[1:], strict=False))
    rows = tuple((int(step), *map(table[step].get, names)) for step in sorted(table))
    write_file(file, Table("curves", "Curves", tuple(map(Column, ("step", *names))), rows).csv())
    return len(rows)


def free_name(folder: Path, stem: str, ending: str) -> Path:
    """A file name in `folder` that does not exist yet."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    file = folder / f"{stem}-{stamp}{ending}"
    number = 2
    while file.exists():
        file = folder / f"{stem}-{stamp}-{number}{ending}"
        number += 1
    return file

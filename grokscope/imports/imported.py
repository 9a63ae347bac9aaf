"""`import_runs` makes run directories from the files of other tools."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from grokscope.imports.choice import NEEDED
from grokscope.imports.reading import ForeignRun, read_runs
from grokscope.imports.recipe import Recipe
from grokscope.imports.sources import find_files, find_sources
from grokscope.imports.writing import ImportedRun, check_free, write_run
from grokscope.words.tracking import Track, untracked

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 100
AS_FOUND = Recipe()
"""A recipe without options: columns by their usual names, settings and budget from the files"""


@dataclass(frozen=True)
class Import:
    """The result of an import."""

    runs: tuple[ImportedRun, ...]
    remarks: tuple[str, ...]
    """Everything that was skipped, as distinct sentences"""


def import_runs(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    runs: str | PathLike[str] = "runs",
    recipe: Recipe = AS_FOUND,
    *,
    name: str | None = None,
    replace: bool = False,
    track: Track = untracked,
) -> Import:
    """Make run directories in the folder `runs` from the files and folders in `paths`.

    A run has the name of its file. `name` is the name of a single run, or of the folder for several runs. All files are
    read and checked before the first run is written. With `replace`, earlier imports of the same name are replaced.
    Raises `Unimportable`, `BadRunName`, `Unavailable` for event files without TensorBoard, `OSError`.

    >>> lines = ["step,train_acc,val_acc"] + [f"{step},1.0,{step / 1000}" for step in range(0, 1001, 100)]
    >>> Path("log.csv").write_text("\\n".join(lines)) > 0
    True
    >>> [written.run.name for written in grokscope.import_runs("log.csv").runs]
    ['log']
    >>> grokscope.open("log").state.word
    'did not grok'
    """
    folder = Path(runs)
    left_out: list[str] = []
    named = [paths] if isinstance(paths, str | PathLike) else paths
    sources = find_sources(find_files(map(Path, named), left_out), left_out)
    found = read_runs(sources, recipe, left_out, track)
    places = _places(found, name)
    for place in places:
        check_free(folder, place, replace=replace)
    placed = list(zip(found, places, strict=True))
    written = [write_run(run, folder.joinpath(*place), recipe) for run, place in track(placed, "runs written")]
    remarks = [*left_out, *(remark for run in found for remark in run.remarks)]
    if recipe.scale is None:
        remarks += filter(None, map(_doubt, written))
    return Import(tuple(written), tuple(dict.fromkeys(remarks)))


def _doubt(written: ImportedRun) -> str | None:
    """A remark about a run that has grokked at its first record: its accuracies may be small percentages."""
    steps, accuracies = written.run.columns["step"], written.run.columns[NEEDED]
    if written.run.scale == "percent" or written.result["grokked_step"] != steps[np.isfinite(accuracies)][0]:
        return None
    name = written.run.name
    return f"{name} has grokked at its first record; if its accuracies are percentages, give --percent"


def _places(runs: Sequence[ForeignRun], name: str | None) -> list[tuple[str, ...]]:
    """The distinct paths of the runs below the folder of runs: a name, or a folder and a name."""
    named = [_place(run.name, name, alone=len(runs) == 1) for run in runs]
    times = Counter(named)
    places: list[tuple[str, ...]] = []
    for place, run in zip(named, runs, strict=True):
        if times[place] > 1:  # files of the same name in different folders
            place = (*place[:-1], f"{_as_name(run.source.home.name)}-{place[-1]}")
        same = places.count(place)
        places.append((*place[:-1], f"{place[-1]}-{same + 1}") if same else place)
    return places


def _place(own: str, name: str | None, *, alone: bool) -> tuple[str, ...]:
    first, _, rest = own.partition("/")
    parts = [_as_name(first), *([_as_name(rest)] if rest else [])]
    if name is None:
        return tuple(parts)
    return (name,) if alone else (name, parts[-1])


def _as_name(text: str) -> str:
    """A text as a valid name of a run."""
    plain = _NO_NAME.sub("-", text).strip("-")[:LONGEST_NAME]
    return plain if plain.strip(".") and plain != "latest" else f"run-{plain.strip('.')}".rstrip("-")

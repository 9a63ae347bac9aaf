"""Finds the files of an import and their tables, and decides which tables belong to one run."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grokscope.contract.backends import Unavailable
from grokscope.gate import real_path
from grokscope.imports import documents, mlruns, printed, tensorboard
from grokscope.imports.databases import DATABASES, database_fragments, is_database
from grokscope.imports.delimited import Delimited, check_lines
from grokscope.imports.names import SPLITS, usual_fact, usual_signal
from grokscope.imports.offline import OFFLINE, is_beside, offline_run
from grokscope.imports.parquet import PARQUET, is_beside_metrics, parquet_fragments
from grokscope.imports.sheets import Fragment, Renamed, Sheet, Unimportable

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Suffixes of the files that are taken from a folder, also with `.gz`"""
PRINTED = (".log", ".txt", ".out")
"""Suffixes of the files that are taken from a folder without any of these"""
HF_STATE = "trainer_state"
"""Name of the history of a Hugging Face trainer, in its output folder and in each checkpoint"""
MOST_FILES = 10_000
NAMELESS = frozenset({"metrics", "history", HF_STATE, "log", "logs", "progress", "results", "train_log", "data"})
"""Names of files that do not name a run; the run is named after its folder"""

_SCALAR = {"Wall time", "Step", "Value"}
"""The columns of a scalar exported by TensorBoard"""
_DOWNLOADED = re.compile(r"run-(?P<run>.*)-tag-(?P<tag>.+)")
"""The name of a file with an exported scalar"""
_CHART = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<bound>__MIN|__MAX)?")
"""A column of a chart exported by Weights & Biases"""
_NO_RUN = frozenset({"", "epoch", "time", "wall time", "_runtime", "_timestamp"})
"""Columns that are no run where each of the others is one"""
_CHECKPOINT = re.compile(r"checkpoint-\d+")
_Read = tuple[tuple[object, ...], "Source", list[Fragment]]
"""A key, a run (or runs) of this key, and tables of a file that belong to it"""


@dataclass
class Source:
    """Tables that belong together: one run, or several runs with a key each."""

    parts: tuple[str, ...]
    """Parts of the name: a path below the folder of runs"""
    home: Path
    """The folder that tells it from another of its name"""
    files: list[Path] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)

    @property
    def runs(self) -> dict[str | None, list[Sheet]]:
        """The sheets of each run, by key."""
        found: dict[str | None, list[Sheet]] = {}
        for fragment in self.fragments:
            found.setdefault(fragment.run, []).append(fragment.sheet)
        return found


@dataclass(frozen=True)
class Found:
    """A file, and the folder in which it was found, if the user named a folder."""

    file: Path
    folder: Path | None = None

    def source(self, *parts: str) -> Source:
        """Where the tables of this file belong; `parts`: the name of the run, if not `self.parts`."""
        return Source(parts or self.parts, real_path(self.file).parent)

    @property
    def parts(self) -> tuple[str, ...]:
        """The name of a run of this file: the stem of the file, or its path below the folder that the user named."""
        stem = stem_of(self.file)
        if self.folder is None:
            return (stem,)
        home = self.file.parent
        if stem == HF_STATE and _CHECKPOINT.fullmatch(home.name) and home != self.folder:
            home = home.parent
        return self.within(home, *([] if stem.lower() in NAMELESS else [stem]))

    def within(self, home: Path, *more: str) -> tuple[str, ...]:
        """The name of a run in the folder `home`: at most two parts, a folder and a run."""
        if self.folder is None or not home.is_relative_to(self.folder):
            return (real_path(home).name, *more)[-1:]
        rest = (*home.relative_to(self.folder).parts, *more)
        return (real_path(self.folder).name, *(["-".join(rest)] if rest else []))

    def below(self, home: Path, group: str, run: str) -> tuple[str, ...]:
        """The name of a run that a tracker has named: alone where the user named its own folder `home`, or files."""
        alone = self.folder is None or real_path(self.folder).is_relative_to(real_path(home))
        return (run,) if alone or not group else (group, run)


def stem_of(file: Path) -> str:
    """A file's name without the suffixes of its kind."""
    name = file.name.removesuffix(".gz")
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), Path(name).stem)


def find_files(paths: Iterable[Path], left_out: list[str]) -> list[Found]:
    """The files in `paths`, and the files with tables in the folders in `paths` and below; of a folder without any, its
    text logs. Folders that cannot be listed are named in `left_out`. Raises `Unimportable`."""
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(Found(path))
            continue
        files = _files_in(path, left_out)
        wanted = [file for file in files if _is_wanted(file)] or [file for file in files if file.suffix in PRINTED]
        if not wanted:
            kinds = ", ".join(f"*{suffix}" for suffix in (*SUFFIXES, PARQUET, *PRINTED))
            raise Unimportable(f"{path} holds no file that can be imported ({kinds}, or files of a tracker)")
        found += [Found(file, path) for file in wanted]
    return found


def _files_in(folder: Path, left_out: list[str]) -> list[Path]:
    """The files in a folder and below, by path, but for those of a run of grokscope, which needs no import."""

    def refused(problem: OSError) -> None:
        left_out.append(f"cannot read {problem.filename}: {problem.strerror}")

    places = (
        (Path(place), names) for place, _, names in os.walk(folder, onerror=refused) if "events.jsonl" not in names
    )
    files = [place / name for place, names in places for name in names if not name.startswith(".")]
    if len(files) > MOST_FILES:
        raise Unimportable(f"{folder} holds more than {MOST_FILES:,} files; name the files to import")
    return sorted(file for file in files if file.is_file())


def _is_wanted(file: Path) -> bool:
    """Whether a file of a folder may hold a table. What trackers keep beside their tables does not."""
    if tensorboard.is_event_file(file) or file.suffix == OFFLINE or mlruns.kept_run(file):
        return True
    if file.suffix in DATABASES:
        try:
            return is_database(file)
        except Unimportable:  # which is said when it is read
            return True
    if file.suffix == PARQUET:
        return not is_beside_metrics(file)
    if not file.name.removesuffix(".gz").endswith(SUFFIXES):
        return False
    return not (is_beside(file) or mlruns.is_artifact(file))


def find_sources(found: Sequence[Found], left_out: list[str]) -> list[Source]:
    """The tables of the files, by run.

    Files of a folder without a table, or whose reader is not installed, are named in `left_out`. Raises `Unimportable`
    if a file that the user named, or every file of a folder, has no table, `Unavailable` if none can be read without
    such a reader.
    """
    sources: dict[tuple[object, ...], Source] = {}
    problems: list[Unimportable | Unavailable] = []
    for each in _without_earlier_checkpoints(found, left_out):
        try:
            key, begun, fragments = _read(each)
        except (Unimportable, Unavailable) as problem:
            if each.folder is None:
                raise
            problems.append(problem)
            continue
        source = sources.setdefault(key, begun)
        source.files.append(each.file)
        source.fragments += fragments
    if problems and not sources:
        raise next((each for each in problems if isinstance(each, Unavailable)), problems[0])
    left_out += map(str, problems)
    return list(sources.values())


def _read(found: Found) -> _Read:
    """Key, run and tables of a file. Files with the same key belong to the same run, or runs."""
    file = found.file
    if tensorboard.is_event_file(file):
        return _events(found)
    if home := mlruns.kept_run(file):
        return _metric(found, home)
    if file.suffix == OFFLINE:
        run = offline_run(file)
        return ("file", file), found.source(*found.below(file.parent, run.project, run.name)), [Fragment(run.sheet)]
    if file.suffix == PARQUET:
        return ("file", file), found.source(), parquet_fragments(file)
    if is_database(file):
        return ("file", file), found.source(), database_fragments(file)
    check_lines(file)
    if printed.is_printed(file):
        return ("file", file), found.source(), [Fragment(printed.sheet_of(file))]
    if documents.first_letter(file) in {"{", "["}:
        return _document(found)
    sheet = Delimited(file)
    if set(sheet.names) == _SCALAR:
        sheet.whole = True
        return _scalar(found, sheet)
    if chart := _chart(sheet) or _column_a_run(sheet, stem_of(file)):
        sheet.whole = True
        return ("chart", found.folder), found.source(), chart
    return ("file", file), found.source(), [Fragment(sheet)]


def _document(found: Found) -> _Read:
    if points := documents.scalar_points(found.file):
        return _scalar(found, points)
    return ("file", found.file), found.source(), documents.fragments_of(found.file)


def _metric(found: Found, home: Path) -> _Read:
    """A metric of mlflow: one folder is one run."""
    named = Source(found.below(home, *mlruns.tracked_names(home)), home)
    return ("mlflow", home), named, [Fragment(mlruns.metric_sheet(found.file, home))]


def _events(found: Found) -> _Read:
    """Event files of TensorBoard: one folder is one run. Keras writes each split of a run into a folder of its own."""
    home, prefix = found.file.parent, ""
    name = real_path(home).name
    if name.lower() in SPLITS:
        home, prefix = home.parent, f"{name}/"
    sheets = tensorboard.sheets_of(found.file, prefix)
    return ("events", real_path(home)), found.source(*found.within(home)), [Fragment(sheet) for sheet in sheets]


def _scalar(found: Found, sheet: Sheet) -> _Read:
    """One exported scalar of TensorBoard. The column is named after the tag, or after the file."""
    stem = stem_of(found.file)
    named = _DOWNLOADED.fullmatch(stem)
    run, tag = (named["run"].strip("."), named["tag"]) if named else ("", stem)
    if run.lower() in SPLITS:
        run, tag = "", f"{run}/{tag}"
    home = found.file.parent
    begun = found.source(*found.within(home, *([run] if run else [])))
    return ("scalars", real_path(home), run), begun, [Fragment(Renamed(sheet, {"Step": "Step", tag: "Value"}))]


def _chart(sheet: Delimited) -> list[Fragment]:
    """The runs of a chart of Weights & Biases: one column per run and metric. Columns of bounds are left out."""
    runs: dict[str, dict[str, str]] = {}
    steps = [name for name in sheet.names if not _CHART.fullmatch(name)]
    for name in sheet.names:
        if (column := _CHART.fullmatch(name)) and not column["bound"] and column["metric"] != "_step":
            runs.setdefault(column["run"], {})[column["metric"]] = name
    if not runs or len(steps) != 1:
        return []
    return [Fragment(Renamed(sheet, {steps[0]: steps[0], **metrics}), run) for run, metrics in runs.items()]


def _column_a_run(sheet: Delimited, named: str) -> list[Fragment]:
    """The runs of a file that is named after one signal, as `val_acc.csv`: beside the step each column is a run."""
    if usual_signal(named) in {None, "step"}:
        return []
    runs = [name for name in sheet.names if usual_signal(name) != "step"]
    known = any(usual_signal(name) or usual_fact(name) or name.lower() in _NO_RUN for name in runs)
    if known or len(runs) < 2 or len(sheet.names) - len(runs) != 1:
        return []
    [step] = set(sheet.names) - set(runs)
    return [Fragment(Renamed(sheet, {step: step, named: run}), run) for run in runs]


def _without_earlier_checkpoints(found: Sequence[Found], left_out: list[str]) -> list[Found]:
    """The files without earlier states of the same Hugging Face trainer. The last state contains all earlier ones."""
    newest: dict[Path, Found] = {}
    kept = []
    for each in found:
        if each.folder is None or stem_of(each.file) != HF_STATE:
            kept.append(each)
            continue
        folder = each.file.parent
        home = folder.parent if _CHECKPOINT.fullmatch(folder.name) else folder
        before = newest.get(home)
        newest[home] = each if before is None or _age(each) > _age(before) else before
    earlier = len(found) - len(kept) - len(newest)
    if earlier:
        left_out.append(f"{earlier} earlier states of the same trainers, because the last states contain them")
    return [*kept, *(Found(each.file, each.folder) for each in newest.values())]


def _age(state: Found) -> float:
    """A key that sorts the states of one trainer: by the step of the checkpoint; a state outside a checkpoint last."""
    folder = state.file.parent.name
    return float(folder.rpartition("-")[2]) if _CHECKPOINT.fullmatch(folder) else float("inf")

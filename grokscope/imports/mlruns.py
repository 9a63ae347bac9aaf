"""Runs that mlflow keeps in a folder `mlruns`: one folder a run, and in it one file a metric."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from grokscope.gate import Unreadable, read_text, real_path
from grokscope.imports.delimited import ODD_SHARE, TORN, opened
from grokscope.imports.names import usual_fact
from grokscope.imports.recipe import fact_value
from grokscope.imports.sheets import Columns, Unimportable, some
from grokscope.warning.trajectory import Fact
from grokscope.words.numbers import counted

_META, _METRICS, _PARAMETERS, _ARTIFACTS = "meta.yaml", "metrics", "params", "artifacts"
_STATED = re.compile(r"^(\w+): *(.*?) *$", re.MULTILINE)


def kept_run(file: Path) -> Path | None:
    """The folder of the run that a file is a metric of. None: it is none, or the run is deleted."""
    return next((home for home in _homes(file, _METRICS) if stated_in(home).get("lifecycle_stage") != "deleted"), None)


def is_artifact(file: Path) -> bool:
    """Whether a file is what a run has kept beside its metrics."""
    return any(_homes(file, _ARTIFACTS))


def _homes(file: Path, part: str) -> Iterator[Path]:
    """The folder of the run that has a file in this part of it."""
    for folder in real_path(file).parents:
        if folder.name == part and stated_in(folder.parent).keys() & {"run_id", "run_uuid"}:
            yield folder.parent


@cache
def stated_in(folder: Path) -> dict[str, str]:
    """What mlflow says of a run or of an experiment in its folder: plain values by name."""
    try:
        text = read_text(folder / _META)
    except Unreadable:
        return {}
    return {name: value.strip("'\"") for name, value in _STATED.findall(text)}


def tracked_names(home: Path) -> tuple[str, str]:
    """The names of a run's experiment and of the run."""
    run = stated_in(home)
    return stated_in(home.parent).get("name") or home.parent.name, run.get("run_name") or home.name


def metric_sheet(file: Path, home: Path) -> Columns:
    """A metric by step; lines hold a time, a value and a step. A few other lines are skipped. Raises `Unimportable`."""
    name, steps, values, left_out = real_path(file).relative_to(home / _METRICS).as_posix(), [], [], []
    odd: list[str] = []
    with opened(file) as text:
        for number, line in enumerate(text, 1):
            cells = line.split()
            if not line.endswith("\n"):
                left_out.append(f"{name}: {TORN}")
            elif len(cells) < 3:
                odd.append(str(number))
            else:
                values.append(cells[1])
                steps.append(cells[2])
    if len(odd) > ODD_SHARE * (len(odd) + len(steps)):
        raise Unimportable(f"{file}, line {odd[0]} has no time, value and step, as metrics of mlflow have")
    if odd:
        left_out.append(f"{name}: {counted(len(odd), 'line')} without time, value and step ({some(odd, 5)})")
    return Columns(name, {"step": steps, name: values}, dict(_settings_of(home)), left_out)


def _settings_of(home: Path) -> Iterator[tuple[str, Fact]]:
    for file in sorted((home / _PARAMETERS).glob("*")):
        if usual_fact(file.name) and file.is_file():
            with opened(file) as text:
                yield file.name, fact_value(text.readline().strip())

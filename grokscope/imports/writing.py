"""Writes an imported run as a run directory, with the events that a trainer would have written, in the same order.

The first event states the source of the run and the columns of its signals. Imported logs often have every step, so
records are written as dictionaries, which are faster than event classes; tests check them against the schema.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TextIO

import msgspec
import numpy as np

from grokscope import __version__
from grokscope.contract.signals import SignalDescription
from grokscope.events import (
    SCHEMA_VERSION,
    Criterion,
    Event,
    Finished,
    Imported,
    ImportedFile,
    Rule,
    Started,
    Warned,
    to_line,
)  # fmt: skip
from grokscope.gate import filling, writing
from grokscope.geometry.commutator import CLEAR_OF_FLOOR
from grokscope.imports.choice import NEEDED
from grokscope.imports.reading import ForeignRun
from grokscope.imports.recipe import Recipe
from grokscope.imports.sheets import Unimportable
from grokscope.runs.directory import RunDirectory, check_name
from grokscope.runs.state import read_state
from grokscope.settings.signals import installed_signals
from grokscope.warning.watch import Watch

MEASURED: Mapping[str, str] = {
    "commutator_norm": "commutator_norm",
    "relative_commutator": "relative_commutator",
    "probe_gradient_norm": "gradient_norm",
    "gradient_cosine": "gradient_cosine",
}
"""Fields of a `measured` event beside the defect, by our names of columns"""
ESTIMATORS: Mapping[str, tuple[str, str]] = {
    "exact": ("defect", "defect_floor"),
    "finite-difference": ("finite_difference_defect", "finite_difference_floor"),
}
"""Columns of the defect and its rounding floor, by estimator; the first estimator that a run has is used"""
SPLIT_SCORES = tuple(
    (f"{split}_{score}", split, score) for split in ("train", "test") for score in ("accuracy", "loss")
)
ROWS_AT_ONCE = 1 << 14
"""Rows that are converted to Python numbers at a time"""


@dataclass(frozen=True)
class ImportedRun:
    """An imported run and its run directory."""

    directory: RunDirectory
    run: ForeignRun
    records: int
    result: Mapping[str, Any]
    """The result in its last event"""


def check_free(folder: Path, parts: tuple[str, ...], *, replace: bool) -> None:
    """Check that a run can be written at the path `parts` below `folder`.

    Raises `Unimportable` if the path is taken, unless an import may be replaced there; `BadRunName`.
    """
    for part in parts:
        check_name(part)
    for above in range(1, len(parts)):
        if (folder.joinpath(*parts[:above]) / "events.jsonl").exists():
            raise Unimportable(f"{'/'.join(parts[:above])!r} in {folder} is a run, not a folder of runs; give --name")
    target = folder.joinpath(*parts)
    if not target.exists():
        return
    name = "/".join(parts)
    if not is_import(target):
        raise Unimportable(f"{name!r} in {folder} exists and is not an import; give another --name")
    if not replace:
        raise Unimportable(f"{name!r} in {folder} exists; give another --name, or --force to replace the import")


def is_import(path: Path) -> bool:
    """Whether a folder is an imported run."""
    if not (path / "events.jsonl").is_file():
        return False
    with suppress(OSError, KeyError, ValueError):
        return bool(read_state(RunDirectory(path)).last["started"]["origin"] == "import")
    return False


def write_run(run: ForeignRun, target: Path, recipe: Recipe) -> ImportedRun:
    """Write a run directory. The log appears only when it is complete, and replaces the log of an earlier import.

    See `check_free`. Raises `OSError`.
    """
    directory = RunDirectory(target)
    draft = directory.events.with_name("events.draft")
    with filling(target), writing(draft):
        try:
            draft.unlink(missing_ok=True)
            with draft.open("x", encoding="ascii", newline="\n") as out:
                result = _write_events(out, run, target.name, recipe)
            draft.replace(directory.events)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    return ImportedRun(directory, run, len(run.columns["step"]), result)


def _write_events(out: TextIO, run: ForeignRun, name: str, recipe: Recipe) -> Mapping[str, Any]:
    """Write all events. Returns the result in the last event."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    seq = count()
    encode = msgspec.json.Encoder().encode  # of finite numbers and names of ours

    def write(event: Event) -> None:
        out.write(to_line(event.model_copy(update={"run": name, "seq": next(seq), "time": now})) + "\n")

    started = started_of(run, recipe)
    write(started)
    for remark in run.remarks:
        write(Warned(step=0, reason=remark))
    watch = Watch(started.model_dump())
    found = deque(watch.see_columns(run.columns))
    result = watch.result()
    head, middle = f'{{"v":{SCHEMA_VERSION},"run":{json.dumps(name)},"seq":', f',"time":"{now}",'
    for record in records_of(run):
        while (
            found and record["step"] > found[0].confirmed_at
        ):  # a detection follows all records of the step that confirms it
            write(found.popleft())
        out.write(f"{head}{next(seq)}{middle}{encode(record).decode()[1:]}\n")
    for detection in found:
        write(detection)
    last = int(run.columns["step"][-1])
    write(Finished(step=last, status="completed", steps=last, seconds=0.0, result=result, parameters_digest=""))
    return result


def started_of(run: ForeignRun, recipe: Recipe) -> Started:
    """The first event: the known settings, the criteria, and the source of the run."""
    estimator = _estimator(run) or "off"
    criterion = Criterion(metric="accuracy", threshold=recipe.threshold, consecutive=recipe.consecutive)
    named = criterion_name(recipe)
    config = _nested(run.facts)
    config["task"] = {"name": recipe.task, **config.get("task", {})}
    config["train"] = {**config.get("train", {}), "steps": run.budget}
    config["evaluate"] = {"every": _cadence(run, NEEDED)}
    config["measure"] = {"every": _cadence(run, ESTIMATORS.get(estimator, (NEEDED,))[0]), "estimator": estimator}
    config["detect"] = {"memorization": 0.99, "onset": "persistent", "grokking": named}
    return Started(
        step=0,
        config=config,
        task=recipe.task,
        origin="import",
        metric="accuracy",
        criteria={named: criterion},
        rules={
            "memorized": Rule(name="train-accuracy", threshold=0.99),
            "onset": Rule(name="persistent"),
            "grokked": Rule(name=named),
        },
        signals={name: each.to_json() for name, each in _described(run).items()},
        backend="",
        device="",
        precision="",
        parameters=0,
        versions={"grokscope": __version__},
        host="",
        process=0,
        facts={},
        imported=Imported(
            files=[_file(each) for each in run.source.files], columns=dict(run.taken), scale=run.scale,
        ),
    )  # fmt: skip


def criterion_name(recipe: Recipe) -> str:
    """The name of the grokking criterion, as tasks name such criteria."""
    if recipe.consecutive == 1:
        return f"first-{recipe.threshold:.2f}"
    lasting = "" if recipe.consecutive == 3 else f"-for-{recipe.consecutive}"
    return f"sustained-{recipe.threshold:.2f}{lasting}"


def _nested(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as nested sections. A key without a section, or below a plain value, stays as it is."""
    config: dict[str, Any] = {}
    for key, value in facts.items():
        section, _, name = key.partition(".")
        if name and isinstance(config.setdefault(section, {}), dict):
            config[section][name] = value
        else:
            config[key] = value
    return config


def _cadence(run: ForeignRun, signal: str) -> int:
    """The median number of steps between records of a signal."""
    steps = run.columns["step"][np.isfinite(run.columns[signal])]
    return max(1, int(np.median(np.diff(steps)))) if len(steps) > 1 else 1


def _described(run: ForeignRun) -> dict[str, SignalDescription]:
    return {spec.name: spec.description for spec in installed_signals() if spec.name in run.columns}


def _file(path: Path) -> ImportedFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return ImportedFile(name=path.name, bytes=size, sha256=digest.hexdigest())


# --- records ----------------------------------------------------------------------------------------------------------


def records_of(run: ForeignRun) -> Iterator[dict[str, Any]]:
    """The records of a run, step by step, as events without an envelope, in the order of a trainer."""
    names = [name for name in run.columns if name != "step"]
    steps, estimator = run.columns["step"], _estimator(run)
    for start in range(0, len(steps), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        columns = (run.columns[name][rows].tolist() for name in names)
        for step, *values in zip(map(int, steps[rows]), *columns, strict=True):
            known = {name: value for name, value in zip(names, values, strict=True) if value == value}
            if "lr" in known or "loss" in known:
                yield {"event": "trained", "step": step, **_trained(known)}
            if estimator and ESTIMATORS[estimator][0] in known:
                yield {"event": "measured", "step": step, **_measured(known, estimator)}
            if scores := _scores(known):
                yield {"event": "evaluated", "step": step, **scores, "seconds": 0.0}
            if known:
                yield {"event": "observed", "step": step, "signals": known}


def _estimator(run: ForeignRun) -> str:
    """The estimator of the run's defect: the exact one, if the run has both; empty without a defect."""
    return next((name for name, (defect, _) in ESTIMATORS.items() if defect in run.columns), "")


def _trained(known: dict[str, float]) -> dict[str, Any]:
    """The fields of a `trained` event. Like `_measured`, it removes its values from `known`."""
    told = {"loss": known.pop("loss", None), "lr": known.pop("lr", None)}
    return {**told, "gradient_norm": None, "clipped": False, "steps_per_second": None, "tokens_per_second": None}


def _measured(known: dict[str, float], estimator: str) -> dict[str, Any]:
    defect, floor = (known.pop(name, None) for name in ESTIMATORS[estimator])
    return {
        "defect": {"median": defect, "p25": None, "p75": None, "samples": [defect]},
        **{field: known.pop(ours, None) for ours, field in MEASURED.items()},
        "estimator": estimator,
        "precision": "",
        "eta": None,
        "floor": floor,
        "below_floor": floor is not None and defect is not None and defect < CLEAR_OF_FLOOR * floor,
        "seconds": 0.0,
        "blocks": None,
    }


def _scores(known: dict[str, float]) -> dict[str, dict[str, float]]:
    told: dict[str, dict[str, float]] = {}
    for name, split, score in SPLIT_SCORES:
        if name in known:
            told.setdefault(split, {})[score] = known.pop(name)
    return told

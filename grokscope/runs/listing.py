"""The runs of a folder as a list: a row a run, and a row a sweep; or the runs that a filter lets pass, in any order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grokscope.gate import real_path
from grokscope.runs.directory import groups_in, runs_in
from grokscope.runs.filtering import checked_filter, run_facts
from grokscope.runs.state import RunState, read_state, summary
from grokscope.settings.values import setting
from grokscope.words.durations import age
from grokscope.words.numbers import counted, number, percent
from grokscope.words.table import Column, Table, TableCell

NARROWEST_NAME, NARROWEST_STATE = 14, 12
"""Cells that are left of a long name and of a long state in a narrow window"""

SORT_KEYS = ("name", "step", "test", "train", "grokked", "defect", "task")
"""What every list can be sorted by, also where none of its runs has a value yet; settings come beside them"""


@dataclass(frozen=True)
class Group:
    """A folder that is no run but holds some: a sweep, an experiment, an import of several runs."""

    path: Path
    states: tuple[RunState, ...]

    @property
    def name(self) -> str:
        return f"{self.path.name}/"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the keys that a run has too; what has no meaning for several runs is None."""
        runs = list(map(summary, self.states))
        tasks, starts, ends = (
            sorted({run[key] for run in runs if run[key] is not None}) for key in ("task", "started", "written")
        )
        problems = [run["problem"] for run in runs if run["problem"]]
        return {
            **dict.fromkeys(runs[0]),
            "name": self.name,
            "path": str(self.path),
            "task": tasks[0] if len(tasks) == 1 else None,
            "state": "group",
            "runs": len(runs),
            "states": dict(Counter(run["state"] for run in runs)),
            "grokked": sum(run["grokked_step"] is not None for run in runs),
            "regressed": sum(run["regressed_step"] is not None for run in runs),
            "started": min(starts, default=None),
            "written": max(ends, default=None),
            "problem": problems[0] if problems else None,
        }

    @property
    def words(self) -> str:
        """How its runs stand: `3 runs: 2 grokked, 1 running`."""
        words = Counter(state.word for state in self.states)
        listed = ", ".join(f"{many:,} {word}" for word, many in words.most_common())
        return f"{counted(len(self.states), 'run')}: {listed}"


def runs_and_groups(folder: Path) -> list[RunState | Group]:
    """Everything in a folder of runs: the runs, the one last written to first, then the groups. Raises `Unreadable`."""
    groups = groups_in(folder).items()
    return [
        *(read_state(run, listed=True) for run in runs_in(folder)),
        *(Group(path, tuple(read_state(run, listed=True) for run in runs)) for path, runs in groups),
    ]


def asked_for(found: Sequence[RunState | Group], asked: Sequence[str]) -> list[RunState | Group]:
    """What a list shows of a folder's runs and groups: all, the runs of the groups that are `asked` for by name, and of
    these the runs that pass the filter that the other words make. A filter looks into groups too. Raises `BadFilter`.
    """
    groups = {each.path.name: each for each in found if isinstance(each, Group)}
    opened = [groups[word.rstrip("/")] for word in asked if word.rstrip("/") in groups]
    if not asked:
        return list(found)
    runs = [run for each in (opened or found) for run in (each.states if isinstance(each, Group) else (each,))]
    facts = [run_facts(run) for run in runs]
    chosen = checked_filter(" ".join(word for word in asked if word.rstrip("/") not in groups), facts)
    return [run for run, about in zip(runs, facts, strict=True) if chosen.holds(str(run.directory.path), about)]


def sorted_runs(found: Sequence[RunState | Group], key: str) -> list[RunState | Group]:
    """In ascending order of a column or a setting; what has no such value comes last.

    Raises `KeyError` where the key is none of `SORT_KEYS`, and no run has a setting of this name.
    """
    values = [_sort_value(each, key) for each in found]
    if key not in SORT_KEYS and all(value is None for value in values) and found:
        raise KeyError(key)
    order = sorted(range(len(found)), key=lambda index: (values[index] is None, values[index] or (0, 0.0, "")))
    return [found[index] for index in order]


def _sort_value(found: RunState | Group, key: str) -> tuple[int, float, str] | None:
    if key == "name":
        return 1, 0.0, str(found.path if isinstance(found, Group) else found.directory.path)
    value = None if isinstance(found, Group) else setting(run_facts(found), key)
    if isinstance(value, int | float):
        return 0, float(value), ""
    return None if value is None else (1, 0.0, str(value))


def runs_table(found: Sequence[RunState | Group], folder: Path) -> Table:
    """What matters first stays longest in a narrow window. Runs in a group are named `group/run`."""
    now = datetime.now(UTC)
    return Table(
        "runs",
        "Runs",
        (
            Column("name", narrowest=NARROWEST_NAME),
            Column("state", narrowest=NARROWEST_STATE),
            Column("test", percent, rank=1),
            Column("last event", age, rank=2),
            Column("train", percent, rank=3),
            Column("defect", number, rank=4),
            Column("task", rank=5),
        ),
        tuple(_row(each, folder, now) for each in found),
    )


def _row(found: RunState | Group, folder: Path, now: datetime) -> tuple[TableCell, ...]:
    run = found.to_dict() if isinstance(found, Group) else summary(found)
    since = None if run["written"] is None else (now - datetime.fromisoformat(run["written"])).total_seconds()
    name, words = (found.name, found.words) if isinstance(found, Group) else (_name(found, folder), _words(found))
    return name, words, run["test"], since, run["train"], run["defect"], run["task"]


def _name(state: RunState, folder: Path) -> str:
    parent, name = state.directory.path.parent, state.directory.name
    return name if parent == folder or real_path(parent) == real_path(folder) else f"{parent.name}/{name}"


def _words(state: RunState) -> str:
    return f"{state.standing}, odd log" if state.problem and state.last else state.standing

"""The runs of a folder as a list: a row a run, and a row a sweep."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grokscope.runs.directory import groups_in, runs_in
from grokscope.runs.state import RunState, read_state, summary
from grokscope.words.durations import age
from grokscope.words.numbers import count, counted, number, percent
from grokscope.words.table import Column, Table, TableCell


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
        """How its runs stand: `3 runs: 2 finished, 1 running; 2 grokked, 1 of them regressed`."""
        about = self.to_dict()
        states = ", ".join(f"{many:,} {state}" for state, many in about["states"].items())
        lost = f", {about['regressed']:,} of them regressed" if about["regressed"] else ""
        return f"{counted(about['runs'], 'run')}: {states}; {about['grokked']:,} grokked{lost}"


def runs_and_groups(folder: Path) -> list[RunState | Group]:
    """Everything in a folder of runs: the runs, the one last written to first, then the groups. Raises `Unreadable`."""
    groups = groups_in(folder).items()
    return [
        *(read_state(run, listed=True) for run in runs_in(folder)),
        *(Group(path, tuple(read_state(run, listed=True) for run in runs)) for path, runs in groups),
    ]


def runs_table(found: Sequence[RunState | Group]) -> Table:
    """What matters first stays longest in a narrow window."""
    now = datetime.now(UTC)
    return Table(
        "runs",
        "Runs",
        (
            Column("name"),
            Column("state"),
            Column("step", count),
            Column("grokked", count),
            Column("test", percent),
            Column("last event", age, rank=1),
            Column("train", percent, rank=2),
            Column("defect", number, rank=3),
            Column("task", rank=4),
            Column("of", count, rank=5),
        ),
        tuple(_row(each, now) for each in found),
    )


def _row(found: RunState | Group, now: datetime) -> tuple[TableCell, ...]:
    run = found.to_dict() if isinstance(found, Group) else summary(found)
    since = None if run["written"] is None else (now - datetime.fromisoformat(run["written"])).total_seconds()
    return (
        run["name"], found.words if isinstance(found, Group) else _words(found), run["step"], run["grokked_step"],
        run["test"], since, run["train"], run["defect"], run["task"], run["steps"],
    )  # fmt: skip


def _words(state: RunState) -> str:
    return f"{state.word}, odd log" if state.problem and state.last else state.word

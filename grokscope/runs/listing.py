"""Runs as a list, a row a run."""

from collections.abc import Sequence
from datetime import UTC, datetime

from grokscope.runs.state import RunState, summary
from grokscope.words.durations import age
from grokscope.words.numbers import count, number, percent
from grokscope.words.table import Column, Table


def runs_table(states: Sequence[RunState]) -> Table:
    """What matters first stays longest in a narrow window."""
    now = datetime.now(UTC)
    runs = [(state.word, summary(state)) for state in states]
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
        tuple(
            (
                run["name"], word, run["step"], run["grokked_step"], run["test"],
                None if run["written"] is None else (now - datetime.fromisoformat(run["written"])).total_seconds(),
                run["train"], run["defect"], run["task"], run["steps"],
            )
            for word, run in runs
        ),
    )  # fmt: skip

"""The published lead-time tables, shipped as data, with what their authors say of them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from grokscope.warning.law import Case

SOURCE = "arXiv 2602.16967"


@dataclass(frozen=True)
class Stated:
    """A fit as printed."""

    constant: float
    exponent: float
    standard_error: float
    r_squared: float
    n: int


@dataclass(frozen=True)
class PublishedTable:
    """One table: a case a run, without onset or grok step where the table (or a run count in the text) has none."""

    task: str
    criterion: str
    source: str
    stated: Stated
    cases: tuple[Case, ...]
    remark: str
    """What a reader of the printed fit should know; empty where there is nothing"""


def published() -> list[PublishedTable]:
    """SCAN and Dyck; runs of one learning rate count as one configuration."""
    return [
        PublishedTable(
            task="scan",
            criterion="test sequence accuracy >= 0.98 in 3 records",
            source=f"{SOURCE}, tab:scan_runs",
            stated=Stated(0.149, 1.180, 0.040, 0.990, 11),
            cases=_cases("scan"),
            remark="",
        ),
        PublishedTable(
            task="dyck",
            criterion="test token accuracy >= 0.98 in 3 records",
            source=f"{SOURCE}, tab:dyck_runs",
            stated=Stated(0.239, 1.132, 0.100, 0.908, 14),
            cases=_cases("dyck"),
            remark="the paper says n = 14, but its numbers come out of all 15 rows that it prints",
        ),
    ]


def _cases(task: str) -> tuple[Case, ...]:
    text = files("grokscope.warning").joinpath("data", f"{task}.csv").read_text(encoding="utf-8")
    rows: Sequence[dict[str, str]] = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))
    return tuple(
        Case(
            name=f"lr {row['lr']}, seed {row['seed']}",
            configuration=f"lr {row['lr']}",
            onset_step=int(row["onset_step"]) if row["onset_step"] else None,
            known_at=int(row["onset_step"]) if row["onset_step"] else None,
            grok_step=int(row["grok_step"]) if row["grok_step"] else None,
            steps=int(row["steps"]),
            budget=int(row["steps"]),
            cadence=int(row["cadence"]),
        )
        for row in rows
    )

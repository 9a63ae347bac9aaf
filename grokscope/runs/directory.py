"""Where things stand in a run directory, what runs there are, and how a person names one."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TABLE_SUFFIXES = (".jsonl", ".jsonl.gz")
"""Of trajectory tables, as `grokscope import` writes them beside the runs"""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class NoSuchRun(LookupError):
    """The name fits no run, or more than one, or what it names cannot be read."""


class BadRunName(ValueError):
    """A name that could not be a folder everywhere."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run. Making one touches nothing."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def heartbeat(self) -> Path:
        return self.path / "heartbeat"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoint"


def check_name(name: str) -> str:
    """The name itself. Raises `BadRunName`."""
    if not _NAME.fullmatch(name) or name in {".", "..", "latest"}:
        raise BadRunName(f"{name!r} cannot name a run: use 1 to 100 of A-Z a-z 0-9 . _ - (and not 'latest')")
    return name


def new_name(task: str, now: datetime | None = None) -> str:
    """`<task>-<yyyymmdd-hhmmss>-<4 hex>`, UTC."""
    moment = now or datetime.now(UTC)
    return f"{task}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def runs_in(folder: Path) -> Iterator[RunDirectory]:
    """The runs directly inside `folder`, the one last written to first."""
    if not folder.is_dir():
        return
    found = [RunDirectory(path) for path in folder.iterdir() if (path / "events.jsonl").is_file()]
    yield from sorted(found, key=lambda run: (run.events.stat().st_mtime, run.name), reverse=True)


def find_run(wanted: str, folder: Path) -> RunDirectory:
    """A run by name, unique prefix, path (also from `folder` on, as `sweep/cell`), or `latest`. Raises `NoSuchRun`."""
    path = Path(wanted)
    if path.is_dir() and (path / "events.jsonl").is_file():
        return RunDirectory(path.resolve())
    if "/" in wanted and (folder / wanted / "events.jsonl").is_file():
        return RunDirectory(folder / wanted)
    runs = list(runs_in(folder))
    if wanted == "latest" and runs:
        return runs[0]
    exact = [run for run in runs if run.name == wanted]
    matching = exact or [run for run in runs if run.name.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NoSuchRun(f"{wanted!r} fits {len(matching)} runs: {', '.join(run.name for run in matching[:5])}")
    if (path.is_file() and path.name.endswith(TABLE_SUFFIXES)) or wanted.partition("/")[0] in tables_in(folder):
        raise NoSuchRun(f"{wanted!r} is an imported table, not a run: `grokscope law`, `forecast` and `report` take it")
    if not runs:
        raise NoSuchRun(f"there are no runs in {folder}; `grokscope run modular --preset quick` makes one")
    raise NoSuchRun(f"no run in {folder} is called {wanted!r}; `grokscope ls` lists them")


def tables_in(folder: Path) -> list[str]:
    """The names of the tables directly inside `folder`, as `grokscope law` takes them."""
    found = {
        path.name.removesuffix(".gz").removesuffix(".jsonl")
        for suffix in TABLE_SUFFIXES
        for path in folder.glob(f"*{suffix}")
        if path.is_file()
    }
    return sorted(found)

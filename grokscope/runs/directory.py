"""Where things stand in a run directory, what runs there are, and how a person names one."""

import re
import secrets
from collections.abc import Iterator, Sequence
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
    found = choose(wanted, [run.path for run in runs], "runs")
    if found:
        return RunDirectory(found)
    if (path.is_file() and path.name.endswith(TABLE_SUFFIXES)) or wanted.partition("/")[0] in tables_in(folder):
        raise NoSuchRun(f"{wanted!r} is an imported table, not a run: `grokscope law`, `forecast` and `report` take it")
    if not runs:
        raise NoSuchRun(f"there are no runs in {folder}; `grokscope run modular --preset quick` makes one")
    raise NoSuchRun(f"no run in {folder} is called {wanted!r}; `grokscope ls` lists them")


def find_manifest(wanted: str, runs: Path, manifest: str) -> Path | None:
    """What `find_run` is to runs, for folders that hold a `manifest`; None where none fits. Raises `NoSuchRun`."""
    if (Path(wanted) / manifest).is_file():
        return Path(wanted)
    return choose(wanted, list(folders_with(manifest, runs)), f"{Path(manifest).stem}s")


def choose(wanted: str, paths: Sequence[Path], kinds: str) -> Path | None:
    """The one of `paths`, the newest first, that is called so, begins so, or is `latest`; None where none fits.

    Raises `NoSuchRun` where several begin so.
    """
    if wanted == "latest":
        return paths[0] if paths else None
    exact = [path for path in paths if path.name == wanted]
    matching = exact or [path for path in paths if path.name.startswith(wanted)]
    if len(matching) > 1:
        raise NoSuchRun(f"{wanted!r} fits {len(matching)} {kinds}: {', '.join(path.name for path in matching[:5])}")
    return matching[0] if matching else None


def folders_with(manifest: str, runs: Path) -> Iterator[Path]:
    """Folders directly inside `runs` that hold a `manifest`, the one last written first."""
    found = [path for path in runs.glob(f"*/{manifest}") if path.is_file()]
    yield from (path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True))


def distinct_names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of these different paths that tell them apart, all of as many parts: `x/e` and `y/e`."""
    most = max((len(place.parts) for place in places), default=0)
    for parts in range(1, most):
        names = ["/".join(place.parts[-parts:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def write_whole(file: Path, text: str) -> None:
    """Write a file that is whole at any moment; its folder is made. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


def tables_in(folder: Path) -> list[str]:
    """The names of the tables directly inside `folder`, as `grokscope law` takes them."""
    found = {
        path.name.removesuffix(".gz").removesuffix(".jsonl")
        for suffix in TABLE_SUFFIXES
        for path in folder.glob(f"*{suffix}")
        if path.is_file()
    }
    return sorted(found)

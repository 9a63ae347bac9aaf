"""Where things stand in a run directory, what runs there are, and how a person names one."""

import errno
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grokscope.gate import Unreadable

DRAFT_SUFFIX = ".draft"
"""Of what a process that died while it wrote leaves behind"""

_NO_NAME = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
"""Problems of a path that leads nowhere"""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class NoSuchRun(LookupError):
    """The name fits no run, or more than one, or what it names cannot be read."""


class NoRecordYet(NoSuchRun):
    """The run directory is there, and its log is not: the trainer or the loop may be about to begin."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} has no record yet; `grokscope watch {path}` waits for the first one")
        self.path = path


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

    @property
    def untreated(self) -> Path:
        """Holds the checkpoint from before the first intervention that somebody asked for."""
        return self.path / "untreated"


def check_name(name: str) -> str:
    """The name itself. Raises `BadRunName`."""
    if not _NAME.fullmatch(name) or name in {".", "..", "latest"}:
        raise BadRunName(f"{name!r} cannot name a run: use 1 to 100 of A-Z a-z 0-9 . _ - (and not 'latest')")
    return name


def new_name(task: str, now: datetime | None = None) -> str:
    """`<task>-<yyyymmdd-hhmmss>-<4 hex>`, UTC."""
    moment = now or datetime.now(UTC)
    return f"{task}-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def runs_in(folder: Path) -> list[RunDirectory]:
    """The runs directly inside `folder`, the one last written to first. Raises `Unreadable`.

    What has a log is a run, also where its log is no file, or may not be looked at: readers say what is wrong with it.
    """
    return [RunDirectory(path) for path, _ in _newest_first(_logs_in(folder))]


def groups_in(folder: Path) -> dict[Path, list[RunDirectory]]:
    """The folders directly inside `folder` that are no runs but hold some, as a sweep does, and their runs; folders and
    runs last written to first. Raises `Unreadable`."""
    ages: dict[Path, float] = {}
    groups: dict[Path, list[RunDirectory]] = {}
    for path in _folders_in(folder):
        if _written(path) is None:
            with suppress(Unreadable):
                logs = _newest_first(_logs_in(path))
                if logs:
                    ages[path] = logs[0][1]
                    groups[path] = [RunDirectory(run) for run, _ in logs]
    return {path: groups[path] for path, _ in _newest_first(ages)}


def runs_within(folder: Path) -> list[RunDirectory]:
    """The runs directly inside `folder`, and in the folders inside of it that hold some, by path. Raises
    `Unreadable`."""
    groups = groups_in(folder).values()
    return sorted([*runs_in(folder), *(run for runs in groups for run in runs)], key=lambda run: run.path)


def find_run(wanted: str, folder: Path) -> RunDirectory:
    """A run by name, unique prefix, path (also from `folder` on, as `sweep/cell`), or `latest`.

    Raises `NoSuchRun`; of a folder in which a run may be about to begin, `NoRecordYet`.
    """
    if wanted == "latest":
        return _latest(folder)
    if _written(wanted) is not None:
        return RunDirectory(Path(os.path.realpath(wanted)))
    if "/" in wanted and _written(folder / wanted) is not None:
        return RunDirectory(folder / wanted)
    runs = runs_in(folder)
    found = chosen_path(wanted, [run.path for run in runs], "runs")
    if found:
        return RunDirectory(found)
    if os.path.isfile(wanted):
        raise NoSuchRun(f"{wanted} is a file, and a run is a folder; `grokscope import {wanted}` makes one of a record")
    groups = groups_in(folder)
    if folder / wanted in groups:
        cell = groups[folder / wanted][0].name
        raise NoSuchRun(f"{wanted!r} is a folder of runs: name one of them, as {wanted}/{cell}")
    for place in (folder / wanted, Path(wanted)):
        if _awaits_record(place):
            raise NoRecordYet(place)
    if not runs and not groups:
        raise NoSuchRun(f"there are no runs in {folder}; `grokscope run modular --preset quick` makes one")
    raise NoSuchRun(f"no run in {folder} is called {wanted!r}; `grokscope ls` lists them")


def _awaits_record(folder: Path) -> bool:
    """Whether a folder without a log is empty, or is what a trainer or a probe has made for its run."""
    with suppress(OSError, ValueError):
        names = set(os.listdir(folder))
        return not names or bool(names & {"control", "lock"})
    return False


def find_group(wanted: str, folder: Path) -> Path | None:
    """The folder of runs at a path, or of this name in `folder`, such as a sweep; None for a run, and for nothing."""
    for place in (Path(wanted), folder / wanted):
        if _written(place) is None and runs_in(place):
            return place
    return None


def _latest(folder: Path) -> RunDirectory:
    """The run last written to, in a sweep or not; what cannot be opened is not asked for by that word."""
    logs = _logs_in(folder)
    for runs in groups_in(folder).values():
        logs |= _logs_in(runs[0].path.parent)
    files = ((path, path / "events.jsonl") for path, _ in _newest_first(logs))
    found = [path for path, file in files if os.path.isfile(file) and os.access(file, os.R_OK)]
    if not found:
        raise NoSuchRun(f"there are no runs in {folder}; `grokscope run modular --preset quick` makes one")
    return RunDirectory(found[0])


def _newest_first(times: Mapping[Path, float]) -> list[tuple[Path, float]]:
    """Paths and times, the newest first."""
    return sorted(times.items(), key=lambda item: (item[1], item[0].name), reverse=True)


def _logs_in(folder: Path) -> dict[Path, float]:
    """The folders directly inside `folder` that have a log, and when it was last written to. Raises `Unreadable`."""
    found = ((path, _written(path)) for path in _folders_in(folder))
    return {path: time for path, time in found if time is not None}


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in entries if _is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise Unreadable(f"cannot read {folder}: {problem.strerror}") from None


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Also a link to one; a link to nowhere, or in a circle, is none."""
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _written(folder: Path | str) -> float | None:
    """When the log in a folder was last written to, as seconds since 1970; 0 where that may not be known, None where
    there is no log."""
    file = os.path.join(folder, "events.jsonl")
    try:
        return os.stat(file).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return os.lstat(file).st_mtime if os.path.islink(file) else None
    except ValueError:
        return None
    except OSError as problem:
        return None if problem.errno in _NO_NAME and not os.path.islink(file) else 0.0


def find_manifest(wanted: str, runs: Path, manifest: str) -> Path | None:
    """What `find_run` is to runs, for folders that hold a `manifest`; None where none fits. Raises `NoSuchRun`."""
    if os.path.isfile(os.path.join(wanted, manifest)):
        return Path(wanted)
    return chosen_path(wanted, list(folders_with(manifest, runs)), f"{Path(manifest).stem}s")


def chosen_path(wanted: str, paths: Sequence[Path], kinds: str) -> Path | None:
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
    times: dict[Path, float] = {}
    for path in _folders_in(runs):
        with suppress(OSError):
            times[path] = os.stat(path / manifest).st_mtime
    yield from (path for path, _ in _newest_first(times))


def distinct_names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of these different paths that tell them apart, all of as many parts: `x/e` and `y/e`."""
    most = max((len(place.parts) for place in places), default=0)
    for parts in range(1, most):
        names = ["/".join(place.parts[-parts:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def not_there(problem: OSError, what: Path) -> OSError:
    """The problem of a run or sweep that cannot be begun, as a sentence that says what to do."""
    return OSError(problem.errno, f"cannot write {what}: {problem.strerror}; choose another folder with --runs")


def write_whole(file: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a file that is whole at any moment; its folder is made. Raises `OSError`.

    A link in the file's place is replaced, never followed. `durable`: what is written survives a power cut.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}{DRAFT_SUFFIX}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        draft.replace(file)
    except BaseException:
        with suppress(OSError):  # a folder that took no file may not give one back either
            draft.unlink()
        raise
    if durable:
        _make_durable(file.parent)


def remove_drafts(folder: Path) -> None:
    """Remove what a process that died while it wrote has left in a folder."""
    for draft in folder.glob(f".*{DRAFT_SUFFIX}"):
        with suppress(OSError):
            draft.unlink()


def _make_durable(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

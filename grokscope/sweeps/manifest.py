"""`runs/<sweep>/sweep.toml`: the definition of a sweep's cells. The run directories hold the progress of the cells.

A repeated sweep finds its cells by name, so a name must always mean the same configuration: a changed sweep file may
add cells, but must not change the settings of a cell that has started.
"""

from collections.abc import Iterator
from pathlib import Path

import tomli_w

from grokscope.gate import read_toml
from grokscope.runs.directory import NoSuchRun, find_manifest, folders_with, not_there, write_whole
from grokscope.settings.config import ConfigError
from grokscope.sweeps.grid import Cell, Sweep, SweepFile, plan
from grokscope.sweeps.standing import read_standing
from grokscope.training.launch import changes_between, resumed_config

SWEEP_FILE = "sweep.toml"
FREE = ("backend.name", "backend.device", "backend.threads")
"""Settings of the machine, which may change between two attempts at a cell"""


def record_sweep(sweep: Sweep) -> None:
    """Write the manifest. Raises `ConfigError`, see `check`, and `OSError`."""
    check(sweep)
    file = sweep.folder / SWEEP_FILE
    try:
        write_whole(file, manifest_of(sweep.file))
    except OSError as problem:
        raise not_there(problem, file) from None


def check(sweep: Sweep) -> None:
    """Raises `ConfigError` if a started cell in the folder is missing from this sweep, or has other settings in it."""
    if (sweep.folder / "events.jsonl").exists():
        raise ConfigError(f"{sweep.folder} is a run; give the sweep another --name")
    if (sweep.folder / SWEEP_FILE).exists():
        _check_none_lost(sweep, read_sweep(sweep.folder))
    for cell in sweep.cells:
        _check_unchanged(sweep, cell)


def read_sweep(folder: Path) -> Sweep:
    """The sweep whose manifest is in `folder`. The name of the folder is the name of the sweep.

    Raises `Unreadable` if the manifest cannot be read, `ConfigError` if it is invalid.
    """
    return plan({**read_toml(folder / SWEEP_FILE), "name": folder.name}, folder.parent)


def manifest_of(file: SweepFile) -> str:
    """A sweep file as TOML; reading it gives the same sweep file."""
    return tomli_w.dumps(file.model_dump(exclude_none=True, exclude_defaults=True) | {"preset": file.preset})


def sweeps_in(runs: Path) -> Iterator[Path]:
    """Folders of the sweeps in `runs`, the newest first."""
    return folders_with(SWEEP_FILE, runs)


def find_sweep(wanted: str, runs: Path) -> Path:
    """A sweep's folder by name, unique prefix, path, or `latest`. Raises `NoSuchRun`."""
    found = find_manifest(wanted, runs, SWEEP_FILE)
    if found:
        return found
    names = ", ".join(folder.name for folder in list(sweeps_in(runs))[:5])
    if not names:
        raise NoSuchRun(f"there are no sweeps in {runs}; `grokscope sweep modular --axis lr=1e-3,2e-3` starts one")
    raise NoSuchRun(f"no sweep in {runs} is called {wanted!r}; there are: {names}")


def _check_none_lost(sweep: Sweep, before: Sweep) -> None:
    kept = {cell.slug for cell in sweep.cells}
    for cell in before.cells:
        if cell.slug not in kept and read_standing(cell).state != "missing":
            raise ConfigError(
                f"the cell {cell.slug} of the sweep {sweep.name} has started but is no longer in the sweep; "
                "keep its values, or choose another --name"
            )


def _check_unchanged(sweep: Sweep, cell: Cell) -> None:
    if not cell.directory.events.exists() or not cell.directory.config.exists():
        return
    _, own, _ = resumed_config(cell.directory, {})
    for key, (was, now) in changes_between(own, cell.config).items():
        if key not in FREE:
            raise ConfigError(
                f"cell {cell.slug} of {sweep.name} has started with {key} {was!r}, not {now!r}; choose another --name"
            )

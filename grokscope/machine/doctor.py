"""Examines this machine: its backends and devices, the backend that `auto` chooses, and the errors of arithmetic."""

import math
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokscope import __version__, registry
from grokscope.contract.arrays import Precision
from grokscope.contract.backends import BackendSpec, Device, Unavailable
from grokscope.machine.verify import GOLDEN_TOLERANCES, Check, golden_points, load, verify, worst
from grokscope.registry import BrokenPlugin
from grokscope.settings.config import RunConfig
from grokscope.training.launch import available_backend
from grokscope.words.numbers import number
from grokscope.words.table import Column, Table

SUITABILITY = {2: "made for this machine", 1: "works well here", 0: "works here, but slowly"}


@dataclass(frozen=True)
class Surveyed:
    """An installed backend on this machine."""

    name: str
    summary: str
    devices: tuple[Device, ...]
    """Best first; empty if the backend does not work"""
    details: dict[str, str]
    preference: int
    missing: str | None
    """How to make the backend work; None if it works"""

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "summary": self.summary,
            "available": self.missing is None,
            "devices": [
                {"name": device.name, "description": device.description, "precisions": list(device.precisions)}
                for device in self.devices
            ],
            "details": self.details,
            "preference": self.preference,
            "missing": self.missing,
        }


def surveyed_backends() -> list[Surveyed]:
    """Every installed backend, in the order in which `auto` tries them. Imports their frameworks."""
    return sorted(map(_survey, registry.names("backends")), key=lambda survey: -survey.preference)


def _survey(name: str) -> Surveyed:
    summary, preference = "", 0
    try:
        spec = registry.get("backends", name)
        summary, preference = spec.summary, spec.preference()
        return Surveyed(name, summary, tuple(spec.devices()), dict(spec.details()), preference, None)
    except Unavailable as problem:
        missing = str(problem)
    except BrokenPlugin as problem:
        missing = str(problem)
    except (
        Exception,
        SystemExit,
    ) as problem:  # a plugin may raise anything
        missing = f"broken: {type(problem).__name__}: {problem}"
    return Surveyed(name, summary, (), {}, preference, missing)


def automatic_backend() -> str | None:
    """The backend that `auto` chooses; None if no backend works."""
    try:
        return available_backend(RunConfig(task={}))[0].name
    except (Exception, SystemExit):  # `surveyed_backends` reports the problem
        return None


@dataclass(frozen=True)
class Verified:
    """The checks of one golden point with one backend in one precision."""

    point: str
    backend: str
    device: str
    precision: Precision
    checks: tuple[Check, ...]
    """One check per quantity"""

    @property
    def worst(self) -> Check:
        return worst(self.checks)

    @property
    def tolerance(self) -> float:
        return GOLDEN_TOLERANCES[self.precision]

    @property
    def within(self) -> bool:
        """Whether every relative error is within the tolerance. An error that is not a number is not."""
        return self.worst.relative_error <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """The checks as a JSON object; None for numbers that are not finite."""
        checks = [{name: _finite(value) for name, value in check._asdict().items()} for check in self.checks]
        return {
            "point": self.point,
            "backend": self.backend,
            "device": self.device,
            "precision": self.precision,
            "tolerance": self.tolerance,
            "within": self.within,
            "checks": checks,
        }


def verified_points(folder: Path, backend: str, device: str, precision: Precision | None) -> Iterator[Verified]:
    """The checks of every golden point in `folder`, in `precision` or in each precision of the device.

    Raises `Unavailable`, `registry.NoSuchPlugin`, `FileNotFoundError` without golden points, `ValueError` for a point
    of an unknown task.
    """
    names = golden_points(folder)
    asked = RunConfig.model_validate({"task": {}, "backend": {"name": backend, "device": device}})
    spec, _ = available_backend(asked)
    for each in [precision] if precision else _precisions(spec, device):
        for name in names:
            point = load(folder, name)
            session = spec.open(point.model, point.parameters, device=device, precision=each)
            yield Verified(name, spec.name, session.device, each, tuple(verify(point, session)))


def _finite(value: float | str) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _precisions(spec: BackendSpec, device: str) -> list[Precision]:
    """The precisions of a device, the most exact first; for `auto`, those of all devices."""
    offered = {
        precision
        for found in spec.devices()
        if device in {"auto", found.name}
        for precision in found.precisions
    }  # fmt: skip
    return sorted(offered, reverse=True) or ["float32"]


def about_this_machine(runs: Path, problem: OSError | None) -> dict[str, Any]:
    """Versions, processors, terminal and folder of runs, which decide how grokscope works on this machine.

    `problem`: why runs cannot be written into the folder, as `unwritable` says it.
    """
    size = shutil.get_terminal_size()
    return {
        "grokscope": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "terminal": {
            "stdout": sys.stdout.isatty(),
            "stderr": sys.stderr.isatty(),
            "kind": os.environ.get("TERM", ""),
            "columns": size.columns,
            "lines": size.lines,
            "encoding": sys.stdout.encoding,
        },
        "runs": {"path": str(runs.absolute()), "problem": problem and problem.strerror, "free_bytes": _free(runs)},
    }


def unwritable(folder: Path) -> OSError | None:
    """Why runs cannot be written into `folder`, which need not exist yet; None if they can."""
    nearest = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as problem:
        return OSError(problem.errno, f"cannot write in {nearest}: {problem.strerror}")


def _free(folder: Path) -> int:
    return shutil.disk_usage(_nearest(folder)).free


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest existing folder above it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def verified_table(verified: Iterable[Verified]) -> Table:
    """One row per quantity of a golden point: its relative error and the tolerance."""
    return Table(
        "verified",
        "Golden points",
        (
            Column("point"), Column("precision"), Column("quantity"),
            Column("error", lambda error: f"{error:.1e}"),
            Column("within", lambda within: "ok" if within else "PAST"),
            Column("allowed", lambda tolerance: f"{tolerance:.0e}"),
            Column("expected", lambda value: number(value, 6)),
            Column("found", lambda value: number(value, 6)),
        ),
        tuple(
            (
                point.point, point.precision, check.quantity, check.relative_error,
                check.relative_error <= point.tolerance, point.tolerance, check.expected, check.found,
            )
            for point in verified
            for check in point.checks
        ),
    )  # fmt: skip

"""Finds backends, tasks, signals and interventions by entry point, and loads them late.

Listing names reads package metadata and imports nothing; getting a spec imports one light module; opening it imports
the framework.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, overload

from grokscope.contract.backends import BackendSpec
from grokscope.contract.interventions import InterventionSpec
from grokscope.contract.signals import SignalSpec
from grokscope.contract.tasks import TaskSpec

PluginKind = Literal["backends", "tasks", "signals", "interventions"]

Spec = BackendSpec | TaskSpec | SignalSpec | InterventionSpec

_SPECS: dict[PluginKind, type[Spec]] = {
    "backends": BackendSpec,
    "tasks": TaskSpec,
    "signals": SignalSpec,
    "interventions": InterventionSpec,
}


class NoSuchPlugin(LookupError):
    """No plugin of that name; the message lists those there are."""


def names(kind: PluginKind) -> list[str]:
    """Installed plugins of a kind, sorted."""
    return sorted(_entry_points(kind))


@overload
def get(kind: Literal["backends"], name: str) -> BackendSpec: ...
@overload
def get(kind: Literal["tasks"], name: str) -> TaskSpec: ...
@overload
def get(kind: Literal["signals"], name: str) -> SignalSpec: ...
@overload
def get(kind: Literal["interventions"], name: str) -> InterventionSpec: ...
def get(kind: PluginKind, name: str) -> Spec:
    """The spec of plugin `name`. Raises `NoSuchPlugin`, `TypeError` where the entry point names something else."""
    found = _entry_points(kind)
    if name not in found:
        nearest = get_close_matches(name, found, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise NoSuchPlugin(f"no {kind[:-1]} is called {name!r} (there are: {', '.join(sorted(found))}){hint}")
    return _loaded(kind, found[name])


@cache
def _loaded(kind: PluginKind, point: EntryPoint) -> Spec:
    spec: Spec = point.load()
    if not isinstance(spec, _SPECS[kind]):
        raise TypeError(f"{point.value} is not a {_SPECS[kind].__name__}")
    return spec


def _entry_points(kind: PluginKind) -> Mapping[str, EntryPoint]:
    return _scanned(kind, entry_points)


@cache
def _scanned(kind: PluginKind, scan: Callable[..., Iterable[EntryPoint]]) -> Mapping[str, EntryPoint]:
    """Once a process: every look at the metadata of all packages takes 10 ms, and a sweep resolves many cells."""
    return {point.name: point for point in scan(group=f"grokscope.{kind}")}

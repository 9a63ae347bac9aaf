"""Finds backends, tasks, signals and interventions by entry point, and loads them late.

Listing names reads package metadata and imports nothing; getting a spec imports one light module; opening it imports
the framework. A plugin that cannot be loaded must not take others down: it is named, and passed over wherever plugins
are looked at together.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, distributions, entry_points
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


class BrokenPlugin(LookupError):
    """A plugin that is installed and cannot be loaded; one sentence names it, and where it comes from."""

    def __init__(self, kind: PluginKind, point: EntryPoint, why: str) -> None:
        package = f" of {point.dist.name}" if point.dist is not None else ""
        super().__init__(f"the {kind[:-1]} {point.name!r}{package} is broken ({why})")
        self.kind: PluginKind = kind


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
    """The spec of plugin `name`. Raises `NoSuchPlugin`, `BrokenPlugin`."""
    found = _entry_points(kind)
    if not isinstance(name, str):  # a configuration may hold anything
        raise NoSuchPlugin(f"the name of a {kind[:-1]} must be text, not {name!r}")
    if name not in found:
        nearest = get_close_matches(name, found, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise NoSuchPlugin(f"no {kind[:-1]} is called {name!r} (there are: {', '.join(sorted(found))}){hint}")
    return _loaded(kind, found[name])


@overload
def sound(kind: Literal["backends"]) -> list[BackendSpec]: ...
@overload
def sound(kind: Literal["tasks"]) -> list[TaskSpec]: ...
@overload
def sound(kind: Literal["signals"]) -> list[SignalSpec]: ...
@overload
def sound(kind: Literal["interventions"]) -> list[InterventionSpec]: ...
def sound(kind: PluginKind) -> Sequence[Spec]:
    """The specs of all plugins of a kind that can be loaded, by name."""
    return [spec for spec in _all(kind) if not isinstance(spec, BrokenPlugin)]


def broken(kind: PluginKind) -> list[str]:
    """What is wrong with the plugins of a kind that cannot be loaded, a sentence each."""
    return [str(spec) for spec in _all(kind) if isinstance(spec, BrokenPlugin)]


def _all(kind: PluginKind) -> list[Spec | BrokenPlugin]:
    found: list[Spec | BrokenPlugin] = []
    for name in names(kind):
        try:
            found.append(_loaded(kind, _entry_points(kind)[name]))
        except BrokenPlugin as problem:
            found.append(problem)
    return found


@cache
def _tried(kind: PluginKind, point: EntryPoint) -> "Spec | BrokenPlugin":
    """Loaded once a process, also where that fails: what raises while it is imported may have done half of its work.

    stdout is not a plugin's: what it prints while it is imported would stand in somebody's JSON.
    """
    try:
        with redirect_stdout(io.StringIO()):
            spec = point.load()
    except (Exception, SystemExit) as problem:  # anybody's plugin may do anything
        return BrokenPlugin(kind, point, f"{type(problem).__name__}: {problem}")
    if not isinstance(spec, _SPECS[kind]):
        return BrokenPlugin(kind, point, f"{point.value} is not a {_SPECS[kind].__name__}")
    flaw = _flaw(spec)
    return BrokenPlugin(kind, point, f"{point.value} {flaw}") if flaw else spec


def _flaw(spec: Spec) -> str:
    """What everybody who reads a spec counts with, and this one lacks; empty where it lacks nothing."""
    for field in fields(spec):
        if not hasattr(spec, field.name):
            return f"has no {field.name}"
        value, wanted = getattr(spec, field.name), str(field.type)
        if field.type is str and not isinstance(value, str):
            return f"has a {field.name} that is not a text"
        if "Callable" in wanted and not callable(value) and not (value is None and "None" in wanted):
            return f"has a {field.name} that is not a function"
    return ""


def _loaded(kind: PluginKind, point: EntryPoint) -> Spec:
    found = _tried(kind, point)
    if isinstance(found, BrokenPlugin):
        raise found
    return found


def _entry_points(kind: PluginKind) -> Mapping[str, EntryPoint]:
    return _scanned(kind, entry_points)


@cache
def _scanned(kind: PluginKind, scan: Callable[..., Iterable[EntryPoint]]) -> Mapping[str, EntryPoint]:
    """Once a process: every look at the metadata of all packages takes 10 ms, and a sweep resolves many cells."""
    group = f"grokscope.{kind}"
    try:
        return {point.name: point for point in scan(group=group)}
    except Exception:  # the metadata of one package is wrong, and Python's reader then reads none
        return {point.name: point for point in _readable(group)}


def _readable(group: str) -> list[EntryPoint]:
    """The entry points of a group, package by package, without those of packages whose metadata cannot be read. The
    last of a name is the one that Python would import: its package comes first on the path."""
    found: list[EntryPoint] = []
    for package in distributions():
        with suppress(Exception):
            found += package.entry_points.select(group=group)
    return found[::-1]

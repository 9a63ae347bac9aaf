"""Plugins by entry point."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from grokscope import registry
from grokscope.contract.backends import BackendSpec
from grokscope.contract.tasks import TaskSpec
from grokscope.registry import NoSuchPlugin, get, names


def installed(monkeypatch: pytest.MonkeyPatch, **plugins: str) -> None:
    """As if these and no others were installed, in both groups."""
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: EntryPoints(EntryPoint(name, value, group) for name, value in plugins.items()),
    )


def test_built_in_plugins_enter_by_the_front_door() -> None:
    assert set(names("backends")) >= {"torch", "mlx"}
    assert set(names("tasks")) >= {"scan", "dyck", "modular"}
    assert all(isinstance(get("tasks", name), TaskSpec) and get("tasks", name).name == name for name in names("tasks"))
    assert all(isinstance(get("backends", name), BackendSpec) for name in names("backends"))


def test_anybody_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, zebra="grokscope.testing.reference:SPEC", ant="nowhere:SPEC")
    assert names("backends") == ["ant", "zebra"]
    assert get("backends", "zebra").name == "reference"


def test_listing_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, broken="no_such_module_anywhere:SPEC")
    assert names("tasks") == ["broken"]
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        get("tasks", "broken")


def test_unknown_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, torch="a:b", mlx="a:b")
    with pytest.raises(
        NoSuchPlugin, match=r"no backend is called 'troch' \(there are: mlx, torch\); did you mean torch"
    ):
        get("backends", "troch")
    with pytest.raises(NoSuchPlugin, match=r"no task is called 'zzz' \(there are: mlx, torch\)$"):
        get("tasks", "zzz")


def test_an_entry_point_to_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, odd="math:pi", swapped="grokscope_modular:SPEC")
    with pytest.raises(TypeError, match="math:pi is not a BackendSpec"):
        get("backends", "odd")
    with pytest.raises(TypeError, match="grokscope_modular:SPEC is not a BackendSpec"):
        get("backends", "swapped")

"""Plugins by entry point."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from grokscope import registry
from grokscope.contract.backends import BackendSpec
from grokscope.contract.tasks import TaskSpec
from grokscope.machine.doctor import surveyed_backends
from grokscope.registry import BrokenPlugin, NoSuchPlugin, broken, get, names, sound
from grokscope.settings.config import RunConfig
from grokscope.training.launch import available_backend


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
    with pytest.raises(BrokenPlugin, match=r"'broken' is broken \(ModuleNotFoundError: .*no_such_module"):
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
    with pytest.raises(BrokenPlugin, match="math:pi is not a BackendSpec"):
        get("backends", "odd")
    with pytest.raises(BrokenPlugin, match="grokscope_modular:SPEC is not a BackendSpec"):
        get("backends", "swapped")


BROKEN = {
    "raises": "raise RuntimeError('on holiday')",
    "leaves": "import sys; sys.exit('goodbye')",
    "is_none": "OTHER = 1",
    "is_no_python": "def :",
    "is_another": "SPEC = 'a text'",
    "recurses": "def f(): return f()\nf()",
    "is_empty": "from grokscope.contract.backends import BackendSpec\nSPEC = object.__new__(BackendSpec)",
    "is_mistyped": "from grokscope.testing.reference import SPEC as S\nfrom dataclasses import replace\n"
    "SPEC = replace(S, summary=7)",
    "cannot_open": "from grokscope.testing.reference import SPEC as S\nfrom dataclasses import replace\n"
    "SPEC = replace(S, open=None)",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_takes_nobody_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(BROKEN[name])
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, reference="grokscope.testing.reference:SPEC", **{name: f"{name}:SPEC"})
    assert [spec.name for spec in sound("backends")] == ["reference"]
    (problem,) = broken("backends")
    assert f"the backend {name!r} is broken (" in problem
    with pytest.raises(BrokenPlugin):
        get("backends", name)
    assert available_backend(RunConfig(task={}))[0].name == "reference"
    surveyed = {each.name: each.missing for each in surveyed_backends()}
    assert surveyed["reference"] is None
    assert "is broken" in str(surveyed[name])


def test_metadata_that_cannot_be_read_takes_nobody_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python's own reader raises `TypeError` for a line without an equals sign, and then reads nothing."""
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: odd\n")
    (info / "entry_points.txt").write_text("[grokscope.tasks]\nodd\n")
    expected = names("tasks")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._scanned.cache_clear()
    assert names("tasks") == expected
    registry._scanned.cache_clear()


def test_what_a_plugin_prints_while_it_is_imported_is_not_our_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talking_plugin.py").write_text("print('hello')\nfrom grokscope_modular import SPEC\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(monkeypatch, modular="talking_plugin:SPEC")
    assert get("tasks", "modular").name == "modular"
    assert capsys.readouterr().out == ""

"""Broken plugins of somebody else: named as broken, and passed over; whatever does not need them works as ever."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from campaign import WRONG_INPUT, Ended, Tally, assert_sound
from cli_process import Nursery, tiny

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
GROUPS = tuple(PYPROJECT["project"]["entry-points"])

SPEC_OF = {
    "grokscope.backends": "from grokscope.contract.backends import BackendSpec as Spec\n",
    "grokscope.tasks": "from grokscope.contract.tasks import TaskSpec as Spec\n",
    "grokscope.interventions": "from grokscope.contract.interventions import InterventionSpec as Spec\n",
    "grokscope.signals": "from grokscope.contract.signals import SignalSpec as Spec\n",
}

MODULES: Mapping[str, str] = {
    "raises": "raise ValueError('on purpose \\x1b[31m')",
    "lacks a package": "import surely_not_installed",
    "leaves": "import sys\nsys.exit(0)",
    "is not Python": "def (",
    "is no text": "\udcff",
    "recurses": "def f(): return f()\nf()",
    "names nothing": "OTHER = 1",
    "names a number": "SPEC = 3",
    "names a class": "class SPEC: pass",
    "names what answers to anything": "class Any:\n    def __getattr__(self, name): return self\n"
    "    def __call__(self, *a, **k): raise RuntimeError('no')\nSPEC = Any()",
    "is built wrongly": "SPEC = Spec()",
    "has nothing in it": "SPEC = object.__new__(Spec)",
    "talks": "print('hello, stdout')\nraise ImportError('gone')",
    "warns": "import warnings\nwarnings.warn('old', DeprecationWarning)\nraise OSError(5, 'disk')",
    "wants memory": "x = bytearray(1 << 60)",
}

ENTRY_POINTS: Mapping[str, str] = {
    "a module that is not there": "odd = surely_not_there:SPEC",
    "no module": "odd = :SPEC",
    "no attribute": "odd = odd_plugin",
    "more than one": "odd = odd_plugin:SPEC.a.b.c",
    "a name of control characters": "o\x1bd\u202ed = odd_plugin:SPEC",
    "a long name": f"{'odd' * 300} = odd_plugin:SPEC",
    "no value": "odd =",
    "no equals sign": "odd",
    "an extra": "odd = odd_plugin:SPEC [extra]",
}

COMMANDS: Mapping[str, list[str]] = {
    "grokscope.backends": ["backends", "doctor"],
    "grokscope.tasks": ["tasks"],
    "grokscope.interventions": ["interventions"],
    "grokscope.signals": ["signals"],
}
"""That list the plugins of a group"""


def install(folder: Path, group: str, entry_point: str, module: str) -> dict[str, str]:
    """A distribution with one plugin, and the environment in which Python finds it."""
    info = folder / "site" / "odd_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry_point}\n")
    text = SPEC_OF.get(group, "Spec = object\n") + module
    (folder / "site" / "odd_plugin.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    return {"PYTHONPATH": str(folder / "site")}


def sound_in(group: str) -> set[str]:
    return set(PYPROJECT["project"]["entry-points"][group])


def run(nursery: Nursery, folder: Path, tally: Tally, variables: dict[str, str], *arguments: str) -> Ended:
    done = nursery.run(*arguments, folder=folder, variables=variables)
    ended = Ended(arguments, done.code, done.out, done.err)
    tally.note(ended)
    assert_sound(ended, WRONG_INPUT if "--quiet" in arguments else frozenset({0}))
    return ended


def assert_passed_over(
    nursery: Nursery, folder: Path, tally: Tally, group: str, variables: dict[str, str], *, named: bool
) -> None:
    for command in COMMANDS[group]:
        told = run(nursery, folder, tally, variables, command)
        assert not named or "odd" in told.out + told.err, f"nobody says that the plugin is broken: {told}"
        assert all(name in told.out for name in sound_in(group)), told
        if command != "doctor":
            listed = json.loads(run(nursery, folder, tally, variables, command, "--json").out)
            assert sound_in(group) <= {each["name"] for each in listed}
    trained = run(nursery, folder, tally, variables, *tiny("modular", "--backend=auto", "--steps=1", "--quiet"))
    assert trained.code == 0, trained


some = {"raises", "leaves", "names a number", "has nothing in it", "no value"}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "module", [pytest.param(each, marks=() if each in some else pytest.mark.campaign) for each in MODULES]
)
def test_a_module_that(nursery: Nursery, tmp_path: Path, tally: Tally, group: str, module: str) -> None:
    variables = install(tmp_path, group, "odd = odd_plugin:SPEC", MODULES[module])
    assert_passed_over(nursery, tmp_path, tally, group, variables, named=True)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "entry_point",
    [pytest.param(each, marks=() if each == "no value" else pytest.mark.campaign) for each in ENTRY_POINTS],
)
def test_an_entry_point_with(nursery: Nursery, tmp_path: Path, tally: Tally, group: str, entry_point: str) -> None:
    """One that Python's own reader of metadata passes over is passed over by everybody."""
    variables = install(tmp_path, group, ENTRY_POINTS[entry_point], "SPEC = 3")
    assert_passed_over(nursery, tmp_path, tally, group, variables, named=False)


@pytest.mark.parametrize("group", GROUPS)
def test_asked_for_by_name(nursery: Nursery, tmp_path: Path, tally: Tally, group: str) -> None:
    """What needs the broken plugin says so, and what is wrong with it."""
    variables = install(tmp_path, group, "odd = odd_plugin:SPEC", MODULES["raises"])
    asked = {
        "grokscope.backends": tiny("modular", "--backend=odd"),
        "grokscope.tasks": ["run", "odd"],
        "grokscope.interventions": tiny("modular", "--intervene=odd@5"),
        "grokscope.signals": tiny("modular", "--signal=odd"),
    }
    ended = run(nursery, tmp_path, tally, variables, *asked[group], "--quiet")
    assert ended.code == (6 if group == "grokscope.backends" else 2)
    assert "odd" in ended.err

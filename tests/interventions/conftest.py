"""Tests that ask for `backend` run on every installed one, and on the NumPy reference."""

from importlib.metadata import EntryPoint

import pytest

from grokscope import registry
from grokscope.contract.backends import Unavailable
from grokscope.testing import reference
from grokscope.training import control

pytest.register_assert_rewrite("grokscope.testing.interventions")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        specs = [reference.SPEC, *(registry.get("backends", name) for name in registry.names("backends"))]
        metafunc.parametrize("backend", [_available(spec) for spec in specs])


def _available(spec: registry.BackendSpec) -> object:
    try:
        spec.devices()
    except Unavailable as problem:
        return pytest.param(spec, id=spec.name, marks=pytest.mark.skip(reason=str(problem)))
    return pytest.param(spec, id=spec.name)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference as if it were a plugin, and an inbox read at every step."""
    point = EntryPoint("reference", "grokscope.testing.reference:SPEC", "grokscope.backends")
    plugins = registry._entry_points
    monkeypatch.setattr(
        registry, "_entry_points", lambda kind: plugins(kind) | ({"reference": point} if kind == "backends" else {})
    )
    monkeypatch.setattr(control, "INBOX_POLL_SECONDS", 0.0)
    monkeypatch.setattr(control, "PAUSED_POLL_SECONDS", 0.001)

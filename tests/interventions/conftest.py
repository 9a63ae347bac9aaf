"""Tests that ask for `backend` run on every installed one, and on the NumPy reference."""

import pytest
from reference_plugin import reference_installed as reference_installed

from grokscope import registry
from grokscope.contract.backends import Unavailable
from grokscope.testing import reference

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

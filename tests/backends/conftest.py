"""A test that asks for `place` runs on every installed backend, on every device of this machine."""

from typing import Any

import pytest

from grokscope import registry
from grokscope.contract.backends import Unavailable
from grokscope.testing import reference

pytest.register_assert_rewrite("grokscope.testing.backends")

_MARKS = {"gpu": [pytest.mark.metal], "mps": [pytest.mark.metal], "cuda": [pytest.mark.cuda]}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", _places())


def _places() -> list[Any]:
    places = []
    for spec in [reference.SPEC, *(registry.get("backends", name) for name in registry.names("backends"))]:
        try:
            devices = [device.name for device in spec.devices()]
        except Unavailable as problem:
            places.append(pytest.param((spec, ""), id=spec.name, marks=pytest.mark.skip(reason=str(problem))))
            continue
        places += [
            pytest.param((spec, device), id=f"{spec.name}-{device}", marks=_MARKS.get(device, [])) for device in devices
        ]
    return places

"""Every installed backend, on every device of this machine, passes the suite that ships."""

import pytest

from grokscope import registry
from grokscope.protocols import BackendSpec, Unavailable
from grokscope.testing import reference
from grokscope.testing.backends import BackendConformance

_MARKS = {"gpu": [pytest.mark.metal], "mps": [pytest.mark.metal], "cuda": [pytest.mark.cuda]}


def _places() -> list[object]:
    specs = [reference.SPEC, *(registry.get("backends", name) for name in registry.names("backends"))]
    places = []
    for spec in specs:
        try:
            devices = [device.name for device in spec.devices()]
        except Unavailable as problem:
            places.append(pytest.param((spec, ""), id=spec.name, marks=pytest.mark.skip(reason=str(problem))))
            continue
        places += [
            pytest.param((spec, device), id=f"{spec.name}-{device}", marks=_MARKS.get(device, [])) for device in devices
        ]
    return places


class TestInstalledBackends(BackendConformance):
    @pytest.fixture(params=_places())
    def place(self, request: pytest.FixtureRequest) -> tuple[BackendSpec, str]:
        chosen: tuple[BackendSpec, str] = request.param
        return chosen

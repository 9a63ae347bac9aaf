"""Golden points on every installed backend: what `grokscope doctor --verify` does."""

from pathlib import Path
from typing import Any

import pytest

from grokscope.contract.arrays import Precision
from grokscope.contract.backends import BackendSpec
from grokscope.machine.verify import GOLDEN_TOLERANCES, PACKAGED, golden_points, load, verify, worst

SHARED = Path(__file__).parents[3] / "shared" / "golden"
"""Points of full-size models; beside the repository where it is developed, never inside it."""

SMALL = [pytest.param(PACKAGED, name, id=name) for name in golden_points()]
FULL = [
    pytest.param(SHARED, name, id=name, marks=pytest.mark.slow)
    for name in (golden_points(SHARED) if SHARED.is_dir() else [])
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("folder", "name"), SMALL + FULL)
def test_golden_point(place: tuple[BackendSpec, str], precision: Precision, folder: Path, name: str) -> None:
    backend, device = place
    if not any(device == one.name and precision in one.precisions for one in backend.devices()):
        pytest.skip(f"{device} has no {precision}")
    point = load(folder, name)
    session: Any = backend.open(point.model, point.parameters, device=device, precision=precision)
    check = worst(verify(point, session))
    assert check.relative_error <= GOLDEN_TOLERANCES[precision], check

from functools import partial
from pathlib import Path

import pytest
from sweeps_made import Planned, planned_in


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """Plans sweeps in `tmp_path/runs`."""
    return partial(planned_in, tmp_path / "runs")

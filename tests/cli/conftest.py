from pathlib import Path

import pytest
from cli_made import write_made_run


@pytest.fixture
def made_runs(tmp_path: Path) -> Path:
    """A folder with `runs/made`: a finished run of modular arithmetic whose numbers are all known."""
    write_made_run(tmp_path / "runs" / "made")
    return tmp_path

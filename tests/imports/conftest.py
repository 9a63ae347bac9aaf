from pathlib import Path

import pytest

pytest.register_assert_rewrite("imports_made")

from imports_made import Imports  # noqa: E402


@pytest.fixture
def imports(tmp_path: Path) -> Imports:
    """Files to be imported, and a folder for the runs."""
    return Imports(tmp_path)

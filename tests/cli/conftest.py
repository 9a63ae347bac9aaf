from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("cli_process")

from cli_made import write_made_run  # noqa: E402
from cli_process import Nursery  # noqa: E402


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Fast births of grokscope processes, with PyTorch."""
    pytest.importorskip("torch")
    nursery = Nursery(tmp_path_factory.mktemp("streams"))
    yield nursery
    nursery.close()


@pytest.fixture
def made_runs(tmp_path: Path) -> Path:
    """A folder with `runs/made`: a finished run of modular arithmetic whose numbers are all known."""
    write_made_run(tmp_path / "runs" / "made")
    return tmp_path

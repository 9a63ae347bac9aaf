"""What holds for all tests, and what several rooms use.

NumPy's threads wait for those of PyTorch and MLX, which costs ten times what they gain: they are held to one before it
is imported. How hard Hypothesis looks is set here for all tests alike; `pytest --hypothesis-profile=thorough` looks
harder. No example has a deadline, for a busy machine is no fault of the code. CI tries the same examples every time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("cli_process")

from cli_process import Nursery

ALWAYS = settings(deadline=None, derandomize="CI" in os.environ, database=None)

settings.register_profile("quick", ALWAYS, max_examples=100)
settings.register_profile("thorough", ALWAYS, max_examples=2000)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Fast births of grokscope processes, with PyTorch."""
    pytest.importorskip("torch")
    nursery = Nursery(tmp_path_factory.mktemp("streams"))
    yield nursery
    nursery.close()

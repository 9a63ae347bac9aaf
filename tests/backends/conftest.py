from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("grokscope.testing.backends")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """NumPy's threads waiting for those of PyTorch and MLX cost ten times what they gain."""
    with threadpool_limits(1):
        yield

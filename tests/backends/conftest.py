import pytest

pytest.register_assert_rewrite("grokscope.testing.backends")

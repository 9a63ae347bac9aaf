import pytest

pytest.register_assert_rewrite("report_made", "report_read")
